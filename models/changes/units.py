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
    starts: NDArray[np.int64]
    """(groups,) where each group begins in that order."""

    def sums(self, x: Array) -> Array:
        """Return the sums (groups, T) of units' values (U, T)."""
        result: Array = np.add.reduceat(x[self.order], self.starts, axis=0)
        return result


def group(units: Sequence[Unit]) -> list[Grouping]:
    """Return the groupings of units, of which there is one at least, by each of `LEVELS`."""
    result = []
    for level in LEVELS:
        index: dict[str, int] = {}
        of_unit = np.array([index.setdefault(unit.name(level), len(index)) for unit in units], dtype=np.int64)
        order = np.argsort(of_unit, kind="stable")
        starts = np.searchsorted(of_unit[order], np.arange(len(index)))
        result.append(Grouping(level, list(index), of_unit, order, starts))
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
