"""The plants that the study of monitoring runs: one small body shop, with more or less going wrong in it."""

from __future__ import annotations

from dataclasses import dataclass

from edge.simulator.settings import SimulatorSettings, Spells

CELLS, GUNS, SPOTS, BODIES_PER_HOUR = 4, 12, 120, 60.0


@dataclass(frozen=True, slots=True)
class StudyPlant:
    """A plant by how often its guns have bad spells and how bad these get."""

    name: str
    spells: Spells

    def settings(self, seed: int) -> SimulatorSettings:
        """Return the simulator's settings for one seed."""
        return SimulatorSettings(
            seed=seed,
            lines=1,
            cells=CELLS,
            guns=GUNS,
            spots=SPOTS,
            unlisted_spots=0,
            bodies_per_hour=BODIES_PER_HOUR,
            agvs=0,
            spells=self.spells,
        )


PLANTS = {
    plant.name: plant
    for plant in (
        StudyPlant("quiet", Spells()),
        StudyPlant("ordinary", Spells(per_gun_and_day=0.5, min_h=1.0, max_h=6.0, worst_rate=0.1)),
        StudyPlant("troubled", Spells(per_gun_and_day=2.0, min_h=2.0, max_h=6.0, worst_rate=0.4)),
        StudyPlant("failing", Spells(per_gun_and_day=4.0, min_h=4.0, max_h=6.0, worst_rate=0.8)),
    )
}
"""From hardly anything wrong (the simulator's own settings) to a gun in trouble nearly all the time."""
