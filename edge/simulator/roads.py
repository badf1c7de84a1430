"""The floor plan: cells along their lines, aisles between them, docks, parking bays and chargers, all in metres."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from edge.simulator.layout import Layout

FIRST_X, CELL_WIDTH, CELL_DEPTH, CELL_PITCH = 20.0, 14.0, 10.0, 16.0
FIRST_Y, LINE_PITCH = 8.0, 18.0
AISLE_BEFORE_LINE = 4.0
"""The middle of an aisle lies this far before its line."""
LANE = 0.9
"""Eastward and westward lanes lie this far on either side of an aisle's middle."""
WEST_X, DOCK_X = 10.0, 3.0
CORNER_M = 1.2
"""Radius of the turns."""


def cell_floors(layout: Layout) -> list[tuple[float, float, float, float]]:
    """Return (x, y, width, depth) of every cell on the floor plan, m."""
    lines = list(dict.fromkeys(layout.cell_line))
    seen: dict[str, int] = {}
    floors = []
    for line in layout.cell_line:
        k = seen[line] = seen.get(line, -1) + 1
        floors.append((FIRST_X + k * CELL_PITCH, FIRST_Y + lines.index(line) * LINE_PITCH, CELL_WIDTH, CELL_DEPTH))
    return floors


@dataclass(frozen=True, slots=True)
class Leg:
    """A way from one stop to the next."""

    points: NDArray[np.float64]
    """(k, 2) polyline, m."""
    along: NDArray[np.float64]
    """(k,) distance from the start of each point, m."""

    @property
    def length_m(self) -> float:
        """Of the whole way."""
        return float(self.along[-1])

    @property
    def end(self) -> tuple[float, float]:
        """Where it leads, m."""
        return round(float(self.points[-1, 0]), 3), round(float(self.points[-1, 1]), 3)

    def pose(self, distance_m: float) -> tuple[float, float, float]:
        """Return x, y (m) and heading (rad, -π..π) after a distance from the start."""
        at = min(max(distance_m, 0.0), self.length_m)
        k = min(max(int(np.searchsorted(self.along, at, side="right")) - 1, 0), len(self.along) - 2)
        (x0, y0), (x1, y1) = self.points[k], self.points[k + 1]
        part = (at - self.along[k]) / (self.along[k + 1] - self.along[k])
        return (
            float(x0 + part * (x1 - x0)),
            float(y0 + part * (y1 - y0)),
            float(np.arctan2(y1 - y0, x1 - x0)),
        )


class Roads:
    """One-way loops: out along an aisle, past its line, back along the next aisle."""

    def __init__(self, layout: Layout) -> None:
        self._floors = cell_floors(layout)
        self._lines = len(set(layout.cell_line))
        self._east_x = max(x + width for x, _, width, _ in self._floors) + 6.0
        self.cells_of_aisle = [
            [k for k, (_, y, _, _) in enumerate(self._floors) if self._line(y) == min(aisle, self._lines - 1)]
            for aisle in range(self.aisles)
        ]
        self.way = lru_cache(maxsize=None)(self._way)

    @property
    def aisles(self) -> int:
        """One before each line and one behind the last."""
        return self._lines + 1

    @property
    def longest_m(self) -> float:
        """Bound on the length of a loop."""
        return 2 * (self._east_x + 4 * LINE_PITCH + self._lines * LINE_PITCH)

    def bay(self, aisle: int, k: int) -> tuple[float, float]:
        """Return the parking bay `k` at an aisle's dock."""
        return DOCK_X - 2.0 - 1.8 * (k // 8), self._aisle_y(aisle) + (k % 8 - 3.5) * 1.5

    def charger(self, k: int) -> tuple[float, float]:
        """Return the charging place `k`."""
        per_column = max(4, int(self._lines * LINE_PITCH // 1.6))
        return self._east_x + 4.0 + 2.5 * (k // per_column), self._aisle_y(0) + 1.6 * (k % per_column)

    def _way(self, aisle: int, bay: int, cell: int, charger: int) -> tuple[Leg, Leg]:
        """Return the way from a bay to a cell, or to a charger when `cell` is -1, and back to the bay."""
        home = self.bay(aisle, bay)
        out, back_aisle = self._aisle_y(aisle) - LANE, (aisle + 1) % self.aisles
        back = self._aisle_y(back_aisle) + LANE
        start = [home, (DOCK_X, home[1]), (DOCK_X, out)]
        end = [(self._east_x, back), (WEST_X, back), (WEST_X, self._aisle_y(aisle) + 2.4 * LANE)]
        end += [(DOCK_X + 1.5, end[-1][1]), (DOCK_X + 1.5, home[1]), home]
        if cell < 0:
            place = self.charger(charger)
            reach = [(self._east_x, out), (self._east_x, place[1]), place]
            return _leg([*start, *reach]), _leg(
                [place, (self._east_x + 1.5, place[1]), (self._east_x + 1.5, back), *end]
            )
        x, _, width, _ = self._floors[cell]
        stop = (x + width / 2, out)
        return _leg([*start, stop]), _leg([stop, (self._east_x, out), *end])

    def _aisle_y(self, aisle: int) -> float:
        return FIRST_Y - AISLE_BEFORE_LINE + aisle * LINE_PITCH

    @staticmethod
    def _line(y: float) -> int:
        return round((y - FIRST_Y) / LINE_PITCH)


def _leg(corners: list[tuple[float, float]]) -> Leg:
    """Join corners by straights and round turns; points that lie on each other count once."""
    distinct = [corners[0]]
    distinct += [point for before, point in pairwise(corners) if point != before]
    path = [np.array(distinct[0])]
    for a, b, c in zip(distinct, distinct[1:], distinct[2:], strict=False):
        before, corner, after = np.array(a), np.array(b), np.array(c)
        first, second = np.linalg.norm(corner - before), np.linalg.norm(after - corner)
        reach = min(CORNER_M, first / 2, second / 2)
        enter, leave = corner + (before - corner) * reach / first, corner + (after - corner) * reach / second
        # A quadratic curve through the turn.
        path += [(1 - t) ** 2 * enter + 2 * t * (1 - t) * corner + t**2 * leave for t in np.linspace(0, 1, 5)]
    path.append(np.array(distinct[-1]))
    points = np.array(path)
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    keep = np.concatenate(([True], steps > 1e-6))
    points = points[keep]
    along = np.concatenate(([0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))))
    return Leg(points, along)
