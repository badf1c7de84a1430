"""What is counted, and in which groups it is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEVELS = ("plant", "program", "cell", "gun", "spot")
"""From the widest to the narrowest; a change is given to the one that explains it best."""
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Unit:
    """One thing that makes welds."""

    cell: str
    gun: str
    spot: str
    program: str

    def name(self, level: str) -> str:
        """Return which group of that level it belongs to; the plant has no name."""
        return "" if level == "plant" else str(getattr(self, level))


@dataclass(frozen=True, slots=True)
class Grouping:
    """Units in the groups of one level."""

    level: str
    names: list[str]
    of_unit: NDArray[np.int64]
    """(U,) index into `names`."""
    order: NDArray[np.int64]
    """(U,) the units, group by group."""

    def sums(self, among: NDArray[np.bool_], *values: Array) -> tuple[NDArray[np.int64], list[Array]]:
        """Return the groups (G,) that have units `among` (U,), and the sums (G, T) of these units' values (U, T)."""
        order = self.order[among[self.order]]
        groups, starts = np.unique(self.of_unit[order], return_index=True)
        if not len(groups):
            return groups, [x[:0] for x in values]
        return groups, [np.add.reduceat(x[order], starts, axis=0) for x in values]

    def beside(self, units: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return every unit (U,) of the groups that these `units` (U,) are in."""
        concerned = np.zeros(len(self.names), dtype=np.bool_)
        concerned[self.of_unit[units]] = True
        return concerned[self.of_unit]


def group(units: Sequence[Unit]) -> list[Grouping]:
    """Return the groupings of units, of which there is one at least, by each of `LEVELS`."""
    result = []
    for level in LEVELS:
        index: dict[str, int] = {}
        of_unit = np.array([index.setdefault(unit.name(level), len(index)) for unit in units], dtype=np.int64)
        order = np.argsort(of_unit, kind="stable")
        result.append(Grouping(level, list(index), of_unit, order))
    return result


@dataclass(frozen=True, slots=True)
class Change:
    """One change, given to the group that explains it."""

    kind: str
    """`defect_rate` or `feature`."""
    level: str
    """One of `LEVELS`."""
    name: str
    feature: str
    time_ns: int
    earliest_ns: int
    """Of the 95 % interval of the moment."""
    latest_ns: int
    before: float
    """Defect rate 0..1, or mean of the feature's distance from its median in the window, sigmas of one weld."""
    after: float
    low: float
    """Of the 95 % interval of after − before."""
    high: float
    share: float | None
    """Of the plant's additional (or missing) defects since then, 0..1; None for a feature."""
    evidence: float
    """Log likelihood ratio beyond the penalty for searching."""
    members: tuple[Unit, ...]
    """Units of the group that changed themselves, those that changed most first."""
