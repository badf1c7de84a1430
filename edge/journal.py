"""The durable queue between collector and pipeline: one SQLite file, one writer, any number of readers.

    collector --append (one fsync per group)--> journal --read--> pipeline --cursor--> collector --trim--> journal

Messages are numbered from 1 and no number is ever used twice, even when everything was trimmed. What was received is
counted per source in the very transaction that keeps the messages, so the account and the queue cannot disagree.

    JournalError            the file is no journal of ours, is damaged, or has another writer
    +-- JournalMissing      there is no journal (yet)
    +-- JournalFull         it takes nothing now; the same append may succeed later
    +-- JournalGap          messages that were asked for are trimmed
    +-- JournalDamaged      it is ours and not as it was written; `edge.journal_salvage` keeps what is whole
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

from edge.journal_checks import mark_crc, message_crc, source_crc
from edge.journal_file import (
    JournalDamaged,
    JournalError,
    JournalFull,
    JournalGap,
    JournalMissing,
    OpenedFile,
    free_bytes,
    open_for_writing,
    translated,
)
from edge.journal_lock import WriterLock, known_as_ours, witnessed_seq
from edge.journal_reader import JournalReader, SourceCount, read_trimmed
from edge.journal_salvage import finish_swap

__all__ = [
    "Entry",
    "Journal",
    "JournalDamaged",
    "JournalError",
    "JournalFull",
    "JournalGap",
    "JournalMissing",
    "JournalReader",
    "SourceCount",
]

Entry = tuple[str, bytes, int, str, int]
"""What is appended: topic, payload, received_ns, source, items."""

ROW_BYTES = 64
"""What a message takes beside topic and payload, at most."""
SPARE_PAGES = 16
"""Left free below the bound: trimming and a new source must find room in a full journal."""
LOG_BYTES = 32 * 2**20
"""The write-ahead log's share of the bound; it is moved into the database, and begun anew, at a quarter of that."""
TRIM_MESSAGES = 2000
TRIM_BYTES = 32 * 2**20
"""Bounds of one trimming transaction: some 20 ms."""
KEEP_FREE_BYTES = 64 * 2**20
"""Free room in the file that is kept for the next messages; what is beyond goes back to the disk."""
GIVE_BACK_PAGES = 512
"""Pages given back to the disk at a time."""


class Journal:
    """The writing end. Not for two threads at once.

    `max_bytes` bounds what it takes on the disk: the database file, and the write-ahead log, which has a quarter of it
    but at most `LOG_BYTES`. Trimmed pages are used again; free ones beyond `KEEP_FREE_BYTES` go back to the disk little
    by little. When the log cannot be emptied, because a reader hangs in the middle of a read, the journal stops instead
    of filling the disk. Only a group larger than the log's share lets it grow beyond, while that group is written.
    """

    def __init__(
        self, path: Path, connection: sqlite3.Connection, lock: WriterLock, max_bytes: int, min_free: int
    ) -> None:
        self._path, self._connection, self._lock = path, connection, lock
        self._max_bytes, self._min_free_bytes = max_bytes, min_free
        self._log_bytes = min(LOG_BYTES, max_bytes // 4)
        self._max_data_bytes = max_bytes - self._log_bytes
        self._file = OpenedFile(path)
        self._wal = path.with_name(path.name + "-wal")
        self._page_bytes = int(connection.execute("PRAGMA page_size").fetchone()[0])
        connection.execute(f"PRAGMA max_page_count = {max(1, self._max_data_bytes // self._page_bytes)}")
        self._sources: dict[str, tuple[int, int, int]] = {}
        """Of each source its id, items received and when the last came."""
        for key, name, received, last_ns, crc in connection.execute("SELECT * FROM source"):
            if crc is not None and crc != source_crc(key, name, received, last_ns):
                raise JournalDamaged(f"journal {path} is damaged: the account of source {name!r} is not as written")
            self._sources[name] = key, received, last_ns
        self._trimmed = read_trimmed(connection, path)
        (last,) = connection.execute("SELECT max(seq) FROM message").fetchone()
        self._last_seq = int(last or self._trimmed)
        witnessed = witnessed_seq(path)
        if self._last_seq < witnessed:
            raise JournalDamaged(
                f"journal {path} is damaged: it ends at message {self._last_seq}, and {witnessed} had been on disk"
            )

    @classmethod
    def open(cls, path: Path, max_bytes: int, min_free_bytes: int) -> Journal:
        """Open the journal for writing, making it when it is missing.

        `min_free_bytes` is what must stay free on the disk. Raises `JournalError`, also when another process has it
        open for writing; `JournalDamaged` when it is ours and not as it was written.
        """
        lock = WriterLock(path)
        try:
            finish_swap(path)
            with known_as_ours(path):
                connection = open_for_writing(path, min(LOG_BYTES, max_bytes // 4) // 4)
            try:
                with translated(path):
                    return cls(path, connection, lock, max_bytes, min_free_bytes)
            except BaseException:
                connection.close()
                raise
        except BaseException:
            lock.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()
        self._lock.close()

    @property
    def path(self) -> Path:
        """Where it is."""
        return self._path

    @property
    def last_seq(self) -> int:
        """The number of the last message, 0 before the first."""
        return self._last_seq

    def sources(self) -> set[str]:
        """Return the name of every source that ever sent something."""
        return set(self._sources)

    @property
    def trimmed(self) -> int:
        """Up to which number messages are trimmed."""
        return self._trimmed

    def used_bytes(self) -> int:
        """Return the size of what is in use: the database without its free pages, and the write-ahead log."""
        return self._data_bytes() + self._wal_bytes()

    @property
    def largest_message_bytes(self) -> int:
        """The largest payload that an append may hold: half of the bound on data, whatever else is kept."""
        return self._max_data_bytes // 2

    def append(self, entries: Sequence[Entry]) -> int:
        """Keep messages, all or none; when this returns they are on disk. Return the number of the last one.

        Raises `JournalFull` when a bound is met or the disk does not take them; nothing is kept then, and the next
        append works again as soon as there is room. Raises `JournalError` when the file is damaged.
        """
        if not entries:
            return self._last_seq
        self._file.check()
        self._check_room(entries)
        seq = self._last_seq
        changed = self._counted(entries)
        with self._transaction() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO source VALUES (?, ?, ?, ?, ?)",
                (
                    (key, name, received, last_ns, source_crc(key, name, received, last_ns))
                    for name, (key, received, last_ns) in changed.items()
                ),
            )
            connection.executemany(
                "INSERT INTO message VALUES (?, ?, ?, ?, ?)",
                (
                    (number, changed[source][0], received_ns, items, len(payload))
                    for number, (_, payload, received_ns, source, items) in enumerate(entries, seq + 1)
                ),
            )
            connection.executemany(
                "INSERT INTO payload VALUES (?, ?, ?, ?)",
                (
                    (
                        number,
                        topic,
                        payload,
                        message_crc(number, changed[source][0], received_ns, items, topic, payload),
                    )
                    for number, (topic, payload, received_ns, source, items) in enumerate(entries, seq + 1)
                ),
            )
        self._sources.update(changed)
        self._last_seq = seq + len(entries)
        self._lock.note(self._last_seq)
        return self._last_seq

    def trim(self, upto: int) -> int:
        """Drop messages numbered up to `upto`, at most one chunk of them; return how many were dropped.

        Call again until it returns 0. Raises `ValueError` when `upto` is beyond the last message: then it is not about
        this journal. Raises `JournalFull` when the disk does not even take the dropping.
        """
        if upto > self._last_seq:
            raise ValueError(f"journal {self._path} ends at message {self._last_seq}; cannot trim up to {upto}")
        self._file.check()
        dropped = self._drop(upto) if upto > self._trimmed else 0
        keep = min(KEEP_FREE_BYTES, self._max_bytes // 4)
        with translated(self._path):
            if self._free_pages() * self._page_bytes > keep:
                # Each page is a step without columns, and `execute` would make only the first one.
                self._connection.executescript(f"PRAGMA incremental_vacuum({GIVE_BACK_PAGES})")
        return dropped

    def _drop(self, upto: int) -> int:
        with self._transaction() as connection:
            dropped = size = last = 0
            rows = connection.execute(
                "SELECT seq, bytes FROM message WHERE seq <= ? ORDER BY seq LIMIT ?", (upto, TRIM_MESSAGES)
            ).fetchall()
            for seq, number_of_bytes in rows:
                dropped, size, last = dropped + 1, size + number_of_bytes, seq
                if size >= TRIM_BYTES:
                    break
            connection.execute("DELETE FROM message WHERE seq <= ?", (last,))
            connection.execute("DELETE FROM payload WHERE seq <= ?", (last,))
            connection.execute("UPDATE mark SET trimmed = ?, crc = ?", (last, mark_crc(last)))
        self._trimmed = last
        return dropped

    def _counted(self, entries: Sequence[Entry]) -> dict[str, tuple[int, int, int]]:
        """Return the account of each source that `entries` are from, with them counted in."""
        changed: dict[str, tuple[int, int, int]] = {}
        free = len(self._sources) + 1  # ids are given without a gap, and a source never goes
        for _, _, received_ns, source, items in entries:
            known = changed.get(source) or self._sources.get(source)
            if known is None:
                known, free = (free, 0, 0), free + 1
            key, received, last_ns = known
            changed[source] = key, received + items, max(last_ns, received_ns)
        return changed

    def _check_room(self, entries: Sequence[Entry]) -> None:
        need = SPARE_PAGES * self._page_bytes
        for topic, payload, *_ in entries:
            size = len(payload) + len(topic) + ROW_BYTES
            need += size if size < self._page_bytes // 2 else (size // self._page_bytes + 1) * self._page_bytes
        used = self._data_bytes()
        if used + need > self._max_data_bytes:
            raise JournalFull(
                f"journal {self._path} holds {used} bytes and its bound is {self._max_bytes}, "
                f"{self._log_bytes} of them for its log: no room for {len(entries)} more message(s) of {need} bytes"
            )
        if self._wal_bytes() + need > self._log_bytes:
            with translated(self._path):
                (busy, *_) = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if busy:
                raise JournalFull(
                    f"the log of journal {self._path} is {self._wal_bytes()} bytes long and its bound is "
                    f"{self._log_bytes}: a reader that hangs keeps it from being emptied"
                )
        free = free_bytes(self._path)
        if free < self._min_free_bytes:
            raise JournalFull(
                f"the disk of {self._path} has {free} bytes left; at least {self._min_free_bytes} are to stay free"
            )

    def _data_bytes(self) -> int:
        with translated(self._path):
            (pages,) = self._connection.execute("PRAGMA page_count").fetchone()
            return (int(pages) - self._free_pages()) * self._page_bytes

    def _wal_bytes(self) -> int:
        return self._wal.stat().st_size if self._wal.exists() else 0

    def _free_pages(self) -> int:
        (pages,) = self._connection.execute("PRAGMA freelist_count").fetchone()
        return int(pages)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with translated(self._path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
