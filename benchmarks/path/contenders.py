"""Who takes the messages: started, asked how many welds are in the store, and how much processor time it took."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.request
import uuid
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

import httpx
import psutil

from tests.influxd import ORG, TOKEN, Influxd
from tests.running import free_port, wait_until

UP_S = 90.0
HERE = Path(__file__).parent
NODE_RED = os.environ.get("BENCH_NODE_RED", "")
"""Folder in which `npm install node-red` was run."""


class Contender(ABC):
    """One way from the broker to a store, as a process with children."""

    name: ClassVar[str]

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._log = folder / "output.log"
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """Return what is to be run in the folder."""

    @abstractmethod
    def environ(self) -> dict[str, str]:
        """Return what its environment has besides this one's."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Tell whether messages are taken."""

    @abstractmethod
    def stored(self) -> int:
        """Return how many welds are durably in the store."""

    def has(self, welds: int, messages: int) -> bool:  # noqa: ARG002 - for who cannot count welds
        """Tell whether so many welds, which came in so many messages, are taken."""
        return self.stored() >= welds

    def start(self) -> None:
        """Start, and wait until messages are taken."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(), stdout=log, stderr=log, env=os.environ | self.environ(), cwd=self.folder
            )
        wait_until(self.is_ready, UP_S, f"the start of {self.name}")

    def cpu_s(self) -> float:
        """Return the processor time of all its processes so far, s."""
        return sum(map(_cpu_s, self._processes()))

    def store_cpu_s(self) -> float:
        """Return the processor time of a store that is a process of its own so far, s."""
        return 0.0

    def stop(self) -> None:
        """End all its processes."""
        if self._process is None:
            return
        left = self._processes()
        self._process.terminate()
        for process in psutil.wait_procs(left, timeout=30)[1]:
            process.kill()

    def says(self, text: str) -> bool:
        """Tell whether a text is in its output."""
        said = self._log.read_text(errors="replace")
        if self._process is None or self._process.poll() is not None:
            raise SystemExit(f"{self.name} ended: {said[-2000:]}")
        return text in said

    def _processes(self) -> list[psutil.Process]:
        if self._process is None or not psutil.pid_exists(self._process.pid):
            return []
        top = psutil.Process(self._process.pid)
        return [top, *top.children(recursive=True)]


class OverDuckDB(Contender):
    """`lineside run`."""

    name = "Lineside over DuckDB"

    def __init__(self, folder: Path, broker_port: int) -> None:
        super().__init__(folder)
        self._broker_port, self._port = broker_port, free_port()

    def command(self) -> list[str]:
        return [sys.executable, "-m", "services.cli", "run"]

    def environ(self) -> dict[str, str]:
        return {
            "PYTHONPATH": str(HERE.parents[1]),
            "LINESIDE_DATA_DIR": str(self.folder / "data"),
            "LINESIDE_BROKER_PORT": str(self._broker_port),
            "LINESIDE_API_PORT": str(self._port),
        }

    def is_ready(self) -> bool:
        if not self.says("connected to"):
            return False
        try:
            return self.stored() == 0
        except OSError:
            return False

    def stored(self) -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/api/v1/accounting", timeout=10) as answer:
            return int(json.load(answer)["total"]["stored"])


class WithInfluxDB(Contender):
    """Writes to an influxd that runs already."""

    def __init__(self, folder: Path, influxd: Influxd) -> None:
        super().__init__(folder)
        self._influxd = influxd

    def store_cpu_s(self) -> float:
        """Return the processor time of influxd so far, s."""
        return _cpu_s(psutil.Process(self._influxd.pid))


class OverInfluxDB(WithInfluxDB):
    """`lineside edge`."""

    name = "Lineside over InfluxDB"

    def __init__(self, folder: Path, broker_port: int, influxd: Influxd) -> None:
        super().__init__(folder, influxd)
        self._broker_port = broker_port

    def command(self) -> list[str]:
        return [sys.executable, "-m", "services.cli", "edge"]

    def environ(self) -> dict[str, str]:
        return {
            "PYTHONPATH": str(HERE.parents[1]),
            "LINESIDE_DATA_DIR": str(self.folder / "data"),
            "LINESIDE_BROKER_PORT": str(self._broker_port),
            "LINESIDE_STORE_BACKEND": "influxdb",
            "LINESIDE_STORE_URL": self._influxd.url,
            "LINESIDE_STORE_ORG": ORG,
            "LINESIDE_STORE_BUCKET": self.bucket,
            "LINESIDE_STORE_TOKEN": TOKEN,
        }

    @property
    def bucket(self) -> str:
        """Each run has one of its own."""
        return f"lineside-{self._broker_port}"

    def is_ready(self) -> bool:
        return self.says("connected to")

    def stored(self) -> int:
        return count_influx(self._influxd, self.bucket, "weld")


class Plain(WithInfluxDB):
    """What one would write first in Python: see `benchmarks.path.plain`."""

    name = "plain Python"

    def __init__(self, folder: Path, broker_port: int, influxd: Influxd) -> None:
        super().__init__(folder, influxd)
        self._broker_port, self._bucket = broker_port, new_bucket(influxd)

    def command(self) -> list[str]:
        return [sys.executable, str(HERE / "plain.py"), str(self._broker_port), self._influxd.url, ORG, self._bucket]

    def environ(self) -> dict[str, str]:
        return {"INFLUX_TOKEN": TOKEN}

    def is_ready(self) -> bool:
        return self.says("subscribed")

    def stored(self) -> int:
        return count_influx(self._influxd, self._bucket, "plain")


class Receiving(Contender):
    """Only receives and acknowledges, by paho: no way in Python over MQTT takes less. See `benchmarks.path.receive`."""

    name = "paho alone, which stores nothing"

    def __init__(self, folder: Path, broker_port: int) -> None:
        super().__init__(folder)
        self._broker_port, self._count = broker_port, folder / "count"

    def command(self) -> list[str]:
        return [sys.executable, str(HERE / "receive.py"), str(self._broker_port), str(self._count)]

    def environ(self) -> dict[str, str]:
        return {}

    def is_ready(self) -> bool:
        return self.says("subscribed")

    def stored(self) -> int:
        return 0

    def has(self, welds: int, messages: int) -> bool:  # noqa: ARG002 - it does not look into them
        return self._count.exists() and int(self._count.read_text(encoding="ascii") or 0) >= messages


class NodeRed(WithInfluxDB):
    """A Node-RED flow: decode, twelve features, line protocol, one write a second. See `node_red_flow.json`."""

    name = "Node-RED"

    def __init__(self, folder: Path, broker_port: int, influxd: Influxd) -> None:
        super().__init__(folder, influxd)
        self._bucket = new_bucket(influxd)
        flow = (HERE / "node_red_flow.json").read_text(encoding="utf-8")
        url = f"{influxd.url}/api/v2/write?org={ORG}&bucket={self._bucket}&precision=ns"
        for name, value in {"BROKER_PORT": str(broker_port), "WRITE_URL": url, "TOKEN": TOKEN}.items():
            flow = flow.replace(f"@{name}@", value)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "flow.json").write_text(flow, encoding="utf-8")

    @staticmethod
    def why_not() -> str:
        """Return why it cannot run here, or ""."""
        if not NODE_RED or not (Path(NODE_RED) / "node_modules/node-red/red.js").exists():
            return "BENCH_NODE_RED names no folder in which `npm install node-red` was run"
        return "" if shutil.which("node") else "there is no node on the PATH"

    def command(self) -> list[str]:
        red = str(Path(NODE_RED) / "node_modules/node-red/red.js")
        return ["node", red, "-u", str(self.folder), "-p", str(free_port()), str(self.folder / "flow.json")]

    def environ(self) -> dict[str, str]:
        return {}

    def is_ready(self) -> bool:
        return self.says("Connected to broker")

    def stored(self) -> int:
        return count_influx(self._influxd, self._bucket, "nodered")


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def new_bucket(influxd: Influxd) -> str:
    """Make a bucket and return its name."""
    name = f"bench-{uuid.uuid4().hex}"
    body = {"name": name, "orgID": influxd.org_id(), "retentionRules": []}
    influxd.api("POST", "buckets", body).raise_for_status()
    return name


def count_influx(influxd: Influxd, bucket: str, measurement: str) -> int:
    """Return how many welds a measurement holds."""
    flux = (
        f'from(bucket: "{bucket}") |> range(start: -7d, stop: 1d) '
        f'|> filter(fn: (r) => r._measurement == "{measurement}" and r._field == "energy_j") |> group() |> count()'
    )
    answer = httpx.post(
        f"{influxd.url}/api/v2/query?org={ORG}",
        json={"query": flux},
        headers={"Authorization": f"Token {TOKEN}", "Accept": "application/csv"},
        timeout=120,
    )
    if answer.status_code == httpx.codes.NOT_FOUND:
        return 0  # the bucket is not made yet
    answer.raise_for_status()
    lines = [line.split(",") for line in answer.text.splitlines() if line and not line.startswith("#")]
    return int(lines[1][lines[0].index("_value")]) if len(lines) > 1 else 0
