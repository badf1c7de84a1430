"""What else happened when something changed: events at the machines concerned, the least likely by chance first."""

from __future__ import annotations

from collections.abc import Sequence
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

    def concerns(self, unit: Unit) -> bool:
        """Tell whether a unit is among what the event names."""
        named = [(self.gun, unit.gun), (self.spot, unit.spot), (self.program, unit.program)]
        if any(name for name, _ in named):
            return all(name in {"", has} for name, has in named)
        return self.kind in PLANT_WIDE or self.cell in {"", unit.cell}


@dataclass(frozen=True, slots=True)
class Cause:
    """An event that may have caused a change."""

    happening: Happening
    lead_ns: int
    """From the event to the change's likeliest moment."""
    chance: float
    """Probability that an event of that kind lies so close before a change that it has nothing to do with, 0..1."""


def causes(
    change: Change, units: Sequence[Unit], happenings: Sequence[Happening], window_ns: tuple[int, int]
) -> list[Cause]:
    """Return what may have caused a change, the least likely by chance first.

    `units` are those of the changed group; its own changed members count, where there are any. Of a kind that comes
    every few bodies one always lies close: `chance` is 1 − e^(−rate · gap), with the rate at which such events came
    to this machine in the window (since, until), and the gap from the event to the end of the moment's interval.
    """
    concerned = change.members or tuple(units)
    near = [
        event
        for event in happenings
        if event.kind in POSSIBLE and change.earliest_ns - REACH_NS <= event.time_ns <= change.latest_ns
    ]
    found: dict[str, Cause] = {}
    for event in near:
        if sum(event.concerns(unit) for unit in concerned) < COVER * len(concerned):
            continue
        key = (event.kind, event.gun, event.spot, event.program)
        alike = sum((e.kind, e.gun, e.spot, e.program) == key for e in happenings)
        # The width of the moment's interval counts as well: an event inside it could lie anywhere there.
        gap = max(change.latest_ns - event.time_ns, change.latest_ns - change.earliest_ns)
        chance = float(-np.expm1(-alike * gap / max(window_ns[1] - window_ns[0], 1)))
        cause = Cause(event, change.time_ns - event.time_ns, chance)
        if chance <= MAX_CHANCE and (event.kind not in found or chance < found[event.kind].chance):
            found[event.kind] = cause
    return sorted(found.values(), key=lambda cause: cause.chance)[:MAX_CAUSES]
