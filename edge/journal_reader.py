"""The reading end of the journal, for the pipeline and whoever wants to look."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from edge.journal_checks import is_whole, mark_crc, source_crc
from edge.journal_file import JournalDamaged, JournalGap, OpenedFile, open_for_reading, translated
from edge.journal_lock import known_as_ours
from edge.journal_requests import request_salvage
from edge.sources.message import Message
from edge.topics import CROWDED

MAX_ITEMS_AT_ONCE = 20_000
"""Twice what one message may hold: a list of items of two bytes each would else be millions of rejects at once."""


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
        with translated(path):
            self._gaps: dict[int, int] = dict(connection.execute("SELECT first, last FROM gap").fetchall())
        """Numbers that a damage took, from the first to the last; they never change while the file is the same."""
        self._counted_upto = -1
        self._counted: dict[int, int] = {}
        """Items of messages up to `_counted_upto`, by source: so an account need not look at all that is pending."""

    @classmethod
    def open(cls, path: Path) -> JournalReader:
        """Open the journal for reading. Raises `JournalMissing` when there is none yet, else `JournalError`."""
        with known_as_ours(path):
            connection = open_for_reading(path)
        try:
            return cls(path, connection)
        except BaseException:
            connection.close()
            raise

    def __enter__(self) -> JournalReader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def request_salvage(self, reason: str) -> None:
        """Ask the collector to salvage the file that this reader has open."""
        request_salvage(self._path, self._file.identity, reason)

    def read(self, after: int, max_messages: int, max_bytes: int, max_items: int = MAX_ITEMS_AT_ONCE) -> list[Message]:
        """Return messages numbered above `after`, in order: as many as the bounds allow, but one if there is one.

        `max_bytes` is on payloads. Raises `JournalGap` when some of them are trimmed, `JournalDamaged` when the next
        one is not there or not as it was written; those before it are returned first.
        """
        messages: list[Message] = []
        size = item_count = 0
        with self._snapshot(after) as connection:
            rows = connection.execute(
                "SELECT seq, topic, body, source, received_ns, items, crc, "
                "source IS (SELECT id FROM source WHERE name = ?) FROM message LEFT JOIN payload USING (seq) "
                "WHERE seq > ? ORDER BY seq LIMIT ?",
                (CROWDED, after, max(1, max_messages)),
            )
            last = after
            try:
                for seq, topic, body, source, received_ns, items, crc, crowded in rows:
                    whole = is_whole(crc, seq, source, received_ns, items, topic, body)
                    self._expect(last + 1, holds=whole and self._follows(seq, last))
                    size += len(body)
                    item_count += items
                    if messages and (size > max_bytes or item_count > max_items):
                        break
                    messages.append(Message(seq, topic, body, received_ns, items, bool(crowded)))
                    last = seq
            except (sqlite3.Error, JournalDamaged):
                if not messages:
                    raise
            finally:
                rows.close()
        return messages

    def account(self, after: int) -> dict[str, SourceCount]:
        """Return every source's account, all as of one moment; `pending` counts messages numbered above `after`.

        Raises `JournalGap` when some of those are trimmed, for then nobody can count them.
        """
        with self._snapshot(after) as connection:
            sources = connection.execute("SELECT id, name, received, last_received_ns, crc FROM source").fetchall()
            counted = self._count_upto(after, {key: received for key, _, received, *_ in sources})
        for key, name, received, last_ns, crc in sources:
            if crc is not None and crc != source_crc(key, name, received, last_ns):
                raise JournalDamaged(f"journal {self._path} is damaged: the account of {name!r} is not as written")
        return {
            name: SourceCount(received, received - counted.get(key, 0), last_ns)
            for key, name, received, last_ns, _ in sources
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

    def _expect(self, seq: int, *, holds: bool) -> None:
        if not holds:
            raise JournalDamaged(
                f"journal {self._path} is damaged: message {seq} is not there or not as it was written"
            )

    def _follows(self, seq: int, last: int) -> bool:
        """Tell whether nothing is missing between two numbers but what is known to be."""
        return seq == last + 1 or any(first <= last + 1 and end == seq - 1 for first, end in self._gaps.items())

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
                trimmed = read_trimmed(self._connection, self._path)
                if after < trimmed:
                    raise JournalGap(
                        f"journal {self._path} is trimmed up to message {trimmed}; asked for those above {after}"
                    )
                yield self._connection
            finally:
                if self._connection.in_transaction:  # SQLite ends it by itself when the file cannot be read
                    self._connection.execute("COMMIT")


def read_trimmed(connection: sqlite3.Connection, path: Path) -> int:
    """Return up to which number messages are trimmed. Raises `JournalDamaged` when the mark is not as written."""
    row = connection.execute("SELECT trimmed, crc FROM mark").fetchone()
    if row is None or not (row[1] is None or row[1] == mark_crc(row[0])):
        raise JournalDamaged(f"journal {path} is damaged: the mark up to which it is trimmed is not as written")
    return int(row[0])
