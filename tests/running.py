"""The real thing as a subprocess: `lineside demo` on a free port, for system and browser tests."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

UP_S = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(holds: Callable[[], Any], seconds: float, what: str, every_s: float = 0.1) -> Any:
    """Return what `holds` returns as soon as that is true."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        found = holds()
        if found:
            return found
        time.sleep(every_s)
    raise AssertionError(f"{what} did not happen within {seconds} s")


class Demo:
    """`lineside demo` in a data folder; start it, ask it, kill parts of it, stop it."""

    def __init__(self, data: Path, *arguments: str) -> None:
        self.data, self.port, self._arguments = data, free_port(), arguments
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = data.parent / f"{data.name}.out"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "services.cli", "demo", "--port", str(self.port), "--data", str(self.data)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([*command, *self._arguments], stdout=log, stderr=log)
        wait_until(self._answers, UP_S, "the page")

    def output(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def get(self, path: str) -> Any:
        """Return the JSON of one GET under /api/v1."""
        with urllib.request.urlopen(f"{self.url}/api/v1{path}", timeout=10) as answer:
            return json.load(answer)

    def children(self) -> dict[str, psutil.Process]:
        """Return the running workers by role; mosquitto itself is `mosquitto`."""
        assert self._process is not None
        found = {}
        for child in psutil.Process(self._process.pid).children(recursive=True):
            try:
                line = child.cmdline()
            except psutil.Error:
                continue
            if "services.workers" in line:
                found[line[-1]] = child
            elif line and line[0].endswith("mosquitto"):
                found["mosquitto"] = child
        return found

    def stop(self) -> int:
        """Press Ctrl-C and return the exit status."""
        assert self._process is not None
        left = psutil.Process(self._process.pid).children(recursive=True)
        self._process.send_signal(signal.SIGINT)
        status = self._process.wait(60)
        _, alive = psutil.wait_procs(left, timeout=5)
        assert not alive, f"left running: {[p.cmdline() for p in alive]}"
        return status

    def kill(self) -> None:
        """Make sure that nothing of it is left, however the test went."""
        if self._process is None or self._process.poll() is not None:
            return
        left = psutil.Process(self._process.pid).children(recursive=True)
        self._process.kill()
        self._process.wait()
        for child in left:
            if child.is_running():
                child.kill()

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.output()
        try:
            self.get("/accounting")
        except (urllib.error.URLError, OSError):
            return False
        return True
