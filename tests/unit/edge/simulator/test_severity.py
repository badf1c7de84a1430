"""Severity means something physical: from nothing, in proportion, to what nobody could miss."""

from dataclasses import fields

import numpy as np
import pytest

from edge.simulator.faults import CAUSE, CODE, FAULTS, SENSOR_FAULTS, Faults
from edge.simulator.harm import harm
from edge.simulator.joint import Setup
from edge.simulator.lobe import min_nugget_mm
from edge.simulator.materials import SCHEDULES
from edge.simulator.severity import EXTENT, LEVELS, NO_DEGREE, extent, level_of
from edge.simulator.shop import Shop
from edge.simulator.weld import Traces, simulate
from models.welds.causes import CAUSES, DEFECT_CAUSES

from .making import NOON_NS, SMALL, S, joined, nominal

JOINT_FAULTS = [name for name in CAUSE if name not in SENSOR_FAULTS]
EVERY = joined([nominal(schedule.name) for schedule in SCHEDULES])
LEAST_MM = np.array([min_nugget_mm(schedule) for schedule in SCHEDULES])


def faults(name: str, severity: float, n: int = len(SCHEDULES)) -> Faults:
    return Faults(np.full(n, CODE[name], dtype=np.int8), np.full(n, severity, dtype=np.float32))


def welded(name: str, severity: float) -> Traces:
    return simulate(harm(EVERY, faults(name, severity)), 2000)


def test_every_fault_has_an_extent_and_every_cause_a_fault() -> None:
    assert set(EXTENT) == set(CAUSE) == set(FAULTS) - {""}
    assert set(CAUSE.values()) <= set(CAUSES)
    by_physics_or_none = {"expulsion", "shape"}
    assert set(DEFECT_CAUSES) - by_physics_or_none <= set(CAUSE.values())


@pytest.mark.parametrize("name", sorted(set(JOINT_FAULTS) - NO_DEGREE - {"secondary_cable"}))
def test_no_severity_is_no_fault(name: str) -> None:
    harmed = harm(EVERY, faults(name, 0.0))
    for field in fields(Setup):
        np.testing.assert_array_equal(getattr(harmed, field.name), getattr(EVERY, field.name), err_msg=field.name)


def test_levels_are_in_order_and_cover_everything() -> None:
    assert [level_of("over_current", s) for s in (0.0, 0.34, 0.35, 0.64, 0.65, 1.0)] == [
        "slight", "slight", "medium", "medium", "gross", "gross",
    ]  # fmt: skip
    assert list(LEVELS.values()) == sorted(LEVELS.values())
    assert level_of("missing_sheet", 0.1) == "gross"


@pytest.mark.parametrize("name", ["over_current", "low_force", "edge_weld", "misaligned"])
def test_slight_faults_of_too_much_keep_their_melt_and_gross_ones_lose_it(name: str) -> None:
    assert np.isnan(welded(name, 0.1).expelled_ms).mean() >= 0.7
    assert np.isfinite(welded(name, 0.5).expelled_ms).mean() >= 0.3
    assert np.isfinite(welded(name, 1.0).expelled_ms).mean() >= 0.9


@pytest.mark.parametrize("name", ["under_current", "secondary_cable", "shunting", "worn_electrode"])
def test_slight_faults_of_too_little_keep_their_nugget_and_gross_ones_lose_it(name: str) -> None:
    share = {severity: welded(name, severity).nugget_mm / LEAST_MM for severity in (0.1, 0.5, 1.0)}
    assert (share[0.1] >= 1.0).all()
    assert np.median(share[0.5]) < 1.12  # "near its minimum": sound welds have 1.16 to 1.43
    assert (share[1.0] < 1.0).mean() >= 0.7


def test_a_wrong_stack_shows_in_resistance_far_beyond_what_coils_scatter() -> None:
    """Coils scatter by 0.9 % in thickness and so in resistance; medium is ten times that for a wrong gauge."""
    sound = simulate(EVERY, 2000)
    for name in ("thin_stack", "thick_stack"):
        bad = welded(name, 0.5)
        row = sound.samples.min() // 2
        change = np.abs(bad.voltage_v[row, bad.column] / sound.voltage_v[row, sound.column] - 1)
        assert (change > 0.09).all()


def test_a_dip_is_deeper_and_longer_the_worse_it_is_and_never_reaches_out_of_the_main_pulse() -> None:
    shop = Shop(SMALL)
    slots = shop.schedule.welds(NOON_NS, NOON_NS + 20 * S)
    heat = []
    for severity in (0.1, 0.5, 1.0):
        made = shop.weld(slots, faults("mains_dip", severity, len(slots)))
        heat.append(np.add.reduceat(made.batch.current_ka, made.batch.offsets[:-1]))
        assert {truth.fault for _, truth in made.truth} == {"mains_dip"}
    assert (heat[1] < heat[0]).all()
    assert (heat[2] < heat[1]).all()


def test_faults_can_be_given_and_then_none_come_by_themselves() -> None:
    shop = Shop(SMALL)
    slots = shop.schedule.welds(NOON_NS, NOON_NS + 20 * S)
    n = len(slots)
    given = Faults(np.zeros(n, dtype=np.int8), np.zeros(n, dtype=np.float32))
    given.code[3], given.severity[3] = CODE["under_current"], 0.9
    made = shop.weld(slots, given)
    named = [(k, truth) for k, truth in made.truth if truth.fault]
    assert [k for k, _ in named] == [3]
    assert (named[0][1].cause, named[0][1].level, named[0][1].severity) == ("low_heat", "gross", 0.9)


def test_an_extent_says_what_a_severity_is() -> None:
    assert extent("over_current", 0.5) == "current +12%"
    assert "34%" in extent("shunting", 1.0)
