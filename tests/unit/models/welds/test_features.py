import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from models.welds.features import FEATURES, SENSORS, extract
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


def test_the_band_is_on_even_steps_with_a_hole_where_no_current_flows() -> None:
    weld = making.curve(np.random.default_rng(2))
    got = extract(making.batch([weld]))
    hole = np.isnan(got.band[0])
    assert 0.02 < hole.mean() < 0.12
    assert not hole[0]
    assert not hole[-1]
    assert got.span_ms[0] == pytest.approx(296, abs=4)


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
    for name in ("values", "sensor", "band", "span_ms"):
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
