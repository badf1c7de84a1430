"""What a batch of decoded messages changes, and the rows that follow: the deterministic middle of the pipeline.

Nothing here depends on a clock or on how messages were batched, so a replay brings the same state and the same rows.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from edge.plant import Plant
from edge.sources import Decoded, PlacedEvent, PlacedReject
from edge.sources.rejects import Reject
from models.fleet.track import Agv
from models.welds.batch import WeldBatch
from models.welds.bodies import Body
from models.welds.judge import GunEvent
from models.welds.verdicts import OK, VERDICTS
from services import rows
from services.curves import CurveArchive, keeps_good
from services.judge_models import JudgeModels
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
        """Take one batch; the state is then that after its last message."""
        outcome = Outcome(rejects=list(decoded.rejects))
        tables: list[pa.Table] = []
        bodies: dict[str, Body] = {}
        start = 0
        for stop, event in self._cuts(decoded):
            if stop > start:
                tables.append(self._take_welds(decoded, start, stop, bodies, outcome))
            if event is not None:
                self._take_event(event, outcome)
            start = stop
        for agv in decoded.agvs:
            outcome.agvs[agv.update.agv] = self._state.fleet.add(agv.update)
            self._count_stored(agv.source, agv.update.time_ns, agv.received_ns, live=agv.update.topic != "connection")
        for source, items in decoded.ignored:
            self._count(source).stored += items
        for reject in outcome.rejects:
            self._count(reject.source).rejected += 1
        if tables:
            outcome.welds = pa.concat_tables(tables)
        outcome.bodies = rows.body_table(bodies.values(), self._state.bodies)
        self._state.seen_ids.forget()
        self._state.seen_times.forget()
        return outcome

    def _cuts(self, decoded: Decoded) -> Iterator[tuple[int, PlacedEvent | None]]:
        """Yield how many welds come before each event, and at the end all of them: events take effect in order."""
        for event in decoded.events:
            before = np.searchsorted(decoded.weld_seq, event.seq, side="left")
            yield int(before), event
        yield len(decoded.welds), None

    def _take_event(self, event: PlacedEvent, outcome: Outcome) -> None:
        mark = fingerprint("event", event.source, event.id)
        count = self._count(event.source)
        if mark in self._state.seen_ids:
            count.duplicate += 1
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
        self._count_welds(decoded, at.tolist(), welds)
        outcome.historical |= bool(welds.historical.any())
        arrival = rows.Arrival(
            ordinal=ordinal,
            received_ns=decoded.weld_received_ns[at],
            place=[decoded.weld_place[k] for k in at],
            new_spot=[spot not in self._plant.spots for spot in welds.spot],
        )
        outcome.signals += rows.place_signals(raised, arrival, verdicts.late | welds.historical)
        return rows.weld_table(welds, arrival, verdicts)

    def _first_deliveries(
        self, decoded: Decoded, start: int, welds: WeldBatch, outcome: Outcome
    ) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Tell which welds are new; a second delivery is a duplicate, a second weld at one moment a reject."""
        ids, times = self._state.seen_ids, self._state.seen_times
        keep = np.ones(len(welds), dtype=np.bool_)
        for k, (weld_id, spot, program, time_ns) in enumerate(
            zip(welds.id, welds.spot, welds.program, welds.time_ns.tolist(), strict=True)
        ):
            source = decoded.weld_source[start + k]
            mark = fingerprint("weld", source, weld_id)
            if mark in ids:
                keep[k] = False
                self._count(source).duplicate += 1
                continue
            moment = fingerprint(spot, program, str(time_ns))
            if moment in times:
                keep[k] = False
                outcome.rejects.append(_second_at_one_moment(decoded, start + k))
                continue
            ids.add(mark)
            times.add(moment)
        return keep

    def _count_welds(self, decoded: Decoded, at: Sequence[int], welds: WeldBatch) -> None:
        live = (~welds.historical).tolist()
        for k, time_ns, is_live in zip(at, welds.time_ns.tolist(), live, strict=True):
            self._count_stored(decoded.weld_source[k], time_ns, int(decoded.weld_received_ns[k]), live=is_live)

    def _count_stored(self, source: str, time_ns: int, received_ns: int, *, live: bool) -> None:
        count = self._count(source)
        count.stored += 1
        if time_ns >= count.last_time_ns:
            count.last_time_ns = time_ns
            if live:
                count.clock_offset_ms = (received_ns - time_ns) / NS_PER_MS

    def _count(self, source: str) -> SourceCount:
        return self._state.counts.setdefault(source, SourceCount())


def _second_at_one_moment(decoded: Decoded, k: int) -> PlacedReject:
    welds = decoded.welds
    expected = f"a time that no other weld of spot {welds.spot[k]!r} with programme {welds.program[k]!r} has"
    return decoded.reject_weld(k, Reject(int(decoded.weld_item[k]), "$.time", str(int(welds.time_ns[k])), expected))
