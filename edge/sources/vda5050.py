"""VDA 5050 2.x and 3.x: `state`, `connection` and `visualization` of AGVs, whatever mix of versions a fleet speaks.

Both majors are read by the same types: where 3.0 renamed something, the old and the new key are optional and whichever
came is taken. Only what is needed is required; what a field may hold when it is there, the standard's schemas say.
Source: VDA 5050, versions 2.0, 2.1 and 3.0, with their JSON schemas.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from edge.sources.clock import STAMP_EXPECTED, ClockBounds
from edge.sources.decoded import PlacedAgv
from edge.sources.envelope import DECODE_ERRORS
from edge.sources.explain import explain
from edge.sources.fields import INT64_MAX, MAX_NAME, about, expectations
from edge.sources.packed import PackedDecoder
from edge.sources.reading import Reading, Sink
from edge.sources.rejects import RefusedError, Reject, shorten, show
from models.fleet.state import AgvError, AgvUpdate, Topic

READ: tuple[Topic, ...] = get_args(Topic)
NOT_READ = ("order", "instantActions", "factsheet", "responses", "zoneSet", "interactiveZone")
"""Topics of the standard that hold nothing Lineside reads yet."""
MAJORS = ("2", "3")

RENAMED = {"CONNECTIONBROKEN": "CONNECTION_BROKEN", "TEACHIN": "TEACH_IN"}
"""2.x's values that 3.0 spells differently."""
ENDED = frozenset({"FINISHED", "FAILED"})
UNDER_WAY = frozenset({"INITIALIZING", "RUNNING"})

TEXT = f"text of at most {MAX_NAME} characters"
Text = Annotated[str, Meta(max_length=MAX_NAME)]
Label = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
ConnectionState = Literal["ONLINE", "OFFLINE", "CONNECTIONBROKEN", "CONNECTION_BROKEN", "HIBERNATING"]
OperatingMode = Literal[
    "AUTOMATIC", "SEMIAUTOMATIC", "MANUAL", "SERVICE", "TEACHIN", "TEACH_IN", "STARTUP", "INTERVENED"
]
EmergencyStop = Literal["AUTOACK", "MANUAL", "REMOTE", "NONE"]
ActionStatus = Literal["WAITING", "INITIALIZING", "RUNNING", "PAUSED", "RETRIABLE", "FINISHED", "FAILED"]
ErrorLevel = Literal["WARNING", "URGENT", "CRITICAL", "FATAL"]
_LEVELS: tuple[str, ...] = get_args(ErrorLevel)
MAX_ERRORS = 100
"""Of one vehicle; of more the gravest are kept."""


def _one_of(description: str, values: Any) -> Meta:
    return about(description, f"one of {', '.join(get_args(values))}")


class Position(Struct, rename="camel", gc=False):
    """`agvPosition` of 2.x, `mobileRobotPosition` of 3.0."""

    x: Annotated[float, about("On the map.", "a finite number", unit="m")]
    y: Annotated[float, about("On the map.", "a finite number", unit="m")]
    theta: Annotated[float, about("Orientation.", "a finite number", unit="rad")]
    map_id: Annotated[Text | None, about("The map that x and y refer to.", TEXT)] = None
    position_initialized: Annotated[bool | None, about("2.x: the position is known.", "true or false")] = None
    localized: Annotated[bool | None, about("3.0: the position is known.", "true or false")] = None


class Battery(Struct, rename="camel", gc=False):
    """`batteryState` of 2.x, `powerSupply` of 3.0."""

    battery_charge: Annotated[float | None, about("2.x: state of charge.", "a number from 0 to 100", unit="%")] = None
    state_of_charge: Annotated[float | None, about("3.0: state of charge.", "a number from 0 to 100", unit="%")] = None
    charging: Annotated[bool | None, about("Whether it is charging.", "true or false")] = None


class SafetyState(Struct, rename="camel", gc=False):
    """Emergency stop."""

    e_stop: Annotated[EmergencyStop | None, _one_of("2.x: acknowledge type of the stop.", EmergencyStop)] = None
    active_emergency_stop: Annotated[
        EmergencyStop | None, _one_of("3.0: acknowledge type of the stop.", EmergencyStop)
    ] = None


class ActionState(Struct, rename="camel", gc=False):
    """One action of the order, or an instant one."""

    action_status: Annotated[ActionStatus, _one_of("How far the action is.", ActionStatus)]


class ErrorEntry(Struct, rename="camel", gc=False):
    """One error that the vehicle reports."""

    error_type: Annotated[str, about("Name of the error.", "text")]
    error_level: Annotated[ErrorLevel, _one_of("How grave it is.", ErrorLevel)]
    error_description: Annotated[str | None, about("In words.", "text")] = None


class Header(Struct, rename="camel", gc=False):
    """What every message begins with."""

    header_id: Annotated[
        Annotated[int, Meta(ge=0, le=INT64_MAX)], about("Counts the messages of a topic.", "a whole number, 0 or more")
    ]
    timestamp: Annotated[str, about("When it was sent.", STAMP_EXPECTED)]
    version: Annotated[Text, about("Version of VDA 5050.", "a version, as 2.1.0")]
    manufacturer: Annotated[Label, about("As in the topic.", f"text of 1 to {MAX_NAME} characters")]
    serial_number: Annotated[Label, about("As in the topic.", f"text of 1 to {MAX_NAME} characters")]


class ConnectionMessage(Header, gc=False):
    """Topic `connection`: retained, and the vehicle's last will."""

    connection_state: Annotated[ConnectionState, _one_of("State of the connection.", ConnectionState)]


class VisualizationMessage(Header, gc=False):
    """Topic `visualization`: the position, more often than the state."""

    agv_position: Position | None = None
    mobile_robot_position: Position | None = None


class StateMessage(VisualizationMessage, gc=False):
    """Topic `state`, at the depth that Lineside reads."""

    driving: Annotated[bool | None, about("Whether it moves.", "true or false")] = None
    operating_mode: Annotated[OperatingMode | None, _one_of("Who drives it.", OperatingMode)] = None
    order_id: Annotated[Text | None, about("The current or last order; empty before the first.", TEXT)] = None
    node_states: Annotated[list[msgspec.Raw] | None, about("Nodes still ahead.", "a list of objects")] = None
    edge_states: Annotated[list[msgspec.Raw] | None, about("Edges still ahead.", "a list of objects")] = None
    action_states: list[ActionState] | None = None
    instant_action_states: list[ActionState] | None = None
    zone_action_states: list[ActionState] | None = None
    battery_state: Battery | None = None
    power_supply: Battery | None = None
    safety_state: SafetyState | None = None
    errors: list[ErrorEntry] | None = None


STRUCTS: dict[Topic, type[Header]] = {
    "state": StateMessage,
    "connection": ConnectionMessage,
    "visualization": VisualizationMessage,
}
_JSON = {topic: msgspec.json.Decoder(struct) for topic, struct in STRUCTS.items()}
_MSGPACK = {topic: PackedDecoder(struct) for topic, struct in STRUCTS.items()}
_EXPECTED = {topic: expectations(struct) for topic, struct in STRUCTS.items()}


def read(reading: Reading, sink: Sink) -> None:
    """Read a vehicle's message; one that cannot be taken becomes a reject, one that is not read is counted."""
    name = reading.route.parts[4]
    frame = reading.frame
    if name in NOT_READ:
        sink.ignored.append((reading.origin.source, len(frame.items)))
        return
    topic = next((topic for topic in READ if topic == name), None)
    if topic is None:
        expected = f"a topic of VDA 5050 at its end: {', '.join((*READ, *NOT_READ))}"
        for item in range(len(frame.items)):
            sink.reject(reading, Reject(item, "topic", show(name), expected))
        return
    decode = _JSON[topic].decode if frame.json else _MSGPACK[topic].decode
    for item, raw in enumerate(frame.items):
        try:
            update = _update(decode(raw), topic, reading.route.parts, reading.bounds)
        except DECODE_ERRORS as error:
            whole = f"an object as VDA 5050 has it on the topic {topic}"
            sink.reject(reading, explain(error, frame, item, _EXPECTED[topic], whole))
        except RefusedError as refused:
            sink.reject(reading, refused.of(item))
        else:
            origin = sink.origins[reading.seq] = reading.origin
            sink.agvs.append(PlacedAgv(reading.seq, item, origin.received_ns, origin.source, update))


def _update(message: Header, topic: Topic, parts: tuple[str, ...], bounds: ClockBounds) -> AgvUpdate:
    """Map a message to the internal form. Raises `RefusedError`."""
    for field, came, in_topic in (
        ("manufacturer", message.manufacturer, parts[2]),
        ("serialNumber", message.serial_number, parts[3]),
    ):
        if came != in_topic:
            raise RefusedError(f"$.{field}", show(came), f"{show(in_topic)}, as in the topic")
    if message.version.partition(".")[0] not in MAJORS:
        supported = " or ".join(f"{major}.x" for major in MAJORS)
        raise RefusedError("$.version", show(message.version), f"a supported version, {supported}")
    may_be_old = topic == "connection"  # retained by the broker
    update = AgvUpdate(
        agv=f"{message.manufacturer}/{message.serial_number}",
        manufacturer=message.manufacturer,
        serial=message.serial_number,
        version=message.version,
        topic=topic,
        header_id=message.header_id,
        time_ns=bounds.read(message.timestamp, "$.timestamp", expected=STAMP_EXPECTED, may_be_old=may_be_old),
    )
    if isinstance(message, ConnectionMessage):
        return replace(update, connection=_renamed(message.connection_state))
    if isinstance(message, StateMessage):
        update = _with_state(update, message)
    if isinstance(message, VisualizationMessage):
        update = _with_position(update, message)
    return update


def _with_position(update: AgvUpdate, message: VisualizationMessage) -> AgvUpdate:
    for key, position in (
        ("agvPosition", message.agv_position),
        ("mobileRobotPosition", message.mobile_robot_position),
    ):
        if position is None:
            continue
        for field in ("x", "y", "theta"):
            value = getattr(position, field)
            if not math.isfinite(value):
                raise RefusedError(f"$.{key}.{field}", show(value), "a finite number")
        localized = position.position_initialized if position.localized is None else position.localized
        return replace(
            update,
            x_m=position.x,
            y_m=position.y,
            theta_rad=position.theta,
            map_id=position.map_id,
            localized=localized,
        )
    return update


def _with_state(update: AgvUpdate, message: StateMessage) -> AgvUpdate:
    safety = message.safety_state or SafetyState()
    charge, charging = _battery(message)
    actions = message.action_states
    order = [states for states in (message.node_states, message.edge_states) if states is not None]
    acting = [
        states for states in (actions, message.instant_action_states, message.zone_action_states) if states is not None
    ]
    order_active = any(order) or any(action.action_status not in ENDED for action in actions or ())
    action_running = any(action.action_status in UNDER_WAY for states in acting for action in states)
    errors = message.errors
    return replace(
        update,
        driving=message.driving,
        operating_mode=message.operating_mode and _renamed(message.operating_mode),
        battery_percent=charge,
        charging=charging,
        emergency_stop=safety.e_stop or safety.active_emergency_stop,
        order_id=message.order_id,
        order_active=order_active if order or actions is not None else None,
        action_running=action_running if acting else None,
        errors=None if errors is None else _errors(errors),
    )


def _errors(entries: Sequence[ErrorEntry]) -> tuple[AgvError, ...]:
    """Return the errors of a vehicle; of too many the gravest, and of each as much as is shown."""
    if len(entries) > MAX_ERRORS:
        entries = sorted(entries, key=lambda entry: _LEVELS.index(entry.error_level), reverse=True)[:MAX_ERRORS]
    return tuple(AgvError(shorten(e.error_type), e.error_level, shorten(e.error_description or "")) for e in entries)


def _battery(message: StateMessage) -> tuple[float | None, bool | None]:
    """Return state of charge in % and whether it is charging. Raises `RefusedError`."""
    for key, battery in (("batteryState", message.battery_state), ("powerSupply", message.power_supply)):
        if battery is None:
            continue
        for field, charge in (("batteryCharge", battery.battery_charge), ("stateOfCharge", battery.state_of_charge)):
            if charge is None:
                continue
            if not 0 <= charge <= 100:
                raise RefusedError(f"$.{key}.{field}", show(charge), "a number from 0 to 100")
            return charge, battery.charging
        return None, battery.charging
    return None, None


def _renamed(value: str) -> str:
    return RENAMED.get(value, value)
