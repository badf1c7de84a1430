"""A small shop, judged by the real judge into the real store: 84 bodies in 14 hours, with awkward names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from edge.plant import Cell, Floor, Line, Plant, Shift, Spot
from edge.topics import Place
from models.welds.batch import WeldBatch
from models.welds.bodies import Body, BodyTracker
from models.welds.judge import JudgeSettings, WeldJudge
from models.welds.verdicts import VERDICTS
from models.welds.wear import WearTracker
from models.welds.wear_state import WearSettings
from services import rows
from services.curves import CurveArchive, CurveReader
from services.deadletter import DeadLetters
from services.evidence_files import FolderEvidence
from services.layout import DataLayout
from services.store import schema
from services.store.duck.store import DuckStore
from services.store.protocol import Commit
from tests.unit.models.welds import making

S = 10**9
HOUR = 3600 * S
FIRST = int(datetime(2026, 11, 24, 21, 0, tzinfo=UTC).timestamp()) * S
NOW = FIRST + 15 * HOUR  # 2026-11-25 12:00 UTC, 20:00 in the plant
DOOR = "车门/点 1"
ODD = "a/b c%41?#ü"
NEW = "N9"
SPOTS = {"S1": ("C1", "G1", "7"), "S2": ("C1", "G1", "7"), DOOR: ("C2", "G2", "7"), ODD: ("C3", "G3", "8")}
PLACES = {"S1": "L1/C1", "S2": "L1/C1", DOOR: "L1/C2", ODD: "L2/C3", NEW: "L9/C9"}
BODIES = 84
PAYLOAD = b'{"id": "w1", \xff\x00'

PLANT = Plant(
    site="wolfsburg",
    area="biw",
    name="Body shop",
    timezone="Asia/Shanghai",
    body_complete_min=30.0,
    lines=(
        Line("L1", (Cell("C1", ("G1",), Floor(0.0, 0.0, 8.0, 6.0)), Cell("C2", ("G2",))), "Underbody"),
        Line("L2", (Cell("C3", ("G3",)),)),
    ),
    shifts=(
        Shift("early", time(6), time(14)),
        Shift("late", time(14), time(22)),
        Shift("night", time(22), time(6)),
    ),
    spots={name: Spot(name, *place, 100.0 * k, -20.0, 350.5, "DC04:0.8+DP600:1.2") for k, (name, place) in
           enumerate(SPOTS.items())},
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shop:
    """What was made, and where it went."""

    store: DuckStore
    evidence: FolderEvidence
    welds: list[dict[str, Any]]
    """Every row of `schema.WELD`, in the order of arrival."""
    bodies: list[dict[str, Any]]
    batch: WeldBatch


def make_shop(data: Path) -> Shop:
    """Judge the welds, commit everything, keep the curves."""
    layout = DataLayout(data)
    welds = _welds()
    judge = WeldJudge(JudgeSettings(learn_n=8))
    verdicts = judge.judge(welds)
    wear = WearTracker(WearSettings())
    wear.add(welds, verdicts)
    ordinals = np.arange(1, len(welds) + 1)
    lines = [PLACES[spot].split("/") for spot in welds.spot]
    arrival = rows.Arrival(
        ordinal=ordinals,
        received_ns=welds.time_ns + 7_000_123,
        place=[Place("wolfsburg", "biw", line, cell) for line, cell in lines],
        new_spot=[spot == NEW for spot in welds.spot],
    )
    table = rows.weld_table(welds, arrival, verdicts)
    archive = CurveArchive(layout.curves, 1)
    kept = (verdicts.verdict != 0) | (ordinals % 5 == 0)
    archive.add(ordinals[kept], welds.select(kept))
    archive.flush(len(welds) + 1)
    DeadLetters(layout.rejects, 10**6).keep(12, PAYLOAD)

    names = [VERDICTS[code] for code in verdicts.verdict]
    tracker = BodyTracker(SPOTS, 30 * 60 * S)
    changed: dict[str, Body] = {}
    for body in tracker.add(welds.body, welds.spot, names, welds.time_ns.tolist()):
        changed[body.body] = body
    bodies = rows.body_table(changed.values(), tracker)

    store = DuckStore(data / "store.duckdb")
    store.commit(
        Commit(
            cursor=100,
            welds=table,
            bodies=bodies,
            spots=rows.spot_table(table),
            agvs=_table(schema.AGV, AGVS),
            events=_table(schema.EVENT, EVENTS),
            rejects=_table(schema.REJECT, REJECTS),
            sources=_table(schema.SOURCE, SOURCES),
            sources_at_ns=NOW - 2 * S,
        )
    )
    return Shop(
        store,
        FolderEvidence(data, CurveReader(layout.curves), (judge, wear)),
        table.to_pylist(),
        bodies.to_pylist(),
        welds,
    )


def _welds() -> WeldBatch:
    rng = np.random.default_rng(5)
    made, bodies = [], []
    for body in range(BODIES):
        for k, spot in enumerate(PLACES):
            if ((body + k) % 17 == 11 and spot != NEW) or (body == BODIES - 1 and spot == "S2"):
                continue  # never welded: missing once the body has left, which the last one has not
            fault = {3: "expulsion", 5: "low_heat", 8: "dead_voltage"}.get((7 * body + 3 * k) % 41, "")
            _, gun, program = SPOTS.get(spot, ("C9", "G9", "7"))
            time_ns = FIRST + body * 600 * S + k * 11 * S + 123_456_789
            samples = 100 + body % 7
            weld = making.curve(
                rng, fault=fault, samples=samples, spot=spot, program=program, gun=gun, time_ns=time_ns, force=k != 1
            )
            made.append(weld)
            bodies.append(f"K{body:03d}/红")
    batch = making.batch(made)
    return replace(batch, body=bodies, id=[f"{b}-{s}" for b, s in zip(bodies, batch.spot, strict=True)])


def _table(rows_of: pa.Schema, items: Iterable[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(list(items), schema=rows_of)


def _agv(serial: str, **more: Any) -> dict[str, Any]:
    return {
        "agv": f"jungheinrich/{serial}", "manufacturer": "jungheinrich", "serial": serial, "version": "2.1.0",
        "time_ns": NOW - S, "connection": "ONLINE", "x_m": 1.5, "y_m": -2.25, "theta_rad": 0.5, "map_id": "hall",
        "driving": True, "operating_mode": "AUTOMATIC", "battery_percent": 81.5, "charging": False,
        "emergency_stop": "NONE", "order_id": "o-1", "activity": "driving", "errors": "[]", "messages": 900, "lost": 2,
        **more,
    }  # fmt: skip


AGVS = [
    _agv("0007"),
    _agv("车 8/b", activity="error", errors='[{"type":"=cmd()","level":"FATAL","description":"bumper"}]'),
    _agv("9", x_m=None, y_m=None, theta_rad=None, driving=None, charging=None, battery_percent=None, connection=""),
]
EVENTS = [
    {
        "event_id": f"e{k}", "time_ns": FIRST + k * HOUR, "received_ns": FIRST + k * HOUR + S, "site": "wolfsburg",
        "area": "biw", "line": "L1", "cell": f"C{1 + k % 2}", "kind": "cap_change", "gun": f"G{1 + k % 2}", "spot": "",
        "program": "", "by": "", "note": "=1+1" if k == 3 else "", "details": "{}",
    }
    for k in range(6)
] + [
    {
        "event_id": "i1", "time_ns": FIRST + 6 * HOUR, "received_ns": FIRST + 6 * HOUR + S, "site": "wolfsburg",
        "area": "biw", "line": "L1", "cell": "C1", "kind": "inspection", "gun": "", "spot": "", "program": "",
        "by": "lab", "note": "", "details": '{"weld":"w1","result":"stick","nugget_mm":2.5}',
    }
]  # fmt: skip
REJECTS = [
    {
        "seq": 12 + k // 2, "item": k % 2, "received_ns": FIRST + k * S, "source": "wolfsburg/biw/L1/C1/weld",
        "topic": "lineside/v1/wolfsburg/biw/L1/C1/weld", "path": "$.dt_us", "came": "-5",
        "expected": "a number above 0", "bytes": len(PAYLOAD),
    }
    for k in range(7)
]  # fmt: skip


def _source(name: str, ago_s: float, *counts: int, clock_offset_ms: float | None = 12.5) -> dict[str, Any]:
    names = ("received", "stored", "rejected", "duplicate", "pending")
    last = NOW - int(ago_s * S)
    more = {"source": name, "last_received_ns": last, "last_time_ns": last, "clock_offset_ms": clock_offset_ms}
    return {**dict(zip(names, counts, strict=True)), **more}


SOURCES = [
    _source("(unrouted)", 9000, 4, 0, 4, 0, 0, clock_offset_ms=None),
    _source("agv/jungheinrich/0007", 100, 900, 890, 0, 0, 10),
    _source("agv/jungheinrich/9", 121, 30, 30, 0, 0, 0),
    _source("wolfsburg/biw/L1/C1/event", 7200, 6, 6, 0, 0, 0, clock_offset_ms=None),
    _source("wolfsburg/biw/L1/C1/weld", 1, 170, 160, 7, 2, 1),
    _source("wolfsburg/biw/L1/C2/weld", 61, 80, 80, 0, 0, 0),
    _source("wolfsburg/biw/L2/C3/weld", 1, 79, 79, 0, 0, 0, clock_offset_ms=-5001.0),
]
