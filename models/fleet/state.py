"""What is known of one AGV at one moment, whatever version of VDA 5050 it speaks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Topic = Literal["state", "connection", "visualization"]


@dataclass(frozen=True, slots=True)
class AgvError:
    """One entry of the vehicle's error list."""

    type: str
    level: str
    """WARNING, URGENT, CRITICAL or FATAL."""
    description: str = ""


@dataclass(frozen=True, slots=True)
class AgvUpdate:
    """One VDA 5050 message in internal form. `None` means: this message does not say."""

    agv: str
    """`manufacturer/serial`, from the message."""
    manufacturer: str
    serial: str
    version: str
    """Protocol version that the message claims, e.g. 2.1.0."""
    topic: Topic
    header_id: int
    """Counts per topic; a gap means lost messages."""
    time_ns: int
    """Source time, ns since 1970 UTC."""
    connection: str | None = None
    """ONLINE, OFFLINE, CONNECTION_BROKEN or HIBERNATING (2.x's CONNECTIONBROKEN is mapped)."""
    x_m: float | None = None
    y_m: float | None = None
    theta_rad: float | None = None
    map_id: str | None = None
    localized: bool | None = None
    driving: bool | None = None
    operating_mode: str | None = None
    """AUTOMATIC, SEMIAUTOMATIC, MANUAL, SERVICE, TEACH_IN, STARTUP or INTERVENED (2.x's TEACHIN is mapped)."""
    battery_percent: float | None = None
    charging: bool | None = None
    emergency_stop: str | None = None
    """AUTOACK/MANUAL/REMOTE/NONE as sent; NONE when not stopped."""
    order_id: str | None = None
    order_active: bool | None = None
    """Whether an order is being carried out (nodes, edges or actions left)."""
    action_running: bool | None = None
    errors: tuple[AgvError, ...] | None = None
