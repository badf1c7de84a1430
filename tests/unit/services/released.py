"""Folders in `tests/data/released`, and today's pipeline in them."""

from __future__ import annotations

import logging
import tarfile
import threading
import time
from pathlib import Path

from edge.journal import Journal
from edge.plant import EMPTY
from services.config import Archive, Config, Judge
from services.layout import DataLayout
from services.pipeline import Pipeline
from services.store.duck.store import DuckStore

RELEASED = Path(__file__).resolve().parents[2] / "data" / "released"
LOG = logging.getLogger("test")
WELDS, MESSAGES, WAITING = 24, 27, 2


class Silent:
    def publish(self, topic: str, payload: bytes) -> None:
        pass


def unpack(release: str, folder: Path) -> DataLayout:
    """Return a folder as that release left it."""
    with tarfile.open(RELEASED / f"{release}.tar.xz") as tar:
        tar.extractall(folder, filter="data")
    return DataLayout(folder)


def config_of(layout: DataLayout) -> Config:
    return Config(data_dir=str(layout.root), judge=Judge(learn_n=8), archive=Archive(good_share=0.5))


def run(layout: DataLayout) -> None:
    """Start the collector's end and the pipeline, until everything is taken and accounted for; then stop."""
    Journal.open(layout.journal, 2**28, 2**20).close()  # brings it up to date, as a collector does at its start
    store = DuckStore(layout.store)
    stop, began = threading.Event(), time.time_ns()
    pipeline = Pipeline(config_of(layout), EMPTY, store, Silent(), LOG)
    thread = threading.Thread(target=pipeline.run, args=(stop,))
    thread.start()
    try:
        limit = time.monotonic() + 30
        while time.monotonic() < limit and thread.is_alive():
            if store.cursor() == MESSAGES + WAITING and store.sources()[0] > began:
                break
            time.sleep(0.02)
    finally:
        stop.set()
        thread.join()
        store.close()
    assert pipeline.state.cursor == MESSAGES + WAITING
