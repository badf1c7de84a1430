"""Rows of the stores (`services.store.schema`) as the shapes on the wire (`schemas`)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from edge.sources.rejects import Reject
from edge.topics import UNROUTED
from models.rates import wilson
from models.welds.batch import ABSENT_WEAR
from models.welds.explain import sentence
from models.welds.features import FEATURES
from services.api.schemas import (
    Account,
    AgvOut,
    BodyOut,
    EventOut,
    FeatureValue,
    RateOut,
    RejectOut,
    ShiftOut,
    SourceOut,
    WeldDetail,
    WeldOut,
)
from services.times import utc

SILENT_S = 60
SILENT_AGV_S = 120
"""VDA 5050 lets a vehicle be quiet for 30 s, and one that only keeps its connection for longer."""
CLOCK_OFF_MS = 5000
NS = 10**9

Row = Mapping[str, Any]


def short(value: float | None) -> float | None:
    """Return a float32 as the double with the fewest digits that still is that float32; None when not finite."""
    return None if value is None or not math.isfinite(value) else float(str(np.float32(value)))


def shorts(curve: NDArray[np.float32] | NDArray[np.float64]) -> list[float | None]:
    """Return a curve as `short` does each sample."""
    values = curve.astype(np.float32)
    digits = values.astype(str).astype(np.float64)
    return [float(x) if ok else None for x, ok in zip(digits, np.isfinite(values), strict=True)]


def rates_of(ok: ArrayLike, defect: ArrayLike, unjudged: ArrayLike) -> list[dict[str, int | float | None]]:
    """Return the fields of `RateOut` for counts (k,)."""
    good, bad, unknown = (np.atleast_1d(np.asarray(x, dtype=np.int64)) for x in (ok, defect, unjudged))
    n = good + bad
    low, high = wilson(good, n)
    return [
        {
            "ok": k_ok,
            "defect": k_defect,
            "unjudged": k_unjudged,
            "n": k_n,
            "rate": k_ok / k_n if k_n else None,
            "low": k_low if k_n else None,
            "high": k_high if k_n else None,
        }
        for k_ok, k_defect, k_unjudged, k_n, k_low, k_high in zip(
            *(x.tolist() for x in (good, bad, unknown, n, low, high)), strict=True
        )
    ]


def rate_out(ok: int, defect: int, unjudged: int) -> RateOut:
    """Return one rate."""
    return RateOut.model_validate(rates_of(ok, defect, unjudged)[0])


def weld_fields(row: Row) -> dict[str, Any]:
    """Return the fields of `WeldOut` for a row of `schema.WELD`."""
    same = (
        "site", "area", "line", "cell", "gun", "spot", "program", "body", "verdict", "cause", "lead", "reference_n",
        "reference_version", "late", "new_spot",
    )  # fmt: skip
    finite = ("score", "value", "centre", "sigma", "risk", "shadow_risk", "shape_t2", "shape_q")
    numbers = {name: short(row[name]) for name in finite}
    return {
        "id": row["weld_id"],
        "time": utc(row["time_ns"]),
        "received": utc(row["received_ns"]),
        **{name: row[name] for name in same},
        "wear_count": None if row["wear_count"] == ABSENT_WEAR else row["wear_count"],
        **numbers,
        "by_model": bool(row["by_model"]),
        "lacks": row["lacks"].split(",") if row["lacks"] else [],
        "sentence": sentence(
            verdict=row["verdict"],
            cause=row["cause"],
            lead=row["lead"],
            value=numbers["value"],
            centre=numbers["centre"],
            sigma=numbers["sigma"],
            reference_n=row["reference_n"],
        ),
    }


def weld_out(row: Row) -> WeldOut:
    """Return one weld."""
    return WeldOut.model_validate(weld_fields(row))


def weld_detail(row: Row, *, curve_kept: bool) -> WeldDetail:
    """Return one weld with its features."""
    features = [FeatureValue(name=name, value=short(row[name]), z=short(row[f"z_{name}"])) for name in FEATURES]
    scores: dict[str, float] = json.loads(row["cause_scores"] or "{}")
    ranked = dict(sorted(scores.items(), key=lambda item: -item[1]))
    return WeldDetail.model_validate(
        {**weld_fields(row), "cause_scores": ranked, "features": features, "curve_kept": curve_kept}
    )


def body_fields(row: Row) -> dict[str, Any]:
    """Return the fields of `BodyOut` for a row of `schema.BODY`."""
    same = ("body", "ok", "defect", "unjudged", "spots", "missing", "complete", "verdict")
    return {"first": utc(row["first_ns"]), "last": utc(row["last_ns"]), **{name: row[name] for name in same}}


def body_out(row: Row) -> BodyOut:
    """Return one body."""
    return BodyOut.model_validate(body_fields(row))


def agv_out(row: Row) -> AgvOut:
    """Return one vehicle for a row of `schema.AGV`."""
    same = {name: value for name, value in row.items() if name not in {"agv", "time_ns", "errors"}}
    return AgvOut.model_validate(
        {"id": row["agv"], "time": utc(row["time_ns"]), "errors": json.loads(row["errors"] or "[]"), **same}
    )


def event_out(row: Row) -> EventOut:
    """Return one event for a row of `schema.EVENT`."""
    same = {name: value for name, value in row.items() if name not in {"event_id", "time_ns", "received_ns", "details"}}
    return EventOut.model_validate(
        {
            "id": row["event_id"],
            "time": utc(row["time_ns"]),
            "received": utc(row["received_ns"]),
            "details": json.loads(row["details"] or "{}"),
            **same,
        }
    )


def reject_out(row: Row) -> RejectOut:
    """Return one reject for a row of `schema.REJECT`."""
    same = {name: value for name, value in row.items() if name != "received_ns"}
    reason = Reject(row["item"], row["path"], row["came"], row["expected"]).reason
    return RejectOut.model_validate({"received": utc(row["received_ns"]), "reason": reason, **same})


def source_out(row: Row, now_ns: int) -> SourceOut:
    """Return one source's account and health for a row of `schema.SOURCE`."""
    same = ("source", "received", "stored", "rejected", "duplicate", "pending", "clock_offset_ms")
    last_received, last_time = row["last_received_ns"], row["last_time_ns"]
    return SourceOut.model_validate(
        {
            **{name: row[name] for name in same},
            "last_received": utc(last_received) if last_received else None,
            "last_time": utc(last_time) if last_time else None,
            "state": _source_state(row, now_ns),
        }
    )


def _source_state(row: Row, now_ns: int) -> str:
    source = row["source"]
    # Events and misrouted messages come when they come: their silence means nothing.
    if not source.endswith("/event") and source != UNROUTED:
        allowed_s = SILENT_AGV_S if source.startswith("agv/") else SILENT_S
        if now_ns - row["last_received_ns"] > allowed_s * NS:
            return "silent"
    offset = row["clock_offset_ms"]
    return "clock_off" if offset is not None and abs(offset) > CLOCK_OFF_MS else "live"


def total_of(sources: pa.Table) -> Account:
    """Return the account of all rows of `schema.SOURCE` together."""
    return Account.model_validate({name: sum(sources[name].to_pylist()) for name in Account.model_fields})


def shift_out(windows: Sequence[Any]) -> ShiftOut | None:
    """Return the last of some shift windows, or None."""
    if not windows:
        return None
    window = windows[-1]
    return ShiftOut(name=window.name, date=window.date, start=utc(window.start_ns), end=utc(window.end_ns))
