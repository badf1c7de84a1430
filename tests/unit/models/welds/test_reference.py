"""References by themselves: against the naive ones, over wear, from other spots, and under attack."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from models.welds.conditioning import wear_of
from models.welds.features import AT, FEATURES
from models.welds.priors import Priors
from models.welds.reference import ANCHOR_SIGMA, ANCHOR_SPREAD, References
from tests.unit.models.welds.oracle_reference import NaiveReference, Prior

L = 12
BASE = np.linspace(3.0, 250.0, len(FEATURES))
CURRENT = AT["current_rms_ka"]
LIMIT = 6.0


@dataclass
class Shop:
    """References of some streams of one programme, fed weld by weld of each, all at once."""

    streams: int
    learn_n: int = L
    references: References = field(init=False)
    priors: Priors = field(default_factory=Priors)

    def __post_init__(self) -> None:
        self.references = References.empty(self.learn_n, self.streams)
        self.priors.reserve(1)

    def take(
        self, values: NDArray[np.float64], wear_count: NDArray[np.int64], limit: float = LIMIT
    ) -> NDArray[np.float64]:
        """Compare one weld of each stream, learn what conforms, and return z (streams, F), NaN where not compared."""
        rows, wear = np.arange(self.streams), wear_of(wear_count)
        as_float32 = values.astype(np.float32)
        expected = self.references.expect(rows, as_float32, wear, self.priors)
        z = np.where(expected.known[:, None], (as_float32 - expected.centre) / expected.sigma, np.nan)
        far = np.nan_to_num(np.abs(z), nan=0.0).max(axis=1) >= limit
        teaches = self.references.learning(rows) | ~far
        at = np.flatnonzero(teaches)
        self.references.learn(rows[at], as_float32[at], wear[at], expected.take(at), self.priors)
        return z

    def learn(self, rng: np.random.Generator, welds: int, noise: float = 0.02) -> None:
        for _ in range(welds):
            self.take(good(rng, self.streams, noise), np.full(self.streams, -1))


def good(rng: np.random.Generator, streams: int, noise: float | NDArray[np.float64] = 0.02) -> NDArray[np.float64]:
    return BASE * (1 + noise * rng.standard_normal((streams, len(FEATURES))))


def named(values: NDArray[np.float32]) -> dict[str, float]:
    return dict(zip(FEATURES, values.tolist(), strict=True))


@pytest.mark.parametrize("counts_wear", [True, False])
def test_references_are_the_naive_ones(counts_wear: bool) -> None:
    rng = np.random.default_rng(1)
    streams = 9
    shop, prior = Shop(streams), Prior()
    naive = [NaiveReference(L, prior) for _ in range(streams)]
    level = 1 + 0.03 * rng.standard_normal((streams, len(FEATURES)))
    for k in range(260):
        wear_count = np.where(rng.random(streams) < 0.9, (17 * k + 31 * np.arange(streams)) % 240, -1)
        if not counts_wear:
            wear_count[:] = -1
        drift = 0.01 * np.linspace(-1, 1, len(FEATURES)) * np.maximum(wear_count, 0)[:, None] / 100
        values = (good(rng, streams) * (level + drift)).astype(np.float32)
        values[:, 3] = np.nan  # no such channel
        values[rng.random(streams) < 0.1, 5] = np.nan
        values[rng.random(streams) < 0.02] *= np.float32(1.3)
        came = np.flatnonzero(rng.random(streams) < 0.8 - 0.5 * (np.arange(streams) == 8))
        wear = wear_of(wear_count)
        expected = shop.references.expect(came, values[came], wear[came], shop.priors)
        for at, row in enumerate(came.tolist()):
            says = naive[row].expect(named(values[row]), float(wear[row]))
            assert expected.known[at] == (says is not None), (k, row)
            if says is not None:
                centre, sigma = ([part[name] for name in FEATURES] for part in says)
                np.testing.assert_allclose(expected.centre[at], centre, rtol=1e-6, atol=1e-9)
                np.testing.assert_allclose(expected.sigma[at], sigma, rtol=1e-6, atol=1e-9)
            naive[row].learn(named(values[row]), float(wear[row]))
        shop.references.learn(came, values[came], wear[came], expected, shop.priors)
        if k % 16 == 15:
            shop.references.teach(shop.priors, 5)
            prior.learn(naive, 5)
        if k in {20, 150}:
            shop.references.reset(np.array([0, 1]), 5, "reference_reset", alone=k == 150)
            naive[:2] = [NaiveReference(L, prior, alone=k == 150) for _ in range(2)]
    assert shop.references.version.tolist() == [3, 3, *[1] * 7]
    assert shop.references.n[2] > 200  # the anchor of the second kind was set


def test_a_known_trend_over_wear_is_learnt_and_narrows_the_reference() -> None:
    rng = np.random.default_rng(2)
    aware, blind = Shop(30, learn_n=20), Shop(30, learn_n=20)
    slope = 0.025  # share of the centre per hundred welds, 2.5 of the sigmas of the noise
    z_aware, z_blind, wears = [], [], []
    for k in range(400):
        wear = (23 * k + 7 * np.arange(30)) % 225
        values = good(rng, 30, noise=0.01) * (1 + slope * wear[:, None] / 100)
        z_aware.append(aware.take(values, wear, limit=99))
        z_blind.append(blind.take(values, np.full(30, -1), limit=99))
        wears.append(wear)
    learnt = aware.references.slope[:, CURRENT] / aware.references.centre[:, CURRENT]
    np.testing.assert_allclose(learnt, slope, rtol=0.1)
    late = slice(200, None)
    fresh = np.concatenate(wears[late]) < 25
    settled = np.concatenate(z_aware[late])[:, CURRENT:]
    assert np.abs(settled[fresh].mean(axis=0)).max() < 0.15  # no surprise just after a dress
    assert np.abs(np.concatenate(z_blind[late])[fresh].mean(axis=0)).max() > 1
    rows = np.arange(30)
    assert (aware.references.sigma(rows)[:, CURRENT] < 0.7 * blind.references.sigma(rows)[:, CURRENT]).all()


def test_no_slope_is_made_of_noise() -> None:
    rng = np.random.default_rng(3)
    shop = Shop(200, learn_n=20)
    for k in range(20):
        shop.take(good(rng, 200), np.full(200, 11 * k))
    rows = np.arange(200)
    in_sigmas = shop.references.slope / shop.references.sigma(rows)
    # Least squares of 20 welds over 209 counts would scatter by 0.36 sigmas; shrunk it is less, and without bias.
    assert np.abs(in_sigmas.mean(axis=0)).max() < 0.1
    assert in_sigmas.std() < 0.36
    still = Shop(1, learn_n=20)
    for _ in range(300):
        still.take(good(rng, 1), np.array([40]))
    assert np.abs(still.references.slope).max() < 1e-6  # a count that does not vary says nothing


def test_a_wild_wear_count_is_no_way_out() -> None:
    rng = np.random.default_rng(4)
    shop = Shop(1, learn_n=20)
    for k in range(300):
        wear = np.array([(9 * k) % 225])
        shop.take(good(rng, 1, 0.01) * (1 + 0.02 * wear / 100), wear)
    z = shop.take(good(rng, 1, 0.01) * 1.4, np.array([2**62]), limit=0)
    assert np.nanmax(z) > LIMIT
    before = shop.references.wear[0]
    for _ in range(3):
        shop.take(good(rng, 1, 0.01), np.array([2**62]))
    assert shop.references.wear[0] - before < 0.2


def test_a_new_stream_starts_from_its_programme_and_ends_with_itself() -> None:
    rng = np.random.default_rng(5)
    between, within = 0.04, 0.01
    shop = Shop(41, learn_n=20)
    level = 1 + between * rng.standard_normal((41, len(FEATURES)))
    rows = np.arange(40)
    for _ in range(20):  # all but the last, which comes later
        values = (good(rng, 41, within) * level).astype(np.float32)
        expected = shop.references.expect(rows, values[rows], np.full(40, np.nan), shop.priors)
        assert not expected.known.any()
        shop.references.learn(rows, values[rows], np.full(40, np.nan), expected, shop.priors)
    shop.references.teach(shop.priors, 5)
    late, none = np.array([40]), np.array([np.nan])
    sigma = []
    for k in range(21):
        value = (good(rng, 41, within) * level).astype(np.float32)[late]
        expected = shop.references.expect(late, value, none, shop.priors)
        assert expected.known.all()
        assert np.nanmax(np.abs((value - expected.centre) / expected.sigma)) < LIMIT
        sigma.append(float(np.median(expected.sigma / BASE)))
        assert shop.references.learning(late)[0] == (k < 20)
        shop.references.learn(late, value, none, expected, shop.priors)
    assert 0.8 * between < sigma[0] < 1.5 * between  # as far as spots differ
    assert sigma[0] > sigma[3] > sigma[19]
    assert sigma[20] < 2 * within
    np.testing.assert_allclose(shop.references.centre[40], BASE * level[40], rtol=0.015)


def test_a_programme_with_few_streams_tells_nothing() -> None:
    rng = np.random.default_rng(6)
    shop = Shop(5, learn_n=20)
    for _ in range(20):
        shop.take(good(rng, 5), np.full(5, -1))
    shop.references.reset(np.array([4]), 1, "program_change", alone=False)
    shop.references.teach(shop.priors, 5)
    ask = np.array([4]), good(rng, 1).astype(np.float32), np.array([np.nan])
    assert not shop.references.expect(*ask, shop.priors).known.any()
    shop.references.teach(shop.priors, 4)
    assert shop.references.expect(*ask, shop.priors).known.all()
    shop.references.reset(np.array([4]), 1, "reference_reset", alone=True)
    assert not shop.references.expect(*ask, shop.priors).known.any()


def test_a_feature_that_the_programme_does_not_know_keeps_a_stream_learning() -> None:
    rng = np.random.default_rng(7)
    shop = Shop(8, learn_n=20)
    for _ in range(20):
        values = good(rng, 8)
        values[:, 2] = np.nan
        shop.take(values, np.full(8, -1))
    shop.references.teach(shop.priors, 5)
    shop.references.reset(np.array([0]), 1, "program_change", alone=False)
    row, none = np.array([0]), np.array([np.nan])
    with_it = good(rng, 1).astype(np.float32)
    without = with_it.copy()
    without[:, 2] = np.nan
    assert not shop.references.expect(row, with_it, none, shop.priors).known.any()
    assert shop.references.expect(row, without, none, shop.priors).known.all()


@pytest.mark.parametrize("welds", [300, 2000, 10_000])
def test_no_ramp_however_slow_becomes_the_reference(welds: int) -> None:
    rng = np.random.default_rng(8)
    noise = np.repeat([0.003, 0.01, 0.03], 2)[:, None]  # one stream each way per noise
    shop, streams, rows = Shop(6, learn_n=20), 6, np.arange(6)
    for _ in range(250):
        shop.take(good(rng, streams, noise), np.full(streams, -1))
    anchor, sigma = shop.references.anchor.copy(), shop.references.anchor_sigma.copy()
    gross = np.tile([-40, 40], 3) * sigma[:, CURRENT]
    bound = (ANCHOR_SIGMA + LIMIT * ANCHOR_SPREAD * 1.1) * sigma[:, CURRENT]  # 1.1: the doubt about the centre
    caught = np.zeros(streams)
    for k in range(welds):
        values = good(rng, streams, noise)
        values[:, CURRENT] += gross * k / welds
        z = shop.take(values, np.full(streams, -1))
        found = np.nanmax(np.abs(z), axis=1) >= LIMIT
        assert found[np.abs(values[:, CURRENT] - anchor[:, CURRENT]) > bound].all()
        caught += found
    assert (caught > 0.6 * welds).all()
    away = np.abs(shop.references.centre - anchor) / sigma
    assert away.max() <= ANCHOR_SIGMA + 1e-9
    assert away[:, CURRENT].max() > 1  # it was pulled, as far as it goes
    assert (shop.references.sigma(rows) <= ANCHOR_SPREAD * sigma * 1.02).all()
    back = shop.take(good(rng, streams, noise), np.full(streams, -1), limit=0)
    assert np.nanmax(np.abs(back)) < LIMIT + ANCHOR_SIGMA  # good welds are still near


@pytest.mark.parametrize("step", [4.0, 5.5])
def test_steps_below_the_limit_move_the_reference_only_so_far(step: float) -> None:
    rng = np.random.default_rng(9)
    shop = Shop(1, learn_n=20)
    shop.learn(rng, 250, 0.01)
    anchor, sigma = shop.references.anchor[0].copy(), shop.references.anchor_sigma[0].copy()
    level = 0.0
    for _ in range(20):  # whoever attacks goes on from what has been accepted
        level = float(shop.references.centre[0, CURRENT] + step * shop.references.sigma(np.array([0]))[0, CURRENT])
        for _ in range(100):
            values = good(rng, 1, 0.001)
            values[0, CURRENT] = level
            shop.take(values, np.array([-1]))
    assert level - anchor[CURRENT] <= (ANCHOR_SIGMA + step * ANCHOR_SPREAD) * sigma[CURRENT] * 1.01


def test_honest_coils_do_not_strain_the_leash() -> None:
    rng = np.random.default_rng(10)
    shop = Shop(40, learn_n=20)
    alarms, compared = 0, 0
    for _ in range(40):
        level = 1 + 0.006 * rng.standard_normal((40, len(FEATURES)))  # coils differ by 0.6 of what welds do
        for _ in range(100):
            z = shop.take(good(rng, 40, 0.01) * level, np.full(40, -1))
            seen = ~np.isnan(z[:, CURRENT])
            alarms += int((np.nan_to_num(np.abs(z[seen]), nan=0.0).max(axis=1) >= LIMIT).sum())
            compared += int(seen.sum())
    assert alarms <= compared // 1000
    z = shop.references
    strained = np.abs(z.centre - z.anchor) > 0.99 * ANCHOR_SIGMA * z.anchor_sigma
    assert strained.mean() < 0.01


def test_an_odd_weld_barely_moves_the_reference() -> None:
    rng = np.random.default_rng(11)
    shop = Shop(1, learn_n=20)
    shop.learn(rng, 300)
    centre, sigma = shop.references.centre[0].copy(), shop.references.sigma(np.array([0]))[0]
    shop.take((centre + 1000 * sigma)[None], np.array([-1]), limit=np.inf)
    assert np.abs(shop.references.centre[0] - centre).max() > 0
    assert (np.abs(shop.references.centre[0] - centre) <= 2.5 / 200 * sigma * 1.0001).all()


def test_a_version_takes_over_what_it_must_and_no_more() -> None:
    rng = np.random.default_rng(12)
    shop = Shop(2, learn_n=20)
    shop.references.arrive(np.array([0, 1]), np.array([7, 8]))
    shop.learn(rng, 40)
    shop.references.pinned[0] = True
    shop.references.reset(np.array([0]), 99, "program_change", alone=False)
    fresh = References.empty(20, 1)
    for name in References.ARRAYS:
        now = getattr(shop.references, name)[0]
        if name in {"version", "since_ns", "reason", "pinned", "last_time_ns"}:
            continue
        np.testing.assert_array_equal(now, getattr(fresh, name)[0], err_msg=name)
    assert (shop.references.version[0], shop.references.since_ns[0], shop.references.reason[0]) == (2, 99, 1)
    assert shop.references.pinned[0]
    assert shop.references.last_time_ns[0] == 7
    assert (shop.references.n[1], shop.references.since_ns[1]) == (40, 8)
