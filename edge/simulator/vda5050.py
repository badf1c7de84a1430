"""Writing VDA 5050 messages as the vehicles of each version do: 2.0.0, 2.1.0 and 3.0.0."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Make:
    """What a manufacturer's vehicles speak."""

    manufacturer: str
    version: str
    writes_null: bool = False
    """Puts null into optional fields that it does not use."""

    @property
    def is_v3(self) -> bool:
        """Version 3 renamed topics and fields."""
        return self.version.startswith("3.")

    def topic(self, serial: str, topic: str) -> str:
        """Return the full MQTT topic."""
        root = "vda5050/v3" if self.is_v3 else "uagv/v2"
        return f"{root}/{self.manufacturer}/{serial}/{topic}"


MAKES = {
    "v2_0": (Make("kestrel", "2.0.0"),),
    "v2_1": (Make("nordlauf", "2.1.0"), Make("tianma", "2.1.0", writes_null=True)),
    "v3_0": (Make("ruixing", "3.0.0"),),
}
"""Invented manufacturers, by the version's field in `settings.FleetMix`."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One vehicle at one moment."""

    serial: str
    time_ns: int
    x_m: float
    y_m: float
    theta_rad: float
    speed_m_s: float
    map_id: str
    driving: bool
    battery_percent: float
    charging: bool
    mode: str
    """AUTOMATIC or MANUAL."""
    stopped: bool
    """Emergency stop."""
    errors: tuple[tuple[str, str, str], ...]
    """(type, level, description); level WARNING or FATAL."""
    order_id: str
    """Empty before the first order."""
    nodes_ahead: tuple[tuple[str, int, float, float], ...]
    """(node, sequence, x, y) still to be reached."""
    last_node: tuple[str, int]
    action: tuple[str, str, str] | None
    """(id, type, status)."""
    loaded: bool
    state_header_id: int
    """Of the newest state, which visualization refers to in 3.0."""


def stamp(time_ns: int) -> str:
    """Return a time as RFC 3339 UTC with milliseconds."""
    moment = datetime.fromtimestamp(time_ns // 10**9, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_ns // 10**6 % 1000:03d}Z"


def header(make: Make, serial: str, header_id: int, time_ns: int) -> dict[str, Any]:
    """Return the five fields that begin every message."""
    return {
        "headerId": header_id,
        "timestamp": stamp(time_ns),
        "version": make.version,
        "manufacturer": make.manufacturer,
        "serialNumber": serial,
    }


def connection(make: Make, serial: str, header_id: int, time_ns: int, state: str) -> dict[str, Any]:
    """Return a connection message; `state` in the words of 3.0."""
    word = state
    if not make.is_v3:
        word = {"CONNECTION_BROKEN": "CONNECTIONBROKEN", "HIBERNATING": "OFFLINE"}.get(state, state)
    return header(make, serial, header_id, time_ns) | {"connectionState": word}


def visualization(make: Make, snap: Snapshot, header_id: int) -> dict[str, Any]:
    """Return where the vehicle is and how fast it goes."""
    message = header(make, snap.serial, header_id, snap.time_ns)
    if make.is_v3:
        message["referenceStateHeaderId"] = snap.state_header_id
    return message | _position(make, snap) | {"velocity": _velocity(snap)}


def state(make: Make, snap: Snapshot, header_id: int) -> dict[str, Any]:
    """Return the whole state of the vehicle."""
    nodes = [
        {
            "nodeId": node,
            "sequenceId": sequence,
            "released": True,
            "nodePosition": {"x": x, "y": y, "theta": 0.0, "mapId": snap.map_id},
        }
        for node, sequence, x, y in snap.nodes_ahead
    ]
    edges = [
        {"edgeId": f"edge-{sequence - 1}", "sequenceId": sequence - 1, "released": True}
        for _, sequence, _, _ in snap.nodes_ahead
    ]
    message = header(make, snap.serial, header_id, snap.time_ns) | {
        "orderId": snap.order_id,
        "orderUpdateId": 0,
        "lastNodeId": snap.last_node[0],
        "lastNodeSequenceId": snap.last_node[1],
        "nodeStates": nodes,
        "edgeStates": edges,
        "driving": snap.driving,
        "paused": False,
        "actionStates": [
            {"actionId": name, "actionType": kind, "actionStatus": status}
            for name, kind, status in ([snap.action] if snap.action else [])
        ],
        "operatingMode": snap.mode,
        "errors": [
            {"errorType": kind, "errorLevel": _level(make, level), "errorDescription": text}
            for kind, level, text in snap.errors
        ],
        "loads": [{"loadId": f"{snap.order_id}-load", "loadType": "rack"}] if snap.loaded else [],
    }
    message |= _position(make, snap) | {"velocity": _velocity(snap)}
    if make.is_v3:
        message["instantActionStates"] = []
        message["powerSupply"] = {"stateOfCharge": snap.battery_percent, "charging": snap.charging}
        message["safetyState"] = {
            "activeEmergencyStop": "MANUAL" if snap.stopped else "NONE",
            "fieldViolation": False,
        }
    else:
        message["batteryState"] = {"batteryCharge": snap.battery_percent, "charging": snap.charging}
        message["safetyState"] = {"eStop": "MANUAL" if snap.stopped else "NONE", "fieldViolation": False}
    if make.writes_null:
        message |= {"zoneSetId": None, "distanceSinceLastNode": None, "newBaseRequest": None, "information": None}
        message["batteryState"] |= {"batteryVoltage": None, "batteryHealth": None, "reach": None}
    return message


def _level(make: Make, level: str) -> str:
    return "CRITICAL" if make.is_v3 and level == "FATAL" else level


def _position(make: Make, snap: Snapshot) -> dict[str, Any]:
    place: dict[str, Any] = {
        "x": round(snap.x_m, 3),
        "y": round(snap.y_m, 3),
        "theta": max(-3.14159, min(3.14159, round(snap.theta_rad, 5))),
        "mapId": snap.map_id,
    }
    if make.is_v3:
        return {"mobileRobotPosition": place | {"localized": True}}
    if make.writes_null:
        place |= {"mapDescription": None, "localizationScore": None, "deviationRange": None}
    return {"agvPosition": place | {"positionInitialized": True}}


def _velocity(snap: Snapshot) -> dict[str, float]:
    return {"vx": round(snap.speed_m_s, 3), "vy": 0.0, "omega": 0.0}
