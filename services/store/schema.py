"""The rows that travel between pipeline, stores and API, as Arrow schemas.

Times are int64 ns UTC. Strings are never null (empty when unknown); numbers may be null where stated.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from models.welds import verdicts
from models.welds.features import FEATURES

VERDICTS = verdicts.VERDICTS


def _schema(columns: Iterable[tuple[str, pa.DataType]]) -> pa.Schema:
    return pa.schema([pa.field(name, kind) for name, kind in columns])


WELD = _schema(
    [
        ("ordinal", pa.int64()),  # counts accepted welds of one edge: names the curve in the archive
        ("weld_id", pa.string()),
        ("time_ns", pa.int64()),  # with spot and program: the key
        ("received_ns", pa.int64()),
        ("site", pa.string()),
        ("area", pa.string()),
        ("line", pa.string()),
        ("cell", pa.string()),
        ("gun", pa.string()),
        ("spot", pa.string()),
        ("program", pa.string()),
        ("body", pa.string()),
        ("wear_count", pa.int64()),  # -1: not counted
        ("verdict", pa.string()),  # one of VERDICTS
        ("cause", pa.string()),  # a key of models.welds.causes; "" when ok
        ("lead", pa.string()),  # the feature that decided; "" when none did
        ("score", pa.float32()),  # the furthest check, scaled: its limit is judge.limit_sigma; null when not compared
        ("value", pa.float32()),  # of the lead feature
        ("centre", pa.float32()),  # its reference
        ("sigma", pa.float32()),
        ("risk", pa.float32()),  # 0..1 of a defect: a model's probability, or a mere rank; null when not looked at
        ("shadow_risk", pa.float32()),  # what the model in the shadow says; null where there is none
        ("by_model", pa.bool_()),  # the verdict is the model's
        ("lacks", pa.string()),  # channels that the curve has not, e.g. "current,displacement"
        ("shape_t2", pa.float32()),  # distance of the whole curve, sigmas; null when not compared
        ("shape_q", pa.float32()),  # likewise
        ("cause_scores", pa.string()),  # JSON object: cause -> score 0..1; "" when nothing was compared
        ("loop_uh", pa.float32()),  # inductance taken for the pick-up's loop when the curve was read
        ("reference_n", pa.int64()),  # welds the reference had learnt from
        ("reference_version", pa.int64()),
        ("late", pa.bool_()),  # older than what its stream had already judged, or marked historical
        ("new_spot", pa.bool_()),  # not in the plant model
        *((name, pa.float32()) for name in FEATURES),  # null where undefined
        *((f"z_{name}", pa.float32()) for name in FEATURES),  # null where not compared
    ]
)

WELD_IN_SHORT = pa.schema([field for field in WELD if field.name.removeprefix("z_") not in {*FEATURES, "cause_scores"}])
"""Without what the verdict was made of, which is two thirds of what is read of a weld."""

TALLY_GROUPS = ("site", "area", "line", "cell", "gun", "spot", "program", "cause", "body")
"""What rates can be grouped by; `shift` and time buckets are made of time ranges."""


def tally_schema(by: tuple[str, ...], bucket_ns: int) -> pa.Schema:
    """Return the columns of a tally.

    Raises `ValueError` when `by` names what cannot be grouped by, or anything twice, or `bucket_ns` is negative.
    """
    if not set(by) <= set(TALLY_GROUPS) or len(set(by)) < len(by):
        raise ValueError(f"by is {by}; expected names of {TALLY_GROUPS}, each once")
    if bucket_ns < 0:
        raise ValueError(f"bucket_ns is {bucket_ns}; expected 0 (no buckets) or more")
    bucket = [("bucket_ns", pa.int64())] if bucket_ns else []
    return _schema([*((name, pa.string()) for name in by), *bucket, *((verdict, pa.int64()) for verdict in VERDICTS)])


MEAN_GROUPS = ("site", "area", "line", "cell", "gun", "spot", "program")
"""What means can be grouped by: where a weld was made, and how."""


def means_schema(feature: str, by: tuple[str, ...], bucket_ns: int) -> pa.Schema:
    """Return the columns of means. Raises `ValueError` when they cannot be given."""
    if feature not in FEATURES:
        raise ValueError(f"feature is {feature!r}; expected one of {FEATURES}")
    if not set(by) <= set(MEAN_GROUPS) or len(set(by)) < len(by):
        raise ValueError(f"by is {by}; expected names of {MEAN_GROUPS}, each once")
    if bucket_ns <= 0:
        raise ValueError(f"bucket_ns is {bucket_ns}; expected more than 0")
    return _schema(
        [*((name, pa.string()) for name in by), ("bucket_ns", pa.int64()), ("n", pa.int64()), ("mean", pa.float64())]
    )


BODY = _schema(
    [
        ("body", pa.string()),
        ("first_ns", pa.int64()),  # with body: the key, as names come back (carriers are used again)
        ("last_ns", pa.int64()),
        ("ok", pa.int64()),
        ("defect", pa.int64()),
        ("unjudged", pa.int64()),
        ("spots", pa.int64()),  # distinct spots welded
        ("missing", pa.int64()),  # expected spots without a weld; 0 while the body is still in the shop
        ("complete", pa.bool_()),  # the body has left, or has all its spots
        ("verdict", pa.string()),  # ok: complete, none missing, no defect, something judged; defect; or unjudged
    ]
)

SPOT_STATE = _schema(
    [
        ("spot", pa.string()),
        ("program", pa.string()),  # with spot: the key; a row gives way only to one that is not older
        ("site", pa.string()),
        ("area", pa.string()),
        ("line", pa.string()),
        ("cell", pa.string()),
        ("gun", pa.string()),
        ("time_ns", pa.int64()),  # of the latest weld
        ("weld_id", pa.string()),
        ("verdict", pa.string()),
        ("cause", pa.string()),
        ("score", pa.float32()),
        ("new_spot", pa.bool_()),
    ]
)

AGV = _schema(
    [
        ("agv", pa.string()),  # the key
        ("manufacturer", pa.string()),
        ("serial", pa.string()),
        ("version", pa.string()),
        ("time_ns", pa.int64()),  # of the newest message of any topic
        ("connection", pa.string()),
        ("x_m", pa.float64()),  # null until it has said
        ("y_m", pa.float64()),
        ("theta_rad", pa.float64()),
        ("map_id", pa.string()),
        ("driving", pa.bool_()),  # null until it has said
        ("operating_mode", pa.string()),
        ("battery_percent", pa.float64()),
        ("charging", pa.bool_()),
        ("emergency_stop", pa.string()),
        ("order_id", pa.string()),
        ("activity", pa.string()),  # offline, error, charging, driving, acting, blocked, idle or manual
        ("errors", pa.string()),  # JSON list of {type, level, description}
        ("messages", pa.int64()),
        ("lost", pa.int64()),  # gaps in headerId, summed over topics
    ]
)

EVENT = _schema(
    [
        ("event_id", pa.string()),
        ("time_ns", pa.int64()),  # with event_id: the key
        ("received_ns", pa.int64()),
        ("site", pa.string()),
        ("area", pa.string()),
        ("line", pa.string()),
        ("cell", pa.string()),
        ("kind", pa.string()),
        ("gun", pa.string()),
        ("spot", pa.string()),
        ("program", pa.string()),
        ("by", pa.string()),  # who did or ordered it
        ("note", pa.string()),
        ("details", pa.string()),  # JSON object of what else it says
    ]
)

REJECT = _schema(
    [
        ("seq", pa.int64()),  # journal sequence number of the message; with item: the key
        ("item", pa.int64()),
        ("received_ns", pa.int64()),
        ("source", pa.string()),
        ("topic", pa.string()),
        ("path", pa.string()),
        ("came", pa.string()),
        ("expected", pa.string()),
        ("bytes", pa.int64()),  # size of the payload; the bytes themselves are in the dead-letter folder
    ]
)

SOURCE = _schema(
    [
        ("source", pa.string()),  # the key
        ("received", pa.int64()),
        ("stored", pa.int64()),
        ("rejected", pa.int64()),
        ("duplicate", pa.int64()),
        ("pending", pa.int64()),
        ("last_received_ns", pa.int64()),
        ("last_time_ns", pa.int64()),  # newest source time; 0 when none was readable
        ("clock_offset_ms", pa.float64()),  # receive time minus source time, of the newest live item; null until known
    ]
)
