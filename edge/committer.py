"""Puts what was received into the journal, group by group, and lets it be acknowledged then.

While one group goes to disk the next one gathers: the fuller the line, the larger the groups, and no timer anywhere.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from prometheus_client import Histogram

from edge.inbox import Inbox, Received
from edge.journal import Entry, Journal, JournalDamaged, JournalFull
from edge.journal_requests import requested_salvage
from edge.sources.envelope import count_items
from edge.sources.journal_record import TooLarge, encode_record
from edge.topics import CROWDED, JOURNAL, UNROUTED, source_of

MAX_GROUP = 2000
MAX_GROUP_BYTES = 8 * 2**20
TRIM_EVERY_S = 1.0
TAKE_S = 0.2
DRAIN_S = 1.0
"""How long after being told to stop what was received is still committed; the rest stays with the broker."""
RETRY_S = (0.1, 1.0)
"""First and longest wait before a journal that is full is tried again."""

COMMIT_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
GROUPS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
"""Bounds of the histograms' buckets."""


class Committer:
    """One thread runs it; the figures may be read from others."""

    def __init__(
        self,
        journal: Journal,
        cursor_path: Path,
        max_bytes: int,
        inbox: Inbox,
        wake_session: Callable[[], None],
        log: logging.Logger,
        max_sources: int,
    ) -> None:
        self._journal, self._cursor_path, self._inbox, self._log = journal, cursor_path, inbox, log
        self._wake_session = wake_session
        self._sources, self._max_sources = journal.sources(), max_sources
        self._max_group_bytes = min(MAX_GROUP_BYTES, max_bytes // 8)  # a group must fit in an empty journal
        self._crowded = False
        self._trim_due = 0.0
        self._trim_fails = False
        self.journaled = 0
        self.groups = 0
        self.largest_group = 0
        self.longest_commit_s = 0.0
        self.commit_seconds = Histogram(
            "lineside_journal_commit_seconds",
            "Time to put a group of messages on disk: one transaction with one fsync.",
            buckets=COMMIT_S,
            registry=None,
        )
        self.group_messages = Histogram(
            "lineside_journal_group_messages", "Messages of a group.", buckets=GROUPS, registry=None
        )
        self.journal_bytes = journal.used_bytes()
        self.stopped_since_ns: int | None = None
        self.stopped_reason = ""

    @property
    def last_seq(self) -> int:
        """The number of the last message in the journal."""
        return self._journal.last_seq

    @property
    def trimmed(self) -> int:
        """Up to which number the journal is trimmed."""
        return self._journal.trimmed

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set and the inbox is empty. Raises `JournalError` when the journal is damaged."""
        deadline = float("inf")
        while True:
            if stop.is_set():
                deadline = min(deadline, time.monotonic() + DRAIN_S)
            group = self._inbox.take(MAX_GROUP, self._max_group_bytes, 0.0 if stop.is_set() else TAKE_S)
            if group and not self._commit(group, stop):
                return
            if stop.is_set() and (not group or time.monotonic() > deadline):
                return
            self._trim()

    def _commit(self, group: list[Received], stop: threading.Event) -> bool:
        """Put a group on disk, trying until there is room; return False when told to stop before that."""
        entries = [self._entry(message) for message in group if message.journaled]
        wait = RETRY_S[0]
        while True:
            started = time.monotonic()
            try:
                self._journal.append(entries)
                took_s = time.monotonic() - started
            except JournalFull as error:
                self._note_stopped(str(error))
            else:
                break
            dropped = self._trim()
            if stop.wait(0.0 if dropped else wait):
                return False
            wait = min(2 * wait, RETRY_S[1])
        self._inbox.settle()
        self._wake_session()
        self._note_going()
        if entries:
            self.journaled += len(entries)
            self.groups += 1
            self.group_messages.observe(len(entries))
            self.commit_seconds.observe(took_s)
            self.largest_group = max(self.largest_group, len(entries))
            self.longest_commit_s = max(self.longest_commit_s, time.monotonic() - started)
        return True

    def _trim(self) -> int:
        """Once a second, and then until all is done, drop one chunk of what the pipeline has taken.

        Raises `JournalDamaged` when a reader has met a damage.
        """
        if time.monotonic() < self._trim_due:
            return 0
        reason = requested_salvage(self._journal.path)
        if reason:
            raise JournalDamaged(reason)
        dropped = 0
        try:
            cursor = int(self._cursor_path.read_text(encoding="ascii"))
            dropped = self._journal.trim(cursor)
            self.journal_bytes = self._journal.used_bytes()
            self._trim_fails = False
        except FileNotFoundError:
            pass  # the pipeline has not saved yet
        except (OSError, ValueError, JournalFull) as error:
            if not self._trim_fails:
                self._log.warning("the journal is not trimmed up to the cursor in %s: %s", self._cursor_path, error)
            self._trim_fails = True
        if not dropped:
            self._trim_due = time.monotonic() + TRIM_EVERY_S
        return dropped

    def _note_stopped(self, reason: str) -> None:
        if self.stopped_since_ns is None:
            self.stopped_since_ns = time.time_ns()
            self._log.error("acknowledging stopped: %s", reason)
        self.stopped_reason = reason

    def _note_going(self) -> None:
        if self.stopped_since_ns is not None:
            self._log.info("acknowledging again after %.1f s", (time.time_ns() - self.stopped_since_ns) / 1e9)
            self.stopped_since_ns, self.stopped_reason = None, ""

    def _entry(self, message: Received) -> Entry:
        source, room = self._source_of(message.topic), self._journal.largest_message_bytes
        if len(message.payload) > room:
            # It would wait for ever for room, and all that comes after it with it: a record stands for it instead.
            self._log.error(
                "a message of %d bytes on %s is not kept: journal.max_bytes leaves room for %d",
                len(message.payload),
                message.topic,
                room,
                extra={"source": source},
            )
            record = TooLarge(message.topic, len(message.payload), room)
            return JOURNAL, encode_record(record), message.received_ns, source, 1
        return message.topic, message.payload, message.received_ns, source, count_items(message.payload)

    def _source_of(self, topic: str) -> str:
        """Return under which source a message counts: a new one only while there is room for it."""
        source = source_of(topic)
        if source != UNROUTED and source not in self._sources:
            if len(self._sources) >= self._max_sources:
                if not self._crowded:
                    self._log.error(
                        "the source %s is not taken: there are %d, as many as limits.sources allows",
                        source,
                        self._max_sources,
                        extra={"source": source},
                    )
                self._crowded = True
                return CROWDED
            self._sources.add(source)
        return source
