"""The run that nothing disturbs: the same load, each message once and in order, through journal, judge and store."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from edge.journal import Journal
from edge.sources.envelope import count_items
from edge.topics import source_of
from services.config import Config
from services.layout import DataLayout
from services.pipeline import Pipeline
from services.plants import read_plant
from services.store.duck.store import DuckStore
from tests.running import wait_until
from tests.system.faults.load import Sent
from tests.system.faults.outcome import Tables, outcome

GROUP = 500


class _Nobody:
    def publish(self, topic: str, payload: bytes) -> None:
        """Hear nothing."""


def undisturbed(load: Sequence[Sent], config: Config) -> Tables:
    """Return what the load leads to; `config.data` must be empty."""
    layout = DataLayout(Path(config.data))
    with Journal.open(layout.journal, 2**40, 1) as journal:
        for start in range(0, len(load), GROUP):
            journal.append(
                [
                    (sent.topic, sent.payload, time.time_ns(), source_of(sent.topic), count_items(sent.payload))
                    for sent in load[start : start + GROUP]
                ]
            )
        store = DuckStore(layout.store)
        stop, failures = threading.Event(), []

        def work() -> None:
            try:
                Pipeline(config, read_plant(config), store, _Nobody(), logging.getLogger("undisturbed")).run(stop)
            except BaseException as error:  # noqa: BLE001 - raised again below
                failures.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            wait_until(lambda: failures or _all_taken(store, len(load)), 300, "the undisturbed run")
        finally:
            stop.set()
            thread.join()
        if failures:
            raise failures[0]
        try:
            return outcome(store, layout.root)
        finally:
            store.close()


def _all_taken(store: DuckStore, last: int) -> bool:
    _, sources = store.sources()
    return store.cursor() == last and len(sources) > 0 and sum(sources["pending"].to_pylist()) == 0
