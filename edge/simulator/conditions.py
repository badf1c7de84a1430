"""What each weld meets on a normal day: sheets from coils, tips that wear, guns that differ, people who set them up."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
from numpy.typing import NDArray

from edge.simulator.draws import normal, uniform
from edge.simulator.joint import Array, Setup
from edge.simulator.layout import Layout
from edge.simulator.lobe import main_currents_ka, nominal_setup
from edge.simulator.materials import SCHEDULES
from edge.simulator.schedule import Slots
from edge.simulator.settings import SimulatorSettings

COIL_BODIES = 140
"""Bodies that one coil of sheet lasts."""


class Conditions:
    """Turns timetable slots into setups of the joint; every draw is counted by body and spot."""

    def __init__(self, settings: SimulatorSettings, layout: Layout) -> None:
        self._seed, self._layout, self._electrodes = settings.seed, layout, settings.electrodes
        self._nominal = nominal_setup(list(SCHEDULES), np.array(main_currents_ka(), dtype=np.float32))
        guns, spots = np.arange(len(layout.gun)), np.arange(len(layout.spot))
        self._gun_current = 1 + 0.004 * self._normal("gun current", guns)
        self._gun_force = 1 + 0.01 * self._normal("gun force", guns)
        self._gun_cable = np.exp(0.06 * self._normal("gun cable", guns))
        self._spot_film = np.exp(0.15 * self._normal("spot film", spots))
        self._spot_shunt = np.exp(0.5 * self._normal("spot shunt", spots)) / 6000
        self._spot_gap = 0.12 * uniform(self._seed, "spot gap", spots) ** 3

    def setups(self, slots: Slots) -> Setup:
        """Return what the welds of `slots` meet."""
        body, spot = slots.body, slots.spot
        gun, program = self._layout.gun_of_spot[spot], self._layout.program[spot]
        base = Setup(*(getattr(self._nominal, field.name)[program] for field in fields(Setup)))
        coil = (body + 37 * program) // COIL_BODIES
        fresh = slots.cap_count < self._electrodes.conditioning_welds
        unsettled = np.where(fresh, 2.5, 1.0)

        worn = 1 + self._electrodes.growth_per_100 * slots.wear_count / 100
        dressed = 1 + 0.006 * self._normal("dress", gun, slots.dress)
        tip = worn * dressed * np.where(fresh, 0.97, 1.0)
        current = (
            worn**self._electrodes.stepper
            * self._gun_current[gun]
            * (1 + 0.003 * unsettled * self._normal("current", body, spot))
        )
        force = self._gun_force[gun] * (1 + 0.008 * self._normal("force", body, spot))
        sheet = (1 + 0.009 * self._normal("coil", program, coil)) * (1 + 0.003 * self._normal("sheet", body, spot))
        film = (
            self._spot_film[spot]
            * np.exp(0.10 * self._normal("coating", program, coil))
            * np.exp(0.12 * unsettled * self._normal("film", body, spot))
            * np.where(fresh, 1.25, 1.0)
        )
        tilt = 1 - 0.012 * unsettled * np.abs(self._normal("tilt", body, spot))
        mains = 1 + 0.01 * self._normal("mains", slots.time_ns // (60 * 10**9))
        return replace(
            base,
            main_ka=_times(base.main_ka, current),
            preheat_ka=_times(base.preheat_ka, current),
            force_kn=_times(base.force_kn, force),
            tip_mm=_times(base.tip_mm, tip),
            bearing=_times(base.bearing, tilt),
            total_mm=_times(base.total_mm, sheet),
            film_uohm=_times(base.film_uohm, film),
            electrode_film_uohm=_times(base.electrode_film_uohm, film),
            gap=self._spot_gap[spot].astype(np.float32) * uniform(self._seed, "gap", body, spot).astype(np.float32),
            shunt_per_uohm=self._spot_shunt[spot].astype(np.float32),
            open_v=_times(base.open_v, mains),
            secondary_uohm=_times(base.secondary_uohm, self._gun_cable[gun]),
            containment=_times(base.containment, 1 + 0.05 * self._normal("ring", body, spot)),
        )

    def _normal(self, label: str, *counters: NDArray[np.int64]) -> NDArray[np.float64]:
        return normal(self._seed, label, *counters)


def _times(base: Array, factor: NDArray[np.float64]) -> Array:
    return base * factor.astype(np.float32)
