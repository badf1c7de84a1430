"""The one writer's lock, and its witness: the last number that was on disk, kept apart from the journal.

A write-ahead log that lost its end looks like one that never had it: SQLite drops such transactions and says nothing.
So the writer notes the number of its last message in the lock's file. The note is not synced: after a power cut it may
be older than the journal, never newer, so it accuses nobody falsely.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from edge.journal_file import JournalDamaged, JournalError, JournalForeign, JournalFull

HOLDER_BYTES = 32
_WITNESS = struct.Struct("<qI")


class WriterLock:
    """Held from being made until it is closed, or until the process ends, however that ends."""

    def __init__(self, path: Path) -> None:
        """Become the one writer of the journal at `path`. Raises `JournalError`, `JournalFull` on a full disk."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(_lock_path(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            kind = JournalFull if error.errno == errno.ENOSPC else JournalError
            raise kind(f"journal {path} cannot be locked: {error}") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._file, HOLDER_BYTES, 0).decode("ascii", "replace").split("\n")[0] or "unknown"
            self.close()
            raise JournalError(f"journal {path} has another writer, process {holder}; expected one collector") from None
        with contextlib.suppress(OSError):  # a full disk: the lock holds all the same
            os.pwrite(self._file, f"{os.getpid()}\n".ljust(HOLDER_BYTES).encode("ascii"), 0)

    def note(self, seq: int) -> None:
        """Note that everything up to message `seq` is on disk."""
        with contextlib.suppress(OSError):  # an older note stays true
            os.pwrite(self._file, _packed(seq), HOLDER_BYTES)

    def close(self) -> None:
        """Let go of the lock."""
        os.close(self._file)


def witnessed_seq(path: Path) -> int:
    """Return the number up to which messages were once in the journal at `path`, 0 when nobody noted any."""
    try:
        with _lock_path(path).open("rb") as file:
            file.seek(HOLDER_BYTES)
            found = file.read(_WITNESS.size)
    except OSError:
        return 0
    seq = int.from_bytes(found[:8], "little", signed=True)
    return seq if found == _packed(seq) else 0


@contextlib.contextmanager
def known_as_ours(path: Path) -> Iterator[None]:
    """Take a file that looks foreign for a damaged journal when a journal of ours had been there."""
    try:
        yield
    except JournalForeign as error:
        if witnessed_seq(path):
            raise JournalDamaged(f"journal {path} is damaged: its head cannot be read") from error
        raise


def _packed(seq: int) -> bytes:
    return _WITNESS.pack(seq, zlib.crc32(seq.to_bytes(8, "little", signed=True)))


def _lock_path(path: Path) -> Path:
    return path.with_name(path.name + ".lock")
