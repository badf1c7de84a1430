"""The latest state of every AGV, put together from messages that each tell a part of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from models.fleet.state import AgvError, AgvUpdate

MERGED = (
    "connection", "x_m", "y_m", "theta_rad", "map_id", "localized", "driving", "operating_mode", "battery_percent",
    "charging", "emergency_stop", "order_id", "order_active", "action_running", "errors",
)  # fmt: skip
SILENT_BY_LAW = frozenset({"OFFLINE", "HIBERNATING"})
INT64_MAX = 2**63 - 1
"""What stores can hold; a counter that jumps about can claim more lost messages than that."""
STOPPING_LEVELS = frozenset({"FATAL", "CRITICAL"})


@dataclass(slots=True)
class Agv:
    """One vehicle; `None` until it has said so. Units and values as in `AgvUpdate`."""

    agv: str
    manufacturer: str
    serial: str
    version: str = ""
    time_ns: int = 0
    """Of the newest message of any topic."""
    connection: str | None = None
    x_m: float | None = None
    y_m: float | None = None
    theta_rad: float | None = None
    map_id: str | None = None
    localized: bool | None = None
    driving: bool | None = None
    operating_mode: str | None = None
    battery_percent: float | None = None
    charging: bool | None = None
    emergency_stop: str | None = None
    order_id: str | None = None
    order_active: bool | None = None
    action_running: bool | None = None
    errors: tuple[AgvError, ...] | None = None
    messages: int = 0
    lost: int = 0
    """Gaps in headerId, summed over topics."""
    header_ids: dict[str, int] = field(default_factory=dict)
    """Newest headerId per topic."""

    @property
    def activity(self) -> str:
        """Return what it is doing: offline, error, charging, manual, driving, acting, blocked or idle.

        Blocked: an order is active, it does not drive and no action runs (VDA 5050).
        """
        if self.connection in SILENT_BY_LAW or self.connection == "CONNECTION_BROKEN":
            return "offline"
        stopped = self.emergency_stop not in {None, "NONE"}
        if stopped or any(error.level in STOPPING_LEVELS for error in self.errors or ()):
            return "error"
        rules = (
            (bool(self.charging), "charging"),
            (self.operating_mode not in {None, "AUTOMATIC", "SEMIAUTOMATIC"}, "manual"),
            (bool(self.driving), "driving"),
            (bool(self.action_running), "acting"),
            (bool(self.order_active), "blocked"),
        )
        return next((name for holds, name in rules if holds), "idle")


class FleetTracker:
    """Merges updates; the newest message of a topic wins, and gaps in headerId are counted as lost messages."""

    def __init__(self) -> None:
        self.agvs: dict[str, Agv] = {}

    def add(self, update: AgvUpdate) -> Agv:
        """Take one message and return the vehicle's state after it."""
        agv = self.agvs.get(update.agv)
        if agv is None:
            agv = self.agvs[update.agv] = Agv(update.agv, update.manufacturer, update.serial)
        agv.messages += 1
        last = agv.header_ids.get(update.topic)
        if last is not None and update.header_id > last + 1:
            agv.lost = min(agv.lost + update.header_id - last - 1, INT64_MAX)
        agv.header_ids[update.topic] = update.header_id
        if update.topic == "connection" or update.time_ns >= agv.time_ns:
            for name in MERGED:
                value = getattr(update, name)
                if value is not None:
                    setattr(agv, name, value)
        if update.time_ns >= agv.time_ns:
            agv.time_ns, agv.version = update.time_ns, update.version
        return agv
