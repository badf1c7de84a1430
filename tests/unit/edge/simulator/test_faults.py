"""Each fault must be visible in what the sensors see, or in the nugget: it is never only a label."""

from dataclasses import replace
from functools import lru_cache

import msgspec
import numpy as np
import pytest

from edge.simulator.faults import CODE, FAULTS, SPELL_FAULTS, FaultPlan, Faults
from edge.simulator.harm import harm
from edge.simulator.layout import build_layout
from edge.simulator.schedule import Schedule, Slots
from edge.simulator.sensors import Sensors
from edge.simulator.settings import FaultRates, SimulatorSettings, Spells
from edge.simulator.shop import Shop
from edge.simulator.weld import Traces, simulate
from models.welds.batch import WeldBatch
from models.welds.features import FEATURES, extract
from models.welds.sensors import SENSORS

from .making import NOON_NS, SMALL, S, joined, nominal, scaled

PROGRAMS = ("12", "21", "23", "31", "41")


def harmed(fault: str, severity: float) -> tuple[Traces, Traces]:
    """Return five programmes welded soundly, and with a fault."""
    setup = joined([nominal(program) for program in PROGRAMS])
    n = len(PROGRAMS)
    faults = Faults(np.full(n, CODE[fault], dtype=np.int8), np.full(n, severity, dtype=np.float32))
    return simulate(setup, 2000), simulate(harm(setup, faults), 2000)


@pytest.mark.parametrize("fault", ["over_current", "low_force", "edge_weld", "misaligned"])
def test_severe_faults_of_pressure_and_heat_expel_melt(fault: str) -> None:
    sound, bad = harmed(fault, 1.0)
    assert np.isnan(sound.expelled_ms).all()
    assert np.isfinite(bad.expelled_ms).all()


@pytest.mark.parametrize("fault", ["under_current", "shunting", "worn_electrode", "secondary_cable"])
def test_severe_faults_of_heat_leave_the_nugget_small_and_grow_with_severity(fault: str) -> None:
    sound, mild = harmed(fault, 0.4)
    _, severe = harmed(fault, 1.0)
    assert (mild.nugget_mm < 0.97 * sound.nugget_mm).all()
    assert (severe.nugget_mm < mild.nugget_mm).all()


def test_no_current_is_none_and_a_wrong_programme_lasts_longer() -> None:
    sound, none = harmed("no_current", 1.0)
    assert none.current_ka.max() == 0
    assert (none.nugget_mm == 0).all()
    _, wrong = harmed("wrong_program", 0.5)
    assert (wrong.samples > 1.1 * sound.samples).all()


def test_welds_without_a_fault_are_left_alone() -> None:
    setup = joined([nominal("21"), nominal("21")])
    code = np.array([0, CODE["low_force"]], dtype=np.int8)
    bad = harm(setup, Faults(code, np.array([0, 0.5], dtype=np.float32)))
    assert bad.force_kn[0] == setup.force_kn[0]
    assert bad.force_kn[1] < setup.force_kn[1]
    assert setup.force_kn[0] == setup.force_kn[1]  # the setup itself was not written to


@lru_cache(maxsize=1)
def recorder() -> tuple[Shop, Slots]:
    shop = Shop(SMALL)
    return shop, shop.schedule.welds(NOON_NS, NOON_NS + 20 * S)


def recorded(fault: str, severity: float = 0.6) -> WeldBatch:
    """Return welds of the small shop, all with one sensor fault."""
    shop, slots = recorder()
    n = len(slots)
    setup = joined([scaled("21")] * n)
    faults = Faults(np.full(n, CODE.get(fault, 0), dtype=np.int8), np.full(n, severity, dtype=np.float32))
    record = Sensors(7, shop.layout).record(simulate(setup, 2000), slots, faults, setup.force_kn)
    batch = shop.weld(slots).batch
    return replace(
        batch,
        offsets=record.offsets,
        current_ka=record.current_ka,
        voltage_v=record.voltage_v,
        force_kn=record.force_kn,
        displacement_mm=record.displacement_mm,
    )


def test_sensors_are_noisy_and_have_a_resolution() -> None:
    batch = recorded("")
    core = batch.current_ka.reshape(len(batch), -1)[:, 30:110]
    assert 0.002 < np.median(core.std(axis=1)) / core.mean() < 0.02
    steps = batch.voltage_v.astype(np.float64) * 1000
    np.testing.assert_allclose(steps, np.rint(steps), atol=2e-3)
    assert not extract(batch).sensor.any()


def test_a_dead_pick_up_reads_a_few_millivolts() -> None:
    batch = recorded("dead_voltage")
    assert np.abs(batch.voltage_v).max() < 0.02
    assert (extract(batch).sensor == SENSORS.index("dead_voltage")).all()


def test_a_dead_current_sensor_reads_a_few_amperes() -> None:
    batch = recorded("dead_current")
    assert np.abs(batch.current_ka).max() < 0.05
    assert (extract(batch).sensor == SENSORS.index("dead_current")).mean() > 0.9


def test_a_clipped_sensor_stops_at_one_value() -> None:
    batch = recorded("clipped")
    for k in range(len(batch)):
        voltage = batch.voltage_v[batch.offsets[k] : batch.offsets[k + 1]]
        assert (voltage == voltage.max()).sum() > 20


def test_missing_samples_are_nan_or_where_json_has_no_word_for_it_the_record_ends() -> None:
    shop, slots = recorder()
    batch = recorded("sample_gap")
    speaks_json = shop.layout.json[shop.layout.cell_of_spot[slots.spot]]
    assert speaks_json.any()
    assert not speaks_json.all()
    broken = np.logical_or.reduceat(np.isnan(batch.voltage_v), batch.offsets[:-1])
    np.testing.assert_array_equal(broken, ~speaks_json)
    full = recorded("").samples
    assert (batch.samples[speaks_json] < 0.1 * full[speaks_json]).all()
    assert (batch.samples[~speaks_json] == full[~speaks_json]).all()


def test_a_weak_force_shows_on_the_force_sensor() -> None:
    _, bad = harmed("low_force", 0.5)
    assert bad.force_share[5, 0] == pytest.approx(1, abs=0.05)  # in units of what was applied
    shop = Shop(msgspec.structs.replace(SMALL, faults=FaultRates(low_force=0.2)))
    made = shop.welds(NOON_NS, NOON_NS + 60 * S)
    force = extract(made.batch).values[:, FEATURES.index("force_mean_kn")]
    weak = np.zeros(len(made.batch), dtype=bool)
    weak[[k for k, truth in made.truth if truth.fault == "low_force"]] = True
    programs = np.array(made.batch.program)
    for program in set(made.batch.program):
        mine = (programs == program) & ~np.isnan(force)
        if weak[mine].any():
            assert force[mine & weak].max() < force[mine & ~weak].min()


def test_a_spell_grows_ends_in_maintenance_and_stays_with_its_gun() -> None:
    quiet = FaultRates(**dict.fromkeys(FaultRates.__struct_fields__, 0.0))
    chosen = SimulatorSettings(
        cells=3, guns=6, spots=120, unlisted_spots=0, faults=quiet, spells=Spells(per_gun_and_day=2.0, worst_rate=0.5)
    )
    layout = build_layout(chosen)
    timetable, plan = Schedule(chosen, layout), FaultPlan(chosen, layout)
    start, stop = NOON_NS, NOON_NS + 86400 * S
    slots = timetable.welds(start, stop)
    faults = plan.draw(slots)
    repairs = plan.repairs(start, stop)
    assert len(repairs) > 3
    gun = layout.gun_of_spot[slots.spot]
    alone = [
        repair
        for repair in repairs
        if repair.time_ns > start + 4 * 3600 * S
        and not any(other is not repair and other.gun == repair.gun for other in repairs)
    ]
    assert alone
    for repair in alone:
        fault = repair.note.replace(" ", "_")
        assert fault in SPELL_FAULTS
        mine = np.flatnonzero((gun == repair.gun) & (faults.code == CODE[fault]))
        assert len(mine) > 5
        assert (slots.time_ns[mine] < repair.time_ns).all()
        assert (slots.time_ns[mine] >= repair.time_ns - 3 * 3600 * S).all()
        middle = (slots.time_ns[mine].min() + repair.time_ns) // 2
        late = (slots.time_ns[mine] >= middle).mean()
        assert late > 0.5  # more and more of them
    assert (faults.severity[faults.code == 0] == 0).all()


def test_repairs_do_not_depend_on_the_split_of_time() -> None:
    plan = FaultPlan(SimulatorSettings(), build_layout(SimulatorSettings()))
    start, stop = NOON_NS, NOON_NS + 12 * 3600 * S
    cut = start + 4321 * S
    assert plan.repairs(start, cut) + plan.repairs(cut, stop) == plan.repairs(start, stop)
    assert plan.repairs(start, stop)


def test_a_mains_dip_meets_every_weld_then_under_way() -> None:
    chosen = SimulatorSettings(spells=Spells(per_gun_and_day=0.0, mains_dips_per_day=144.0))
    shop = Shop(chosen)
    made = shop.welds(NOON_NS, NOON_NS + 600 * S)
    met = [k for k, truth in made.truth if truth.fault == "mains_dip"]
    assert len(met) > 5
    assert len({made.batch.gun[k] for k in met}) > 4
    times = made.batch.time_ns[met]
    assert np.ptp(times) < S
    assert set(FAULTS) == set(CODE)
