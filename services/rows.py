"""Verdicts and states as the rows that stores take (`services.store.schema`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from edge.sources import PlacedEvent, PlacedReject
from edge.topics import Place
from models.fleet.track import Agv
from models.signals import Raised, Signal
from models.welds.batch import WeldBatch
from models.welds.bodies import Body, BodyTracker
from models.welds.features import FEATURES
from models.welds.prepare import CHANNELS
from models.welds.rules import SCORED
from models.welds.verdicts import CAUSE_CODES, VERDICTS, Verdicts
from services.state import SourceCount
from services.store import schema

OWN = "lineside"
"""Who says so, in events that the pipeline itself found."""
SCORE_DIGITS = 3
MAX_REJECT_ROWS = 100
"""Of one message: all its rejects are counted, and its bytes are kept, but 20 kB can hold 10,000 items to reject."""
_ALL_OK = '{"ok":1.0}'
_VERDICTS = np.array(VERDICTS, dtype=object)
_CAUSES = np.array(CAUSE_CODES, dtype=object)
_LEADS = np.array([*FEATURES, ""], dtype=object)  # index -1: none
_LACKS = np.array(
    [",".join(name for name, bit in CHANNELS.items() if not channels & bit) for channels in range(16)], dtype=object
)


@dataclass(frozen=True, slots=True)
class Arrival:
    """What is known of `n` welds besides their curves."""

    ordinal: NDArray[np.int64]
    received_ns: NDArray[np.int64]
    place: Sequence[Place]
    new_spot: Sequence[bool]


@dataclass(frozen=True, slots=True)
class PlacedSignal:
    """A finding of the pipeline's own, and the weld that raised it."""

    id: str
    """The same at every replay."""
    signal: Signal
    place: Place
    received_ns: int
    late: bool
    """That weld was late or historical: the finding is kept, and not told live."""


def place_signals(raised: Iterable[Raised], arrival: Arrival, late: NDArray[np.bool_]) -> list[PlacedSignal]:
    """Place findings at the welds that raised them; `late` (n,) as in the rows of those welds."""
    told: dict[str, int] = {}
    placed = []
    for weld, signal in raised:
        name = f"{signal.kind}-{signal.spot or signal.gun or signal.program}-{arrival.ordinal[weld]}"
        told[name] = told.get(name, 0) + 1
        placed.append(
            PlacedSignal(
                id=name if told[name] == 1 else f"{name}-{told[name]}",
                signal=signal,
                place=arrival.place[weld],
                received_ns=int(arrival.received_ns[weld]),
                late=bool(late[weld]),
            )
        )
    return placed


def weld_table(welds: WeldBatch, arrival: Arrival, verdicts: Verdicts) -> pa.Table:
    """Return rows of `schema.WELD`, one per weld, in order."""
    columns: dict[str, object] = {
        "ordinal": arrival.ordinal,
        "weld_id": welds.id,
        "time_ns": welds.time_ns,
        "received_ns": arrival.received_ns,
        "site": [place.site for place in arrival.place],
        "area": [place.area for place in arrival.place],
        "line": [place.line for place in arrival.place],
        "cell": [place.cell for place in arrival.place],
        "gun": welds.gun,
        "spot": welds.spot,
        "program": welds.program,
        "body": welds.body,
        "wear_count": welds.wear_count,
        "verdict": _VERDICTS[verdicts.verdict],
        "cause": _CAUSES[verdicts.cause],
        "lead": _LEADS[verdicts.lead],
        "score": verdicts.score,
        "value": verdicts.value,
        "centre": verdicts.centre,
        "sigma": verdicts.sigma,
        "risk": _finite(verdicts.risk),
        "shadow_risk": _finite(verdicts.shadow_risk),
        "by_model": verdicts.by_model,
        "lacks": _LACKS[verdicts.channels],
        "shape_t2": _finite(verdicts.shape[:, 0]),
        "shape_q": _finite(verdicts.shape[:, 1]),
        "cause_scores": _score_texts(verdicts.cause_scores),
        "loop_uh": verdicts.loop_uh,
        "reference_n": verdicts.reference_n,
        "reference_version": verdicts.reference_version,
        "late": verdicts.late | welds.historical,
        "new_spot": arrival.new_spot,
    }
    for k, name in enumerate(FEATURES):
        columns[name] = _finite(verdicts.features[:, k])
        columns[f"z_{name}"] = _finite(verdicts.z[:, k])
    arrays = [pa.array(columns[field.name], field.type, from_pandas=True) for field in schema.WELD]
    return pa.Table.from_arrays(arrays, schema=schema.WELD)


def _score_texts(scores: NDArray[np.float32]) -> list[str]:
    """Return (n, C) by `SCORED` as JSON objects, zeros left out; "" where nothing was compared."""
    rounded = np.round(scores.astype(np.float64), SCORE_DIGITS)
    texts = [""] * len(rounded)
    for k in np.flatnonzero(~np.isnan(rounded[:, 0])).tolist():
        row = rounded[k]
        told = {SCORED[c]: float(row[c]) for c in np.flatnonzero(row).tolist()}
        texts[k] = _ALL_OK if row[0] == 1.0 else msgspec.json.encode(told).decode()
    return texts


def spot_table(welds: pa.Table) -> pa.Table:
    """Return rows of `schema.SPOT_STATE` for the newest weld of every stream among rows of `schema.WELD`."""
    time_ns = welds["time_ns"].to_numpy()
    newest: dict[tuple[str, str], int] = {}
    streams = zip(welds["spot"].to_pylist(), welds["program"].to_pylist(), strict=True)
    for k, stream in enumerate(streams):
        have = newest.get(stream)
        if have is None or time_ns[k] >= time_ns[have]:
            newest[stream] = k
    return welds.select(schema.SPOT_STATE.names).take(pa.array(list(newest.values()), pa.int64()))


def body_table(bodies: Iterable[Body], tracker: BodyTracker) -> pa.Table:
    """Return rows of `schema.BODY`."""
    rows = [
        {
            "body": body.body,
            "first_ns": body.first_ns,
            "last_ns": body.last_ns,
            "ok": body.ok,
            "defect": body.defect,
            "unjudged": body.unjudged,
            "spots": tracker.spots(body),
            "missing": tracker.missing(body),
            "complete": tracker.complete(body),
            "verdict": tracker.verdict(body),
        }
        for body in bodies
    ]
    return pa.Table.from_pylist(rows, schema=schema.BODY)


def agv_table(agvs: Iterable[Agv]) -> pa.Table:
    """Return rows of `schema.AGV`."""
    return pa.Table.from_pylist([agv_row(agv) for agv in agvs], schema=schema.AGV)


def agv_row(agv: Agv) -> dict[str, object]:
    """Return one row of `schema.AGV`."""
    errors = [{"type": e.type, "level": e.level, "description": e.description} for e in agv.errors or ()]
    return {
        "agv": agv.agv,
        "manufacturer": agv.manufacturer,
        "serial": agv.serial,
        "version": agv.version,
        "time_ns": agv.time_ns,
        "connection": agv.connection or "",
        "x_m": agv.x_m,
        "y_m": agv.y_m,
        "theta_rad": agv.theta_rad,
        "map_id": agv.map_id or "",
        "driving": agv.driving,
        "operating_mode": agv.operating_mode or "",
        "battery_percent": agv.battery_percent,
        "charging": agv.charging,
        "emergency_stop": agv.emergency_stop or "",
        "order_id": agv.order_id or "",
        "activity": agv.activity,
        "errors": msgspec.json.encode(errors).decode(),
        "messages": agv.messages,
        "lost": agv.lost,
    }


def event_table(events: Iterable[PlacedEvent]) -> pa.Table:
    """Return rows of `schema.EVENT`."""
    rows = [
        {
            "event_id": event.id,
            "time_ns": event.time_ns,
            "received_ns": event.received_ns,
            "site": event.place.site,
            "area": event.place.area,
            "line": event.place.line,
            "cell": event.place.cell,
            "kind": event.kind,
            "gun": event.gun,
            "spot": event.spot,
            "program": event.program,
            "by": event.by,
            "note": event.note,
            "details": msgspec.json.encode(event.details).decode(),
        }
        for event in events
    ]
    return pa.Table.from_pylist(rows, schema=schema.EVENT)


def signal_table(signals: Iterable[PlacedSignal]) -> pa.Table:
    """Return findings as rows of `schema.EVENT`."""
    rows = [
        {
            "event_id": placed.id,
            "time_ns": placed.signal.time_ns,
            "received_ns": placed.received_ns,
            "site": placed.place.site,
            "area": placed.place.area,
            "line": placed.place.line,
            "cell": placed.place.cell,
            "kind": placed.signal.kind,
            "gun": placed.signal.gun,
            "spot": placed.signal.spot,
            "program": placed.signal.program,
            "note": placed.signal.text,
            "by": OWN,
            "details": msgspec.json.encode(placed.signal.details).decode(),
        }
        for placed in signals
    ]
    return pa.Table.from_pylist(rows, schema=schema.EVENT)


def reject_table(rejects: Iterable[PlacedReject]) -> pa.Table:
    """Return rows of `schema.REJECT`, of each message at most `MAX_REJECT_ROWS`."""
    told: Counter[int] = Counter()
    rows = []
    for reject in rejects:
        told[reject.seq] += 1
        if told[reject.seq] > MAX_REJECT_ROWS:
            continue
        rows.append(
            {
                "seq": reject.seq,
                "item": reject.item,
                "received_ns": reject.received_ns,
                "source": reject.source,
                "topic": reject.topic,
                "path": reject.reject.path,
                "came": reject.reject.came,
                "expected": reject.reject.expected,
                "bytes": reject.bytes,
            }
        )
    return pa.Table.from_pylist(rows, schema=schema.REJECT)


def source_table(counts: Mapping[str, SourceCount], received: Mapping[str, tuple[int, int, int]]) -> pa.Table:
    """Return rows of `schema.SOURCE`; `received` holds (received, pending, last_received_ns) per source."""
    rows = []
    for source, (items, pending, last_received_ns) in received.items():
        count = counts.get(source, SourceCount())
        rows.append(
            {
                "source": source,
                "received": items + count.recovered,
                "stored": count.stored,
                "rejected": count.rejected,
                "duplicate": count.duplicate,
                "pending": pending,
                "last_received_ns": last_received_ns,
                "last_time_ns": count.last_time_ns,
                "clock_offset_ms": count.clock_offset_ms,
            }
        )
    return pa.Table.from_pylist(rows, schema=schema.SOURCE)


def _finite(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return `x` with infinities as NaN, hence null: a store has no infinity."""
    return np.where(np.isfinite(x), x, np.float32(np.nan))
