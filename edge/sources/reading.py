"""What passes between `decode` and the formats: the message that is being read, and where its items go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from edge.sources.clock import ClockBounds
from edge.sources.decoded import Decoded, Origin, PlacedAgv, PlacedEvent, PlacedReject
from edge.sources.envelope import Frame
from edge.sources.journal_record import PlacedDamage
from edge.sources.message import Limits
from edge.sources.rejects import Reject
from edge.sources.weld_columns import WeldColumns
from edge.topics import Place, Route


@dataclass(frozen=True, slots=True)
class Reading:
    """One message, split into its items and about to be read by its format."""

    seq: int
    route: Route
    origin: Origin
    frame: Frame
    limits: Limits
    bounds: ClockBounds


@dataclass(slots=True)
class Sink:
    """Where formats put what they read: exactly one entry per item."""

    welds: WeldColumns = field(default_factory=WeldColumns)
    weld_seq: list[int] = field(default_factory=list)
    weld_item: list[int] = field(default_factory=list)
    weld_received_ns: list[int] = field(default_factory=list)
    weld_place: list[Place] = field(default_factory=list)
    weld_source: list[str] = field(default_factory=list)
    events: list[PlacedEvent] = field(default_factory=list)
    agvs: list[PlacedAgv] = field(default_factory=list)
    rejects: list[PlacedReject] = field(default_factory=list)
    ignored: list[tuple[str, int]] = field(default_factory=list)
    origins: dict[int, Origin] = field(default_factory=dict)
    damages: list[PlacedDamage] = field(default_factory=list)

    def reject(self, reading: Reading, reject: Reject) -> None:
        """Put a reject of one of the message's items."""
        self.rejects.append(reading.origin.reject(reading.seq, reject))

    def place_welds(self, reading: Reading, items: list[int], place: Place) -> None:
        """Say of the newest `len(items)` welds where they came from."""
        n = len(items)
        if n:
            self.origins[reading.seq] = reading.origin
            self.weld_seq += [reading.seq] * n
            self.weld_item += items
            self.weld_received_ns += [reading.origin.received_ns] * n
            self.weld_place += [place] * n
            self.weld_source += [reading.origin.source] * n

    def decoded(self) -> Decoded:
        """Return everything that was put here."""
        return Decoded(
            welds=self.welds.batch(),
            weld_seq=np.array(self.weld_seq, dtype=np.int64),
            weld_item=np.array(self.weld_item, dtype=np.int64),
            weld_received_ns=np.array(self.weld_received_ns, dtype=np.int64),
            weld_place=self.weld_place,
            weld_source=self.weld_source,
            events=self.events,
            agvs=self.agvs,
            rejects=self.rejects,
            ignored=self.ignored,
            origins=self.origins,
            damages=self.damages,
        )


Format = Callable[[Reading, Sink], None]
"""Reads every item of a message into the sink; never raises on what a message holds."""
