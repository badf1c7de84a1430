"""What a resistance spot weld does, whoever looks at it: the physics must bring it out by itself."""

import numpy as np
import pytest

from edge.simulator.joint import POST_MS, PRE_MS
from edge.simulator.lobe import main_currents_ka, min_nugget_mm
from edge.simulator.materials import SCHEDULES
from edge.simulator.weld import simulate

from .making import curve, joined, nominal, scaled, weld

PROGRAMS = [schedule.name for schedule in SCHEDULES]
PREHEATED = [schedule.name for schedule in SCHEDULES if schedule.preheat_ms]
SINGLE = [schedule.name for schedule in SCHEDULES if not schedule.preheat_ms]


def schedule_of(program: str):
    return next(schedule for schedule in SCHEDULES if schedule.name == program)


@pytest.mark.parametrize("program", PROGRAMS)
def test_numbers_are_those_of_car_body_steel(program: str) -> None:
    schedule = schedule_of(program)
    traces = weld(nominal(program))
    current, voltage, resistance = curve(traces)
    main = slice(PRE_MS + schedule.preheat_ms + schedule.gap_ms + 15, -POST_MS - 1)
    assert 8 < current[main].mean() < 12
    assert 0.6 < voltage[main].mean() < 2.8
    assert 90 < resistance[main].max() < 260
    assert min_nugget_mm(schedule) < traces.nugget_mm[0] < 7.5
    assert np.isnan(traces.expelled_ms[0])


@pytest.mark.parametrize("program", SINGLE)
def test_resistance_falls_to_alpha_rises_to_beta_and_falls(program: str) -> None:
    _, _, resistance = curve(weld(nominal(program)))
    pulse = resistance[PRE_MS + 2 : -POST_MS - 1]
    alpha = int(np.argmin(pulse[:40]))
    beta = alpha + int(np.argmax(pulse[alpha:]))
    assert 8 <= alpha <= 25
    assert 35 <= beta <= 100
    assert pulse[0] > 1.5 * pulse[alpha]
    assert pulse[beta] > 1.15 * pulse[alpha]
    assert pulse[-1] < 0.85 * pulse[beta]
    assert (np.diff(pulse[beta + 5 :]) <= 0.05).all()


@pytest.mark.parametrize("program", PREHEATED)
def test_current_is_zero_in_the_cool_gap_and_films_are_gone_after_it(program: str) -> None:
    schedule = schedule_of(program)
    current, _, resistance = curve(weld(nominal(program)))
    gap = PRE_MS + schedule.preheat_ms
    assert current[gap - 1] == pytest.approx(schedule.preheat_ka, rel=0.01)
    assert (current[gap + 6 : gap + schedule.gap_ms] < 0.02).all()
    assert resistance[gap + schedule.gap_ms + 5] < 0.75 * resistance[PRE_MS + 2]


def test_more_current_makes_a_bigger_nugget_until_melt_is_expelled() -> None:
    base = main_currents_ka()[2]
    amounts = base * np.arange(0.80, 1.30, 0.02)
    traces = weld(nominal("21", len(amounts), main_ka=amounts))
    expelled = np.isfinite(traces.expelled_ms)
    assert not expelled[0]
    assert expelled[-1]
    first = int(np.argmax(expelled))
    assert (np.diff(traces.nugget_mm[:first]) > 0).all()
    assert expelled[first:].all()
    assert (np.diff(traces.expelled_ms[first:]) <= 0).all()  # the hotter the earlier


@pytest.mark.parametrize(
    ("what", "factors"),
    [
        ("less current", {"main_ka": 0.88}),
        ("a worn tip", {"tip_mm": 1.12}),
        ("less time", {"main_ms": 0.5}),
    ],
)
def test_less_heat_density_makes_a_smaller_nugget(what: str, factors: dict[str, float]) -> None:
    assert weld(scaled(**factors)).nugget_mm[0] < 0.95 * weld(scaled()).nugget_mm[0], what


def test_a_worn_tip_lowers_resistance_and_the_stepper_makes_up_for_it() -> None:
    new, worn, stepped = (weld(s) for s in (scaled(), scaled(tip_mm=1.05), scaled(tip_mm=1.05, main_ka=1.043)))
    r_new, r_worn = (curve(traces)[2][60:-POST_MS].mean() for traces in (new, worn))
    assert r_worn < 0.97 * r_new
    assert worn.nugget_mm[0] < new.nugget_mm[0]
    assert abs(stepped.nugget_mm[0] - new.nugget_mm[0]) < 0.5 * abs(worn.nugget_mm[0] - new.nugget_mm[0])


@pytest.mark.parametrize("program", PROGRAMS)
def test_expulsion_is_a_step_of_resistance_force_and_displacement_within_3_ms(program: str) -> None:
    traces = weld(scaled(program, main_ka=1.2, containment=0.8))
    _, _, resistance = curve(traces)
    at = int(traces.expelled_ms[0])
    column = traces.column[0]
    step = (resistance[at - 1] - resistance[at + 2]) / resistance[at - 1]
    before = (resistance[at - 4] - resistance[at - 1]) / resistance[at - 4]
    assert 0.07 < step < 0.25
    assert step > 3 * abs(before)
    assert traces.force_share[at - 1, column] - traces.force_share[at + 2, column] > 0.03
    assert traces.displacement_mm[at - 1, column] - traces.displacement_mm[at + 2, column] > 0.03


def test_a_fit_up_gap_shows_as_high_resistance_at_the_start() -> None:
    closed, open_ = (curve(weld(nominal("21", gap=gap)))[2] for gap in (0.0, 0.7))
    assert np.nanmax(open_[PRE_MS + 1 : 30]) > 1.4 * np.nanmax(closed[PRE_MS + 1 : 30])
    assert abs(open_[-POST_MS - 3] - closed[-POST_MS - 3]) < 0.1 * closed[-POST_MS - 3]


def test_shunting_takes_current_from_the_joint() -> None:
    traces, shunted = weld(nominal("21")), weld(nominal("21", shunt_per_uohm=1 / 400))
    assert shunted.nugget_mm[0] < 0.8 * traces.nugget_mm[0]
    assert np.nanmean(curve(shunted)[2]) < 0.9 * np.nanmean(curve(traces)[2])


def test_a_bad_cable_holds_the_current_down_most_while_the_joint_is_hot() -> None:
    current, _, resistance = curve(weld(nominal("21", secondary_uohm=880.0)))
    pulse = slice(PRE_MS + 15, -POST_MS - 1)
    assert current[pulse].max() < 0.97 * main_currents_ka()[2]
    assert abs(int(np.argmin(current[pulse])) - int(np.argmax(resistance[pulse]))) <= 6


def test_a_mains_dip_takes_current_away_while_it_lasts() -> None:
    current, _, _ = curve(weld(nominal("21", dip_from_ms=100.0, dip_to_ms=180.0, dip_depth=0.6)))
    assert current[110:175].max() < 0.9 * current[90]
    assert current[200] == pytest.approx(current[90], rel=0.01)


def test_one_sheet_alone_is_never_joined() -> None:
    traces = weld(nominal("11", faces=0.0, total_mm=0.75))
    assert traces.nugget_mm[0] == 0
    assert np.isnan(traces.expelled_ms[0])
    assert curve(traces)[2][60] < 0.7 * curve(weld(nominal("11")))[2][60]


@pytest.mark.parametrize("sample_us", [500, 1000, 2000, 5000])
def test_sampling_does_not_change_the_weld(sample_us: int) -> None:
    fine, traces = simulate(nominal("23"), 500), simulate(nominal("23"), sample_us)
    assert traces.nugget_mm[0] == pytest.approx(fine.nugget_mm[0], rel=0.02)
    every = sample_us // 500
    at = np.arange(60, 180, 10) * 1000 // sample_us
    r_fine, r = curve(fine)[2], curve(traces)[2]
    ok = np.isfinite(r[at])
    np.testing.assert_allclose(r[at][ok], r_fine[at * every][ok], rtol=0.05)


def test_a_weld_does_not_depend_on_its_neighbours() -> None:
    setups = [scaled(program, main_ka=factor) for program in PROGRAMS for factor in (0.9, 1.0, 1.2)]
    together = simulate(joined(setups), 2000)
    for k, setup in enumerate(setups):
        alone = simulate(setup, 2000)
        assert alone.nugget_mm[0] == together.nugget_mm[k]
        for a, b in zip(curve(alone), curve(together, k), strict=True):
            assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_programme_runs_within_its_lobe(program: str) -> None:
    small, big = weld(scaled(program, main_ka=0.75)), weld(scaled(program, main_ka=1.2))
    assert small.nugget_mm[0] < min_nugget_mm(schedule_of(program))
    assert np.isfinite(big.expelled_ms[0])
