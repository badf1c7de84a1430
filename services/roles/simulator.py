"""Be the body shop."""

from __future__ import annotations

import asyncio
import logging
import threading
from pathlib import Path

import msgspec

from edge.simulator.publisher import run_simulator
from services.broker_access import broker_settings
from services.jobs import SimulatorJob


def run(job: bytes, stop: threading.Event, log: logging.Logger) -> None:
    """Work on a `SimulatorJob` until `stop` is set."""
    order = msgspec.json.decode(job, type=SimulatorJob)
    progress = Path(order.progress_file)
    asyncio.run(
        run_simulator(
            order.settings,
            broker_settings(order.broker, "simulator"),
            since_ns=order.since_ns,
            stop=stop,
            progress=lambda until_ns: progress.write_text(f"{until_ns}\n", encoding="ascii"),
            log=log,
        )
    )
