"""What is waiting to be published, in order of time, and what was sent but not acknowledged yet."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message that is due at a time."""

    due_ns: int
    start_ns: int
    """Earliest source time in it."""
    topic: str
    encode: Callable[[int], bytes]
    """Time of sending -> payload: what is historical is only known then."""
    welds: int
    """Welds in it, 0 for other messages."""


class Outbox:
    """Parcels by due time; at equal times in the order in which they came."""

    def __init__(self, cursor_ns: int) -> None:
        self.cursor_ns = cursor_ns
        """Everything that starts before was made."""
        self.welds = 0
        """Welds waiting or in flight."""
        self.acknowledged = 0
        """Welds that the broker has taken."""
        self._heap: list[tuple[int, int, Parcel]] = []
        self._flying: dict[int, Parcel] = {}
        self._count = 0

    def push(self, parcels: Iterable[Parcel], cursor_ns: int) -> None:
        """Add what was made up to `cursor_ns`."""
        for parcel in parcels:
            self._count += 1
            heapq.heappush(self._heap, (parcel.due_ns, self._count, parcel))
            self.welds += parcel.welds
        self.cursor_ns = cursor_ns

    def take(self, now_ns: int, limit: int) -> list[tuple[int, Parcel]]:
        """Return up to `limit` parcels that are due, each with a ticket to hand in once it is acknowledged."""
        taken: list[tuple[int, Parcel]] = []
        while self._heap and len(taken) < limit and self._heap[0][0] <= now_ns:
            _, ticket, parcel = heapq.heappop(self._heap)
            self._flying[ticket] = parcel
            taken.append((ticket, parcel))
        return taken

    def done(self, ticket: int) -> None:
        """Take note that the broker has a parcel."""
        parcel = self._flying.pop(ticket)
        self.welds -= parcel.welds
        self.acknowledged += parcel.welds

    def restore(self) -> None:
        """Put what was not acknowledged back in its place, to be sent again with the same ids."""
        for ticket, parcel in self._flying.items():
            heapq.heappush(self._heap, (parcel.due_ns, ticket, parcel))
        self._flying.clear()

    def published_until_ns(self) -> int:
        """Return the source time before which the broker has everything."""
        waiting = (parcel.start_ns for _, _, parcel in self._heap)
        flying = (parcel.start_ns for parcel in self._flying.values())
        return min(self.cursor_ns, min(waiting, default=self.cursor_ns), min(flying, default=self.cursor_ns))
