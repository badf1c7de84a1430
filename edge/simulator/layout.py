"""The simulated plant as arrays: every spot with its gun, cell, programme and place, in the order of welding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.simulator.bodywork import REGIONS, place_spots
from edge.simulator.draws import uniform
from edge.simulator.materials import SCHEDULES
from edge.simulator.settings import SimulatorSettings

LINE_NAMES = ("UB1", "FR1", "RS1", "CL1", "UB2", "FR2", "RS2", "CL2")
"""Underbody, framing, respot, closures."""


@dataclass(frozen=True, slots=True)
class Layout:
    """`S` spots (those in no plant model last within their gun), `G` guns, `C` cells."""

    spot: list[str]
    """(S,) ordered by gun and place in the gun's sequence."""
    listed: NDArray[np.bool_]
    """(S,) stands in the plant model."""
    program: NDArray[np.int64]
    """(S,) index into `materials.SCHEDULES`."""
    position_mm: NDArray[np.float64]
    """(S, 3)."""
    gun_of_spot: NDArray[np.int64]
    """(S,)."""
    place: NDArray[np.int64]
    """(S,) position in the gun's sequence, from 0."""
    gun: list[str]
    gun_spots: NDArray[np.int64]
    """(G,) spots of each gun."""
    cell_of_gun: NDArray[np.int64]
    """(G,) index into `cell`, in the order in which a body passes."""
    cell: list[str]
    cell_line: list[str]
    """(C,) the line of each cell."""
    json: NDArray[np.bool_]
    """(C,) the cell's controllers speak JSON."""

    @property
    def cell_of_spot(self) -> NDArray[np.int64]:
        """(S,)."""
        return self.cell_of_gun[self.gun_of_spot]


def build_layout(settings: SimulatorSettings) -> Layout:
    """Lay out the plant that the settings describe."""
    per_line = shares(settings.cells, settings.lines)
    cells = [
        (f"{LINE_NAMES[line]}-C{k + 1:02d}", LINE_NAMES[line]) for line, n in enumerate(per_line) for k in range(n)
    ]
    guns_per_cell = spread(settings.guns, settings.cells)
    cell_of_gun = np.repeat(np.arange(settings.cells), guns_per_cell)
    guns = [f"{cells[c][0]}-G{k + 1}" for c, n in enumerate(guns_per_cell) for k in range(n)]
    listed_spots = np.array(shares(settings.spots, settings.guns))
    extra = np.zeros(settings.guns, dtype=np.int64)
    hosts = np.argsort(uniform(settings.seed, "unlisted", np.arange(settings.guns)), kind="stable")
    for k in range(settings.unlisted_spots):
        extra[hosts[k % settings.guns]] += 1
    gun_spots = listed_spots + extra

    code = {schedule.name: index for index, schedule in enumerate(SCHEDULES)}
    programs, positions = [], []
    for cell in range(settings.cells):
        total = gun_spots[cell_of_gun == cell].sum()
        names, where = place_spots(*regions_of(cell, settings.cells), int(total))
        programs += [code[name] for name in names]
        positions.append(where)
    gun_of_spot = np.repeat(np.arange(settings.guns), gun_spots)
    first = np.cumsum(gun_spots) - gun_spots
    place = np.arange(len(gun_of_spot)) - first[gun_of_spot]
    in_json = spread(round(settings.json_cells * settings.cells), settings.cells)
    return Layout(
        spot=[f"{guns[gun]}-{k + 1:03d}" for gun, k in zip(gun_of_spot, place, strict=True)],
        listed=place < listed_spots[gun_of_spot],
        program=np.array(programs),
        position_mm=np.concatenate(positions).round(1),
        gun_of_spot=gun_of_spot,
        place=place,
        gun=guns,
        gun_spots=gun_spots,
        cell_of_gun=cell_of_gun,
        cell=[name for name, _ in cells],
        cell_line=[line for _, line in cells],
        json=np.array(in_json) > 0,
    )


def regions_of(cell: int, cells: int) -> tuple[range, tuple[int, int]]:
    """Return the regions of the body that a cell welds, and its share of them when several cells weld the same."""
    n = len(REGIONS)
    if cells <= n:
        return range(cell * n // cells, (cell + 1) * n // cells), (0, 1)
    region = cell * n // cells
    same = [other for other in range(cells) if other * n // cells == region]
    return range(region, region + 1), (same.index(cell), len(same))


def shares(total: int, parts: int) -> list[int]:
    """Split `total` into `parts` that differ by one at most, the larger ones first."""
    return [total // parts + (k < total % parts) for k in range(parts)]


def spread(total: int, parts: int) -> list[int]:
    """Split `total` into `parts` that differ by one at most, the larger ones evenly among the others."""
    return [(k + 1) * total // parts - k * total // parts for k in range(parts)]
