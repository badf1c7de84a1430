"""The reading end of the journal, for the pipeline and whoever wants to look."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from edge.journal_file import JournalGap, OpenedFile, open_for_reading, translated
from edge.sources.message import Message


@dataclass(frozen=True, slots=True)
class SourceCount:
    """One source's account as the journal knows it."""

    received: int
    """Items ever received."""
    pending: int
    """Items of messages after the cursor that was asked for."""
    last_received_ns: int
    """When the last message came, ns since 1970 UTC."""


class JournalReader:
    """The reading end, for one thread; it never delays the writer."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path, self._connection = path, connection
        self._file = OpenedFile(path)
        self._counted_upto = -1
        self._counted: dict[int, int] = {}
        """Items of messages up to `_counted_upto`, by source: so an account need not look at all that is pending."""

    @classmethod
    def open(cls, path: Path) -> JournalReader:
        """Open the journal for reading. Raises `JournalMissing` when there is none yet, else `JournalError`."""
        return cls(path, open_for_reading(path))

    def __enter__(self) -> JournalReader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def read(self, after: int, max_messages: int, max_bytes: int) -> list[Message]:
        """Return messages numbered above `after`, in order: as many as the bounds allow, but one if there is one.

        `max_bytes` is on payloads. Raises `JournalGap` when some of them are trimmed.
        """
        messages: list[Message] = []
        size = 0
        with self._snapshot(after) as connection:
            rows = connection.execute(
                "SELECT seq, topic, body, received_ns, items, bytes FROM message JOIN payload USING (seq) "
                "WHERE seq > ? ORDER BY seq LIMIT ?",
                (after, max(1, max_messages)),
            )
            for seq, topic, body, received_ns, items, number_of_bytes in rows:
                size += number_of_bytes
                if messages and size > max_bytes:
                    break
                messages.append(Message(seq, topic, body, received_ns, items))
            rows.close()
        return messages

    def account(self, after: int) -> dict[str, SourceCount]:
        """Return every source's account, all as of one moment; `pending` counts messages numbered above `after`.

        Raises `JournalGap` when some of those are trimmed, for then nobody can count them.
        """
        with self._snapshot(after) as connection:
            sources = connection.execute("SELECT id, name, received, last_received_ns FROM source").fetchall()
            counted = self._count_upto(after, {key: received for key, _, received, _ in sources})
        return {
            name: SourceCount(received, received - counted.get(key, 0), last_ns)
            for key, name, received, last_ns in sources
        }

    def oldest_received_ns(self, after: int) -> int | None:
        """Return when the first message numbered above `after` came, None when there is none. Raises `JournalGap`."""
        with self._snapshot(after) as connection:
            row = connection.execute(
                "SELECT received_ns FROM message WHERE seq > ? ORDER BY seq LIMIT 1", (after,)
            ).fetchone()
        return None if row is None else int(row[0])

    def last_seq(self) -> int:
        """Return the number of the last message, 0 before the first."""
        with translated(self._path):
            row = self._connection.execute("SELECT max((SELECT trimmed FROM mark), ifnull(max(seq), 0)) FROM message")
            return int(row.fetchone()[0])

    def _count_upto(self, after: int, received: dict[int, int]) -> dict[int, int]:
        """Return the items of all messages up to `after`, by source; only inside a snapshot."""
        trimmed, last = self._connection.execute(
            "SELECT trimmed, (SELECT ifnull(max(seq), trimmed) FROM message) FROM mark"
        ).fetchone()
        if trimmed <= self._counted_upto <= after:
            counted = dict(self._counted)
            since = self._connection.execute(
                "SELECT source, sum(items) FROM message WHERE seq > ? AND seq <= ? GROUP BY source",
                (self._counted_upto, after),
            )
            for source, items in since:
                counted[source] = counted.get(source, 0) + items
        else:
            pending = self._connection.execute(
                "SELECT source, sum(items) FROM message WHERE seq > ? GROUP BY source", (after,)
            )
            counted = dict(received)
            for source, items in pending:
                counted[source] -= items
        self._counted_upto, self._counted = min(after, last), counted
        return counted

    @contextlib.contextmanager
    def _snapshot(self, after: int) -> Iterator[sqlite3.Connection]:
        """Hold one state of the journal, in which everything above `after` is still there."""
        self._file.check()
        with translated(self._path):
            self._connection.execute("BEGIN")
            try:
                (trimmed,) = self._connection.execute("SELECT trimmed FROM mark").fetchone()
                if after < trimmed:
                    raise JournalGap(
                        f"journal {self._path} is trimmed up to message {trimmed}; asked for those above {after}"
                    )
                yield self._connection
            finally:
                self._connection.execute("COMMIT")
