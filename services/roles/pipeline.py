"""Judge what the journal holds."""

from __future__ import annotations

import logging
import threading

import msgspec

from services.broker_access import broker_settings
from services.config import Config
from services.feed import MqttFeed
from services.pipeline import Pipeline
from services.plants import read_plant
from services.store import open_store


def run(job: bytes, stop: threading.Event, log: logging.Logger) -> None:
    """Work on a `Config` until `stop` is set."""
    config = msgspec.json.decode(job, type=Config)
    store = open_store(config.store, config.data)
    feed = MqttFeed(broker_settings(config.broker, "pipeline"), log)
    try:
        Pipeline(config, read_plant(config), store, feed, log, own_process=True).run(stop)
    finally:
        feed.close()
        store.close()
