"""From the journal to results: decode, judge, count, commit, tell.

    journal --decode--> items --intake--> rows --commit--> store, archive --publish--> verdict topic

Everything that a message changes is in `PipelineState`. After a crash the last snapshot is loaded and the journal
replayed from there: what the store already has is judged again, to bring the state back, and not committed again.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from edge.journal import JournalDamaged, JournalError, JournalFull, JournalGap, JournalMissing, JournalReader
from edge.journal import SourceCount as JournalCount
from edge.journal_lock import witnessed_seq
from edge.plant import Plant
from edge.sources import Message, decode
from edge.topics import JOURNAL
from models.fleet.track import Agv
from services import feed as feeds
from services import rows
from services.backup_hold import Hold
from services.config import Config
from services.curves import CurveArchive
from services.deadletter import DeadLetters
from services.feed import Feed
from services.files import replace_file
from services.intake import Intake, Outcome
from services.judge_models import JudgeModels
from services.layout import DataLayout
from services.message_limits import message_limits
from services.models_registry import ModelRegistry
from services.pipeline_figures import PipelineFigures
from services.progress import Progress
from services.state import PipelineState, StateError, keep_older
from services.states_due import StatesDue
from services.store import schema
from services.store.protocol import Commit, Store, StoreError

MAX_MESSAGES = 8000
MAX_BYTES = 16 * 2**20
"""Bounds of one batch: large enough to judge fast, small enough to commit often."""
PAUSE_S = (0.1, 0.3)
"""Shortest and longest time from one look at a journal with little in it to the next: a verdict is seen soon after."""
REST = 4
"""A look comes at least so many times as late as the last one took of a processor: a larger batch costs less a weld."""
ACCOUNT_S = 1.0
FLUSH_S = 1.0
SNAPSHOT_S = 60.0
SAVES_PER_BOUND = 8
"""The journal is trimmed up to the snapshot: one is also taken when it may have grown by this part of its bound."""
EXPIRE_S = 3600.0
RETRY_S = (0.2, 5.0)
"""First and longest wait before a store is tried again."""

T = TypeVar("T")


class Pipeline:
    """Drives the models with what the journal holds. One thread runs it; others may read its judge under `lock`."""

    def __init__(
        self,
        config: Config,
        plant: Plant,
        store: Store,
        feed: Feed,
        log: logging.Logger,
        clock: Callable[[], int] = time.time_ns,
        *,
        own_process: bool = False,
    ) -> None:
        """With `own_process` it is all that its process does, which it then tells the memory and processor time of."""
        self._config, self._plant, self._store, self._feed, self._log = config, plant, store, feed, log
        self._clock = clock
        self._layout = DataLayout(config.data)
        self.lock = threading.Lock()
        keep_older(self._layout.state, log)
        self.state = PipelineState.load(self._layout.state, config, plant)
        self.archive = CurveArchive(self._layout.curves, self.state.next_ordinal)
        models = JudgeModels(self.state.judge, self.state.models, ModelRegistry(self._layout.models), log)
        self._intake = Intake(self.state, plant, self.archive, config.archive.good_share, self.lock, models)
        self._limits = message_limits(config)
        self._letters = DeadLetters(self._layout.rejects, config.archive.max_reject_bytes)
        self._progress = Progress()
        self._moved: dict[str, Agv] = {}
        self._states = StatesDue()
        self._saved_cursor = self.state.cursor
        self._unsaved_bytes = 0
        self._unkept: set[str] = set()
        now = time.monotonic()
        self._due = {"account": now, "flush": now, "snapshot": now + SNAPSHOT_S, "expire": now}
        self._figures = PipelineFigures(self._layout.journal, own_process=own_process)
        self._hold = Hold(self._layout, store, log)

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set, then save. Raises `StateError` when state and journal do not belong together.

        A journal that is damaged is salvaged by the collector, which is asked to; meanwhile this waits.
        """
        told = ""
        while not stop.is_set():
            try:
                with JournalReader.open(self._layout.journal) as reader:
                    try:
                        self._work(reader, stop)
                    except JournalDamaged as damaged:
                        self._keep("the snapshot", self._save_what_is_stored)
                        reader.request_salvage(str(damaged))
                        raise
                    except JournalMissing:  # another has taken its place: what is in memory it can perhaps not replay
                        self._keep("the snapshot", self._save_what_is_stored)
                        raise
            except (JournalMissing, JournalFull, JournalDamaged) as error:
                if str(error) != told:
                    log = self._log.info if isinstance(error, JournalMissing) else self._log.error
                    log("waiting for the collector: %s", error)
                    told = str(error)
                stop.wait(PAUSE_S[0])
        self._hold.end("Lineside stops")
        self._keep("the snapshot", self._save_what_is_stored)

    def _work(self, reader: JournalReader, stop: threading.Event) -> None:
        self._replay(reader, stop)
        while not stop.is_set():
            started, worked = time.monotonic(), time.thread_time()
            self._hold.look(self._save, lambda: self.state.cursor)
            busy = self._step(reader, stop)
            if not busy:
                pause = min(max(PAUSE_S[0], REST * (time.thread_time() - worked)), PAUSE_S[1])
                stop.wait(max(0.0, pause - (time.monotonic() - started)))
        with contextlib.suppress(StoreError):  # the account may be a second old, and is what a stopped plant leaves
            if self._store.cursor() >= self.state.cursor:
                self._commit(self._commit_of(Outcome(), reader))
                self._states.clear()

    def _replay(self, reader: JournalReader, stop: threading.Event) -> None:
        """Bring the state to where the store is; its rows are there already."""
        limit = self._until_it_works(self._store.cursor, stop)
        if limit is None:
            return
        witnessed = witnessed_seq(self._layout.journal)  # before the journal: what comes meanwhile is in both
        last = reader.last_seq()
        if last < witnessed:
            raise JournalDamaged(f"journal {self._layout.journal} is damaged: it has lost its end, from {last + 1} on")
        if last < max(self.state.cursor, limit):
            raise StateError(
                f"{self._layout.journal} ends at message {last}, but {max(self.state.cursor, limit)} are taken: "
                "it is not the journal that state and store were made from. Bring it back, or move all three away"
            )
        if self.state.cursor < limit:
            self._log.info("replaying the journal from %d to %d", self.state.cursor, limit)
        while self.state.cursor < limit:
            messages = [m for m in self._read(reader) if m.seq <= limit]
            if not messages:
                break
            self._states.add(self._intake.apply(decode(messages, self._limits)))
            self.state.cursor = messages[-1].seq
        if self.state.cursor != self._saved_cursor:  # or one that never lives for long would never let it be trimmed
            self._keep("the snapshot", self._save_what_is_stored)

    def _step(self, reader: JournalReader, stop: threading.Event) -> bool:
        """Take one batch; return whether there may be more at once."""
        messages = self._read(reader)
        outcome = Outcome()
        if messages:
            self._figures.waits(messages[0].received_ns)
            with self._figures.step("judge"):
                outcome = self._intake.apply(decode(messages, self._limits))
            self.state.cursor = messages[-1].seq
            if self._until_it_works(partial(self._keep_rejects, outcome, messages), stop) is None:
                return False
            self._figures.add(len(messages), outcome)
            self._moved.update(outcome.agvs)
            self._states.add(outcome)
            self._progress.add(outcome)
        account = self._is_due("account", ACCOUNT_S) or self._states.urgent
        if messages or account:
            commit = self._commit_of(outcome, reader if account else None)
            if self._until_it_works(lambda: self._commit(commit), stop) is None:
                return False
            self._figures.committed(commit.cursor)
            if account:
                self._states.clear()
            with self._figures.step("publish"):
                self._tell(outcome, reader, commit if commit.sources_at_ns else None)
            self._figures.write()
        if self._is_due("flush", FLUSH_S):
            self._keep("the curve archive", self._flush)
        self._unsaved_bytes += sum(len(message.payload) for message in messages)
        filling = self._unsaved_bytes > self._config.journal.max_bytes // (2 if self._hold.active else SAVES_PER_BOUND)
        due = not self._hold.active and self._is_due("snapshot", SNAPSHOT_S)
        if (due or filling) and self.state.cursor != self._saved_cursor:
            self._keep("the snapshot", self._save_what_is_stored)
        if self._is_due("expire", EXPIRE_S):
            self.archive.expire(self._config.archive.keep_days)
        return sum(len(message.payload) for message in messages) > MAX_BYTES // 2 or len(messages) == MAX_MESSAGES

    def _read(self, reader: JournalReader) -> list[Message]:
        try:
            messages = reader.read(self.state.cursor, MAX_MESSAGES, MAX_BYTES)
        except JournalGap as error:
            raise StateError(
                f"{self._layout.state} ends at message {self.state.cursor}, which the journal no longer has ({error}). "
                "Bring the snapshot back, or move the whole data folder away"
            ) from None
        # A damage is reckoned with by the account of all messages before its record, however they are batched.
        records = (k for k, message in enumerate(messages, 1) if message.topic == JOURNAL)
        return messages[: next(records, len(messages))]

    def _keep(self, what: str, work: Callable[[], object]) -> None:
        """Write something that can as well be written later; a full disk does not stop the line."""
        try:
            work()
        except OSError as error:
            if what not in self._unkept:
                self._log.error("%s cannot be written now, trying again: %s", what, error)
            self._unkept.add(what)
        else:
            if what in self._unkept:
                self._log.info("%s is written again", what)
            self._unkept.discard(what)

    def _keep_rejects(self, outcome: Outcome, messages: Sequence[Message]) -> bool:
        """Keep the bytes of what was rejected, and return true."""
        payloads = {message.seq: message.payload for message in messages} if outcome.rejects else {}
        for seq in sorted({reject.seq for reject in outcome.rejects}):
            self._letters.keep(seq, payloads[seq])
        return True

    def _commit_of(self, outcome: Outcome, reader: JournalReader | None) -> Commit:
        """Return the rows of an outcome; with a `reader`, also what states are due and the account of now."""
        sources, at_ns = schema.SOURCE.empty_table(), 0
        states = StatesDue() if reader is None else self._states
        received = self._received(reader) if reader is not None else None
        if received is not None:
            at_ns = self._clock()
            sources = rows.source_table(
                self.state.counts, {s: (c.received, c.pending, c.last_received_ns) for s, c in received.items()}
            )
        return Commit(
            cursor=self.state.cursor,
            welds=outcome.welds,
            bodies=states.bodies,
            spots=states.spots,
            agvs=states.agvs,
            events=pa.concat_tables([rows.event_table(outcome.events), rows.signal_table(outcome.signals)]),
            rejects=rows.reject_table(outcome.rejects),
            sources=sources,
            sources_at_ns=at_ns,
        )

    def _received(self, reader: JournalReader) -> dict[str, JournalCount] | None:
        try:
            return reader.account(self.state.cursor)
        except JournalError:
            return None  # the rows that are waiting do not depend on it; the next look at the journal says what it is

    def _commit(self, commit: Commit) -> int:
        with self._figures.step("commit"):
            self._store.commit(commit)
        return commit.cursor

    def _flush(self) -> None:
        with self._figures.step("flush"):
            self.archive.flush(self.state.next_ordinal)

    def _until_it_works(self, work: Callable[[], T], stop: threading.Event) -> T | None:
        """Do work, trying again until store and disk allow it; return None when told to stop before that."""
        wait, failed_at = RETRY_S[0], 0.0
        while not stop.is_set() or not failed_at:
            try:
                answer = work()
            except (StoreError, OSError) as error:
                if not failed_at:
                    failed_at = time.monotonic()
                    what = "the store does not answer" if isinstance(error, StoreError) else "the disk takes nothing"
                    self._log.error("%s, trying again: %s", what, error)
                self._figures.failed("store" if isinstance(error, StoreError) else "disk")
                self._figures.write()
                stop.wait(wait)
                wait = min(2 * wait, RETRY_S[1])
            else:
                if failed_at:
                    self._log.info("going on after %.1f s", time.monotonic() - failed_at)
                return answer
        return None

    def _tell(self, outcome: Outcome, reader: JournalReader, account: Commit | None) -> None:
        """Publish what is live; once a second also how far the pipeline is and which vehicles moved."""
        live = outcome.welds.filter(pc.invert(outcome.welds["late"]))
        for topic, payload in feeds.verdict_messages(live):
            self._feed.publish(topic, payload)
        status = feeds.status_topic(self._plant.site)
        told = [signal for signal in outcome.signals if not signal.late]
        if told:
            self._feed.publish(status, feeds.signals_message(told))
        if self._moved and (account is not None or not outcome.historical):
            self._feed.publish(status, feeds.agvs_message(self._moved.values()))
            self._moved = {}
        if account is not None:
            pending = int(pc.sum(account.sources["pending"]).as_py() or 0)
            oldest_ns = reader.oldest_received_ns(self.state.cursor)
            report = self._progress.report(self._clock(), pending, oldest_ns)
            self._feed.publish(status, msgspec.json.encode(report))
            self._figures.waits(oldest_ns)

    def _is_due(self, name: str, every_s: float) -> bool:
        now = time.monotonic()
        if now < self._due[name]:
            return False
        self._due[name] = now + every_s
        return True

    def _save_what_is_stored(self) -> None:
        """Write the snapshot, unless something that led to it is not in the store yet."""
        with contextlib.suppress(StoreError):
            if self._store.cursor() >= self.state.cursor:
                self._save()

    def _save(self) -> None:
        """Write the snapshot, then let the collector trim the journal up to it. A backup cannot go on after that."""
        self._hold.end("the journal was about to fill, or is damaged")
        if self._states:  # no replay from this snapshot on would bring them back
            due = self._states
            self._commit(Commit(self.state.cursor, bodies=due.bodies, spots=due.spots, agvs=due.agvs))
            due.clear()
        self._flush()
        with self._figures.step("snapshot"):
            self.state.save(self._layout.state)
        self._saved_cursor, self._unsaved_bytes = self.state.cursor, 0
        replace_file(self._layout.cursor, lambda path: path.write_text(f"{self._saved_cursor}\n", encoding="ascii"))
