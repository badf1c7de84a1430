"""Judge and answer in one process: DuckDB lets one process hold its file."""

from __future__ import annotations

import logging
import threading

import msgspec

from services.broker_access import broker_settings
from services.config import Config
from services.curves import CurveReader
from services.evidence_files import FolderEvidence
from services.feed import MqttFeed
from services.layout import DataLayout
from services.pipeline import Pipeline
from services.plants import read_plant
from services.serving import serve
from services.store import open_store


def run(job: bytes, stop: threading.Event, log: logging.Logger) -> None:
    """Work on a `Config` until `stop` is set; what ends the pipeline ends the process."""
    config = msgspec.json.decode(job, type=Config)
    plant = read_plant(config)
    store = open_store(config.store, config.data)
    feed = MqttFeed(broker_settings(config.broker, "pipeline"), log)
    failure: list[BaseException] = []
    try:
        pipeline = Pipeline(config, plant, store, feed, log)
        curves = CurveReader(DataLayout(config.data).curves, pipeline.archive)
        models = (pipeline.state.judge, pipeline.state.wear)
        evidence = FolderEvidence(config.data, curves, models, pipeline.lock)

        def judge() -> None:
            try:
                pipeline.run(stop)
            except BaseException as error:  # noqa: BLE001 - raised again below
                failure.append(error)
                stop.set()

        thread = threading.Thread(target=judge, name="pipeline")
        thread.start()
        try:
            serve(config, plant, store, evidence, stop)
        finally:
            stop.set()
            thread.join()
    finally:
        feed.close()
        store.close()
    if failure:
        raise failure[0]
