"""The benchmark's own processes beside the system under test: viewers and pacer, each saying at the end what it did."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from benchmarks.live.viewers import READY

ROOT = Path(__file__).parents[2]
END_S = 60.0


class Child:
    """A module of this package as a process; its last word is one JSON object."""

    def __init__(self, module: str, *arguments: object) -> None:
        self._module = module
        command = [sys.executable, "-m", f"benchmarks.live.{module}", *(str(argument) for argument in arguments)]
        self._popen = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)

    def __enter__(self) -> Child:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._popen.poll() is None:
            self._popen.kill()
        self._popen.communicate()

    @property
    def process(self) -> psutil.Process:
        """For measuring it."""
        return psutil.Process(self._popen.pid)

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._popen.poll() is None

    def wait_for(self, word: str) -> None:
        """Wait until it has said a line. Raises `SystemExit` when it says another or ends."""
        assert self._popen.stdout is not None
        said = self._popen.stdout.readline().decode().strip()
        if said != word:
            self._popen.kill()
            raise SystemExit(f"{self._module} said {said!r} instead of {word!r}")

    def result(self) -> dict[str, Any]:
        """Close its standard input, wait for its end and return what it said. Raises `SystemExit` when it failed."""
        said, _ = self._popen.communicate(timeout=END_S)
        if self._popen.returncode:
            raise SystemExit(f"{self._module} ended with status {self._popen.returncode}")
        return dict(json.loads(said))


def viewers(url: str, n: int) -> Child:
    """Return `n` viewers of one server, all of which have loaded the page and listen."""
    child = Child("viewers", url, n)
    child.wait_for(READY)
    return child


def pacer(port: int, file: Path, welds_per_s: float, seconds: float, first: int = 0) -> Child:
    """Return a pacer that begins with message `first`."""
    return Child("pacer", port, file, welds_per_s, seconds, first)
