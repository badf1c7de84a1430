"""Setting the main current of each programme as a welding engineer does: within the weld lobe of its stack.

The lobe lies between the current at which the nugget reaches its minimum diameter and that at which melt is expelled.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edge.simulator.joint import Setup
from edge.simulator.materials import SCHEDULES, Schedule
from edge.simulator.weld import simulate

TIP_MM = 6.0
"""Face of a dressed electrode."""
OPEN_V, SECONDARY_UOHM = 9.5, 330.0
ELECTRODE_FILM = 0.35
"""Film at both electrodes together, relative to one faying interface."""
PLACE = 0.6
"""Where in its lobe a programme runs: 0 at the minimum nugget, 1 at expulsion."""
DIAMETER_FACTOR = 4.0
"""Minimum nugget diameter is this times the root of the governing thickness, mm (AWS D8.1M)."""


def min_nugget_mm(schedule: Schedule) -> float:
    """Return the smallest nugget that is good enough."""
    return float(DIAMETER_FACTOR * np.sqrt(schedule.stack.governing_mm))


def nominal_setup(schedules: list[Schedule], main_ka: NDArray[np.float32]) -> Setup:
    """Return welds of `schedules` (n) under nominal conditions at `main_ka` (n,)."""

    def column(values: list[float]) -> NDArray[np.float32]:
        return np.array(values, dtype=np.float32)

    n = len(schedules)
    stacks = [schedule.stack for schedule in schedules]
    films = column([stack.film_uohm() for stack in stacks])
    force = column([schedule.force_kn for schedule in schedules])

    def same(value: float) -> NDArray[np.float32]:
        return np.full(n, value, dtype=np.float32)

    return Setup(
        preheat_ka=column([schedule.preheat_ka for schedule in schedules]),
        preheat_ms=column([schedule.preheat_ms for schedule in schedules]),
        gap_ms=column([schedule.gap_ms for schedule in schedules]),
        main_ka=main_ka.astype(np.float32),
        main_ms=column([schedule.main_ms for schedule in schedules]),
        force_kn=force,
        force_set_kn=force.copy(),
        tip_mm=same(TIP_MM),
        bearing=same(1.0),
        total_mm=column([stack.total_mm for stack in stacks]),
        faces=column([len(stack.sheets) - 1 for stack in stacks]),
        reach=column([stack.reach for stack in stacks]),
        rho_cold=column([stack.mean("rho_cold_uohm_mm") for stack in stacks]),
        rho_hot=column([stack.mean("rho_hot_uohm_mm") for stack in stacks]),
        strength=column([stack.mean("strength") for stack in stacks]),
        film_uohm=films,
        electrode_film_uohm=np.float32(ELECTRODE_FILM) * films,
        gap=same(0.0),
        shunt_per_uohm=same(0.0),
        open_v=same(OPEN_V),
        secondary_uohm=same(SECONDARY_UOHM),
        containment=same(1.0),
        dip_from_ms=same(np.nan),
        dip_to_ms=same(np.nan),
        dip_depth=same(0.0),
    )


@lru_cache(maxsize=1)
def main_currents_ka() -> tuple[float, ...]:
    """Return the main current of every programme of `SCHEDULES`, found by welding through its lobe in 0.1 kA steps."""
    grid = np.arange(6.0, 16.0, 0.1, dtype=np.float32)
    found = []
    for schedule in SCHEDULES:
        traces = simulate(nominal_setup([schedule] * len(grid), grid), 1000)
        low = grid[np.flatnonzero(traces.nugget_mm >= min_nugget_mm(schedule))[0]]
        high = grid[np.flatnonzero(np.isfinite(traces.expelled_ms))[0]]
        found.append(round(float(low + PLACE * (high - low)), 1))
    return tuple(found)
