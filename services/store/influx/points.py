"""A commit as InfluxDB points: which columns are tags, which are fields, and what time a point has."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from models.welds.features import FEATURES
from services.store import schema
from services.store.counting import DAY_NS, HOUR_NS, MINUTE_NS, PLACE, Level
from services.store.influx.lines import json_rows, lines, per_value
from services.store.keyed import last_of_each

STATES_NS = 7_258_118_400_000_000_000
"""2200-01-01: the instant of all latest states. In the future, so that no retention rule ever drops them."""

BLUR_NS = 1_000_000
"""Times of keyed points are exact to this; below it they are a hash of the key."""
SLOTS = 256
"""Series that body ids, and weld ids, are spread over: a tag per id would make a series per car."""
LOG_SLOTS = 16
"""Series that the log of all welds is spread over."""

Group = tuple[tuple[str, ...], int]
"""Values of some columns, and the start of a bucket, ns."""

ROWS: dict[str, tuple[str, ...]] = {
    name: (*first, *(column for column in rows.names if column not in first))
    for name, rows, first in (
        ("weld", schema.WELD, ("verdict", "cause", "body", *PLACE)),
        ("body", schema.BODY, ("verdict", "body")),
        ("spot_state", schema.SPOT_STATE, ()),
        ("agv", schema.AGV, ()),
        ("event", schema.EVENT, ()),
        ("reject", schema.REJECT, ()),
        ("source", schema.SOURCE, ()),
    )
}
"""Columns in the order in which `row` has them: first those that queries match a prefix of."""

_CELL = (*PLACE[:4], "cause")
CELL_DAY, CELL_HOUR, CELL_5MIN = (
    Level(f"rate_cell_{unit}", width_ns, _CELL)
    for unit, width_ns in (("day", DAY_NS), ("hour", HOUR_NS), ("5min", 5 * MINUTE_NS))
)
SPOT_DAY, SPOT_HOUR = (
    Level(f"rate_spot_{unit}", width_ns, PLACE) for unit, width_ns in (("day", DAY_NS), ("hour", HOUR_NS))
)
LEVELS = (CELL_DAY, SPOT_DAY, CELL_HOUR, CELL_5MIN, SPOT_HOUR)
"""As they are chosen. What a sum takes is by series more than by points, so spots are not told apart by cause too."""

LAYOUT = 3
"""Of all that is in a bucket: `progress` tells it. Buckets of the first release do not; theirs is 1.

2 has the columns below, 3 counts: whoever writes welds without knowing of these would leave them wrong.
"""
_CAME_WITH_2 = {
    "weld": {
        "risk", "shadow_risk", "by_model", "lacks", "shape_t2", "shape_q", "cause_scores", "loop_uh",
        *(prefix + name for prefix in ("", "z_") for name in (
            "charge_c", "r_first_uohm", "r_mean_uohm", "step_left", "current_dip_share", "force_step_kn",
            "expansion_mm", "voltage_end_v", "voltage_step_v",
        )),
    },
    "event": {"by", "details"},
}  # fmt: skip
OLDER_ROWS = {
    measurement: tuple(column for column in ROWS[measurement] if column not in new)
    for measurement, new in _CAME_WITH_2.items()
}
"""Columns of rows of layout 1, which stay as they are: fewer values tell them from today's."""

WELD_CHARTED = ("verdict", "cause", "body", "weld_id", "lead", "score", "wear_count", *FEATURES)
ACCOUNT_CHARTED = ("received", "stored", "rejected", "duplicate", "pending", "clock_offset_ms")

MEASUREMENTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "weld": (PLACE, (*WELD_CHARTED, *schema.VERDICTS, "mark", "row")),
    "log": (("slot",), ("finding", "row")),
    "lookup": (("kind", "slot"), ("key",)),
    "body": (("slot",), (*schema.BODY.names, *(f"is_{verdict}" for verdict in schema.VERDICTS), "row")),
    "event": ((*PLACE[:4], "kind", *PLACE[4:]), ("event_id", "time_ns", "received_ns", "by", "note", "details", "row")),
    "reject": (("source",), (*(name for name in schema.REJECT.names if name != "source"), "order", "row")),
    "spot_state": (("spot", "program"), (*schema.SPOT_STATE.names[2:], "row")),
    "agv": (("agv",), (*schema.AGV.names[1:], "row")),
    "source": (("source",), (*schema.SOURCE.names[1:], "row")),
    "account": (("source",), ACCOUNT_CHARTED),
    **{level.name: (level.columns, schema.VERDICTS) for level in LEVELS},
    "counted": ((), ("until_ns",)),
    "reopened": ((), ("open",)),
    "progress": ((), ("cursor", "sources_at_ns", "layout")),
}
"""Per measurement its tags and its fields: what dashboards can name."""


def slot(key: str) -> str:
    """Return the slot of an id, the same on every machine."""
    return str(_hash(key) % SLOTS)


def order(seq: int, item: int) -> int:
    """Return a number that sorts rejects by (seq, item); payloads are far too small for 2^22 items."""
    return (seq << 22) + item


def weld_lines(welds: pa.Table) -> Iterator[str]:
    """Return the lines of welds, rows of `schema.WELD`: of the spot's series, of the log, and of the look-ups."""
    table = last_of_each(welds, ("spot", "program", "time_ns")).combine_chunks()
    time_ns = _array(table, "time_ns")
    row = _row("weld", table)
    fields = _columns(table, WELD_CHARTED)
    for verdict in schema.VERDICTS:
        fields[verdict] = pc.equal(_array(table, "verdict"), verdict).cast(pa.float64())
    fields["mark"] = json_rows([_array(table, name) for name in ("verdict", "cause", "body")])
    yield from lines("weld", _columns(table, PLACE), {**fields, "row": row}, time_ns)

    # A page of the newest welds would have to unpack a block of every spot's series; the log has them by time. Few are
    # not ok: a field of their own, empty for the others, lets them be found without unpacking the others' rows.
    key = pc.binary_join_element_wise(
        _array(table, "spot"), _array(table, "program"), time_ns.cast(pa.string()), "\0"
    ).to_pylist()
    hashes = [_hash(text) for text in key]
    log_ns = _blurred(time_ns, hashes)
    slots = pa.array([str(number % LOG_SLOTS) for number in hashes])
    finding = pc.if_else(pc.equal(_array(table, "verdict"), "ok"), "", row)
    yield from lines("log", {"slot": slots}, {"finding": finding, "row": row}, log_ns)

    yield from _lookup("weld", _array(table, "weld_id"), log_ns)
    yield from _lookup("body", _array(table, "body"), log_ns)


def _lookup(kind: str, names: pa.Array, time_ns: pa.Array) -> list[str]:
    named = pc.not_equal(names, "")
    tags = {"kind": pa.array([kind] * len(names)), "slot": per_value(names, slot)}
    columns = pa.table({**tags, "key": names, "time": time_ns}).filter(named)
    fields = {"key": _array(columns, "key")}
    return lines("lookup", _columns(columns, tuple(tags)), fields, _array(columns, "time"))


def body_lines(bodies: pa.Table) -> list[str]:
    """Return the lines of bodies, rows of `schema.BODY`."""
    table = last_of_each(bodies, ("body", "first_ns")).combine_chunks()
    fields = _columns(table, schema.BODY.names)
    for verdict in schema.VERDICTS:
        counted = pc.and_(_array(table, "complete"), pc.equal(_array(table, "verdict"), verdict))
        fields[f"is_{verdict}"] = counted.cast(pa.float64())
    fields["row"] = _row("body", table)
    names = _array(table, "body")
    time_ns = _blurred(_array(table, "first_ns"), map(_hash, names.to_pylist()))
    return lines("body", {"slot": per_value(names, slot)}, fields, time_ns)


def event_lines(events: pa.Table) -> list[str]:
    """Return the lines of events, rows of `schema.EVENT`."""
    table = last_of_each(events, ("event_id", "time_ns")).combine_chunks()
    time_ns = _blurred(_array(table, "time_ns"), map(_hash, table["event_id"].to_pylist()))
    return _document("event", table, time_ns)


def reject_lines(rejects: pa.Table) -> list[str]:
    """Return the lines of rejects, rows of `schema.REJECT`."""
    table = last_of_each(rejects, ("seq", "item")).combine_chunks()
    orders = [order(seq, item) for seq, item in zip(table["seq"].to_pylist(), table["item"].to_pylist(), strict=True)]
    time_ns = _blurred(_array(table, "received_ns"), [_hash(str(number)) for number in orders])
    return _document("reject", table, time_ns, order=pa.array(orders, pa.int64()))


def state_lines(measurement: str, states: pa.Table, key: tuple[str, ...]) -> list[str]:
    """Return the lines of latest states, each of which overwrites the one before."""
    table = last_of_each(states, key).combine_chunks()
    return _document(measurement, table, pa.repeat(STATES_NS, len(table)))


def account_lines(sources: pa.Table, at_ns: int) -> list[str]:
    """Return the lines of an account's history: of each minute the last snapshot stays."""
    table = last_of_each(sources, ("source",)).combine_chunks()
    time_ns = pa.repeat(at_ns // MINUTE_NS * MINUTE_NS, len(table))
    return lines("account", _columns(table, ("source",)), _columns(table, ACCOUNT_CHARTED), time_ns)


def count_lines(level: Level, counts: Mapping[Group, Sequence[int | None]]) -> list[str]:
    """Return the lines of counts: of each group (values of the level's columns, start in ns) the welds by verdict.

    What is None is not written; of each group something must be.
    """
    groups = list(counts)
    tags = {name: pa.array([values[k] for values, _ in groups]) for k, name in enumerate(level.columns)}
    fields = {
        verdict: pa.array([counts[group][k] for group in groups], pa.float64())
        for k, verdict in enumerate(schema.VERDICTS)
    }
    return lines(level.name, tags, fields, pa.array([start_ns for _, start_ns in groups], pa.int64()))


def counted_lines(until_ns: int) -> list[str]:
    """Return the line that says up to when hours are closed."""
    return lines("counted", {}, {"until_ns": pa.array([until_ns], pa.int64())}, pa.array([STATES_NS], pa.int64()))


def reopened_lines(hours: Sequence[int], *, is_open: bool) -> list[str]:
    """Return the lines that say of hours whether they are open again."""
    return lines("reopened", {}, {"open": pa.repeat(is_open, len(hours))}, pa.array(hours, pa.int64()))


def progress_lines(cursor: int, sources_at_ns: int) -> list[str]:
    """Return the line that says how far everything is written; it goes last."""
    told = {"cursor": cursor, "sources_at_ns": sources_at_ns, "layout": LAYOUT}
    fields = {name: pa.array([value], pa.int64()) for name, value in told.items()}
    return lines("progress", {}, fields, pa.array([STATES_NS], pa.int64()))


def _document(measurement: str, table: pa.Table, time_ns: pa.Array, **more: pa.Array) -> list[str]:
    tags, _ = MEASUREMENTS[measurement]
    fields = {name: _array(table, name) for name in table.schema.names if name not in tags}
    return lines(measurement, _columns(table, tags), {**fields, **more, "row": _row(measurement, table)}, time_ns)


def _row(measurement: str, table: pa.Table) -> pa.Array:
    return json_rows([_array(table, name) for name in ROWS[measurement]])


def _blurred(time_ns: pa.Array, hashes: Iterable[int]) -> pa.Array:
    """Return the times, exact to `BLUR_NS`, with a hash of each key below."""
    pairs = zip(time_ns.to_pylist(), hashes, strict=True)
    return pa.array([time // BLUR_NS * BLUR_NS + number // SLOTS % BLUR_NS for time, number in pairs], pa.int64())


def _hash(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big")


def _array(table: pa.Table, name: str) -> pa.Array:
    return _flat(table[name])


def _flat(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _columns(table: pa.Table, names: Sequence[str]) -> dict[str, pa.Array]:
    return {name: _array(table, name) for name in names}
