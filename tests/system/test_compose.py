"""Edge and serve by the very commands, settings and variables of docker-compose.yml, over its broker and InfluxDB."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.influxd import Influxd
from tests.running import free_port, wait_until
from tests.system.conftest import need
from tests.system.mosquitto import find_mosquitto
from tests.system.shipped import PASSWORDS, ShippedBroker, person

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]
ROOT = Path(__file__).resolve().parents[2]
SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
TOPIC = "lineside/v1/SZ1/body/FR1/C01/weld"


class Plant:
    """Broker, edge and serve, each where docker-compose.yml would have it, but on free ports of 127.0.0.1."""

    def __init__(self, folder: Path, influxd: Influxd, stack: ExitStack) -> None:
        self.broker = ShippedBroker(folder)
        self.broker.start()
        stack.callback(self.broker.kill)
        self.port, self.log = free_port(), folder / "lineside.log"
        store = influxd.settings()
        given = {"LINESIDE_BROKER_PASSWORD": PASSWORDS["lineside"], "LINESIDE_STORE_TOKEN": store.token}
        # Where things are on this machine instead of in the containers' network.
        here = {
            "LINESIDE_DATA_DIR": str(folder / "lineside"),
            "LINESIDE_BROKER_HOST": "127.0.0.1",
            "LINESIDE_BROKER_PORT": str(self.broker.port),
            "LINESIDE_STORE_URL": influxd.url,
            "LINESIDE_STORE_BUCKET": store.bucket,
            "LINESIDE_API_HOST": "127.0.0.1",
            "LINESIDE_API_PORT": str(self.port),
        }
        for name in ("edge", "serve"):
            assert set(SERVICES[name]["environment"]) == set(given)
            command = [
                part.replace("/etc/lineside", str(ROOT / "deploy/lineside")) for part in SERVICES[name]["command"]
            ]
            with self.log.open("ab") as log:
                process = subprocess.Popen(
                    [sys.executable, "-m", "services.cli", *command],
                    cwd=ROOT,
                    env={"PATH": os.environ["PATH"], **given, **here},
                    stdout=log,
                    stderr=log,
                )
            stack.callback(self._stop, process)

    def _stop(self, process: subprocess.Popen[bytes]) -> None:
        process.terminate()
        assert process.wait(15) == 0, self.log.read_text(encoding="utf-8")

    def get(self, path: str) -> Any:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return json.load(answer)
        except (urllib.error.URLError, ConnectionError):
            return None


@pytest.fixture
def plant(tmp_path: Path, influxd: Influxd) -> Iterator[Plant]:
    need(find_mosquitto(), "mosquitto")
    with ExitStack() as stack:
        yield Plant(tmp_path, influxd, stack)


def test_a_weld_of_a_device_reaches_the_web_server_by_way_of_influxdb(plant: Plant) -> None:
    wait_until(lambda: plant.get("/healthz"), 60, "the web server")
    status = plant.broker.folder / "lineside/collector.json"
    wait_until(lambda: status.exists() and json.loads(status.read_text())["connected_since_ns"], 60, "the edge")
    device = person("device").connect(plant.broker.port)
    curve = [8.0] * 100
    weld = {"id": "W1", "spot": "S1", "gun": "G1", "body": "B1", "program": "P1", "time": time.time_ns(), "dt_us": 1000}
    device.publish(TOPIC, json.dumps({**weld, "current_ka": curve, "voltage_v": [1.2] * 100}).encode())
    device.publish(TOPIC, b'{"id": 5}')
    device.leave()

    def account() -> Any:
        found = plant.get("/api/v1/accounting")
        return found if found and found["total"]["received"] == 2 and found["total"]["pending"] == 0 else None

    total = wait_until(account, 60, "both messages in the account")["total"]
    assert (total["stored"], total["rejected"], total["duplicate"]) == (1, 1, 0)
    assert plant.get("/api/v1/welds/W1")["spot"] == "S1"
    kept = wait_until(lambda: plant.get("/api/v1/welds/W1/curve"), 10, "the curve in the archive")
    assert len(kept["current_ka"]) == len(curve)
    assert plant.get("/api/v1/rate")["unjudged"] == 1
