import json
import re
from collections import Counter, defaultdict
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.simulator.fleet import Fleet, Message
from edge.simulator.layout import build_layout
from edge.simulator.mission import duration_s, travelled
from edge.simulator.roads import FIRST_X, Roads, cell_floors
from edge.simulator.settings import FleetMix, SimulatorSettings
from edge.sources import Limits, decode
from edge.sources import Message as Received
from models.fleet.track import FleetTracker

from .making import NOON_NS, S

STANDARD = Path(__file__).resolve().parents[4] / "../shared/data/vda5050"
CHOSEN = SimulatorSettings(seed=5, agvs=40, agv_lost=0.002)
LIMITS = Limits(max_age_days=366, max_ahead_s=300, max_payload_bytes=1 << 20, max_samples=1000)
SPAN_NS = 90 * S


def fleet(**changes: Any) -> Fleet:
    chosen = msgspec.structs.replace(CHOSEN, **changes)
    return Fleet(chosen, build_layout(chosen), NOON_NS)


@lru_cache(maxsize=1)
def same_fleet() -> Fleet:
    return fleet()


@lru_cache(maxsize=1)
def hour() -> list[Message]:
    """What 40 vehicles say in one hour."""
    return fleet().messages(NOON_NS, NOON_NS + 3600 * S)


def by_topic(messages: list[Message]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for topic, payload, _, _ in messages:
        found[topic].append(json.loads(payload))
    return found


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, SPAN_NS), max_size=5))
def test_any_split_of_time_gives_the_same_messages(cuts: list[int]) -> None:
    ours = same_fleet()
    edges = [NOON_NS, *sorted(NOON_NS + cut for cut in cuts), NOON_NS + SPAN_NS]
    parts = [message for a, b in pairwise(edges) for message in ours.messages(a, b)]
    assert parts == hour()[: len(parts)]
    assert stamp_of(hour()[len(parts)]) >= NOON_NS + SPAN_NS


def stamp_of(message: Message) -> int:
    text = json.loads(message[1])["timestamp"]
    moment = np.datetime64(text.rstrip("Z"), "ms")
    return int(moment.astype(np.int64)) * 10**6


def without_null(value: Any) -> Any:
    """Drop what is null: real senders write it into optional fields, the official schemas know no null."""
    if isinstance(value, dict):
        return {key: without_null(item) for key, item in value.items() if item is not None}
    return [without_null(item) for item in value] if isinstance(value, list) else value


@pytest.mark.skipif(not STANDARD.is_dir(), reason="the official VDA 5050 schemas are not beside the checkout")
def test_every_message_validates_against_the_official_schema() -> None:
    validators: dict[tuple[str, str], jsonschema.protocols.Validator] = {}
    seen: Counter[tuple[str, str]] = Counter()
    everything = hour() + fleet().connections(NOON_NS) + fleet().farewell(NOON_NS + S)
    for topic, payload, _, _ in everything:
        message, name = json.loads(payload), topic.rsplit("/", 1)[1]
        key = (message["version"], name)
        seen[key] += 1
        if seen[key] > 1500:  # validating is slow; this many of each kind show every phase of a round
            continue
        if key not in validators:
            text = (STANDARD / key[0] / f"{name}.schema").read_text(encoding="utf-8")
            schema = json.loads(re.sub(r",(\s*[}\]])", r"\1", text))  # one of the official files has trailing commas
            validators[key] = jsonschema.Draft202012Validator(schema)
        validators[key].validate(without_null(message))
    assert set(seen) == {
        (version, name) for version in ("2.0.0", "2.1.0", "3.0.0") for name in ("state", "visualization", "connection")
    }


def test_every_message_is_understood_and_none_is_counted_lost_that_the_network_did_not_lose() -> None:
    ours = fleet(agv_lost=0.0)
    messages = ours.connections(NOON_NS) + ours.messages(NOON_NS, NOON_NS + 600 * S)
    received = [Received(k, topic, payload, NOON_NS + 600 * S, 1) for k, (topic, payload, _, _) in enumerate(messages)]
    decoded = decode(received, LIMITS)
    assert not decoded.rejects
    assert len(decoded.agvs) == len(messages)
    tracker = FleetTracker()
    broken = set()
    for placed in decoded.agvs:
        tracker.add(placed.update)
        if placed.update.connection == "CONNECTION_BROKEN":
            broken.add(placed.update.agv)
    assert len(tracker.agvs) == 40
    for name, agv in tracker.agvs.items():
        assert (agv.lost > 0) == (name in broken), name
    assert {agv.version for agv in tracker.agvs.values()} == {"2.0.0", "2.1.0", "3.0.0"}
    assert {agv.activity for agv in tracker.agvs.values()} >= {"driving", "idle"}


def test_header_ids_rise_by_one_but_for_what_was_lost() -> None:
    missing, n = 0, 0
    for messages in by_topic(hour()).values():
        ids = [message["headerId"] for message in messages]
        steps = np.diff(ids)
        assert (steps >= 1).all()
        missing += int((steps - 1).sum())
        n += len(ids)
    assert 0 < missing < 0.03 * n


def test_a_vehicle_reports_at_least_every_30_s_unless_it_is_away() -> None:
    ours = fleet(agv_lost=0.0)
    messages = by_topic(ours.messages(NOON_NS, NOON_NS + 600 * S))
    away = {topic.rsplit("/", 1)[0] for topic in messages if topic.endswith("connection")}
    checked = 0
    for topic, states in messages.items():
        if not topic.endswith("/state") or topic.rsplit("/", 1)[0] in away:
            continue
        times = [stamp_of((topic, json.dumps(state).encode(), 0, False)) for state in states]
        assert times[0] - NOON_NS <= 30 * S
        assert max(np.diff(times)) <= 30 * S
        checked += 1
    assert checked > 25


def test_vehicles_drive_smoothly_on_the_floor_plan() -> None:
    ours = fleet()
    high = max(x + width for x, _, width, _ in cell_floors(build_layout(CHOSEN)))
    for vehicle in ours.vehicles[:6]:
        before = None
        for k in range(900 * 2):
            snap = ours.snapshot(vehicle, NOON_NS + k * S // 2)
            assert -20 < snap.x_m < high + 30
            assert -10 < snap.y_m < 60
            assert 0 <= snap.battery_percent <= 100
            if before is not None:
                moved = np.hypot(snap.x_m - before.x_m, snap.y_m - before.y_m)
                assert moved <= vehicle.speed_m_s * 0.5 + 0.01
                assert abs(snap.speed_m_s - before.speed_m_s) <= 0.3 or snap.driving != before.driving
            before = snap


def test_positions_keep_out_of_the_cells() -> None:
    floors = cell_floors(build_layout(CHOSEN))
    for topic, messages in by_topic(hour()).items():
        if not topic.endswith("/visualization"):
            continue
        for message in messages:
            place = message.get("agvPosition") or message["mobileRobotPosition"]
            for x, y, width, depth in floors:
                assert not (x < place["x"] < x + width and y < place["y"] < y + depth)


def test_states_tell_one_story() -> None:
    kinds: Counter[str] = Counter()
    for topic, states in by_topic(hour()).items():
        if not topic.endswith("/state"):
            continue
        for state in states:
            running = [action for action in state["actionStates"] if action["actionStatus"] == "RUNNING"]
            power = state.get("batteryState") or state["powerSupply"]
            if state["driving"]:
                assert state["nodeStates"]
                assert not running
                assert not power["charging"]
                kinds["driving"] += 1
            elif running:
                kinds[running[0]["actionType"]] += 1
            elif state["nodeStates"]:
                kinds["blocked"] += 1
                assert state["errors"]
            else:
                kinds["idle"] += 1
                assert state["operatingMode"] in {"AUTOMATIC", "MANUAL"}
    assert set(kinds) == {"driving", "pick", "drop", "startCharging", "blocked", "idle"}
    assert kinds["driving"] > kinds["pick"] > kinds["blocked"] / 5


def test_batteries_fall_while_working_and_rise_while_charging() -> None:
    ours = fleet()
    rises = falls = 0
    for vehicle in ours.vehicles[:20]:
        snaps = [ours.snapshot(vehicle, NOON_NS + k * 60 * S) for k in range(180)]
        for a, b in pairwise(snaps):
            if a.charging and b.charging:
                assert b.battery_percent >= a.battery_percent
                rises += b.battery_percent > a.battery_percent
            elif not a.charging and not b.charging and a.battery_percent < vehicle.full - 1:
                falls += b.battery_percent < a.battery_percent
    assert rises > 20
    assert falls > 500


def test_vehicles_go_off_and_come_back() -> None:
    ours, said = fleet(), Counter[str]()
    for vehicle in ours.vehicles:
        rounds = [ours.mission(vehicle.index, number) for number in range(5_000_000, 5_000_060)]
        states = [note.connection for mission in rounds for note in mission.notes if note.topic == "connection"]
        said.update(states)
        assert all(a != b for a, b in pairwise(states))
    assert set(said) == {"ONLINE", "OFFLINE", "HIBERNATING", "CONNECTION_BROKEN"}


def test_connection_messages_are_retained_and_the_rest_is_not() -> None:
    for topic, _, qos, retain in hour() + fleet().connections(NOON_NS):
        assert (qos, retain) == ((1, True) if topic.endswith("/connection") else (0, False))
    first = by_topic(fleet().connections(NOON_NS))
    assert len(first) == 40
    assert all(message["headerId"] == 0 for (message,) in first.values())


def test_the_mix_of_versions_is_as_set() -> None:
    only = fleet(agv_mix=FleetMix(v2_0=0, v2_1=0, v3_0=1))
    assert {vehicle.make.version for vehicle in only.vehicles} == {"3.0.0"}
    mixed = Counter(vehicle.make.version for vehicle in fleet(agvs=200).vehicles)
    assert mixed["2.0.0"] == pytest.approx(50, abs=4)
    assert mixed["2.1.0"] == pytest.approx(90, abs=4)
    assert mixed["3.0.0"] == pytest.approx(60, abs=4)


def test_some_senders_write_null_into_optional_fields() -> None:
    assert any(b'"zoneSetId":null' in payload for _, payload, _, _ in hour())


@pytest.mark.parametrize("distance", [0.05, 0.9, 5.0, 200.0])
def test_a_drive_begins_and_ends_at_rest(distance: float) -> None:
    total = duration_s(distance, 1.4)
    times = np.linspace(0, total, 200)
    path, speed = np.array([travelled(t, distance, 1.4) for t in times]).T
    assert (np.diff(path) >= -1e-9).all()
    assert path[0] == 0
    assert path[-1] == pytest.approx(distance)
    assert speed[0] == speed[-1] == 0
    assert speed.max() <= 1.4
    np.testing.assert_allclose(np.gradient(path, times)[1:-1], speed[1:-1], atol=0.08)


def test_a_plant_of_one_cell_has_roads_too() -> None:
    small = SimulatorSettings(lines=1, cells=1, guns=1, spots=3, agvs=3)
    layout = build_layout(small)
    assert Roads(layout).aisles == 2
    assert cell_floors(layout)[0][0] == FIRST_X
    assert Fleet(small, layout, NOON_NS).messages(NOON_NS, NOON_NS + 900 * S)
