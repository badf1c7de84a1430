"""What workers are told to do, beside `Config`; light to import, for whoever starts them."""

from __future__ import annotations

import msgspec

from edge.simulator.settings import SimulatorSettings
from services.config import Broker
from services.supervisor import Worker


class BrokerJob(msgspec.Struct, frozen=True):
    """Which broker to be."""

    port: int
    folder: str
    """Where it keeps sessions and queued messages (mosquitto)."""


class SimulatorJob(msgspec.Struct, frozen=True):
    """What the simulator is to do."""

    settings: SimulatorSettings
    broker: Broker
    since_ns: int | None
    """Where the past begins that is pushed through first; None: live at once."""
    progress_file: str
    """Where it notes up to when it has published, for the next start."""


def worker(role: str, job: msgspec.Struct) -> Worker:
    """Return a worker for the supervisor; `role` is a module of `services.roles`."""
    return Worker(role, msgspec.json.encode(job))
