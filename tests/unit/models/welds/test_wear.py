"""Wear with known answers: slopes, forecasts, warnings, checks of dresses; batches and restarts change nothing."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from models.signals import Signal
from models.welds.features import FEATURES
from models.welds.judge import GunEvent
from models.welds.wear import WearTracker
from models.welds.wear_state import GunWear, WearSettings
from tests.unit.models.welds.wearing import PER_100, START, TAKT_S, S, Worn, parts

SETTINGS = WearSettings()


def follow(
    worn: Worn, *, events: bool = False, cuts: list[int] | None = None, settings: WearSettings = SETTINGS
) -> tuple[WearTracker, list[Signal]]:
    """Feed a tracker as the pipeline does: events lie between the welds before and after them."""
    batch, verdicts = worn.judged()
    happened = worn.events() if events else []
    at = np.searchsorted(batch.time_ns, [event.time_ns for event in happened]).tolist()
    tracker, signals = WearTracker(settings), []
    stops = sorted({*(cuts or []), *at})
    begin = 0
    for (part, its), stop in zip(parts(batch, verdicts, stops), [*stops, len(batch)], strict=True):
        for event, place in zip(happened, at, strict=True):
            if place == begin:
                tracker.apply(event)
        signals += [signal for _, signal in tracker.add(part, its)]
        begin = stop
    return tracker, signals


def state(tracker: WearTracker) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in tracker.snapshot().items()}


def gun(tracker: WearTracker, name: str = "G0") -> GunWear:
    return next(one for one in tracker.guns() if one.gun == name)


@pytest.mark.parametrize("seed", range(5))
def test_slopes_are_found_within_their_intervals(seed: int) -> None:
    tracker, _ = follow(Worn(seed=seed))
    for trend in gun(tracker).trends:
        assert trend.low <= math.expm1(PER_100[trend.feature]) <= trend.high, trend
        assert trend.high - trend.low < 0.015
    assert gun(tracker).wear == 240


def test_most_intervals_hold_the_truth_and_few_are_much_too_wide() -> None:
    tracker, _ = follow(Worn(guns=60, seed=11))
    trends = [trend for one in tracker.guns() for trend in one.trends]
    held = np.mean([t.low <= math.expm1(PER_100[t.feature]) <= t.high for t in trends])
    assert held >= 0.9


def test_faulty_welds_do_not_move_the_line() -> None:
    tracker, _ = follow(Worn(fault_share=0.1, seed=3))
    for trend in gun(tracker).trends:
        assert abs(trend.per_100 - math.expm1(PER_100[trend.feature])) < 0.006, trend


def test_the_density_limit_is_forecast() -> None:
    """Voltage falls by 2 % per 100 welds: 6 % are lost after 309."""
    truth = -math.log1p(-SETTINGS.density_loss) / -PER_100["voltage_rms_v"] * 100
    inside = []
    for seed in range(20):
        worn = Worn(guns=5, bodies=96 + 6, dress_bodies=24, dress_scatter=0.0, seed=seed)
        tracker, _ = follow(worn)
        for one in tracker.guns():
            assert one.wear == 6 * worn.spots
            forecast = one.forecast
            assert forecast is not None
            assert forecast.limit == "density"
            assert abs(forecast.expected - (truth - one.wear)) < 80
            inside.append(forecast.low <= truth - one.wear <= forecast.high)
    assert np.mean(inside) >= 0.9


def test_a_gun_that_is_dressed_in_time_is_due_by_routine_and_warns_of_nothing() -> None:
    tracker, signals = follow(Worn(bodies=126, dress_bodies=8, seed=4))
    one = gun(tracker)
    assert one.routine == (160.0, 160.0, 160.0)
    forecast = one.forecast
    assert forecast is not None
    assert (forecast.limit, forecast.expected) == ("routine", 160.0 - one.wear)
    assert signals == []


def test_a_warning_comes_once_a_stretch_and_ahead_of_the_limit() -> None:
    worn = Worn(guns=4, bodies=216, dress_bodies=24, seed=5)
    _, signals = follow(worn)
    truth = -math.log1p(-SETTINGS.density_loss) / -PER_100["voltage_rms_v"] * 100
    assert {signal.kind for signal in signals} == {"wear_warning"}
    known = [signal for signal in signals if signal.time_ns > START + 3 * 24 * TAKT_S * S]
    assert len(known) == 4 * 6
    leads = [truth - float(signal.details["wear"]) for signal in known]
    assert min(leads) > 0
    assert np.median(leads) >= SETTINGS.warn_welds
    assert "should be dressed" in known[0].text


def test_a_dress_that_was_left_out_is_told() -> None:
    worn = Worn(bodies=130, dress_bodies=10, guns=1, seed=6)
    batch, verdicts = worn.judged()
    late = batch.time_ns >= START + 120 * TAKT_S * S
    counter = np.where(late, batch.wear_count + 200, batch.wear_count)
    tracker = WearTracker(SETTINGS)
    raised = tracker.add(replace(batch, wear_count=counter), verdicts)
    [(weld, signal)] = raised
    assert signal.details == {"limit": "routine", "wear": int(counter[weld]) + 1}
    assert late[weld]


def test_a_dress_that_takes_nothing_off_is_told_and_the_others_are_not() -> None:
    worn = Worn(guns=3, bodies=240, dress_bodies=12, skipped=(15,), seed=7)
    tracker, signals = follow(worn)
    told = [signal for signal in signals if signal.kind == "dress_ineffective"]
    assert sorted(signal.gun for signal in told) == ["G0", "G1", "G2"]
    dressed_ns = START + 15 * 12 * TAKT_S * S
    assert all(dressed_ns < signal.time_ns < dressed_ns + 5 * TAKT_S * S for signal in told)
    for signal in told:
        assert float(signal.details["high"]) < 0.5
        assert float(signal.details["low"]) <= 0.0 <= float(signal.details["high"])
    check = gun(tracker).check
    assert check is not None
    assert check.effective is True
    assert check.low <= 1.0 <= check.high


@pytest.mark.parametrize("events", [False, True])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_batching_changes_nothing(seed: int, events: bool) -> None:
    worn = Worn(guns=3, spots=11, bodies=240, dress_bodies=30, skipped=(6,), counted=not events, seed=seed)
    whole, signals = follow(worn, events=events)
    rng = np.random.default_rng(seed)
    n = worn.guns * worn.spots * worn.bodies
    for pieces in (n - 1, 40):
        cuts = sorted(rng.choice(np.arange(1, n), size=pieces, replace=False).tolist())
        other, others = follow(worn, events=events, cuts=cuts)
        assert state(other) == state(whole)
        assert sorted(others, key=str) == sorted(signals, key=str)
    assert signals


def test_a_snapshot_goes_on_to_the_bit_and_can_be_read_alone() -> None:
    worn = Worn(guns=3, bodies=80)
    batch, verdicts = worn.judged()
    (early, its), (rest, others) = parts(batch, verdicts, [1234])
    one, other = WearTracker(SETTINGS), WearTracker(SETTINGS)
    one.add(early, its)
    other.restore(one.snapshot())
    assert one.add(rest, others) == other.add(rest, others)
    assert state(one) == state(other)
    assert repr(WearTracker.of(one.snapshot()).guns()) == repr(one.guns())


def test_without_a_counter_welds_are_counted_from_the_events() -> None:
    counted, _ = follow(Worn(), events=True)
    uncounted, _ = follow(Worn(counted=False), events=True)
    for one, other in zip(counted.guns(), uncounted.guns(), strict=True):
        assert (one.counted, other.counted) == (True, False)
        assert (one.wear, one.dresses, one.dressed_ns) == (other.wear, other.dresses, other.dressed_ns)
        assert repr(one.trends) == repr(other.trends)


def test_an_event_and_a_fall_of_the_counter_are_one_dress_in_any_order() -> None:
    worn = Worn(guns=1, bodies=36)
    batch, verdicts = worn.judged()
    for at in (12 * worn.spots, 12 * worn.spots + 6):  # the event is heard before, or some welds late
        tracker = WearTracker(SETTINGS)
        (early, its), (rest, others) = parts(batch, verdicts, [at])
        tracker.add(early, its)
        tracker.apply(GunEvent("cap_change", START + 12 * TAKT_S * S - S, "G0"))
        tracker.add(rest, others)
        one = gun(tracker)
        assert one.dresses == 1  # that after 24 bodies
        assert one.caps_ns == START + 12 * TAKT_S * S - S
        assert one.caps_welds == 24 * worn.spots


def test_a_counter_that_nobody_resets_counts_on_from_the_event() -> None:
    worn = Worn(guns=1, bodies=30)
    batch, verdicts = worn.judged()
    batch = replace(batch, wear_count=np.arange(len(batch)))
    (early, its), (rest, others) = parts(batch, verdicts, [24 * worn.spots])
    tracker = WearTracker(SETTINGS)
    tracker.add(early, its)
    tracker.apply(GunEvent("tip_dress", START + 24 * TAKT_S * S - S, "G0"))
    tracker.add(rest, others)
    assert gun(tracker).wear == 6 * worn.spots


def test_welds_that_come_late_or_without_a_gun_change_nothing() -> None:
    worn = Worn(guns=1, bodies=40)
    batch, verdicts = worn.judged()
    tracker = WearTracker(SETTINGS)
    tracker.add(batch, verdicts)
    before = state(tracker)
    old, its = next(parts(batch, verdicts, [300]))
    tracker.add(old, its)
    assert state(tracker) == before
    nameless = replace(batch, gun=[""] * len(batch), time_ns=batch.time_ns + 10**15)
    tracker.add(nameless, verdicts)
    assert state(tracker) == before


def test_conditioning_welds_say_nothing_and_a_cap_change_is_due_after_as_many_dresses_as_usual() -> None:
    worn = Worn(guns=1, bodies=12 * 12, counted=False)
    batch, verdicts = worn.judged()
    happened = [replace(e, kind="cap_change") if k % 4 == 3 else e for k, e in enumerate(worn.events())]
    tracker = WearTracker(SETTINGS)
    cuts = np.searchsorted(batch.time_ns, [event.time_ns for event in happened]).tolist()
    for (part, its), event in zip(parts(batch, verdicts, cuts), [*happened, None], strict=True):
        tracker.add(part, its)
        if event is not None:
            tracker.apply(event)
    one = gun(tracker)
    assert one.dresses_per_cap == 3
    assert (one.dresses, one.next_action) == (3, "cap_change")
    assert one.points[0].wear == pytest.approx((15 + 0) / 2)
    fresh = WearTracker(SETTINGS)
    fresh.apply(GunEvent("cap_change", START - S, "G0"))
    part, its = next(parts(batch, verdicts, [SETTINGS.conditioning_n]))
    fresh.add(part, its)
    assert gun(fresh).points == ()
    assert gun(fresh).caps_welds == SETTINGS.conditioning_n


def test_a_long_stretch_is_drawn_with_a_bounded_number_of_points() -> None:
    tracker, _ = follow(Worn(guns=1, spots=50, bodies=100, dress_bodies=1000))
    points = gun(tracker).points
    assert 20 <= len(points) <= 64
    assert points[-1].wear > 4500
    assert [point.wear for point in points] == sorted(point.wear for point in points)


def test_dead_sensors_and_absent_channels_leave_the_rest() -> None:
    worn = Worn(guns=1, bodies=60, dress_bodies=20)
    batch, verdicts = worn.judged()
    verdicts.features[:, :] = np.where(
        np.isin(np.arange(verdicts.features.shape[1]), [FEATURES.index("voltage_rms_v")]), verdicts.features, np.nan
    )
    tracker = WearTracker(SETTINGS)
    tracker.add(batch, verdicts)
    per_100 = {trend.feature: trend.per_100 for trend in gun(tracker).trends}
    assert per_100["voltage_rms_v"] == pytest.approx(math.expm1(-0.02), abs=0.005)
    assert math.isnan(per_100["r_beta_uohm"])
    forecast = gun(tracker).forecast
    assert forecast is not None
    assert forecast.feature in {"voltage_rms_v", ""}
