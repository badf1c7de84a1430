from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.welds.batch import WeldBatch
from models.welds.evidence import DEPARTURE_SIGMA, Mark, departures, grid_ms, read_evidence
from models.welds.features import AT, BAND_POINTS, FEATURES, extract
from tests.unit.models.welds import making
from tests.unit.models.welds.oracle import Weld

SOUND = ["", "expulsion", "low_heat", "excess_heat", "missing_sheet"]


def weld(fault: str = "", *, seed: int = 3, **more: object) -> WeldBatch:
    return making.batch([making.curve(np.random.default_rng(seed), fault=fault, **more)])  # type: ignore[arg-type]


def level_curve(levels: list[tuple[float, int]], dt_us: int = 1000) -> WeldBatch:
    """Return a weld whose current holds each level, kA, for so many samples, on a joint of 150 µΩ."""
    current = np.concatenate([np.full(n, level) for level, n in levels]).astype(np.float32)
    voltage = (current * np.float32(0.15)).astype(np.float32)
    return making.batch([Weld("S1", "7", 0, dt_us, current.tolist(), voltage.tolist(), None)])


def by_kind(marks: tuple[Mark, ...]) -> dict[str, Mark]:
    return {mark.kind: mark for mark in marks}


def phases_of(batch: WeldBatch) -> list[tuple[str, float, float]]:
    return [(each.kind, each.start_ms, each.stop_ms) for each in read_evidence(batch, 0.0).phases]


@pytest.mark.parametrize("fault", SOUND)
@pytest.mark.parametrize("dt_us", [250, 1000, 2000])
@pytest.mark.parametrize("loop_uh", [0.0, 0.3])
def test_marks_are_the_features_of_the_judge(fault: str, dt_us: int, loop_uh: float):
    batch = weld(fault, dt_us=dt_us, samples=300_000 // dt_us)
    values = extract(batch, np.array([loop_uh], dtype=np.float32)).values[0]
    found = read_evidence(batch, loop_uh)
    marks = by_kind(found.marks)
    assert found.origin_ms is not None
    for kind, feature in (("alpha", "r_alpha_uohm"), ("beta", "r_beta_uohm"), ("end", "r_end_uohm")):
        assert (marks[kind].feature, marks[kind].value) == (feature, values[AT[feature]])
    assert marks["beta"].ms - found.origin_ms == pytest.approx(values[AT["t_beta_ms"]], abs=1e-3)
    assert marks["step"].step is not None
    assert marks["step"].step.size == values[AT["step_uohm"]]
    assert marks["step"].step.left == values[AT["step_left"]]
    np.testing.assert_array_equal(found.features.values[0], values)


@pytest.mark.parametrize("fault", SOUND)
def test_marks_lie_on_the_trace_where_they_say(fault: str):
    """Sought anew with plain loops over the trace: the smoothed extremes, the largest fall, the end of the core."""
    batch = weld(fault)
    found = read_evidence(batch, 0.0)
    dt_ms = 2.0
    assert found.origin_ms is not None
    first = round(found.origin_ms / dt_ms)
    last = first + round(found.span_ms / dt_ms)
    core = found.trace[first : last + 1].astype(np.float64)
    padded = np.r_[core[0], core, core[-1]]
    smooth = [float(np.mean(padded[k : k + 3])) for k in range(len(core))]
    marks = {kind: (round(mark.ms / dt_ms) - first, mark.value) for kind, mark in by_kind(found.marks).items()}
    alpha_at, alpha = marks["alpha"]
    early = smooth[: min(15, int(0.4 * len(core)))]
    assert (early[alpha_at], min(early)) == (pytest.approx(alpha, rel=1e-5), pytest.approx(alpha, rel=1e-5))
    beta_at, beta = marks["beta"]
    assert (smooth[beta_at], max(smooth[alpha_at:])) == (pytest.approx(beta, rel=1e-5), pytest.approx(beta, rel=1e-5))
    step_at, before = marks["step"]
    width = 3  # samples at 2 ms
    falls = [smooth[k] - smooth[k + width] for k in range(alpha_at, len(core) - width)]
    assert falls[step_at - alpha_at] == pytest.approx(max(falls), rel=1e-4)
    assert smooth[step_at] == pytest.approx(before, rel=1e-5)
    assert marks["end"][0] == len(core) - 1


def test_an_expulsion_is_where_it_was_made():
    step = by_kind(read_evidence(weld("expulsion"), 0.0).marks)["step"]
    assert step.step is not None
    assert step.ms <= 200 <= step.step.stop_ms
    assert step.step.size == pytest.approx(30, abs=12)


def test_phases_of_a_schedule_with_preheat():
    batch = weld()
    assert phases_of(batch) == [
        ("preheat", 0.0, 60.0),
        ("cool", 60.0, 76.0),
        ("main", 76.0, 296.0),
        ("hold", 296.0, 300.0),
    ]


def test_pulses_alike_are_all_main_and_a_weak_one_after_them_is_not():
    levels = [(0.0, 20), (9.0, 100), (0.0, 20), (9.0, 110), (0.0, 20), (5.0, 40), (0.0, 30)]
    assert [(kind, stop - start) for kind, start, stop in phases_of(level_curve(levels))] == [
        ("squeeze", 20.0),
        ("main", 100.0),
        ("cool", 20.0),
        ("main", 110.0),
        ("cool", 20.0),
        ("postheat", 40.0),
        ("hold", 30.0),
    ]


def test_a_voltage_alone_shows_its_step_and_end():
    batch = weld("expulsion")
    batch = replace(batch, current_ka=np.full_like(batch.current_ka, np.nan))
    found = read_evidence(batch, 0.0)
    values = extract(batch).values[0]
    assert found.quantity == "voltage_v"
    marks = by_kind(found.marks)
    assert set(marks) == {"step", "end"}
    assert marks["end"].value == values[AT["voltage_end_v"]]
    assert marks["step"].step is not None
    assert marks["step"].step.size == values[AT["voltage_step_v"]]
    assert np.nanmax(found.trace) == np.max(np.abs(batch.voltage_v))


def test_alternating_current_is_drawn_by_half_cycles_at_the_times_of_the_record():
    t_ms = np.arange(0, 400, 0.5)
    on = (t_ms >= 60) & (t_ms < 360)
    current = np.where(on, 12.0 * np.sin(2 * np.pi * 50 * (t_ms - 60) / 1000), 0.0)
    resistance = 100 + 60 * np.exp(-(((t_ms - 160) / 50) ** 2))
    curves = [np.float32(x).tolist() for x in (current, current * resistance / 1000)]
    found = read_evidence(making.batch([Weld("S1", "7", 0, 500, curves[0], curves[1], None)]), 0.0)
    assert found.origin_ms == pytest.approx(65, abs=10)
    marks = by_kind(found.marks)
    assert marks["beta"].ms == pytest.approx(160, abs=10)
    assert marks["beta"].value == found.features.values[0, AT["r_beta_uohm"]] == pytest.approx(160, rel=0.03)
    assert [(each.kind, each.start_ms) for each in found.phases if each.kind == "main"] == [
        ("main", pytest.approx(60, abs=10))
    ]


@pytest.mark.parametrize("fault", ["no_current", "too_short", "gap", "infinite"])
def test_a_curve_without_a_main_pulse_has_no_marks_and_departs_from_nothing(fault: str):
    batch = weld(fault)
    found = read_evidence(batch, 0.0)
    assert (found.origin_ms, found.marks, found.span_ms) == (None, (), 0.0)
    assert len(found.trace) == len(found.time_ms) == len(batch.current_ka)
    assert departures(found, np.full(BAND_POINTS, 100.0), np.ones(BAND_POINTS)) == ([], None)


def test_departures_are_where_the_curve_leaves_the_reference():
    found = read_evidence(weld(), 0.0)
    band = found.features.band[0].astype(np.float64)
    centre, sigma = band.copy(), np.full(BAND_POINTS, 2.0)
    centre[10:20] -= 4 * sigma[10:20]  # the curve is above
    centre[40:43] += 9 * sigma[40:43]  # and below
    centre[50] += 5 * sigma[50]  # a single point is no departure
    stretches, farthest = departures(found, centre, sigma)
    at = grid_ms(found)
    assert [(each.start_ms, each.stop_ms) for each in stretches] == [(at[10], at[19]), (at[40], at[42])]
    assert [each.sigmas for each in stretches] == [pytest.approx(4), pytest.approx(-9)]
    assert farthest is not None
    assert farthest.peak_ms == at[40]
    assert found.origin_ms == at[0]
    assert at[-1] == pytest.approx(found.origin_ms + found.span_ms)


def test_a_curve_within_its_band_has_a_farthest_point_and_no_departure():
    found = read_evidence(weld(), 0.0)
    centre = found.features.band[0].astype(np.float64)
    centre[7] -= 0.99 * DEPARTURE_SIGMA
    stretches, farthest = departures(found, centre, np.ones(BAND_POINTS))
    assert stretches == []
    assert farthest is not None
    assert (farthest.peak_ms, farthest.sigmas) == (grid_ms(found)[7], pytest.approx(0.99 * DEPARTURE_SIGMA))


def test_a_reference_that_knows_nothing_says_nothing():
    found = read_evidence(weld(), 0.0)
    assert departures(found, np.full(BAND_POINTS, np.nan), np.full(BAND_POINTS, np.nan)) == ([], None)


def test_one_weld_at_a_time():
    with pytest.raises(ValueError, match="2 welds; expected 1"):
        read_evidence(making.batch([making.curve(np.random.default_rng(k)) for k in range(2)]), 0.0)


def test_every_mark_names_a_feature():
    assert {mark.feature for mark in read_evidence(weld("expulsion"), 0.0).marks} <= set(FEATURES)
