"""Out of a damaged journal a new one, with every message in it that is as it was written, and a record of the rest.

    damaged file --each message by its number, checked--> new file + `Damage` record --swap--> journal

Messages keep their numbers, so that the pipeline goes on at its cursor. The damaged files stay beside the journal as
`….damaged`, the newest ones only. A crash at any moment leaves either the damaged journal or a whole new one: the new
file gets its name when it is complete, and from then on the swap is finished by whoever opens the journal next.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from edge.journal_checks import is_whole, mark_crc, message_crc, source_crc
from edge.journal_file import JournalError, open_for_writing, translated
from edge.journal_lock import WriterLock, witnessed_seq
from edge.journal_requests import withdraw_request
from edge.sources.journal_record import Damage, encode_record
from edge.topics import JOURNAL, source_of

Row = tuple[int, str, int, int, str, bytes]
"""seq, source, received_ns, items, topic, body."""

CHUNK = 500
WAL_BYTES = 8 * 2**20


def salvage(path: Path, taken: int, reason: str) -> Damage:
    """Put a new journal in the place of the damaged one at `path`; return what was lost.

    `taken` is up to where the pipeline has everything: those messages are not looked for. Raises `JournalFull` when
    the disk has no room for the new file, `JournalError` when another process is the writer.
    """
    lock = WriterLock(path)
    try:
        damage = _build(path, taken, reason)
        finish_swap(path)
        withdraw_request(path)
    finally:
        lock.close()
    return damage


def finish_swap(path: Path) -> None:
    """Let a complete new file take the journal's place, if there is one; only for who holds the writer's lock."""
    fresh = _complete(path)
    if not fresh.exists():
        return
    for end in ("-wal", "-shm", ""):  # the log first: without it the old file is damaged, never the new one
        old = path.with_name(path.name + end)
        if old.exists():
            old.replace(path.with_name(f"{path.name}.damaged{end}"))
    fresh.replace(path)
    _sync_folder(path)


def _build(path: Path, taken: int, reason: str) -> Damage:
    with _reading(path) as old:
        trimmed = max(taken, _trimmed(old))
        last = max(witnessed_seq(path), _last(old), trimmed)
        half = path.with_name(f"{path.name}.salvaging")
        for end in ("", "-wal", "-shm", "-journal"):
            half.with_name(half.name + end).unlink(missing_ok=True)
        new = open_for_writing(half, WAL_BYTES)
        try:
            with translated(half):
                damage = _copy(old, new, trimmed, last, reason)
                new.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                new.execute("PRAGMA journal_mode = DELETE")  # one file, to be renamed; opening it brings WAL back
        finally:
            new.close()
    with half.open("rb") as file:
        os.fsync(file.fileno())
    half.replace(_complete(path))
    _sync_folder(path)
    return damage


def _copy(old: sqlite3.Connection | None, new: sqlite3.Connection, trimmed: int, last: int, reason: str) -> Damage:
    sources = list(_sources(old))
    names = {key: name for key, name, *_ in sources}
    kept: list[int] = []
    pending: Counter[str] = Counter()
    newest: dict[str, int] = {}
    keys: dict[str, int] = {}

    def put(rows: list[Row]) -> None:
        new.execute("BEGIN IMMEDIATE")
        for seq, source, received_ns, items, topic, body in rows:
            key = keys.setdefault(source, len(keys) + 1)
            crc = message_crc(seq, key, received_ns, items, topic, body)
            new.execute("INSERT INTO message VALUES (?, ?, ?, ?, ?)", (seq, key, received_ns, items, len(body)))
            new.execute("INSERT INTO payload VALUES (?, ?, ?, ?)", (seq, topic, body, crc))
            kept.append(seq)
            pending[source] += items
            newest[source] = max(newest.get(source, 0), received_ns)
        new.execute("COMMIT")

    rows: list[Row] = []
    for seq in range(trimmed + 1, last + 1):
        row = _message(old, seq, names)
        if row is not None:
            rows.append(row)
        if len(rows) == CHUNK:
            put(rows)
            rows = []
    put(rows)

    account = {name: (received, last_ns) for _, name, received, last_ns in sources}
    for name, items in pending.items():
        known, last_ns = account.get(name, (0, 0))
        account[name] = max(known, items), max(last_ns, newest[name])
    damage = Damage(reason, _gaps(kept, trimmed, last), {name: received for name, (received, _) in account.items()})
    now_ns = time.time_ns()
    own, _ = account.get(JOURNAL, (0, 0))
    account[JOURNAL] = own + 1, now_ns
    put([(last + 1, JOURNAL, now_ns, 1, JOURNAL, encode_record(damage))])
    new.execute("BEGIN IMMEDIATE")
    for name, (received, last_ns) in account.items():
        key = keys.setdefault(name, len(keys) + 1)
        crc = source_crc(key, name, received, last_ns)
        new.execute("INSERT INTO source VALUES (?, ?, ?, ?, ?)", (key, name, received, last_ns, crc))
    new.executemany("INSERT INTO gap VALUES (?, ?)", damage.gaps)
    new.execute("UPDATE mark SET trimmed = ?, crc = ?", (trimmed, mark_crc(trimmed)))
    new.execute("COMMIT")
    return damage


def _message(old: sqlite3.Connection | None, seq: int, names: Mapping[int, str]) -> Row | None:
    """Return one message when it is whole. Each is asked for by itself: a bad page hides those that are on it alone."""
    if old is None:
        return None
    try:
        body_row = old.execute("SELECT topic, body, crc FROM payload WHERE seq = ?", (seq,)).fetchone()
        head = old.execute("SELECT source, received_ns, items FROM message WHERE seq = ?", (seq,)).fetchone()
    except (sqlite3.Error, UnicodeDecodeError):
        return None
    if body_row is None or head is None:
        return None
    topic, body, crc = body_row
    source, received_ns, items = head
    if not is_whole(crc, seq, source, received_ns, items, topic, body):
        return None
    return seq, names.get(source) or source_of(topic), received_ns, items, topic, body


def _sources(old: sqlite3.Connection | None) -> Iterator[tuple[int, str, int, int]]:
    if old is None:
        return
    with contextlib.suppress(sqlite3.Error, UnicodeDecodeError):
        for key, name, received, last_ns, crc in old.execute("SELECT * FROM source"):
            if crc is None or crc == source_crc(key, name, received, last_ns):
                yield key, name, received, last_ns


def _trimmed(old: sqlite3.Connection | None) -> int:
    if old is not None:
        with contextlib.suppress(sqlite3.Error):
            for trimmed, crc in old.execute("SELECT trimmed, crc FROM mark"):
                if crc is None or crc == mark_crc(trimmed):
                    return int(trimmed)
    return 0


def _last(old: sqlite3.Connection | None) -> int:
    last = 0
    if old is not None:
        for table in ("message", "payload"):
            with contextlib.suppress(sqlite3.Error):
                last = max(last, int(old.execute(f"SELECT max(seq) FROM {table}").fetchone()[0] or 0))  # noqa: S608 - our own two names
    return last


def _gaps(kept: list[int], trimmed: int, last: int) -> list[tuple[int, int]]:
    """Return the stretches of numbers above `trimmed`, up to `last`, that are not in `kept`, which rises."""
    ends = zip([trimmed, *kept], [*kept, last + 1], strict=True)
    return [(before + 1, after - 1) for before, after in ends if after - before > 1]


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection | None]:
    """Give the damaged file, or None when SQLite cannot even open it."""
    try:
        connection = sqlite3.connect(path, isolation_level=None)
    except sqlite3.Error:
        yield None
        return
    try:
        connection.execute("PRAGMA cell_size_check = ON")
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.Error:
            yield None
        else:
            yield connection
    finally:
        connection.close()


def _complete(path: Path) -> Path:
    return path.with_name(f"{path.name}.salvaged")


def _sync_folder(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    except OSError as error:
        raise JournalError(f"journal {path}: {error}") from error
    finally:
        os.close(folder)
