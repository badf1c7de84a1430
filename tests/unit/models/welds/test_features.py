import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from models.welds.features import BAND_POINTS, FEATURES, extract
from models.welds.prepare import CURRENT, FORCE, VOLTAGE
from models.welds.sensors import SENSORS
from models.welds.signal import find_pulses, resistance_uohm
from tests.unit.models.welds import making
from tests.unit.models.welds.oracle import Weld, read_features

FAULTS = ["", "low_heat", "expulsion", "missing_sheet", "no_current", "dead_voltage", "clipped", "gap", "too_short"]


def test_features_and_sensor_checks_equal_the_naive_ones() -> None:
    rng = np.random.default_rng(7)
    welds = [
        making.curve(rng, fault=fault, samples=samples, dt_us=dt_us, force=force)
        for fault in [*FAULTS, "infinite", "dead_current"]
        for samples, dt_us, force in ((150, 2000, True), (300, 1000, False), (400, 500, True), (90, 4000, False))
    ]
    got = extract(making.batch(welds))
    for k, weld in enumerate(welds):
        values, sensor = read_features(weld)
        assert SENSORS[got.sensor[k]] == sensor, k
        if sensor != "gap":  # what the numbers of a broken curve are is nobody's promise
            expected = [values[name] for name in FEATURES]
            np.testing.assert_allclose(got.values[k], expected, rtol=2e-4, atol=2e-3, err_msg=str(k))


@pytest.mark.parametrize(
    ("fault", "sensor"),
    [
        ("", ""),
        ("no_current", "no_current"),
        ("dead_voltage", "dead_voltage"),
        ("dead_current", "dead_current"),
        ("clipped", "clipped"),
        ("gap", "gap"),
        ("infinite", "gap"),
        ("too_short", "too_short"),
    ],
)
def test_each_sensor_fault_is_named(fault: str, sensor: str) -> None:
    got = extract(making.batch([making.curve(np.random.default_rng(3), fault=fault)]))
    assert SENSORS[got.sensor[0]] == sensor


def test_an_expulsion_is_a_step_of_its_size() -> None:
    quiet = making.curve(np.random.default_rng(5))
    loud = making.curve(np.random.default_rng(5), fault="expulsion")
    values = extract(making.batch([quiet, loud])).values[:, FEATURES.index("step_uohm")]
    assert values[0] < 8
    assert 20 < values[1] < 40


def test_resistance_is_undefined_in_the_cool_gap() -> None:
    weld = making.curve(np.random.default_rng(1))
    r = resistance_uohm(np.array(weld.current, dtype=np.float32), np.array(weld.voltage, dtype=np.float32))
    t_ms = np.arange(len(r)) * weld.dt_us / 1000
    assert np.isnan(r[(t_ms >= 60) & (t_ms < 76)]).all()
    assert np.isfinite(r[(t_ms >= 76) & (t_ms < 280)]).all()


def test_resistance_of_an_empty_curve_is_empty() -> None:
    nothing = np.empty(0, dtype=np.float32)
    assert len(resistance_uohm(nothing, nothing)) == 0


def test_the_band_is_the_main_pulse_on_even_steps() -> None:
    weld = making.curve(np.random.default_rng(2))
    got = extract(making.batch([weld]))
    r = 1000 * np.array(weld.voltage) / np.array(weld.current)
    t_ms = np.arange(len(r)) * weld.dt_us / 1000
    core = np.flatnonzero((t_ms >= 76) & (np.array(weld.current) > 0.8 * max(weld.current)))
    assert got.span_ms[0] == pytest.approx(t_ms[core[-1]] - t_ms[core[0]])
    expected = np.interp(np.linspace(core[0], core[-1], BAND_POINTS), core, r[core])
    np.testing.assert_allclose(got.band[0], expected, rtol=1e-4)


def test_a_curve_without_a_current_channel_is_read_from_its_voltage() -> None:
    weld = making.curve(np.random.default_rng(2))
    blind = replace(weld, current=[math.nan] * len(weld.current))
    got = extract(making.batch([weld, blind]))
    values = dict(zip(FEATURES, got.values[1].tolist(), strict=True))
    assert SENSORS[got.sensor[1]] == ""
    assert got.channels.tolist() == [CURRENT | VOLTAGE | FORCE, VOLTAGE | FORCE]
    assert math.isnan(values["current_rms_ka"])
    assert math.isnan(values["r_beta_uohm"])
    assert 0.7 < values["voltage_end_v"] / got.values[0, FEATURES.index("voltage_end_v")] < 1.05  # its end is softer
    expected, sensor = read_features(blind)
    assert sensor == ""
    np.testing.assert_allclose(got.values[1], [expected[name] for name in FEATURES], rtol=2e-4, atol=2e-3)


@pytest.mark.parametrize("hertz", [50, 60])
@pytest.mark.parametrize("dt_us", [250, 500, 1000])
def test_alternating_current_is_read_by_half_cycles_free_of_the_loop_inductance(hertz: int, dt_us: int) -> None:
    t_ms = np.arange(0, 400, dt_us / 1000)
    on = (t_ms >= 20) & (t_ms < 20 + 15 * 1000 / hertz)
    phase = 2 * np.pi * hertz * (t_ms - 20) / 1000
    current = np.where(on, 12.0 * np.sin(phase), 0.0)
    resistance = 100.0 + 0.1 * t_ms
    induced = np.where(on, 0.1 * 12.0 * np.cos(phase) * 2 * np.pi * hertz / 1000, 0.0)  # 0.1 V per kA/ms
    voltage = current * resistance / 1000 + induced
    values = dict(zip(FEATURES, extract(making.batch([as_weld(current, voltage, dt_us)])).values[0], strict=True))
    assert values["current_rms_ka"] == pytest.approx(12 / math.sqrt(2), rel=0.03)
    assert values["weld_time_ms"] == pytest.approx(15 * 1000 / hertz, abs=1000 / hertz)
    middle_ms = 20 + 7.5 * 1000 / hertz
    assert values["r_mean_uohm"] == pytest.approx(100 + 0.1 * middle_ms, rel=0.02)
    assert values["r_end_uohm"] > values["r_alpha_uohm"]
    assert values["energy_j"] == pytest.approx(
        float(np.sum(current * current * resistance / 1000) * dt_us / 1000), rel=0.05
    )


def as_weld(current: np.ndarray, voltage: np.ndarray, dt_us: int) -> Weld:
    return Weld("S1", "7", 0, dt_us, np.float32(current).tolist(), np.float32(voltage).tolist())


def test_features_hardly_depend_on_how_finely_a_curve_is_sampled() -> None:
    t_ms = np.arange(0, 300, 0.25)
    on = (t_ms >= 10) & (t_ms < 280)
    current = np.where(on, 9.0, 0.0)
    resistance = 110 + 90 * np.exp(-(t_ms - 10) / 6) + 60 * np.exp(-(((t_ms - 130) / 50) ** 2))
    resistance = np.where(t_ms > 200, resistance - 30, resistance)
    voltage = current * resistance / 1000
    welds = [as_weld(current[::k], voltage[::k], 250 * k) for k in (1, 2, 4, 8)]
    values = extract(making.batch(welds)).values
    for name, within in (("energy_j", 0.02), ("r_beta_uohm", 0.02), ("r_end_uohm", 0.01), ("step_uohm", 0.15)):
        column = values[:, FEATURES.index(name)]
        assert np.ptp(column) <= within * column.mean(), name


def test_a_dip_of_the_current_is_measured() -> None:
    weld = making.curve(np.random.default_rng(4))
    dipped = replace(weld, current=[0.6 * c if 100 <= k < 120 else c for k, c in enumerate(weld.current)])
    dips = extract(making.batch([weld, dipped])).values[:, FEATURES.index("current_dip_share")]
    assert dips[0] < 0.03
    assert dips[1] == pytest.approx(0.38, abs=0.04)


def test_the_longest_pulse_is_the_main_one_and_the_last_at_a_tie() -> None:
    current = np.array([9, 9, 0, 9, 9, 0, 0, 9, 9, 9, 0, 9, 9, 9], dtype=np.float32)
    pulses = find_pulses(current, np.array([0, 6, 14]))
    assert pulses.core_start.tolist() == [3, 11]
    assert pulses.core_stop.tolist() == [5, 14]


any_float32 = st.floats(width=32, allow_nan=True, allow_infinity=True)
curves = st.integers(1, 40).flatmap(
    lambda k: st.tuples(*[hnp.arrays(np.float32, k, elements=any_float32) for _ in range(2)])
)


@settings(max_examples=150, deadline=None)
@given(
    welds=st.lists(st.tuples(curves, st.sampled_from([250, 1000, 2000])), min_size=1, max_size=12),
    cut=st.integers(0, 12),
)
def test_hostile_curves_never_raise_and_any_split_gives_the_same_bits(
    welds: list[tuple[tuple[np.ndarray, np.ndarray], int]], cut: int
) -> None:
    made = [Weld("S", "1", k, dt, c.tolist(), u.tolist()) for k, ((c, u), dt) in enumerate(welds)]
    whole = extract(making.batch(made))
    cut = min(cut, len(made))
    parts = [extract(making.batch(part)) for part in (made[:cut], made[cut:]) if part]
    for name in ("values", "sensor", "channels", "band", "span_ms"):
        joined = np.concatenate([getattr(part, name) for part in parts])
        assert joined.tobytes() == getattr(whole, name).tobytes(), name


def test_blocks_do_not_change_a_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(11)
    batch = making.batch([making.curve(rng, samples=int(rng.integers(30, 300))) for _ in range(64)])
    whole = extract(batch)
    for samples in (1, 700, 5000):
        monkeypatch.setattr("models.welds.features.BLOCK_SAMPLES", samples)
        again = extract(batch)
        assert again.values.tobytes() == whole.values.tobytes()
        assert again.band.tobytes() == whole.band.tobytes()


def test_a_weld_without_force_has_no_force_feature() -> None:
    got = extract(making.batch([making.curve(np.random.default_rng(1), force=False)]))
    assert math.isnan(got.values[0, FEATURES.index("force_mean_kn")])
