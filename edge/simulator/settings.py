"""What a simulated plant is made of, and how often things go wrong in it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from edge.settings import SettingsError, convert

Share = Annotated[float, Meta(ge=0, le=1)]
Positive = Annotated[int, Meta(gt=0)]


class FaultRates(Struct, frozen=True, forbid_unknown_fields=True):
    """Faults per weld in quiet times, by what causes them; guns with a bad spell come on top (`Spells`)."""

    over_current: Share = 1.2e-5
    """The controller regulates too high."""
    low_force: Share = 1.2e-5
    """The gun does not build up its force."""
    edge_weld: Share = 1e-5
    """The electrode bears on the edge of the flange."""
    misaligned: Share = 4e-6
    """The electrodes are off each other's axis."""
    under_current: Share = 1.2e-5
    """The controller regulates too low."""
    shunting: Share = 1.2e-5
    """Current flows through neighbouring spots."""
    secondary_cable: Share = 1e-5
    """The cable's resistance has grown: the current is not reached while the joint is hot."""
    wrong_program: Share = 5e-6
    """The schedule of a thicker stack was run."""
    no_current: Share = 3e-6
    """The timer released no weld."""
    missing_sheet: Share = 3e-6
    """One sheet of the stack is not there."""
    thin_stack: Share = 2e-6
    """A thinner sheet than the programme is for."""
    thick_stack: Share = 2e-6
    """A thicker one."""
    wrong_grade: Share = 2e-6
    """A harder grade of sheet."""
    fit_up: Share = 2e-5
    """The sheets do not touch when the current starts."""
    worn_electrode: Share = 3e-6
    """The tip is wider than the stepper reckons with."""
    dead_voltage: Share = 8e-5
    """Sensor: the voltage pick-up reads a few mV."""
    dead_current: Share = 1e-5
    """Sensor: the current sensor reads a few A."""
    clipped: Share = 4e-5
    """Sensor: the voltage stops at the end of its range."""
    sample_gap: Share = 6e-5
    """Sensor: samples are missing."""


class Spells(Struct, frozen=True, forbid_unknown_fields=True):
    """Bad spells: for some hours one gun has a fault far more often, growing worse until someone repairs it."""

    per_gun_and_day: Annotated[float, Meta(ge=0, le=4)] = 0.1
    """How many begin, mean."""
    min_h: Annotated[float, Meta(gt=0, le=6)] = 0.5
    """Shortest ..."""
    max_h: Annotated[float, Meta(gt=0, le=6)] = 3.0
    """... and longest, hours."""
    worst_rate: Share = 0.01
    """Share of the gun's welds at fault at the end of the spell; it grows from nothing."""
    mains_dips_per_day: Annotated[float, Meta(ge=0, le=1000)] = 4.0
    """Dips of the mains, 60-250 ms, that meet every weld then under way."""


class Electrodes(Struct, frozen=True, forbid_unknown_fields=True):
    """How tips wear and what is done about it."""

    dress_welds: Positive = 225
    """Welds between two tip dresses of a gun, rounded to whole bodies."""
    dresses_per_cap: Positive = 40
    """Dresses that a pair of caps lasts."""
    conditioning_welds: Annotated[int, Meta(ge=0)] = 40
    """Welds with new caps until they behave."""
    growth_per_100: Annotated[float, Meta(ge=0, le=0.2)] = 0.014
    """Growth of the tip's diameter over 100 welds."""
    stepper: Share = 0.85
    """Share of the lost current density that the controller's stepper makes up for."""


class FleetMix(Struct, frozen=True, forbid_unknown_fields=True):
    """Versions of VDA 5050 in the fleet, by weight."""

    v2_0: Annotated[float, Meta(ge=0)] = 0.25
    """2.0.0."""
    v2_1: Annotated[float, Meta(ge=0)] = 0.45
    """2.1.0, from two manufacturers of whom one writes null into optional fields."""
    v3_0: Annotated[float, Meta(ge=0)] = 0.30
    """3.0.0."""


class SimulatorSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """A whole simulated plant."""

    seed: int = 1
    """Two plants with the same seed and settings are the same plant, weld by weld."""
    site: str = "changchun"
    """First ISA-95 name of its topics."""
    area: str = "body"
    """The second."""
    name: str = "Body shop 1"
    """For people."""
    timezone: str = "Asia/Shanghai"
    """Of the shift calendar, IANA name."""
    lines: Annotated[int, Meta(gt=0, le=8)] = 2
    """A body passes one after the other."""
    cells: Annotated[int, Meta(gt=0, le=96)] = 12
    """In all; a body passes those of one line after the other."""
    guns: Annotated[int, Meta(gt=0, le=999)] = 40
    """In all, shared out evenly among the cells."""
    spots: Annotated[int, Meta(gt=0, le=50_000)] = 3000
    """On each body, shared out evenly among the guns."""
    unlisted_spots: Annotated[int, Meta(ge=0, le=20)] = 2
    """Spots that are welded but stand in no plant model yet."""
    bodies_per_hour: Annotated[float, Meta(gt=0, le=3600)] = 60.0
    """At speed 1."""
    speed: Annotated[float, Meta(gt=0, le=60)] = 1.0
    """Shortens the takt; one weld takes as long as ever, and time stamps stay the clock's."""
    agvs: Annotated[int, Meta(ge=0, le=2000)] = 200
    """Vehicles that speak VDA 5050."""
    agv_mix: FleetMix = FleetMix()
    agv_lost: Share = 2e-4
    """Share of the vehicles' QoS 0 messages that the wireless network swallows."""
    sample_us: Annotated[int, Meta(ge=500, le=5000)] = 2000
    """Sample interval of the weld controllers, µs."""
    json_cells: Share = 0.25
    """Share of the cells whose controllers speak JSON; the others speak MessagePack."""
    faults: FaultRates = FaultRates()
    spells: Spells = Spells()
    electrodes: Electrodes = Electrodes()

    def __post_init__(self) -> None:
        """Raise `ValueError` when the numbers do not fit together."""
        if self.cells < self.lines:
            raise ValueError(f"cells is {self.cells}; expected at least one per line, {self.lines}")
        if self.guns < self.cells:
            raise ValueError(f"guns is {self.guns}; expected at least one per cell, {self.cells}")
        if self.spots < self.guns:
            raise ValueError(f"spots is {self.spots}; expected at least one per gun, {self.guns}")
        if self.bodies_per_hour * self.speed > 3600:
            raise ValueError(
                f"bodies_per_hour x speed is {self.bodies_per_hour * self.speed:g}; expected at most 3600, one a second"
            )
        mix = self.agv_mix
        if mix.v2_0 + mix.v2_1 + mix.v3_0 <= 0:
            raise ValueError("agv_mix has no weight above 0; expected at least one version")
        if self.spells.min_h > self.spells.max_h:
            raise ValueError(f"spells.min_h is {self.spells.min_h}; expected at most max_h, {self.spells.max_h}")


def load_settings(path: Path) -> SimulatorSettings:
    """Read a simulator's TOML file. Raises `SettingsError`, naming what is wrong and what was expected."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path}: {error}") from None
    return convert(raw, SimulatorSettings, str(path))
