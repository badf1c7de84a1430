"""The plant under test: real broker, real Lineside processes by their commands, and for one of the backends influxd."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Literal

import psutil

from edge.simulator.plant import write_plant
from edge.simulator.settings import SimulatorSettings
from services.config import Config, load_config
from services.store import open_store
from tests.influxd import Influxd
from tests.running import free_port, wait_until
from tests.system.faults.network import Link
from tests.system.faults.outcome import Tables, outcome
from tests.system.mosquitto import Mosquitto

Backend = Literal["duckdb", "influxdb"]
ROOT = Path(__file__).resolve().parents[3]
UP_S = 40.0
COMMANDS: dict[Backend, tuple[str, ...]] = {"duckdb": ("run",), "influxdb": ("edge", "serve")}
ROLES: dict[Backend, tuple[str, ...]] = {
    "duckdb": ("collector", "server"),
    "influxdb": ("collector", "pipeline", "serve"),
}
"""What can be killed beside broker and influxd; `serve` is the API by itself, `server` pipeline and API in one."""
CLOCK = Path(__file__).parent / "clock"
"""A folder whose `sitecustomize` lets a file set the clock of a process."""
BROKER = "max_queued_messages 100000\n"


class Plant:
    """Broker, network, store and Lineside over one data folder, as a service manager would keep them running."""

    def __init__(self, folder: Path, backend: Backend, simulated: SimulatorSettings, max_journal: int) -> None:
        """`folder` holds everything; the data folder in it may be a disk of its own."""
        self.folder, self.backend, self.data = folder, backend, folder / "data"
        self.data.mkdir(parents=True, exist_ok=True)
        self.broker = Mosquitto(folder / "broker", BROKER)
        self.influxd = Influxd(folder / "influxd") if backend == "influxdb" else None
        self.to_broker = Link(self.broker.port)
        self.to_store = Link(self.influxd.port) if self.influxd else None
        self.port = free_port()
        self.clock = folder / "clock"
        self.clock.write_text("0\n", encoding="ascii")
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        plant = write_plant(simulated, folder / "plant")
        settings = [
            f'data_dir = "{self.data}"', f'plant = "{plant}"',
            "[broker]", f"port = {self.to_broker.port}",
            "[judge]", "learn_n = 8",
            "[journal]", f"max_bytes = {max_journal}", "min_free_bytes = 1",
            "[archive]", "good_share = 0.5",
            "[api]", f"port = {self.port}",
        ]  # fmt: skip
        if self.influxd and self.to_store:
            store = self.influxd.settings("faults")
            settings += [
                "[store]", 'backend = "influxdb"', f'url = "http://127.0.0.1:{self.to_store.port}"',
                f'org = "{store.org}"', f'bucket = "{store.bucket}"', f'token = "{store.token}"',
            ]  # fmt: skip
        self._file = folder / "lineside.toml"
        self._file.write_text("\n".join(settings) + "\n", encoding="utf-8")
        self.config: Config = load_config(self._file, {})

    def start(self) -> None:
        self.broker.start()
        if self.influxd:
            self.influxd.start()
        self.keep_running()
        wait_until(lambda: self.account() is not None, UP_S, "the first account")

    def keep_running(self) -> None:
        """Start each command that is not running, again and again until it stays, as a service manager does."""
        for command in COMMANDS[self.backend]:
            running = self._running.get(command)
            if running is None or running.poll() is not None:
                self._running[command] = self._start(command)

    def _start(self, command: str) -> subprocess.Popen[bytes]:
        environment = os.environ | {"PYTHONPATH": str(CLOCK), "FAULTS_CLOCK": str(self.clock)}
        with self.log_file(command).open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "services.cli", command, "--config", str(self._file)],
                cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def log_file(self, command: str) -> Path:
        return self.folder / f"{command}.log"

    def log(self) -> str:
        """Return everything that Lineside said."""
        return "".join(
            self.log_file(command).read_text(encoding="utf-8", errors="replace")
            for command in COMMANDS[self.backend]
            if self.log_file(command).exists()
        )

    def pids(self, role: str) -> list[int]:
        """Return the processes of a role; `group` is the supervisor and all that it started."""
        if role == "serve":
            running = self._running.get("serve")
            return [running.pid] if running and running.poll() is None else []
        running = self._running[COMMANDS[self.backend][0]]
        with contextlib.suppress(psutil.Error):
            family = [psutil.Process(running.pid), *psutil.Process(running.pid).children(recursive=True)]
            if role == "group":
                return [one.pid for one in family]
            if role == "supervisor":
                return [running.pid]
            return [one.pid for one in family if _role(one) == role]
        return []

    def send(self, role: str, sign: signal.Signals) -> bool:
        """Send a signal to every process of a role; return whether there was one."""
        pids = self.pids(role)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sign)
        return bool(pids)

    def wait_for(self, role: str) -> None:
        """Wait until a role runs, restarting what its service manager would."""

        def up() -> list[int]:
            self.keep_running()
            return self.pids(role)

        wait_until(up, UP_S, f"{role} running")

    def get(self, path: str) -> Any:
        """Return the JSON of one GET, None when nobody answers with one."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return json.load(answer)
        except (urllib.error.URLError, OSError, ValueError):
            return None

    def account(self) -> dict[str, Any] | None:
        """Return the whole account, None when nobody answers or none was taken yet."""
        found = self.get("/api/v1/accounting")
        return found if isinstance(found, dict) and found.get("at") else None

    def resting(self, account: dict[str, Any] | None) -> int:
        """Return how many items were received when nothing waits anywhere in Lineside, else -1."""
        if account is None or account["total"]["pending"] or not account["collector"]:
            return -1
        return int(account["total"]["received"]) if account["collector"]["state"] == "receiving" else -1

    def outcome(self) -> Tables:
        """Return what the stopped run ended with."""
        store = open_store(self.config.store, self.config.data)
        try:
            return outcome(store, self.config.data)
        finally:
            store.close()

    def stop(self) -> None:
        """Stop Lineside as a service manager does; raises when it does not leave cleanly."""
        for command, running in reversed(list(self._running.items())):
            if running.poll() is None:
                running.terminate()
            status = running.wait(40)
            assert status == 0, f"lineside {command} left with status {status}: {self.log()[-2000:]}"
        self._running.clear()

    def close(self) -> None:
        """Leave nothing running."""
        for command in self._running:
            role = "group" if command != "serve" else "serve"
            self.send(role, signal.SIGKILL)
        for running in self._running.values():
            running.kill()
            running.wait()
        self.to_broker.close()
        if self.to_store:
            self.to_store.close()
        self.broker.stop()
        if self.influxd:
            self.influxd.kill()


def _role(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        line = process.cmdline()
        if "services.workers" in line:
            return line[-1]
    return ""


class Watcher:
    """Looks at the account all the time: it must add up at every look, in total and per source."""

    def __init__(self, plant: Plant) -> None:
        self._plant, self.looks = plant, 0
        self.wrong: list[str] = []
        self.account: dict[str, Any] | None = None
        """What the newest look saw; None when nobody answered."""

    def look(self) -> None:
        account = self.account = self._plant.account()
        if account is None:
            return
        self.looks += 1
        for row in (account["total"], *account["sources"]):
            if row["received"] != row["stored"] + row["rejected"] + row["duplicate"] + row["pending"]:
                self.wrong.append(f"look {self.looks} at {time.strftime('%X')}: {row}")
