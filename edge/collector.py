"""From the broker to the journal: nothing is acknowledged before it is on disk.

    broker --MQTT QoS 1--> Session --> Inbox --> Committer --(one fsync per group)--> journal
              acknowledge <-- Session <-- Inbox <--'

A message that the broker has handed over is lost by no crash: it is in the journal, or unacknowledged and delivered
again. So it is in the journal at least once; what is there twice is recognised by its id later, and counted.
When the journal takes nothing (bound, full disk), nothing is acknowledged: the broker stops sending once its window of
messages under way is full, and keeps the rest. QoS 0 knows no such thing: there the oldest are dropped and counted.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge.collector_figures import StatusFigures
from edge.collector_status import CollectorStatus, status_path, write_status
from edge.committer import RETRY_S, Committer
from edge.figures import FigureFile, ProcessFigures, figures_folder
from edge.inbox import Inbox
from edge.journal import Journal, JournalDamaged, JournalFull
from edge.journal_salvage import salvage
from edge.mqtt import BrokerSettings
from edge.session import Session

POLL_S = 0.1
STATUS_EVERY_S = 1.0
COMMIT_S = 1.2
LEAVE_S = 1.8
"""Within these after being told to stop, what was received is committed, and the last of it acknowledged."""


@dataclass(frozen=True, slots=True)
class CollectorSettings:
    """What a collector works with."""

    broker: BrokerSettings
    """Its `client_id` is the name of the session that the broker keeps."""
    journal_path: Path
    cursor_path: Path
    """A text file with one integer, replaced by the pipeline: up to there the journal may be trimmed."""
    max_bytes: int
    """Bound on the journal, see `Journal`. A message too large for it is rejected, and a record stands for it."""
    min_free_bytes: int
    """The collector also stops when the disk has less than this left."""
    max_sources: int = 5000
    """Messages of further ones are kept, and count under `edge.topics.CROWDED`."""


def run_collector(settings: CollectorSettings, stop: threading.Event, log: logging.Logger) -> None:
    """Collect until `stop` is set; then commit and acknowledge what was received, and leave within 2 s.

    Raises `SettingsError` when the broker's settings cannot be used, `JournalError` when the journal is not ours or has
    another writer. A broker that is away and a journal that is full are waited for. Of a journal that is damaged what
    is whole is kept, what is lost is recorded in it, and the collector goes on.
    """
    while not stop.is_set():
        inbox = Inbox()
        with contextlib.closing(Session(settings.broker, inbox, log)) as session:
            try:
                journal = _open_journal(settings, stop, log)
                if journal is not None:
                    _collect(settings, journal, inbox, session, stop, log)
            except JournalDamaged as damaged:
                # What is in the inbox is not acknowledged: the next session gets it again.
                _salvage(settings, str(damaged), stop, log)


def _salvage(settings: CollectorSettings, reason: str, stop: threading.Event, log: logging.Logger) -> None:
    """Save what is whole in a damaged journal; on a full disk wait for room, or for being told to stop."""
    log.error("not receiving, %s", reason)
    try:
        taken = int(settings.cursor_path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        taken = 0
    told = False
    while True:
        try:
            damage = salvage(settings.journal_path, taken, reason)
        except JournalFull as error:
            if not told:
                log.error("the journal cannot be salvaged: %s", error)  # noqa: TRY400 - says it all
                told = True
        else:
            log.error("the journal is salvaged; lost: %s", f"messages {damage.numbers}" if damage.gaps else "nothing")
            return
        if stop.wait(RETRY_S[1]):
            return


def _collect(
    settings: CollectorSettings,
    journal: Journal,
    inbox: Inbox,
    session: Session,
    stop: threading.Event,
    log: logging.Logger,
) -> None:
    started_ns = time.time_ns()
    committer = Committer(
        journal, settings.cursor_path, settings.max_bytes, inbox, session.wake, log, settings.max_sources
    )

    def status() -> CollectorStatus:
        return _status(started_ns, session, inbox, committer)

    measured = (StatusFigures(status, settings.max_bytes), committer.commit_seconds, committer.group_messages)
    figures = FigureFile(figures_folder(settings.journal_path), "collector", (*measured, ProcessFigures("collector")))
    leaving = threading.Event()
    failures: list[BaseException] = []
    committing = _start("committer", lambda: committer.run(leaving), failures)
    receiving = _start("session", session.run, failures)
    status_due = 0.0
    while not stop.wait(POLL_S) and not failures:
        if time.monotonic() >= status_due:
            status_due = time.monotonic() + STATUS_EVERY_S
            write_status(status_path(settings.journal_path), status())
            figures.write()
    leaving.set()
    session.stop_receiving()
    left = time.monotonic() + LEAVE_S
    committing.join(COMMIT_S)
    session.finish()
    receiving.join(left - time.monotonic())
    write_status(status_path(settings.journal_path), status())
    if not committing.is_alive():  # else the disk hangs, and closing would hang with it
        journal.close()
    if failures:
        raise failures[0]
    log.info("left: %d message(s) in the journal, %d not acknowledged", committer.last_seq, len(inbox))


def _open_journal(settings: CollectorSettings, stop: threading.Event, log: logging.Logger) -> Journal | None:
    """Open the journal; on a full disk wait until it can be, or return None when told to stop."""
    told = False
    while True:
        try:
            return Journal.open(settings.journal_path, settings.max_bytes, settings.min_free_bytes)
        except JournalFull as error:
            if not told:
                log.error("not receiving, the journal cannot be opened: %s", error)  # noqa: TRY400 - says it all
                told = True
        if stop.wait(RETRY_S[1]):
            return None


def _start(name: str, work: Callable[[], None], failures: list[BaseException]) -> threading.Thread:
    """Run work in a thread that does not outlive the process; what it raises ends the collector."""

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised again by run_collector
            failures.append(error)

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread


def _status(started_ns: int, session: Session, inbox: Inbox, committer: Committer) -> CollectorStatus:
    return CollectorStatus(
        at_ns=time.time_ns(),
        pid=os.getpid(),
        started_ns=started_ns,
        connected_since_ns=session.connected_since_ns,
        last_error=session.last_error,
        stopped_since_ns=committer.stopped_since_ns,
        stopped_reason=committer.stopped_reason,
        received=inbox.received,
        journaled=committer.journaled,
        groups=committer.groups,
        largest_group=committer.largest_group,
        longest_commit_ms=1e3 * committer.longest_commit_s,
        waiting=len(inbox),
        waiting_bytes=inbox.size_bytes,
        dropped_qos0=inbox.dropped,
        last_seq=committer.last_seq,
        trimmed=committer.trimmed,
        journal_bytes=committer.journal_bytes,
    )
