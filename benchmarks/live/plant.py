"""The system under test: mosquitto and `lineside run` over the default plant, and what publishes to it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import psutil

from benchmarks.live.processes import OWN
from benchmarks.path.contenders import HERE, OverDuckDB
from edge.collector_status import CollectorStatus, read_status, status_path
from edge.simulator.plant import write_plant
from edge.simulator.settings import SimulatorSettings
from services.layout import DataLayout
from services.times import EPOCH
from tests.running import wait_until
from tests.system.mosquitto import Mosquitto

SETTINGS = SimulatorSettings()
"""3,000 spots, 40 guns, 12 cells, 200 vehicles, one seed."""
WELDS_PER_S = (SETTINGS.spots + SETTINGS.unlisted_spots) * SETTINGS.bodies_per_hour / 3600
"""Of the default plant at speed 1."""
STOP_S = 30.0
SETTLED_S = 600.0
PAGE = 1000
MICROSECOND = timedelta(microseconds=1)


class _Run(OverDuckDB):
    """`lineside run` that knows its plant."""

    def __init__(self, folder: Path, broker_port: int, plant: Path, environ: Mapping[str, str]) -> None:
        super().__init__(folder, broker_port)
        self._plant, self._environ = plant, environ

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def environ(self) -> dict[str, str]:
        return super().environ() | {"LINESIDE_PLANT": str(self._plant)} | dict(self._environ)

    def stop(self) -> None:
        super().stop()
        if self._process is not None:
            self._process.wait()

    def named(self) -> dict[str, list[psutil.Process]]:
        found: dict[str, list[psutil.Process]] = {name: [] for name in OWN}
        for process in self._processes():
            try:
                role = process.cmdline()[-1]
            except (psutil.Error, IndexError):
                continue
            found[role if role in found else "supervisor"].append(process)
        return found


class LivePlant:
    """Broker, Lineside and at most one simulator; leaving the block ends them all."""

    def __init__(self, folder: Path, environ: Mapping[str, str] | None = None) -> None:
        """`environ` is added to Lineside's own."""
        self.folder = folder
        self.broker = Mosquitto(folder / "broker", "autosave_on_changes false\n")
        plant = write_plant(SETTINGS, folder / "plant")
        self._run = _Run(folder / "lineside", self.broker.port, plant, environ or {})
        self._layout = DataLayout(folder / "lineside" / "data")
        self._simulator: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> LivePlant:
        try:
            self.broker.start()
            self._run.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The address of the page."""
        return self._run.url

    def close(self) -> None:
        """End what was started here."""
        self.stop_simulator()
        self._run.stop()
        self.broker.kill()

    def simulate(self, welds_per_s: float, past_hours: float = 0.0) -> None:
        """Let the project's simulator publish, vehicles included; returns when its past is stored."""
        command = [sys.executable, "-m", "services.cli", "simulate", "--broker", f"mqtt://127.0.0.1:{self.broker.port}"]
        command += ["--seed", str(SETTINGS.seed), "--speed", f"{welds_per_s / WELDS_PER_S:.4f}"]
        command += ["--hours", f"{past_hours}"]
        with (self.folder / "simulator.log").open("ab") as log:
            environ = os.environ | {"PYTHONPATH": str(HERE.parents[1])}
            self._simulator = subprocess.Popen(command, stdout=log, stderr=log, env=environ)
        before = self.account()["stored"]
        wait_until(lambda: self.account()["stored"] > before, SETTLED_S, "the simulator's first weld")
        if past_hours:
            past = 0.98 * past_hours * 3600 * welds_per_s
            wait_until(lambda: self.account()["stored"] - before > past, SETTLED_S, "the simulator's past")
            wait_until(lambda: self.account()["pending"] < 2 * welds_per_s, SETTLED_S, "the end of the past")

    def stop_simulator(self) -> None:
        """End the simulator, if there is one."""
        if self._simulator is not None:
            self._simulator.terminate()
            self._simulator.wait(STOP_S)
            self._simulator = None

    def named(self) -> dict[str, list[psutil.Process]]:
        """Return the processes by name: those of Lineside, then broker and simulator."""
        found = self._run.named() | {"mosquitto": [psutil.Process(self.broker.pid)]}
        if self._simulator is not None:
            found["simulator"] = [psutil.Process(self._simulator.pid)]
        return found

    def get(self, path: str) -> Any:
        """Return the JSON of one GET under /api/v1."""
        return httpx.get(f"{self.url}/api/v1{path}", timeout=30).raise_for_status().json()

    def account(self) -> dict[str, int]:
        """Return the total of the account."""
        return dict(self.get("/accounting")["total"])

    def received_ns(self, program: str) -> dict[str, int]:
        """Return when the collector received each weld of a programme, by id, ns since 1970 UTC."""
        found, cursor = {}, ""
        while True:
            page = self.get(f"/welds?program={program}&limit={PAGE}{cursor}")
            for weld in page["items"]:
                found[weld["id"]] = int((datetime.fromisoformat(weld["received"]) - EPOCH) / MICROSECOND) * 1000
            if not page["next"]:
                return found
            cursor = f"&cursor={page['next']}"

    def collector(self) -> CollectorStatus | None:
        """Return what the collector last said of itself."""
        return read_status(status_path(self._layout.journal))

    def disk_bytes(self) -> dict[str, int]:
        """Return the size of the journal's files and of the whole data folder."""
        sizes = {}
        for path in self._layout.root.rglob("*"):
            try:
                sizes[path] = path.stat().st_size if path.is_file() else 0
            except OSError:
                continue  # replaced just now
        journal = self._layout.journal.name
        return {
            "journal": sum(size for path, size in sizes.items() if path.name.startswith(journal)),
            "data": sum(sizes.values()),
        }

    def store_bytes(self) -> int:
        """Return what the store holds of the server's memory."""
        return int(float(self._metrics()["lineside_store_memory_bytes"]))

    def means_s(self) -> dict[str, tuple[float, float]]:
        """Return (sum of seconds, count) of each step as `/metrics` tells them: differences give means."""
        found: dict[str, list[float]] = {}
        for name, value in self._metrics().items():
            for place, part in enumerate(("_sum", "_count")):
                if part in name and name.startswith(("lineside_pipeline_step_seconds", "lineside_journal_commit_sec")):
                    key = name.replace(part, "").replace("lineside_", "")
                    found.setdefault(key, [0.0, 0.0])[place] = float(value)
        return {name: (total, count) for name, (total, count) in found.items()}

    def _metrics(self) -> dict[str, str]:
        lines = httpx.get(f"{self.url}/metrics", timeout=30).raise_for_status().text.splitlines()
        return {name: value for name, _, value in (line.rpartition(" ") for line in lines) if name}
