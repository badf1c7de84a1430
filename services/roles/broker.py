"""Be the demo's broker."""

from __future__ import annotations

import logging
import threading

import msgspec

from services.brokers import run_broker
from services.jobs import BrokerJob


def run(job: bytes, stop: threading.Event, log: logging.Logger) -> None:
    """Work on a `BrokerJob` until `stop` is set."""
    run_broker(msgspec.json.decode(job, type=BrokerJob), stop, log)
