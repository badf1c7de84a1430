"""Each bounded container, filled by a device that invents names: what is new is refused, what is known goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from edge.sources.envelope import MAX_ITEMS
from edge.topics import CROWDED
from services.config import PlantLimits
from services.rows import MAX_REJECT_ROWS
from tests.unit.edge.sources.samples import EVENT, STATE_2

from .chain import CELL, NOW_NS, Chain, message, weld

OTHER = "lineside/v1/s/a/L1/C2"
FEW = PlantLimits(streams=40, streams_per_source=30, guns=10, programs=12, agvs=3)


def invented(field: str, n: int, start: int = 0) -> list[dict[str, Any]]:
    rng = np.random.default_rng(5)
    one = weld(0, rng)
    return [
        {**one, "id": f"{field}{k}", "time": NOW_NS - 10**11 + k, field: f"{field}-{k}"}
        for k in range(start, start + n)
    ]


@pytest.mark.parametrize(
    ("field", "limit", "setting"),
    [("spot", 30, "streams_per_source"), ("gun", 10, "guns"), ("program", 12, "programs")],
)
def test_a_device_that_invents_names_is_stopped_and_told_why(
    field: str, limit: int, setting: str, tmp_path: Path
) -> None:
    chain = Chain(tmp_path, FEW)
    for batch in range(10):
        chain.send(message(*invented(field, 20, 20 * batch)))
    state = chain.state
    assert len(state.judge.streams) <= limit
    assert len(state.wear.snapshot()["stream.n"]) <= limit
    assert len(state.wear.guns()) <= limit
    assert len(state.drift.ewma) <= 64
    refused = chain.rejects()
    assert len(refused) == 200 - limit
    assert {row["path"] for row in refused} == {f"$.{field}"}
    assert f"{field}-{limit}" in refused[0]["came"]
    assert f"one of the {limit} " in refused[0]["expected"]
    assert f"(limits.{setting})" in refused[0]["expected"]


def test_a_neighbour_finds_room_and_what_is_known_goes_on(tmp_path: Path) -> None:
    chain = Chain(tmp_path, FEW)
    chain.send(message(*invented("spot", 100)))
    rng = np.random.default_rng(6)
    mine = [weld(k, rng, spot=f"mine-{k % 5}") for k in range(10)]
    taken = chain.send(message(*mine, cell=OTHER))
    assert len(taken.welds) == 10
    again = invented("spot", 30)
    for one in again:
        one.update(id=one["id"] + "b", time=one["time"] + 1000)
    assert len(chain.send(message(*again)).welds) == 30
    beyond = chain.send(message(*(weld(100 + k, rng, spot=f"late-{k}") for k in range(20)), cell=OTHER))
    assert len(beyond.welds) == 5
    assert "one of the 40 streams known (limits.streams)" in beyond.rejects[0].reject.expected


def test_what_is_let_in_is_the_same_after_a_restart_and_in_any_batches(tmp_path: Path) -> None:
    outcomes = []
    welds = [one for field in ("spot", "gun", "program") for one in invented(field, 25)]
    for k, one in enumerate(welds):
        one["time"] += k * 1000
    for size in (1, 7, len(welds)):
        (tmp_path / str(size)).mkdir()
        chain = Chain(tmp_path / str(size), FEW)
        for start in range(0, len(welds), size):
            chain.send(message(*welds[start : start + size]))
            if size == 7:
                chain.restart()
        outcomes.append((chain.state.admission.snapshot(), [row["came"] for row in chain.rejects()]))
    assert outcomes[0] == outcomes[1] == outcomes[2]


def events(*changes: dict[str, Any]) -> tuple[str, bytes]:
    sent = [{**EVENT, "id": f"e{k}", "time": NOW_NS, **change} for k, change in enumerate(changes)]
    return f"{CELL}/event", msgspec.json.encode(sent)


@pytest.mark.parametrize("kind", ["cap_change", "tip_dress"])
def test_events_cannot_invent_guns_without_end(kind: str, tmp_path: Path) -> None:
    chain = Chain(tmp_path, FEW)
    told = chain.send(events(*({"kind": kind, "gun": f"g{k}"} for k in range(50))))
    assert len(told.events) == 10
    assert {reject.reject.path for reject in told.rejects} == {"$.gun"}
    chain.restart()
    assert not chain.send(events({"kind": kind, "gun": "one more", "id": "x"})).events
    assert len(chain.state.wear.guns()) <= 10


def test_events_cannot_exclude_spots_without_end(tmp_path: Path) -> None:
    chain = Chain(tmp_path, FEW)
    told = chain.send(events(*({"kind": "spot_exclude", "spot": f"s{k}"} for k in range(50))))
    assert len(told.events) == 40
    assert {reject.reject.path for reject in told.rejects} == {"$.spot"}
    room = chain.send(
        events({"kind": "spot_include", "spot": "s1", "id": "a"}, {"kind": "spot_exclude", "spot": "s", "id": "b"})
    )
    assert len(room.events) == 2


def test_vehicles_are_bounded(tmp_path: Path) -> None:
    chain = Chain(tmp_path, FEW)
    for k in range(10):
        sent = {**STATE_2, "timestamp": "2026-09-21T13:00:00Z", "serialNumber": f"A{k}"}
        chain.send((f"uagv/v2/KIT/A{k}/state", msgspec.json.encode(sent)))
    assert len(chain.state.fleet.agvs) == 3
    assert chain.rejects()[0]["came"] == '"KIT/A3", which is new'
    assert chain.rejects()[0]["expected"] == "one of the 3 agvs known (limits.agvs)"


def test_a_message_of_a_source_too_many_is_counted_and_refused(tmp_path: Path) -> None:
    chain = Chain(tmp_path)
    chain.send(message(*invented("spot", 3)), crowded=True)
    assert chain.state.counts[CROWDED].rejected == 3
    assert chain.rejects()[0]["path"] == "topic"
    assert "there may be 5000 (limits.sources)" in chain.rejects()[0]["expected"]
    assert not chain.state.judge.streams


def test_of_a_message_that_is_all_rejects_some_are_kept_and_all_are_counted(tmp_path: Path) -> None:
    chain = Chain(tmp_path)
    chain.send((f"{CELL}/weld", b"[" + b"0," * (MAX_ITEMS - 1) + b"0]"))
    assert len(chain.rejects()) == MAX_REJECT_ROWS
    assert chain.state.counts["s/a/L1/C1/weld"].rejected == MAX_ITEMS


def test_counters_that_jump_about_stay_within_what_a_store_can_hold(tmp_path: Path) -> None:
    chain = Chain(tmp_path)
    for k in range(6):
        sent = {**STATE_2, "timestamp": f"2026-09-21T13:00:0{k}Z", "headerId": (2**63 - 1) * (k % 2)}
        chain.send(("uagv/v2/KIT/AGV-7/state", msgspec.json.encode(sent)))
    [row] = chain.store.agvs().to_pylist()
    assert row["lost"] == 2**63 - 1
