import itertools
from collections import Counter
from functools import lru_cache

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.simulator.faults import FAULTS
from edge.simulator.settings import FaultRates, SimulatorSettings, Spells
from edge.simulator.shop import Made, Shop, generate
from models.welds.causes import CAUSES
from models.welds.features import FEATURES, extract

from .making import NOON_NS, SMALL, S, chain, same_bits

QUIET = FaultRates(**dict.fromkeys(FaultRates.__struct_fields__, 0.0))
STEADY = Spells(per_gun_and_day=0.0, mains_dips_per_day=0.0)
SPAN_NS = 90 * S


@lru_cache(maxsize=1)
def shop() -> Shop:
    return Shop(SMALL)


@lru_cache(maxsize=1)
def whole() -> Made:
    return shop().welds(NOON_NS, NOON_NS + SPAN_NS)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, SPAN_NS), max_size=5))
def test_any_split_of_time_gives_the_same_bits(cuts: list[int]) -> None:
    edges = [NOON_NS, *sorted(NOON_NS + cut for cut in cuts), NOON_NS + SPAN_NS]
    parts = [shop().welds(a, b) for a, b in itertools.pairwise(edges)]
    same_bits(chain([part.batch for part in parts if len(part.batch)]), whole().batch)
    assert [truth for part in parts for _, truth in part.truth] == [truth for _, truth in whole().truth]
    np.testing.assert_array_equal(np.concatenate([part.end_ns for part in parts]), whole().end_ns)


def test_a_second_start_goes_on_with_the_same_plant() -> None:
    half = NOON_NS + SPAN_NS // 2
    later = Shop(SMALL).welds(half, NOON_NS + SPAN_NS)
    first = int(np.searchsorted(whole().batch.time_ns, half))
    same_bits(later.batch, whole().batch.take(first, len(whole().batch)))


def test_generate_yields_the_same_welds_in_batches() -> None:
    batches = list(generate(SMALL, NOON_NS, NOON_NS + SPAN_NS, welds_per_batch=60))
    assert len(batches) > 3
    same_bits(chain([batch for batch, _ in batches]), whole().batch)
    assert [truth for _, truths in batches for truth in truths] == [truth for _, truth in whole().truth]


def test_another_seed_is_another_plant() -> None:
    other = Shop(msgspec.structs.replace(SMALL, seed=8)).welds(NOON_NS, NOON_NS + 5 * S).batch
    assert other.current_ka.tobytes() != shop().welds(NOON_NS, NOON_NS + 5 * S).batch.current_ka.tobytes()


def test_ids_are_unique_and_batches_are_sound() -> None:
    batch = whole().batch
    assert len(set(batch.id)) == len(batch)
    assert (np.diff(batch.time_ns) >= 0).all()
    assert (batch.samples >= 90).all()
    assert batch.samples.max() <= 300
    assert batch.current_ka.dtype == batch.force_kn.dtype == np.float32
    guns = np.array(batch.gun)
    has_force = ~np.isnan(batch.force_kn[batch.offsets[:-1]])
    assert 0 < has_force.mean() < 1
    for gun in set(batch.gun):  # a gun has a force sensor or it has not
        assert len(set(has_force[guns == gun].tolist())) == 1


def test_ids_at_different_speeds_never_collide() -> None:
    fast = Shop(msgspec.structs.replace(SMALL, speed=7.0)).welds(NOON_NS, NOON_NS + SPAN_NS).batch
    ours = dict(zip(whole().batch.id, whole().batch.time_ns.tolist(), strict=True))
    for weld, time_ns in zip(fast.id, fast.time_ns.tolist(), strict=True):
        assert ours.get(weld, time_ns) == time_ns


def test_faults_come_at_the_rates_that_are_set() -> None:
    rates = FaultRates(**dict.fromkeys(FaultRates.__struct_fields__, 0.01))
    chosen = msgspec.structs.replace(SMALL, faults=rates, spells=STEADY)
    n, seen = 0, Counter()
    for batch, truths in generate(chosen, NOON_NS, NOON_NS + 3000 * S):
        n += len(batch)
        seen.update(truth.fault for truth in truths if truth.fault)
    sigma = np.sqrt(n * 0.01 * 0.99)
    assert set(seen) == set(FaultRates.__struct_fields__)
    for fault, count in seen.items():
        assert abs(count - 0.01 * n) < 4.5 * sigma, fault


def test_over_a_week_the_default_plant_has_the_faults_that_its_settings_ask_for() -> None:
    """Spells are few and uneven, so that the week is sampled: a minute of every hour."""
    chosen = SimulatorSettings()
    shop = Shop(chosen)
    n, seen = 0, Counter()
    for hour in range(168):
        begin = NOON_NS + hour * 3600 * S + hour * 17 * S
        slots = shop.schedule.welds(begin, begin + 60 * S)
        n += len(slots)
        seen.update(FAULTS[code] for code in shop.faults.draw(slots).code if code)
    spells = chosen.spells
    running = spells.per_gun_and_day * (spells.min_h + spells.max_h) / 2 / 24  # of all guns, at any time
    expected = sum(msgspec.structs.asdict(chosen.faults).values()) + running * spells.worst_rate / 2
    assert seen.total() / n == pytest.approx(expected, rel=0.4)
    for fault in ("clipped", "sample_gap"):  # no spell has these: only chance is uneven
        rate = getattr(chosen.faults, fault)
        assert abs(seen[fault] - n * rate) < 4.5 * np.sqrt(n * rate)


def test_a_plant_without_faults_makes_sound_welds() -> None:
    chosen = SimulatorSettings(faults=QUIET, spells=STEADY)
    n, wrong = 0, Counter()
    for batch, truths in generate(chosen, NOON_NS, NOON_NS + 600 * S):
        n += len(batch)
        wrong.update(truth.cause for truth in truths)
        assert not extract(batch).sensor.any()
    assert set(wrong) <= {"expulsion", "low_heat"}  # what physics does by itself
    assert wrong.total() < 0.001 * n


def test_truth_names_causes_that_the_judge_knows_and_the_weld_it_is_about() -> None:
    rates = FaultRates(**dict.fromkeys(FaultRates.__struct_fields__, 0.02))
    made = Shop(msgspec.structs.replace(SMALL, faults=rates)).welds(NOON_NS, NOON_NS + 300 * S)
    assert len(made.truth) > 50
    for k, truth in made.truth:
        assert truth.cause in CAUSES
        assert (truth.id, truth.spot) == (made.batch.id[k], made.batch.spot[k])
        assert truth.time_ns == made.batch.time_ns[k]
        assert 0 <= truth.severity <= 1
        assert truth.fault or truth.expelled or truth.nugget_mm < truth.min_nugget_mm
    assert {truth.cause for _, truth in made.truth} >= {"expulsion", "low_heat", "no_current", "poor_fit_up"}


def test_wear_is_visible_in_the_curves() -> None:
    """A tip that widens lowers resistance; the stepper raises current: both show over the welds of one spot."""
    chosen = SimulatorSettings(cells=1, guns=1, lines=1, spots=60, unlisted_spots=0, faults=QUIET, spells=STEADY)
    parts = [made for made, _ in generate(chosen, NOON_NS, NOON_NS + 7200 * S)]
    batch = chain(parts)
    values = extract(batch).values
    current, beta = (values[:, FEATURES.index(name)] for name in ("current_rms_ka", "r_beta_uohm"))
    spots = np.array(batch.spot)
    slopes = []
    for spot in set(batch.spot):
        mine = spots == spot
        slopes.append(
            (
                np.polyfit(batch.wear_count[mine], current[mine], 1)[0],
                np.polyfit(batch.wear_count[mine], beta[mine], 1)[0],
            )
        )
    assert np.median([s for s, _ in slopes]) > 0
    assert np.median([s for _, s in slopes]) < 0
