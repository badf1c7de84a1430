"""A group of worker processes: started together, restarted when one dies, stopped together.

A worker gets its role on the command line and its job as one line of JSON on standard input, which stays open: when
the supervisor is gone, however it went, the worker reads the end of the file and leaves too.
"""

from __future__ import annotations

import contextlib
import logging
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from services.errors import OperatorError

GIVE_UP = 2
"""Exit status of a worker that cannot work as it was told; starting it again would not help."""
STEADY_S = 10.0
"""A worker that lived this long starts its back-off anew."""
BACK_OFF_S = (0.5, 15.0)
STOP_S = 15.0
"""Given to a worker to finish; then it is killed."""
POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Worker:
    """One process of the group."""

    role: str
    """A module of `services.roles`."""
    job: bytes
    """Its settings, JSON on one line."""


class WorkerFailedError(OperatorError):
    """A worker said that it cannot work as it was told; the message is its own."""


class Supervisor:
    """Runs workers; used as a context manager, it stops them all on leaving, the last started first."""

    def __init__(self, log: logging.Logger, log_file: Path | None = None) -> None:
        """Workers write to `log_file`, or to this process's standard error."""
        self._log = log
        self._file: IO[bytes] | None = None
        if log_file is not None:
            log_file.parent.mkdir(parents=True, exist_ok=True)
            self._file = log_file.open("ab")
        self._running: dict[Worker, _Process] = {}

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, worker: Worker) -> None:
        """Start one more worker."""
        self._running[worker] = _Process(worker, self._file)

    def check(self) -> None:
        """Restart workers that died, with back-off. Raises `WorkerFailedError` when one gave up."""
        for worker, process in list(self._running.items()):
            status = process.poll()
            if status is None:
                continue
            if status == GIVE_UP:
                raise WorkerFailedError(
                    f"{worker.role} cannot work as configured (its reason stands above or in the log)"
                )
            wait = process.wait_before_restart()
            if wait > 0:
                continue
            about = {"worker": worker.role, "status": status}
            self._log.warning("%s ended with status %s; starting it again", worker.role, status, extra=about)
            self._running[worker] = process.again(self._file)

    def watch(self, stop: threading.Event) -> None:
        """Check until `stop` is set. Raises `WorkerFailedError`."""
        while not stop.wait(POLL_S):
            self.check()

    def stop(self) -> None:
        """Ask every worker to finish, the last started first, and wait for it."""
        for process in reversed(self._running.values()):
            process.stop()
        self._running.clear()
        if self._file is not None:
            self._file.close()
            self._file = None


class _Process:
    def __init__(self, worker: Worker, output: IO[bytes] | None, wait_s: float = BACK_OFF_S[0]) -> None:
        self._worker = worker
        self._wait_s = wait_s
        self._started = time.monotonic()
        self._died: float | None = None
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "services.workers", worker.role],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C reaches the supervisor alone, which stops its workers in order
        )
        if self._popen.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # it died at once; poll() will say so
                self._popen.stdin.write(worker.job + b"\n")
                self._popen.stdin.flush()

    def poll(self) -> int | None:
        status = self._popen.poll()
        if status is not None and self._died is None:
            self._died = time.monotonic()
        return status

    def wait_before_restart(self) -> float:
        died = self._died or time.monotonic()
        return died + self._wait_s - time.monotonic()

    def again(self, output: IO[bytes] | None) -> _Process:
        steady = (self._died or self._started) - self._started > STEADY_S
        wait_s = BACK_OFF_S[0] if steady else min(2 * self._wait_s, BACK_OFF_S[1])
        self._close_pipe()
        return _Process(self._worker, output, wait_s)

    def stop(self) -> None:
        self._close_pipe()
        try:
            self._popen.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()

    def _close_pipe(self) -> None:
        if self._popen.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._popen.stdin.close()
