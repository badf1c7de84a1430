"""How a backup gets one moment of everything, while the line goes on.

    lineside backup --lock, request--> pipeline: store checkpointed, snapshot saved; then both files stay as they are
                    <----answer, the moment--
                    --copies, unlocks--> pipeline: saves as ever

Meanwhile the pipeline judges and commits: commits go to the store's log, and the journal keeps what comes after the
snapshot, since it is trimmed no further. The lock ends with the process that made it, so that a backup that is killed
holds up nothing. Neither file may be copied by the server itself: POSIX drops a process's locks on a file when that
process closes it, and DuckDB and SQLite would then take themselves for alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from services.errors import OperatorError
from services.layout import DataLayout
from services.store.protocol import Store, StoreError

LOOK_S = 0.1
WAIT_S = 60.0
"""How long a pipeline may take to come to such a moment."""


class BackupError(OperatorError):
    """A backup cannot be made or used; the message says why."""


class Cut(msgspec.Struct, frozen=True):
    """The moment that a backup is of."""

    request: str
    cursor: int
    """Snapshot and store hold exactly what follows from the journal up to this message."""
    error: str = ""
    """Why there is no such moment."""


class Hold:
    """The pipeline's end, for the thread that runs it."""

    def __init__(self, layout: DataLayout, store: Store, log: logging.Logger) -> None:
        self._request, self._answer = _request(layout), _answer(layout)
        self._store, self._log = store, log
        self._answered = ""
        self._due = 0.0
        self.active = False
        """Snapshot and store's file are to stay as they are."""
        with contextlib.suppress(OSError):  # of a pipeline that was killed
            self._answer.unlink()

    def look(self, save: Callable[[], None], cursor: Callable[[], int]) -> None:
        """Begin or end a hold, as asked; to be called when all that was taken is committed. `save` may raise."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + LOOK_S
        request = _asked(self._request)
        if self.active and request != self._answered:
            self.end()
        if request and request != self._answered:
            self._answered = request
            try:
                save()
                self._store.hold()
                cut = Cut(request, cursor())
                self.active = True
            except (OSError, StoreError) as error:
                self._store.let_go()
                cut = Cut(request, cursor(), str(error))
            with contextlib.suppress(OSError):
                _write(self._answer, cut)
            if self.active:
                self._log.info("held at message %d for a backup", cut.cursor, extra={"cursor": cut.cursor})

    def end(self, why: str = "") -> None:
        """Let go, if there is a hold; with `why` the backup fails."""
        if not self.active:
            return
        self.active = False
        with contextlib.suppress(OSError):
            self._answer.unlink()
        self._store.let_go()
        if why:
            self._log.warning("the backup under way cannot be finished: %s", why)
        else:
            self._log.info("let go after the backup")


@contextlib.contextmanager
def held(layout: DataLayout, is_running: Callable[[], bool]) -> Iterator[Cut]:
    """Ask the pipeline that works in a folder to hold, and let go at the end of the block.

    Raises `BackupError` when it does not within `WAIT_S`, or when it could not hold until the end of the block.
    """
    with _locked(_request(layout)) as request:
        cut = _wait(_answer(layout), request, is_running)
        yield cut
        if _read(_answer(layout)) != cut:
            raise BackupError(
                "Lineside stopped, or its journal was about to fill, before the backup was done; make it again"
            )


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[str]:
    """Hold the lock on a request file with a fresh request in it."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise BackupError(f"{path} cannot be written ({error}); run this as the user whom Lineside runs as") from None
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupError("another backup of this folder is being made; wait for it") from None
        request = secrets.token_hex(8)
        os.ftruncate(file, 0)
        os.pwrite(file, request.encode("ascii"), 0)
        yield request
        os.ftruncate(file, 0)
    finally:
        os.close(file)


def _wait(answer: Path, request: str, is_running: Callable[[], bool]) -> Cut:
    limit = time.monotonic() + WAIT_S
    while time.monotonic() < limit:
        cut = _read(answer)
        if cut is not None and cut.request == request:
            if cut.error:
                raise BackupError(f"the pipeline cannot be held for a backup: {cut.error}")
            return cut
        if not is_running():
            raise BackupError("Lineside stopped before the backup began; make it again")
        time.sleep(LOOK_S / 2)
    raise BackupError(
        f"the pipeline did not come to rest within {WAIT_S:.0f} s. Is it waiting for its store, or starting? "
        "`lineside doctor` and its log say; then make the backup again"
    )


def _asked(path: Path) -> str:
    """Return the request in a file, empty when nobody holds its lock any more."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(file, 64, 0).decode("ascii", "replace")
    except OSError:
        return ""
    finally:
        os.close(file)
    return ""


def _read(answer: Path) -> Cut | None:
    try:
        return msgspec.json.decode(answer.read_bytes(), type=Cut)
    except (OSError, msgspec.MsgspecError):
        return None


def _write(answer: Path, cut: Cut) -> None:
    fresh = answer.with_name(f"{answer.name}.new")
    fresh.write_bytes(msgspec.json.encode(cut))
    fresh.replace(answer)


def _request(layout: DataLayout) -> Path:
    return layout.root / "backup.lock"


def _answer(layout: DataLayout) -> Path:
    return layout.root / "backup.held"
