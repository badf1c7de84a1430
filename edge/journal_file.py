"""The journal's file: what is in it, how it is opened and checked, and what SQLite's errors mean for it.

`edge.journal` is the way in for everyone else.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Set
from pathlib import Path

PAGE_BYTES = 8192
"""Measured with messages of 2 KiB: 4 KiB pages leave half of the file empty, 16 KiB ones double what is written for
a group of one message."""
BUSY_S = 1.0
APPLICATION_ID = 0x4C534A4C  # "LSJL", at a fixed place in the file's header
LAYOUT = 2
"""Version of the tables, kept as SQLite's `user_version`. 1, of Lineside's first release, had no check sums."""

_TABLES = """
CREATE TABLE source (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    received INTEGER NOT NULL,
    last_received_ns INTEGER NOT NULL,
    crc INTEGER
);
CREATE TABLE message (
    seq INTEGER PRIMARY KEY,
    source INTEGER NOT NULL REFERENCES source,
    received_ns INTEGER NOT NULL,
    items INTEGER NOT NULL,
    bytes INTEGER NOT NULL
);
CREATE TABLE payload (
    seq INTEGER PRIMARY KEY REFERENCES message,
    topic TEXT NOT NULL,
    body BLOB NOT NULL,
    crc INTEGER
);
CREATE TABLE mark (trimmed INTEGER NOT NULL, crc INTEGER);
CREATE TABLE gap (first INTEGER NOT NULL, last INTEGER NOT NULL);
INSERT INTO mark VALUES (0, NULL);
"""
_FROM_1 = """
ALTER TABLE source ADD COLUMN crc INTEGER;
ALTER TABLE payload ADD COLUMN crc INTEGER;
ALTER TABLE mark ADD COLUMN crc INTEGER;
CREATE TABLE gap (first INTEGER NOT NULL, last INTEGER NOT NULL);
PRAGMA user_version = 2;
"""
"""What layout 1 lacks. A check sum that is null was never made: the row is believed."""
_PASSING = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
    }
)
"""What may be over by the next try: a full disk shows as FULL, IOERR or (when the log cannot be made) CANTOPEN."""


class JournalError(RuntimeError):
    """The journal cannot be used; the message names the file, what is wrong and, where there is a way out, that."""


class JournalMissing(JournalError):  # noqa: N818 - the name says a state of the world, not a mistake
    """There is no journal yet, or it was moved away."""


class JournalFull(JournalError):  # noqa: N818 - a state of the world, too
    """The journal takes nothing now; the message says which bound was met. The same append may succeed later."""


class JournalGap(JournalError):  # noqa: N818 - a state of the world, too
    """Messages that were asked for are trimmed."""


class JournalDamaged(JournalError):  # noqa: N818 - a state of the world, too
    """The file is ours and not as it was written; `edge.journal_salvage` takes out of it what is whole."""


class JournalForeign(JournalError):  # noqa: N818 - a state of the world, too
    """The file looks like none of ours."""


class OpenedFile:
    """Notices when the file of an open connection is moved or removed: writing on would keep nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.identity = self._look()
        """Device and inode."""

    def check(self) -> None:
        """Raise `JournalMissing` when the path no longer leads to the file that was opened."""
        if self._look() != self.identity:
            raise JournalMissing(f"journal {self._path} was moved or removed while it was in use")

    def _look(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._path)  # noqa: PTH116 - once per group and read: Path.stat costs five times as much
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise SQLite's errors as `JournalFull` when they may pass, `JournalDamaged` or else `JournalError`."""
    try:
        yield
    except UnicodeDecodeError as error:  # of a topic that was kept as valid UTF-8
        raise JournalDamaged(f"journal {path} is damaged: {error}") from error
    except sqlite3.Error as error:
        if str(error).startswith("Could not decode to UTF-8"):  # the module's own, without a code
            raise JournalDamaged(f"journal {path} is damaged: {error}") from error
        extended = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        code = extended & 0xFF  # the primary code
        if code == sqlite3.SQLITE_CORRUPT or extended == sqlite3.SQLITE_IOERR_SHORT_READ:
            raise JournalDamaged(f"journal {path} is damaged: {error}") from error
        if code in _PASSING:
            free = free_bytes(path)
            raise JournalFull(
                f"journal {path} cannot be used now: {error} ({free} bytes are free on its disk)"
            ) from error
        if code == sqlite3.SQLITE_NOTADB:
            raise JournalForeign(
                f"journal {path} is damaged or no journal: {error}. Move it away to begin anew"
            ) from error
        raise JournalError(f"journal {path}: {error}") from error


def free_bytes(path: Path) -> int:
    """Return what the disk of `path` has left for us."""
    disk = os.statvfs(path.parent)
    return disk.f_bavail * disk.f_frsize


def open_for_writing(path: Path, wal_bytes: int) -> sqlite3.Connection:
    """Open the journal, making it when it is missing; its write-ahead log is begun anew at `wal_bytes`.

    Raises `JournalError`.
    """
    with translated(path):
        connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    with _closed_on_error(connection), translated(path):
        _prepare_writing(connection, path, wal_bytes)
    return connection


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Open the journal read-only. Raises `JournalMissing` when there is none yet, else `JournalError`."""
    if not path.exists():
        raise JournalMissing(f"journal {path} does not exist")
    address = f"{path.absolute().as_uri()}?mode=ro"
    with translated(path):
        connection = sqlite3.connect(address, timeout=BUSY_S, isolation_level=None, uri=True)
    with _closed_on_error(connection), translated(path):
        if _is_empty(connection):
            raise JournalMissing(f"journal {path} is being made")
        _check_layout(connection, path, {LAYOUT})
    return connection


def _prepare_writing(connection: sqlite3.Connection, path: Path, wal_bytes: int) -> None:
    new = _is_empty(connection)
    if new:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    else:
        _check_layout(connection, path, {1, LAYOUT})
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise JournalError(f"journal {path}: its file system cannot keep a write-ahead log (mode {mode!r})")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = OFF")  # Debian's default writes zeros over all that is trimmed
    connection.execute(f"PRAGMA journal_size_limit = {wal_bytes}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {max(1, wal_bytes // PAGE_BYTES)}")
    if new:
        marks = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {LAYOUT};"
        connection.executescript(f"BEGIN IMMEDIATE;{_TABLES}{marks}COMMIT;")
    elif connection.execute("PRAGMA user_version").fetchone() == (1,):
        _keep_beside(connection, path)
        connection.executescript(f"BEGIN IMMEDIATE;{_FROM_1}COMMIT;")


def _keep_beside(connection: sqlite3.Connection, path: Path) -> None:
    """Keep a copy of a journal of layout 1 as it was."""
    half, old = path.with_name(f"{path.name}.keeping"), path.with_name(f"{path.name}.layout-1")
    half.unlink(missing_ok=True)
    connection.execute("VACUUM INTO ?", (str(half),))
    half.replace(old)


@contextlib.contextmanager
def _closed_on_error(connection: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise


def _is_empty(connection: sqlite3.Connection) -> bool:
    """Tell whether the file holds nothing, neither ours nor foreign."""
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return int(tables) == 0


def _check_layout(connection: sqlite3.Connection, path: Path, known: Set[int]) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION_ID:
        raise JournalForeign(f"journal {path} is an SQLite file of something else; expected a journal of Lineside")
    (layout,) = connection.execute("PRAGMA user_version").fetchone()
    if layout == 1 and layout not in known:
        raise JournalMissing(f"journal {path} has layout 1 and is not brought up to {LAYOUT} yet: its collector does")
    if layout not in known:
        raise JournalError(f"journal {path} has layout {layout}; this version of Lineside reads layout {LAYOUT}")
