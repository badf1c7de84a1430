from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from edge.sources import decode
from edge.sources.vda5050 import NOT_READ, STRUCTS
from models.fleet.state import AgvError, AgvUpdate

from .samples import AGV_TOPIC, HEADER, LIMITS, NOW_NS, STATE_2, STATE_3, items, message, read, reason

STANDARD = Path(__file__).resolve().parents[4] / "../shared/data/vda5050"
STAMP_NS = NOW_NS + 250_000_000


def update(topic: str, payload: Any, *, packed: bool = False) -> AgvUpdate:
    decoded = read(topic, payload, packed=packed)
    assert not decoded.rejects, decoded.rejects[0].reject.reason
    (agv,) = decoded.agvs
    assert (agv.seq, agv.item, agv.received_ns, agv.source) == (1, 0, NOW_NS, "agv/KIT/AGV-7")
    return agv.update


@pytest.mark.parametrize("packed", [False, True])
def test_a_state_of_2_1(packed: bool) -> None:
    assert update(AGV_TOPIC + "state", STATE_2, packed=packed) == AgvUpdate(
        agv="KIT/AGV-7",
        manufacturer="KIT",
        serial="AGV-7",
        version="2.1.0",
        topic="state",
        header_id=5,
        time_ns=STAMP_NS,
        x_m=1.5,
        y_m=-2.0,
        theta_rad=0.5,
        map_id="m",
        localized=True,
        driving=True,
        operating_mode="AUTOMATIC",
        battery_percent=71.5,
        charging=False,
        emergency_stop="NONE",
        order_id="o1",
        order_active=True,
        action_running=False,
        errors=(),
    )


def test_a_state_of_3_0() -> None:
    assert update("vda5050/v3/KIT/AGV-7/state", STATE_3) == AgvUpdate(
        agv="KIT/AGV-7",
        manufacturer="KIT",
        serial="AGV-7",
        version="3.0.0",
        topic="state",
        header_id=5,
        time_ns=STAMP_NS,
        x_m=3.0,
        y_m=4.0,
        theta_rad=-1.0,
        map_id="m",
        localized=False,
        driving=False,
        operating_mode="TEACH_IN",
        battery_percent=22.0,
        charging=True,
        emergency_stop="REMOTE",
        order_id="",
        order_active=False,
        action_running=True,
        errors=(AgvError("hot", "URGENT", "motor 2"),),
    )


def test_null_and_absence_both_mean_that_the_message_does_not_say() -> None:
    optional = [key for key in STATE_2 if key not in HEADER]
    absent = update(AGV_TOPIC + "state", HEADER)
    assert update(AGV_TOPIC + "state", HEADER | dict.fromkeys(optional)) == absent
    assert absent == AgvUpdate("KIT/AGV-7", "KIT", "AGV-7", "2.1.0", "state", 5, STAMP_NS)
    inner = {
        "agvPosition": {"x": 0, "y": 0, "theta": 0, "mapId": None, "positionInitialized": None},
        "batteryState": {"batteryCharge": None, "charging": None},
        "safetyState": {"eStop": None},
        "errors": [{"errorType": "t", "errorLevel": "FATAL", "errorDescription": None}],
    }
    told = update(AGV_TOPIC + "state", HEADER | inner)
    assert (told.map_id, told.localized, told.battery_percent, told.charging) == (None, None, None, None)
    assert told.errors == (AgvError("t", "FATAL", ""),)


@pytest.mark.parametrize(
    ("sent", "order_active", "action_running"),
    [
        ({"nodeStates": [], "edgeStates": [], "actionStates": []}, False, False),
        ({"nodeStates": [{}], "edgeStates": [], "actionStates": []}, True, False),
        ({"nodeStates": [], "edgeStates": [{}], "actionStates": []}, True, False),
        ({"nodeStates": [], "edgeStates": [], "actionStates": ["FINISHED", "FAILED"]}, False, False),
        ({"nodeStates": [], "edgeStates": [], "actionStates": ["FINISHED", "WAITING"]}, True, False),
        ({"nodeStates": [], "edgeStates": [], "actionStates": ["RUNNING"]}, True, True),
        ({"nodeStates": [], "edgeStates": [], "actionStates": ["INITIALIZING"]}, True, True),
        ({"nodeStates": [], "edgeStates": [], "actionStates": ["PAUSED"]}, True, False),
        ({"actionStates": [], "instantActionStates": ["RUNNING"]}, False, True),
        ({"actionStates": [], "zoneActionStates": ["RUNNING"]}, False, True),
        ({"nodeStates": []}, False, None),
        ({"instantActionStates": []}, None, False),
        ({}, None, None),
    ],
)
def test_an_order_is_active_while_anything_of_it_is_left(
    sent: dict[str, list[Any]], order_active: bool | None, action_running: bool | None
) -> None:
    states = {
        key: [{"actionId": "a", "actionStatus": s} for s in value] if "action" in key.lower() else value
        for key, value in sent.items()
    }
    told = update(AGV_TOPIC + "state", HEADER | states)
    assert (told.order_active, told.action_running) == (order_active, action_running)


@pytest.mark.parametrize(
    ("sent", "internal"),
    [
        ("ONLINE", "ONLINE"),
        ("OFFLINE", "OFFLINE"),
        ("CONNECTIONBROKEN", "CONNECTION_BROKEN"),
        ("CONNECTION_BROKEN", "CONNECTION_BROKEN"),
        ("HIBERNATING", "HIBERNATING"),
    ],
)
def test_connection_states_of_both_majors_have_one_name(sent: str, internal: str) -> None:
    told = update(AGV_TOPIC + "connection", HEADER | {"connectionState": sent})
    assert told.connection == internal
    assert told == AgvUpdate("KIT/AGV-7", "KIT", "AGV-7", "2.1.0", "connection", 5, STAMP_NS, connection=internal)


def test_2_x_spells_teach_in_differently() -> None:
    assert update(AGV_TOPIC + "state", HEADER | {"operatingMode": "TEACHIN"}).operating_mode == "TEACH_IN"


def test_a_visualization_tells_the_position_alone() -> None:
    told = update(AGV_TOPIC + "visualization", STATE_2)
    assert (told.topic, told.x_m, told.y_m, told.theta_rad) == ("visualization", 1.5, -2.0, 0.5)
    assert told.driving is None


@pytest.mark.parametrize("version", ["2.0", "2.0.0", "2.1.0", "3.0.0", "3"])
def test_versions_2_and_3_are_read(version: str) -> None:
    assert update(AGV_TOPIC + "state", {**STATE_2, "version": version}).version == version


@pytest.mark.parametrize("version", ["1.1.0", "4.0.0", "", "20.1", "v2.1"])
def test_an_unknown_version_names_what_is_supported(version: str) -> None:
    said = reason(AGV_TOPIC + "state", {**STATE_2, "version": version})
    assert said == f'item 0: $.version is "{version}"; expected a supported version, 2.x or 3.x'


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("manufacturer", "BOT", '$.manufacturer is "BOT"; expected "KIT", as in the topic'),
        ("serialNumber", "AGV-8", '$.serialNumber is "AGV-8"; expected "AGV-7", as in the topic'),
        ("serialNumber", 7, "$.serialNumber is 7; expected text of 1 to 128 characters"),
        ("headerId", -1, "$.headerId is -1; expected a whole number, 0 or more"),
        ("timestamp", "noon", '$.timestamp is "noon"; expected an RFC 3339 time with zone'),
        ("timestamp", NOW_NS, f"$.timestamp is {NOW_NS}; expected an RFC 3339 time"),
        ("timestamp", "2020-01-01T00:00:00Z", "expected a time at most 366 days before"),
        ("timestamp", "2027-01-01T00:00:00Z", "expected a time at most 300 s after"),
        ("driving", "no", '$.driving is "no"; expected true or false'),
        ("operatingMode", "FAST", '$.operatingMode is "FAST"; expected one of AUTOMATIC, SEMIAUTOMATIC'),
        ("agvPosition", {"x": 1, "y": 2}, "$.agvPosition.theta is absent; expected a finite number"),
        ("agvPosition", [1, 2, 3], "$.agvPosition is [1,2,3]; expected an object with the keys x, y, theta"),
        ("agvPosition", {"x": "1", "y": 2, "theta": 0}, '$.agvPosition.x is "1"; expected a finite number'),
        ("batteryState", {"batteryCharge": 101}, "$.batteryState.batteryCharge is 101.0; expected a number from 0 to"),
        ("powerSupply", {"stateOfCharge": -1}, "$.batteryState"),
        ("nodeStates", {}, "$.nodeStates is {}; expected a list of objects"),
        ("errors", {}, "$.errors is {}; expected a list of objects"),
        (
            "errors",
            [{"errorType": "a", "errorLevel": "BAD"}],
            '$.errors[0].errorLevel is "BAD"; expected one of WARNING',
        ),
        ("actionStates", [{"actionStatus": "RUNNING"}, {}], "$.actionStates[1].actionStatus is absent"),
        ("safetyState", {"eStop": 1}, "$.safetyState.eStop is 1; expected one of AUTOACK, MANUAL, REMOTE, NONE"),
    ],
)
def test_a_wrong_field_is_named(field: str, value: Any, said: str) -> None:
    sent = {**STATE_2, field: value}
    if field == "powerSupply":
        del sent["batteryState"]
        said = "$.powerSupply.stateOfCharge is -1.0; expected a number from 0 to 100"
    assert said in reason(AGV_TOPIC + "state", sent)


@pytest.mark.parametrize("field", ["x", "y", "theta"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_position_must_be_finite(field: str, value: float) -> None:
    sent = {**HEADER, "mobileRobotPosition": {"x": 0.0, "y": 0.0, "theta": 0.0, field: value}}
    said = reason(AGV_TOPIC + "visualization", sent, packed=True)
    assert said == f"item 0: $.mobileRobotPosition.{field} is {value!r}; expected a finite number"


@pytest.mark.parametrize("field", list(HEADER))
@pytest.mark.parametrize("topic", list(STRUCTS))
def test_the_header_is_required(field: str, topic: str) -> None:
    sent = {key: value for key, value in (STATE_2 | {"connectionState": "ONLINE"}).items() if key != field}
    assert f"$.{field} is absent" in reason(AGV_TOPIC + topic, sent)


def test_a_retained_connection_may_be_old_but_not_ahead() -> None:
    old = HEADER | {"connectionState": "OFFLINE", "timestamp": "2003-01-01T00:00:00Z"}
    assert update(AGV_TOPIC + "connection", old).time_ns == 1_041_379_200 * 10**9
    ahead = old | {"timestamp": "2026-03-02T12:00:00Z"}
    assert "at most 300 s after" in reason(AGV_TOPIC + "connection", ahead)


@pytest.mark.parametrize("topic", NOT_READ)
def test_other_topics_of_the_standard_are_counted_and_not_read(topic: str) -> None:
    decoded = read(AGV_TOPIC + topic, [{"anything": 1}, 2])
    assert decoded.ignored == [("agv/KIT/AGV-7", 2)]
    assert items(decoded) == 2


def test_a_topic_that_the_standard_does_not_have_is_rejected() -> None:
    said = reason(AGV_TOPIC + "states", STATE_2)
    assert said.startswith('item 0: topic is "states"; expected a topic of VDA 5050 at its end: state, connection,')


def test_a_list_is_read_item_by_item() -> None:
    decoded = read(AGV_TOPIC + "state", [STATE_2, {}, STATE_2 | {"headerId": 6}])
    assert [(agv.item, agv.update.header_id) for agv in decoded.agvs] == [(0, 5), (2, 6)]
    assert [reject.reject.path for reject in decoded.rejects] == ["$.headerId"]


@pytest.mark.skipif(not STANDARD.exists(), reason="the official schemas are not beside the checkout")
class TestAgainstTheStandard:
    @pytest.mark.parametrize(
        ("version", "topic", "payload"),
        [
            ("2.0.0", "state", STATE_2),
            ("2.1.0", "state", STATE_2),
            ("3.0.0", "state", STATE_3),
            ("2.0.0", "connection", HEADER | {"connectionState": "CONNECTIONBROKEN"}),
            ("2.1.0", "connection", HEADER | {"connectionState": "ONLINE"}),
            ("3.0.0", "connection", HEADER | {"connectionState": "HIBERNATING"}),
            ("2.0.0", "visualization", {key: STATE_2[key] for key in (*HEADER, "agvPosition")}),
            ("2.1.0", "visualization", {key: STATE_2[key] for key in (*HEADER, "agvPosition")}),
        ],
    )
    def test_our_samples_are_valid_and_read(self, version: str, topic: str, payload: dict[str, Any]) -> None:
        jsonschema.validate(payload, self.schema(version, topic))
        assert update(AGV_TOPIC + topic, {**payload, "version": version}).version == version

    @pytest.mark.parametrize("version", ["2.0.0", "2.1.0", "3.0.0"])
    @pytest.mark.parametrize("topic", ["state", "connection"])
    def test_every_enumerated_value_of_the_standard_is_accepted(self, version: str, topic: str) -> None:
        """Put each value that the schema allows for a field into a message, and read it."""
        sample = (STATE_3 if version == "3.0.0" else STATE_2) | {"connectionState": "ONLINE", "version": version}
        sample = {**sample, "errors": [{"errorType": "t", "errorLevel": "FATAL"}]}
        tried = 0
        for path, values in enumerated(self.schema(version, topic)):
            for value in values:
                sent = json.loads(json.dumps(sample))
                if put(sent, path, value):
                    tried += 1
                    update(AGV_TOPIC + topic, sent)
        assert tried >= {"state": 14, "connection": 3}[topic]

    @staticmethod
    def schema(version: str, topic: str) -> dict[str, Any]:
        schema: dict[str, Any] = json.loads((STANDARD / version / f"{topic}.schema").read_text(encoding="utf-8"))
        return schema


def enumerated(schema: dict[str, Any]) -> list[tuple[tuple[str, ...], list[str]]]:
    """Find every enumeration of a JSON Schema with the keys that lead to it; lists do not count as a step."""
    found: list[tuple[tuple[str, ...], list[str]]] = []

    def walk(node: dict[str, Any], path: tuple[str, ...]) -> None:
        if "$ref" in node:
            target: Any = schema
            for step in node["$ref"].removeprefix("#/").split("/"):
                target = target[step]
            node = target
        if "enum" in node:
            found.append((path, node["enum"]))
        for name, inner in node.get("properties", {}).items():
            walk(inner, (*path, name))
        if isinstance(node.get("items"), dict) and len(path) < 6:
            walk(node["items"], path)

    walk(schema, ())
    return found


def put(target: Any, path: tuple[str, ...], value: str) -> bool:
    """Set a value where the sample has a value already; tell whether it has."""
    for step in path[:-1]:
        target = target.get(step) if isinstance(target, dict) else None
        target = target[0] if isinstance(target, list) and target else target
    if not isinstance(target, dict) or path[-1] not in target:
        return False
    target[path[-1]] = value
    return True


def test_replaying_a_message_decodes_the_same() -> None:
    one = message(AGV_TOPIC + "state", STATE_2)
    assert decode([one], LIMITS).agvs == decode([one], LIMITS).agvs
