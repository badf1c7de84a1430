"""Real weld curves through a real broker to verdicts in both stores, by the commands that a plant runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest

from edge.collector_status import status_path
from models.welds.judge import JudgeSettings
from services.backtest import judge_table, read_welds
from services.layout import DataLayout
from tests.influxd import Influxd
from tests.running import free_port, wait_until
from tests.system.mosquitto import Mosquitto, Publisher

ROOT = Path(__file__).resolve().parents[2]
TITANIUM = ROOT / "../shared/data/weld_titanium_dev.parquet"
TOPIC = "lineside/v1/lab/weld/R1/C1/weld"

pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(180),
    pytest.mark.skipif(not TITANIUM.exists(), reason="the real weld curves are not beside this checkout"),
]


@contextmanager
def lineside(folder: Path, *commands: str, **settings: str) -> Iterator[None]:
    """Run commands of the command line; each must leave cleanly on SIGTERM."""
    environment = os.environ | {f"LINESIDE_{name}": value for name, value in settings.items()}
    running = []
    try:
        for command in commands:
            with (folder / f"{command}.log").open("wb") as log:
                started = subprocess.Popen(
                    [sys.executable, "-m", "services.cli", command], cwd=ROOT, env=environment, stdout=log, stderr=log
                )
            running.append((command, started))
        yield
        for command, process in reversed(running):
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0, (folder / f"{command}.log").read_text()
    finally:
        for _, process in running:
            process.kill()
            process.wait()


def get(port: int, path: str) -> Any:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1{path}", timeout=20) as answer:
            return json.load(answer)
    except (urllib.error.URLError, ConnectionError):
        return None


def publish(publisher: Publisher) -> int:
    """Send every weld as a controller would, one message each, JSON and MessagePack in turn; return how many."""
    rows = pq.read_table(TITANIUM).sort_by("time_ns").to_pylist()
    for k, row in enumerate(rows):
        message = {
            "id": row["weld_id"],
            "spot": row["spot"],
            "gun": "R1",
            "body": "coupon",
            "program": row["program"],
            "time": row["time_ns"],
            "dt_us": row["dt_us"],
            "current_ka": row["current_ka"],
            "voltage_v": row["voltage_v"],
        }
        encode = msgspec.json.encode if k % 2 else msgspec.msgpack.encode
        publisher.publish(TOPIC, encode(message))
    return len(rows)


@pytest.mark.parametrize("backend", ["duckdb", "influxdb"])
def test_real_welds_get_the_backtests_verdicts(
    backend: str,
    tmp_path: Path,
    mosquitto: Mosquitto,
    make_publisher: Any,
    request: pytest.FixtureRequest,
) -> None:
    port = free_port()
    settings = {
        "DATA_DIR": str(tmp_path / "data"),
        "BROKER_PORT": str(mosquitto.port),
        "API_PORT": str(port),
        "JUDGE_MAX_AGE_DAYS": "36500",  # the welds are years old
        "STORE_BACKEND": backend,
    }
    commands = ["run"]
    if backend == "influxdb":
        influxd: Influxd = request.getfixturevalue("influxd")
        store = influxd.settings()
        settings |= {"STORE_URL": store.url, "STORE_ORG": store.org, "STORE_BUCKET": store.bucket}
        settings |= {"STORE_TOKEN": store.token}
        commands = ["edge", "serve"]
    with lineside(tmp_path, *commands, **settings):
        wait_until(lambda: get(port, "/accounting"), 60, "the server")
        status = status_path(DataLayout(tmp_path / "data").journal)
        wait_until(
            lambda: status.exists() and json.loads(status.read_text())["connected_since_ns"], 30, "the collector"
        )
        sent = publish(make_publisher(mosquitto.port))

        def stored() -> bool:
            account = get(port, "/accounting")
            return bool(account) and account["total"]["stored"] == sent

        wait_until(stored, 60, "all welds in the store")
        total = get(port, "/accounting")["total"]
        assert total == {"received": sent, "stored": sent, "rejected": 0, "duplicate": 0, "pending": 0}
        found: dict[str, tuple[str, str]] = {}
        cursor = ""
        while cursor is not None:
            page = get(port, f"/welds?limit=100&cursor={cursor}" if cursor else "/welds?limit=100")
            found |= {weld["id"]: (weld["verdict"], weld["cause"]) for weld in page["items"]}
            cursor = page["next"]
        rate = get(port, "/rate")
        dead = get(port, "/welds?cause=dead_voltage&limit=1")["items"][0]
        curve = wait_until(lambda: get(port, f"/welds/{dead['id']}/curve"), 10, "the curve in the archive")
        detail = get(port, f"/welds/{dead['id']}")
    scored = judge_table(read_welds(TITANIUM), JudgeSettings())
    expected = {
        row["id"]: (row["verdict"], row["cause"]) for row in scored.select(["id", "verdict", "cause"]).to_pylist()
    }
    assert found == expected
    assert rate["n"] + rate["unjudged"] == sent
    assert detail["sentence"] == "Not judged: the voltage pick-up reads nothing while current flows."
    assert detail["curve_kept"]
    original = pq.read_table(TITANIUM, filters=[("weld_id", "=", dead["id"])]).to_pylist()[0]
    assert curve["voltage_v"] == pytest.approx(original["voltage_v"], rel=1e-6)
