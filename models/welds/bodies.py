"""Bodies in the shop: which spots each has had, and whether it qualifies once it has left.

A body qualifies when all its judged spots are ok and none is missing. One that may have been in the shop before the
first weld of all was seen is not called incomplete: nobody knows what it had.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

KEEP_BODIES = 2000
"""Bodies remembered, so that late welds still correct one that has left."""


@dataclass(slots=True)
class Body:
    """One body. Times are the source's, ns UTC."""

    body: str
    first_ns: int
    """Of the first weld that arrived; never changes, since stores know the body by it."""
    last_ns: int
    ok: int = 0
    defect: int = 0
    unjudged: int = 0
    seen: int = 0
    """Bit k is set when the spot with index k was welded."""
    told_complete: bool = False
    """Whether it has been returned as complete: says what to return, not what is so."""


@dataclass(frozen=True, slots=True)
class BodyState:
    """A snapshot of a `BodyTracker`."""

    newest_ns: int
    began_ns: int | None
    spots: list[str]
    """By index."""
    bodies: list[tuple[str, int, int, int, int, int, str]]
    """The fields of `Body`, `seen` as hexadecimal."""


class BodyTracker:
    """Counts welds per body. Only the order of arrival matters, not how welds were batched."""

    def __init__(self, expected_spots: Iterable[str], complete_after_ns: int) -> None:
        """`expected_spots` is what every body should have; a body silent for `complete_after_ns` has left the shop."""
        self._index = {spot: k for k, spot in enumerate(expected_spots)}
        self._expected = (1 << len(self._index)) - 1
        self._complete_after_ns = complete_after_ns
        self._bodies: dict[str, Body] = {}
        self._newest_ns = 0
        self._began_ns: int | None = None  # time of the first weld of all that arrived

    def add(
        self, body: Sequence[str], spot: Sequence[str], verdict: Sequence[str], time_ns: Sequence[int]
    ) -> list[Body]:
        """Take welds in their order of arrival; return every body that changed or left, in the order of its entry."""
        changed: dict[str, Body] = {}
        for name, where, what, when in zip(body, spot, verdict, time_ns, strict=True):
            if not name:
                continue
            if self._began_ns is None:
                self._began_ns = when
            entry = self._bodies.get(name) or self._enter(name, when)
            entry.seen |= 1 << self._index.setdefault(where, len(self._index))
            entry.last_ns = max(entry.last_ns, when)
            setattr(entry, what, getattr(entry, what) + 1)
            self._newest_ns = max(self._newest_ns, when)
            changed[name] = entry
        for name, entry in self._bodies.items():
            if not entry.told_complete and self.complete(entry):
                entry.told_complete = True
                changed[name] = entry
        return list(changed.values())

    def complete(self, entry: Body) -> bool:
        """Tell whether a body has all its spots, or has been silent for so long that it has left the shop."""
        has_all = bool(self._expected) and entry.seen & self._expected == self._expected
        return has_all or self._newest_ns - entry.last_ns > self._complete_after_ns

    def spots(self, entry: Body) -> int:
        """Return how many distinct spots a body has had."""
        return entry.seen.bit_count()

    def missing(self, entry: Body) -> int:
        """Return how many expected spots a body lacks; 0 while it is in the shop, or came before all that is known."""
        if not self.complete(entry) or entry.first_ns - (self._began_ns or 0) < self._complete_after_ns:
            return 0
        return (self._expected & ~entry.seen).bit_count()

    def verdict(self, entry: Body) -> str:
        """Return `ok`, `defect` or `unjudged` for a body as a whole."""
        if entry.defect or self.missing(entry):
            return "defect"
        has_all = entry.seen & self._expected == self._expected
        return "ok" if entry.ok and has_all and self.complete(entry) else "unjudged"

    def snapshot(self) -> BodyState:
        """Return the state in plain values."""
        return BodyState(
            self._newest_ns,
            self._began_ns,
            list(self._index),
            [(b.body, b.first_ns, b.last_ns, b.ok, b.defect, b.unjudged, f"{b.seen:x}") for b in self._bodies.values()],
        )

    def restore(self, state: BodyState) -> None:
        """Take over a snapshot. Spots that the plant model has gained meanwhile are expected from now on."""
        place = [self._index.setdefault(spot, len(self._index)) for spot in state.spots]
        moved = place != list(range(len(place)))
        self._newest_ns, self._began_ns = state.newest_ns, state.began_ns
        for body, first_ns, last_ns, ok, defect, unjudged, seen in state.bodies:
            bits = int(seen, 16)
            if moved:
                bits = sum(1 << to for k, to in enumerate(place) if bits >> k & 1)
            entry = self._bodies[body] = Body(body, first_ns, last_ns, ok, defect, unjudged, bits)
            entry.told_complete = self.complete(entry)

    def _enter(self, name: str, when_ns: int) -> Body:
        if len(self._bodies) >= KEEP_BODIES:
            del self._bodies[next(iter(self._bodies))]
        entry = self._bodies[name] = Body(name, when_ns, when_ns)
        return entry
