"""The file of accounts: SQLite, readable by its owner only, changed by server and command line at the same time.

Readers never wait for a writer (write-ahead log), so that a request is checked in the event loop. Every commit is
fsynced. A file that another has taken the place of, or that appears later, is noticed at the next read.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from services.accounts.model import AccountsFileError

SCHEMA = (
    # Version 1. Times are ns UTC. `key` is the name folded, so that nobody is mistaken for somebody else.
    """
    CREATE TABLE users (
        key TEXT PRIMARY KEY, name TEXT NOT NULL, role TEXT NOT NULL, password TEXT NOT NULL,
        created_ns INTEGER NOT NULL, login_ns INTEGER
    ) STRICT;
    CREATE TABLE sessions (
        hash BLOB PRIMARY KEY, user TEXT NOT NULL REFERENCES users (key) ON DELETE CASCADE,
        created_ns INTEGER NOT NULL, used_ns INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX sessions_of_user ON sessions (user);
    CREATE TABLE tokens (
        key TEXT PRIMARY KEY, name TEXT NOT NULL, role TEXT NOT NULL, hash BLOB NOT NULL UNIQUE,
        created_ns INTEGER NOT NULL, expires_ns INTEGER, used_ns INTEGER
    ) STRICT;
    CREATE TABLE audit (
        id INTEGER PRIMARY KEY AUTOINCREMENT, time_ns INTEGER NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL,
        role TEXT, address TEXT NOT NULL, action TEXT NOT NULL, subject TEXT NOT NULL, outcome TEXT NOT NULL
    ) STRICT;
    CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
        BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;
    CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit
        BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;
    """,
)
"""What each version of the file adds to the one before; `user_version` counts them."""
WAIT_S = 5.0
"""A writer waits this long for another one."""
READ_WAIT_S = 0.5
"""Readers wait only while somebody repairs the log after a crash."""

Value = str | int | bytes | None


class Database:
    """One file, which need not exist yet: reads then find nothing, and the first `write` makes it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._reader: sqlite3.Connection | None = None
        self._inode = 0

    @property
    def exists(self) -> bool:
        """Whether there is a file."""
        return self._path.exists()

    def read(self, query: str, values: Sequence[Value] = ()) -> list[sqlite3.Row]:
        """Return rows; from memory, as a rule within 20 µs. Raises `AccountsFileError`."""
        with self._lock, self._told():
            reader = self._connected()
            return [] if reader is None else reader.execute(query, values).fetchall()

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Give a transaction: on disk when the block ends, undone when it raises. Blocks: not for an event loop.

        Raises `AccountsFileError`.
        """
        with self._told():
            self._create()
            with closing(_connect(self._path, WAIT_S)) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute("PRAGMA foreign_keys = ON")
                connection.execute("BEGIN IMMEDIATE")
                try:
                    _migrate(connection, self._path)
                    yield connection
                except BaseException:
                    connection.execute("ROLLBACK")
                    raise
                connection.execute("COMMIT")

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            if self._reader is not None:
                self._reader.close()
                self._reader = None

    def _create(self) -> None:
        """Make the file for its owner alone; SQLite gives its log files the same mode.

        A file that is there is not opened: to close it again would take away the locks of this process (POSIX), and
        with them SQLite's word that somebody reads.
        """
        with self._lock:
            if not self._path.exists():
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                with suppress(FileExistsError):  # another process was quicker
                    os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))

    def _connected(self) -> sqlite3.Connection | None:
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            stat = None
        if self._reader is not None and (stat is None or stat.st_ino != self._inode):
            self._reader.close()
            self._reader = None
        if stat is None:
            return None
        if self._reader is None:
            if stat.st_mode & 0o077:  # copied here by somebody: it holds hashes of passwords
                self._path.chmod(0o600)
            with closing(_connect(self._path, READ_WAIT_S)) as probe:
                is_old = _version(probe, self._path) < len(SCHEMA)
            if is_old:
                with self.write():  # brings it up to date, after whoever is making it just now
                    pass
            reader = _connect(self._path, READ_WAIT_S)
            reader.execute("PRAGMA query_only = ON")
            self._reader, self._inode = reader, stat.st_ino
        return self._reader

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise AccountsFileError(f"the accounts in {self._path} cannot be used: {error}") from error


def _connect(path: Path, wait_s: float) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=wait_s, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    return connection


def _version(connection: sqlite3.Connection, path: Path) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > len(SCHEMA):
        raise AccountsFileError(
            f"{path} has schema version {version}; this Lineside knows up to {len(SCHEMA)}: install the newer one again"
        )
    return version


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    for number in range(_version(connection, path), len(SCHEMA)):
        for statement in _statements(SCHEMA[number]):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {number + 1}")


def _statements(script: str) -> Iterator[str]:
    """Split by SQLite's own sense of what is complete: `executescript` would commit the transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
