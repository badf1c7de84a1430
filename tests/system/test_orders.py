"""An engineer's order end to end: API, real broker, collector, journal, judge, event table, and the API again."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import uvicorn

from edge.plant import EMPTY
from services.api.app import create_app
from services.config import Api, Archive, Broker, Config, Judge
from services.curves import CurveReader
from services.evidence_files import FolderEvidence
from services.layout import DataLayout
from services.pipeline import Pipeline
from services.store.duck.store import DuckStore
from tests.running import wait_until
from tests.system.collecting import Collector
from tests.system.mosquitto import Mosquitto, Publisher
from tests.unit.models.welds import making

pytestmark = pytest.mark.system

S = 10**9
TOPIC = "lineside/v1/ulm/body/FR1/C03/weld"
SPOT = "/api/v1/spots/S1"


class Nobody:
    """Who listens to the pipeline's feed."""

    def publish(self, topic: str, payload: bytes) -> None:
        """Hear nothing."""


class Plant:
    """Collector, pipeline and web server over one data folder, and a gun."""

    def __init__(self, data: Path, broker_port: int, publisher: Publisher) -> None:
        self.config = Config(
            data_dir=str(data), broker=Broker(port=broker_port), judge=Judge(learn_n=8), archive=Archive(), api=Api()
        )
        data.mkdir(exist_ok=True)
        self._publisher, self._rng, self._made = publisher, np.random.default_rng(1), 0
        self.collector = Collector(data, broker_port)
        self.collector.start()
        self._start()

    def _start(self) -> None:
        config = self.config
        self._stop = threading.Event()
        self._store = DuckStore(config.data / "store.duckdb")
        self.pipeline = Pipeline(config, EMPTY, self._store, Nobody(), logging.getLogger("test"))
        self._judging = threading.Thread(target=self.pipeline.run, args=(self._stop,), daemon=True)
        self._judging.start()
        curves = CurveReader(DataLayout(config.data).curves, self.pipeline.archive)
        models = self.pipeline.state.judge, self.pipeline.state.wear
        evidence = FolderEvidence(config.data, curves, models, self.pipeline.lock)
        app = create_app(store=self._store, evidence=evidence, plant=EMPTY, config=config, web_root=None)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._server = uvicorn.Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=2))
        self._serving = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)
        self._serving.start()
        wait_until(lambda: self._server.started, 10, "the server's start")
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{self._socket.getsockname()[1]}", timeout=20)

    def stop(self) -> None:
        """End pipeline and server; the snapshot is written."""
        self._client.close()
        self._stop.set()
        self._server.should_exit = True
        self._judging.join(20)
        self._serving.join(20)
        self._store.close()

    def start_again(self, *, forget: bool) -> None:
        """Start pipeline and server again, with the snapshot or from the journal alone."""
        self.stop()
        if forget:
            DataLayout(self.config.data).state.unlink()
            (self.config.data / "store.duckdb").unlink()
        self._start()

    def weld(self, n: int, spot: str = "S1") -> list[str]:
        """Make welds and return their verdicts and causes, once judged."""
        items = []
        for _ in range(n):
            self._made += 1
            made = making.curve(self._rng, spot=spot)
            items.append(
                {
                    "id": f"w{self._made}", "spot": spot, "gun": "G1", "body": "", "program": "7",
                    "time": time.time_ns(), "dt_us": made.dt_us, "current_ka": made.current,
                    "voltage_v": made.voltage, "force_kn": made.force,
                }
            )  # fmt: skip
        self._publisher.publish(TOPIC, json.dumps(items).encode())
        ids = [item["id"] for item in items]
        wait_until(lambda: self._client.get(f"/api/v1/welds/{ids[-1]}").status_code == 200, 20, "the verdict")
        found = [self.get(f"/api/v1/welds/{weld_id}") for weld_id in ids]
        return [weld["cause"] or weld["verdict"] for weld in found]

    def get(self, path: str, **params: str) -> Any:
        answer = self._client.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def order(self, action: str, **more: str) -> dict[str, Any]:
        """Order something and return the event that records it."""
        body = {"action": action, "note": f"why {action}", "by": "M. Weber", **more}
        answer = self._client.post(f"{SPOT}/reference", json=body)
        assert answer.status_code == 202, answer.text
        taken = answer.json()

        def recorded() -> list[dict[str, Any]]:
            events = self.get("/api/v1/events", kind=taken["kind"], spot="S1")
            return [event for event in events if event["id"] == taken["event"]]

        (event,) = wait_until(recorded, 20, "the record")
        return dict(event)

    def reference(self) -> dict[str, Any]:
        (stream,) = self.get(SPOT)["streams"]
        return {name: stream[name] for name in ("n", "version", "why", "learning", "pinned", "excluded")}


@pytest.fixture
def plant(tmp_path: Path, mosquitto: Mosquitto, make_publisher: Callable[[int], Publisher]) -> Iterator[Plant]:
    made = Plant(tmp_path / "data", mosquitto.port, make_publisher(mosquitto.port))
    yield made
    made.stop()
    made.collector.close()


def test_an_order_takes_effect_is_on_record_and_survives_a_restart_and_a_replay(plant: Plant) -> None:
    assert plant.weld(12) == ["learning"] * 8 + ["ok"] * 4
    started = {"n": 12, "version": 1, "why": "", "learning": False, "pinned": False, "excluded": False}
    assert plant.reference() == started

    event = plant.order("pin", program="7")
    assert (event["by"], event["note"], event["program"], event["cell"]) == ("M. Weber", "why pin", "7", "C03")
    assert event["details"] == {"references": 1}
    assert plant.weld(3) == ["ok"] * 3
    assert plant.reference() == started | {"pinned": True}
    plant.order("unpin")
    plant.weld(1)
    assert plant.reference() == started | {"n": 13}

    plant.order("exclude")
    assert plant.weld(2) == ["excluded"] * 2
    assert plant.reference()["excluded"]
    plant.order("include")
    assert plant.weld(1) == ["ok"]

    plant.order("reset")
    assert plant.weld(2) == ["learning"] * 2
    final = plant.reference()
    assert final == started | {"n": 2, "version": 2, "why": "reference_reset", "learning": True}

    kinds = [event["kind"] for event in plant.get("/api/v1/events", spot="S1")]
    plant.collector.stop()  # it would trim the journal up to the snapshot
    plant.start_again(forget=False)
    assert plant.reference() == final
    plant.start_again(forget=True)
    wait_until(lambda: plant.get("/api/v1/events", spot="S1"), 20, "the replay")
    wait_until(lambda: plant.get("/api/v1/rate")["unjudged"] == 12, 20, "the replay")
    assert plant.reference() == final
    assert [event["kind"] for event in plant.get("/api/v1/events", spot="S1")] == kinds
