"""Valid messages to start from, and the one way in which these tests make a `Message` of them."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from edge.sources import Decoded, Limits, Message, decode
from edge.sources.envelope import count_items

NOW_NS = 1_772_366_400 * 10**9
"""2026-03-01T12:00:00Z, when the tests' messages are received."""
LIMITS = Limits(max_age_days=366, max_ahead_s=300, max_payload_bytes=2**20, max_samples=1000)
WELD_TOPIC = "lineside/v1/ulm/body/FR1/C03/weld"
EVENT_TOPIC = "lineside/v1/ulm/body/FR1/C03/event"
AGV_TOPIC = "uagv/v2/KIT/AGV-7/"

WELD: dict[str, Any] = {
    "id": "w1",
    "spot": "s1",
    "gun": "g1",
    "body": "b1",
    "program": "12",
    "time": "2026-03-01T12:00:00Z",
    "dt_us": 1000,
    "current_ka": [7.5, 8.0, 8.5],
    "voltage_v": [1.5, 1.25, 1.0],
}
EVENT: dict[str, Any] = {"id": "e1", "kind": "cap_change", "time": "2026-03-01T12:00:00Z", "gun": "g1"}
HEADER: dict[str, Any] = {
    "headerId": 5,
    "timestamp": "2026-03-01T12:00:00.25Z",
    "version": "2.1.0",
    "manufacturer": "KIT",
    "serialNumber": "AGV-7",
}
STATE_2: dict[str, Any] = {
    **HEADER,
    "orderId": "o1",
    "orderUpdateId": 0,
    "lastNodeId": "n1",
    "lastNodeSequenceId": 2,
    "driving": True,
    "operatingMode": "AUTOMATIC",
    "nodeStates": [{"nodeId": "n2", "sequenceId": 4, "released": True}],
    "edgeStates": [],
    "agvPosition": {"x": 1.5, "y": -2, "theta": 0.5, "mapId": "m", "positionInitialized": True},
    "actionStates": [{"actionId": "a", "actionType": "pick", "actionStatus": "WAITING"}],
    "batteryState": {"batteryCharge": 71.5, "charging": False},
    "errors": [],
    "safetyState": {"eStop": "NONE", "fieldViolation": False},
}
STATE_3: dict[str, Any] = {
    **HEADER,
    "version": "3.0.0",
    "orderId": "",
    "orderUpdateId": 0,
    "lastNodeId": "n1",
    "lastNodeSequenceId": 2,
    "driving": False,
    "operatingMode": "TEACH_IN",
    "nodeStates": [],
    "edgeStates": [],
    "mobileRobotPosition": {"x": 3, "y": 4, "theta": -1, "mapId": "m", "localized": False},
    "actionStates": [],
    "instantActionStates": [{"actionId": "i", "actionType": "startCharging", "actionStatus": "RUNNING"}],
    "powerSupply": {"stateOfCharge": 22, "charging": True},
    "errors": [{"errorType": "hot", "errorLevel": "URGENT", "errorDescription": "motor 2"}],
    "safetyState": {"activeEmergencyStop": "REMOTE", "fieldViolation": False},
}


def message(topic: str, payload: Any, *, seq: int = 1, packed: bool = False, received_ns: int = NOW_NS) -> Message:
    """Make a message as the collector would; what is not yet bytes is encoded as JSON, or as MessagePack."""
    if not isinstance(payload, bytes):
        payload = msgspec.msgpack.encode(payload) if packed else msgspec.json.encode(payload)
    return Message(seq, topic, payload, received_ns, count_items(payload))


def read(topic: str, payload: Any, *, packed: bool = False) -> Decoded:
    """Decode one message."""
    return decode([message(topic, payload, packed=packed)], LIMITS)


def reason(topic: str, payload: Any, *, packed: bool = False) -> str:
    """Decode one message that must come out as exactly one reject, and return its reason."""
    decoded = read(topic, payload, packed=packed)
    assert items(decoded) == 1, decoded
    return decoded.rejects[0].reject.reason


def items(decoded: Decoded) -> int:
    """Count every item that came out."""
    ignored = sum(count for _, count in decoded.ignored)
    return len(decoded.welds) + len(decoded.events) + len(decoded.agvs) + len(decoded.rejects) + ignored


def raw(*samples: float) -> bytes:
    """Return a curve as it may stand in MessagePack."""
    return np.array(samples, dtype="<f4").tobytes()
