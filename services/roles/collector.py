"""Receive into the journal."""

from __future__ import annotations

import logging
import threading

import msgspec

from edge.broker_check import Wants
from edge.broker_watch import report_path, watch_broker
from edge.collector import CollectorSettings, run_collector
from services.broker_access import broker_settings
from services.config import Config
from services.layout import DataLayout


def run(job: bytes, stop: threading.Event, log: logging.Logger) -> None:
    """Work on a `Config` until `stop` is set."""
    config = msgspec.json.decode(job, type=Config)
    layout = DataLayout(config.data)
    settings = CollectorSettings(
        broker=broker_settings(config.broker, "collector"),
        journal_path=layout.journal,
        cursor_path=layout.cursor,
        max_bytes=config.journal.max_bytes,
        min_free_bytes=config.journal.min_free_bytes,
        max_sources=config.limits.sources,
    )
    wants = Wants(config.judge.max_payload_bytes)
    watch = (settings.broker, wants, report_path(layout.journal), stop, log)
    threading.Thread(target=watch_broker, args=watch, name="broker-check", daemon=True).start()
    run_collector(settings, stop, log)
