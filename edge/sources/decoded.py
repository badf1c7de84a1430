"""What comes out of decoding: typed items, each with the message it came in, and nothing lost between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.sources.journal_record import PlacedDamage
from edge.sources.rejects import RefusedError, Reject
from edge.topics import Place
from models.fleet.state import AgvUpdate
from models.welds.batch import WeldBatch


@dataclass(frozen=True, slots=True)
class PlacedEvent:
    """Something that was done at a machine or said about it, and where."""

    seq: int
    """Journal sequence number of its message."""
    item: int
    """Index within the message."""
    received_ns: int
    place: Place
    source: str
    id: str
    kind: str
    """One of `edge.sources.event.KINDS`."""
    time_ns: int
    """By the source's clock, ns since 1970 UTC."""
    gun: str
    """Empty, as are the following, when the event does not say."""
    spot: str
    program: str
    by: str
    """Who did or ordered it."""
    note: str
    details: dict[str, str | float]
    """What else the event says, as far as it does: `batch`, `weld`, `result`, `method`, `nugget_mm`, `model`."""


@dataclass(frozen=True, slots=True)
class PlacedAgv:
    """One message of a vehicle."""

    seq: int
    item: int
    received_ns: int
    source: str
    update: AgvUpdate


@dataclass(frozen=True, slots=True)
class PlacedReject:
    """One item that was not taken, and the message it stood in."""

    seq: int
    item: int
    received_ns: int
    source: str
    topic: str
    reject: Reject
    bytes: int
    """Size of the message's payload."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What all items of one message share."""

    received_ns: int
    source: str
    topic: str
    bytes: int
    """Size of the payload."""

    def reject(self, seq: int, reject: Reject) -> PlacedReject:
        """Place a reject in this message, whose sequence number is `seq`."""
        return PlacedReject(seq, reject.item, self.received_ns, self.source, self.topic, reject, self.bytes)


@dataclass(frozen=True, slots=True)
class Decoded:
    """Everything that some messages hold, each list in the order of the journal.

    For every message but the record of a damage: welds + events + vehicles + rejects + ignored items = max(1, items).
    """

    welds: WeldBatch
    """The n accepted welds of all messages."""
    weld_seq: NDArray[np.int64]
    """(n,) journal sequence number of each weld's message."""
    weld_item: NDArray[np.int64]
    """(n,) index within its message."""
    weld_received_ns: NDArray[np.int64]
    """(n,) when its message was received."""
    weld_place: list[Place]
    """n places; welds of one message share the object."""
    weld_source: list[str]
    """n sources, likewise."""
    events: list[PlacedEvent]
    agvs: list[PlacedAgv]
    rejects: list[PlacedReject]
    ignored: list[tuple[str, int]]
    """Source and number of items, for each message that is legal but holds nothing that is read."""
    origins: Mapping[int, Origin]
    """By sequence number, for the messages of which something was taken."""
    damages: list[PlacedDamage]
    """Damages of the journal that are recorded in it."""

    def reject_weld(self, k: int, refused: RefusedError) -> PlacedReject:
        """Place a reject of weld `k`, for what only a later stage can see."""
        return self.reject(int(self.weld_seq[k]), int(self.weld_item[k]), refused)

    def reject(self, seq: int, item: int, refused: RefusedError) -> PlacedReject:
        """Place a reject of an item that was taken here, for what only a later stage can see."""
        return self.origins[seq].reject(seq, refused.of(item))

    def newest_time_ns(self) -> dict[str, int]:
        """Return the newest source time of each source that sent something readable, ns since 1970 UTC."""
        newest: dict[str, int] = {}
        for source, time_ns in (
            *zip(self.weld_source, self.welds.time_ns.tolist(), strict=True),
            *((event.source, event.time_ns) for event in self.events),
            *((agv.source, agv.update.time_ns) for agv in self.agvs),
        ):
            newest[source] = max(time_ns, newest.get(source, time_ns))
        return newest
