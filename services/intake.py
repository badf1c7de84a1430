"""What a batch of decoded messages changes, and the rows that follow: the deterministic middle of the pipeline.

Nothing here depends on a clock or on how messages were batched, so a replay brings the same state and the same rows.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from edge.plant import Plant
from edge.sources import Decoded, PlacedAgv, PlacedEvent, PlacedReject
from edge.sources.rejects import RefusedError
from models.fleet.track import Agv
from models.welds.batch import WeldBatch
from models.welds.bodies import Body
from models.welds.judge import GunEvent
from models.welds.verdicts import OK, VERDICTS
from services import rows
from services.curves import CurveArchive, keeps_good
from services.judge_models import JudgeModels
from services.reconciling import damage_event, reconcile
from services.seen import fingerprint
from services.state import PipelineState, SourceCount
from services.store import schema

NS_PER_MS = 1e6


@dataclass(slots=True)
class Outcome:
    """The rows that follow from one batch of messages."""

    welds: pa.Table = field(default_factory=schema.WELD.empty_table)
    bodies: pa.Table = field(default_factory=schema.BODY.empty_table)
    events: list[PlacedEvent] = field(default_factory=list)
    rejects: list[PlacedReject] = field(default_factory=list)
    signals: list[rows.PlacedSignal] = field(default_factory=list)
    agvs: dict[str, Agv] = field(default_factory=dict)
    """Vehicles heard from."""
    historical: bool = False
    """Some of the welds were marked historical."""


class Intake:
    """Applies decoded messages to the state, in the journal's order."""

    def __init__(
        self,
        state: PipelineState,
        plant: Plant,
        archive: CurveArchive,
        good_share: float,
        lock: threading.Lock,
        models: JudgeModels,
    ) -> None:
        """`lock` is held while the judge's state changes, so that others may read references."""
        self._state, self._plant, self._archive, self._good_share, self._lock = state, plant, archive, good_share, lock
        self._models = models

    def apply(self, decoded: Decoded) -> Outcome:
        """Take one batch; the state is then that after its last message.

        The record of a damage of the journal must be the last message of its batch.
        """
        outcome = Outcome(rejects=list(decoded.rejects))
        tables: list[pa.Table] = []
        bodies: dict[str, Body] = {}
        start = 0
        for stop, event in self._cuts(decoded):
            if stop > start:
                tables.append(self._take_welds(decoded, start, stop, bodies, outcome))
            if event is not None:
                self._take_event(decoded, event, outcome)
            start = stop
        for agv in decoded.agvs:
            self._take_agv(decoded, agv, outcome)
        for source, items in decoded.ignored:
            self._count(source).stored += items
        for reject in outcome.rejects:
            self._count(reject.source).rejected += 1
        if tables:
            outcome.welds = pa.concat_tables(tables)
        outcome.bodies = rows.body_table(bodies.values(), self._state.bodies)
        for damage in decoded.damages:
            lost = reconcile(self._state.counts, damage)
            outcome.rejects += lost
            outcome.events.append(damage_event(damage, lost, self._plant))
        self._state.seen_ids.forget()
        self._state.seen_times.forget()
        self._state.seen_agvs.forget()
        return outcome

    def _cuts(self, decoded: Decoded) -> Iterator[tuple[int, PlacedEvent | None]]:
        """Yield how many welds come before each event, and at the end all of them: events take effect in order."""
        for event in decoded.events:
            before = np.searchsorted(decoded.weld_seq, event.seq, side="left")
            yield int(before), event
        yield len(decoded.welds), None

    def _take_agv(self, decoded: Decoded, agv: PlacedAgv, outcome: Outcome) -> None:
        update = agv.update
        try:
            self._state.admission.check_agv(update.agv, self._state.fleet.agvs)
        except RefusedError as refused:
            outcome.rejects.append(decoded.reject(agv.seq, agv.item, refused))
            return
        # Vehicles give no ids; but a message that comes twice has its number and its time twice.
        mark = fingerprint(update.agv, update.topic, str(update.header_id), str(update.time_ns))
        if mark in self._state.seen_agvs:
            self._count(agv.source).duplicate += 1
            return
        self._state.seen_agvs.add(mark)
        outcome.agvs[update.agv] = self._state.fleet.add(update)
        self._count_stored(agv.source, update.time_ns, agv.received_ns, live=update.topic != "connection")

    def _take_event(self, decoded: Decoded, event: PlacedEvent, outcome: Outcome) -> None:
        mark = fingerprint("event", event.source, event.id)
        count = self._count(event.source)
        if mark in self._state.seen_ids:
            count.duplicate += 1
            return
        try:
            self._state.admission.check_event(event)
        except RefusedError as refused:
            outcome.rejects.append(decoded.reject(event.seq, event.item, refused))
            return
        self._state.seen_ids.add(mark)
        with self._lock:
            happened = GunEvent(event.kind, event.time_ns, event.gun, event.program, event.spot)
            concerned = self._state.judge.apply(happened)
            self._models.apply(event)
            for watcher in self._state.watchers.values():
                watcher.apply(happened)
        self._count_stored(event.source, event.time_ns, event.received_ns, live=False)
        if concerned:
            event = replace(event, details={**event.details, "references": concerned})
        outcome.events.append(event)

    def _take_welds(
        self, decoded: Decoded, start: int, stop: int, bodies: dict[str, Body], outcome: Outcome
    ) -> pa.Table:
        state = self._state
        welds = decoded.welds.take(start, stop)
        keep = self._first_deliveries(decoded, start, welds, outcome)
        at = start + np.flatnonzero(keep)
        if not keep.all():
            welds = welds.select(keep)
        if not len(welds):
            return schema.WELD.empty_table()
        with self._lock:
            verdicts = state.judge.judge(welds)
            raised = [found for watcher in state.watchers.values() for found in watcher.add(welds, verdicts)]
        ordinal = np.arange(state.next_ordinal, state.next_ordinal + len(welds))
        state.next_ordinal += len(welds)
        kept = (verdicts.verdict != OK) | keeps_good(ordinal, self._good_share)
        self._archive.add(ordinal[kept], welds.select(kept))
        names = [VERDICTS[code] for code in verdicts.verdict]
        for body in state.bodies.add(welds.body, welds.spot, names, welds.time_ns.tolist()):
            bodies[body.body] = body
        self._count_welds(decoded, at, welds)
        outcome.historical |= bool(welds.historical.any())
        arrival = rows.Arrival(
            ordinal=ordinal,
            received_ns=decoded.weld_received_ns[at],
            place=[decoded.weld_place[k] for k in at],
            new_spot=[spot not in self._plant.spots for spot in welds.spot],
        )
        outcome.signals += rows.place_signals(raised, arrival, verdicts.late | welds.historical)
        return rows.weld_table(welds, arrival, verdicts)

    def _first_deliveries(self, decoded: Decoded, start: int, welds: WeldBatch, outcome: Outcome) -> NDArray[np.bool_]:
        """Tell which welds are new; a second delivery is a duplicate, a second weld at one moment a reject."""
        ids, times, admission = self._state.seen_ids, self._state.seen_times, self._state.admission
        keep = np.ones(len(welds), dtype=np.bool_)
        for k, (weld_id, gun, spot, program, time_ns) in enumerate(
            zip(welds.id, welds.gun, welds.spot, welds.program, welds.time_ns.tolist(), strict=True)
        ):
            source = decoded.weld_source[start + k]
            mark = fingerprint("weld", source, weld_id)
            if mark in ids:
                keep[k] = False
                self._count(source).duplicate += 1
                continue
            moment = fingerprint(spot, program, str(time_ns))
            try:
                if moment in times:
                    raise _second_at_one_moment(decoded, start + k)
                admission.check_weld(source, gun, spot, program)
            except RefusedError as refused:
                keep[k] = False
                outcome.rejects.append(decoded.reject_weld(start + k, refused))
                continue
            ids.add(mark)
            times.add(moment)
        return keep

    def _count_welds(self, decoded: Decoded, at: NDArray[np.int64], welds: WeldBatch) -> None:
        of_source: dict[str, list[int]] = {}
        for k, where in enumerate(at.tolist()):
            of_source.setdefault(decoded.weld_source[where], []).append(k)
        for source, which in of_source.items():
            count, time_ns = self._count(source), welds.time_ns[which]
            count.stored += len(which)
            newest = np.maximum.accumulate(np.append(count.last_time_ns, time_ns))
            count.last_time_ns = int(newest[-1])
            live = np.flatnonzero((time_ns >= newest[:-1]) & ~welds.historical[which])
            if len(live):
                last = live[-1]
                count.clock_offset_ms = int(decoded.weld_received_ns[at[which[last]]] - time_ns[last]) / NS_PER_MS

    def _count_stored(self, source: str, time_ns: int, received_ns: int, *, live: bool) -> None:
        count = self._count(source)
        count.stored += 1
        if time_ns >= count.last_time_ns:
            count.last_time_ns = time_ns
            if live:
                count.clock_offset_ms = (received_ns - time_ns) / NS_PER_MS

    def _count(self, source: str) -> SourceCount:
        return self._state.counts.setdefault(source, SourceCount())


def _second_at_one_moment(decoded: Decoded, k: int) -> RefusedError:
    welds = decoded.welds
    expected = f"a time that no other weld of spot {welds.spot[k]!r} with programme {welds.program[k]!r} has"
    return RefusedError("$.time", str(int(welds.time_ns[k])), expected)
