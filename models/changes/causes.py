"""What else happened when something changed: events at the machines concerned, the least likely by chance first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from models.changes.units import Change, Unit

POSSIBLE = frozenset(
    {
        "cap_change", "tip_dress", "program_change", "maintenance", "sheet_change", "reference_reset", "reference_pin",
        "reference_unpin", "spot_exclude", "spot_include", "model_activate", "model_retire",
    }
)  # fmt: skip
"""Kinds of events that can change what is made or how it is judged; the others tell of it."""
PLANT_WIDE = frozenset({"sheet_change", "model_activate", "model_retire"})
"""Of these, where an event that names no gun, spot or programme concerns more than the cell that it came from."""
REACH_NS = 3600 * 10**9
"""How long before a change a cause is looked for."""
COVER = 0.8
"""Share of the changed units that a cause must concern: a gun's caps do not explain a cell."""
MAX_CHANCE = 0.5
MAX_CAUSES = 3


@dataclass(frozen=True, slots=True)
class Happening:
    """An event at a machine."""

    id: str
    kind: str
    time_ns: int
    cell: str
    gun: str
    spot: str
    program: str
    note: str

    @property
    def scope(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What of a unit the event names, and how that is called there; nothing: it concerns every unit."""
        named = tuple(name for name in ("gun", "spot", "program") if getattr(self, name))
        if not named and self.kind not in PLANT_WIDE and self.cell:
            named = ("cell",)
        return named, tuple(getattr(self, name) for name in named)


@dataclass(frozen=True, slots=True)
class Cause:
    """An event that may have caused a change."""

    happening: Happening
    lead_ns: int
    """From the event to the change's likeliest moment."""
    chance: float
    """Probability that an event of that kind lies so close before a change that it has nothing to do with, 0..1."""


class Happenings:
    """What happened in a window, laid out to be searched for the causes of many changes."""

    def __init__(self, events: Iterable[Happening], window_ns: tuple[int, int]) -> None:
        """`window_ns` is (since, until) of all that `events` were looked for in."""
        self._possible = [event for event in events if event.kind in POSSIBLE]
        self._alike = Counter(_machine(event) for event in self._possible)
        self._window_ns = window_ns

    def causes(self, change: Change, units: Sequence[Unit]) -> list[Cause]:
        """Return what may have caused a change, the least likely by chance first.

        `units` are those of the changed group; its own changed members count, where there are any. Of a kind that comes
        every few bodies one always lies close: `chance` is 1 − e^(−rate · gap), with the rate at which such events came
        to this machine in the window, and the gap from the event to the end of the moment's interval.
        """
        covered = _Covered(change.members or units)
        earliest_ns = change.earliest_ns - REACH_NS
        since_ns, until_ns = self._window_ns
        found: dict[str, Cause] = {}
        for event in self._possible:
            if not earliest_ns <= event.time_ns <= change.latest_ns or covered.share(event) < COVER:
                continue
            # The width of the moment's interval counts as well: an event inside it could lie anywhere there.
            gap = max(change.latest_ns - event.time_ns, change.latest_ns - change.earliest_ns)
            chance = float(-np.expm1(-self._alike[_machine(event)] * gap / max(until_ns - since_ns, 1)))
            cause = Cause(event, change.time_ns - event.time_ns, chance)
            if chance <= MAX_CHANCE and (event.kind not in found or chance < found[event.kind].chance):
                found[event.kind] = cause
        return sorted(found.values(), key=lambda cause: cause.chance)[:MAX_CAUSES]


class _Covered:
    """How many of some units an event concerns; units are counted once for all events that name the same of them."""

    def __init__(self, units: Sequence[Unit]) -> None:
        self._units = units
        self._counts: dict[tuple[str, ...], Counter[tuple[str, ...]]] = {}

    def share(self, event: Happening) -> float:
        """Return the share 0..1 of the units that an event concerns."""
        named, values = event.scope
        if named not in self._counts:
            self._counts[named] = Counter(tuple(getattr(unit, name) for name in named) for unit in self._units)
        return self._counts[named][values] / len(self._units)


def _machine(event: Happening) -> tuple[str, str, str, str]:
    return event.kind, event.gun, event.spot, event.program
