"""Whether something grows is decided by a rule that is right about series whose slope is known."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.live.trends import quantiles, slope

HOURS_2 = np.arange(0.0, 7200.0, 10.0)


def wandering(rng: np.random.Generator, n: int, alike: float = 0.7) -> np.ndarray:
    """Return noise of which each sample resembles the one before, as memory does."""
    noise = rng.normal(0, 1, n)
    for k in range(1, n):
        noise[k] += alike * noise[k - 1]
    return noise


@pytest.mark.parametrize("seed", range(5))
def test_growth_beyond_the_limit_is_called_growth(seed: int) -> None:
    values = 400 + 30 * HOURS_2 / 3600 + wandering(np.random.default_rng(seed), len(HOURS_2))
    found = slope(HOURS_2.tolist(), values.tolist())
    assert found is not None
    assert found.low < 30 / 3600 < found.high
    assert found.verdict(8 / 3600) == "grows"


@pytest.mark.parametrize("seed", range(5))
def test_noise_without_growth_is_flat(seed: int) -> None:
    values = 400 + wandering(np.random.default_rng(seed), len(HOURS_2))
    found = slope(HOURS_2.tolist(), values.tolist())
    assert found is not None
    assert found.verdict(8 / 3600) == "flat"


def test_one_step_is_no_slope() -> None:
    found = slope(HOURS_2.tolist(), [400.0] * 100 + [440.0] * (len(HOURS_2) - 100))
    assert found is not None
    assert found.per_s == 0
    assert found.verdict(8 / 3600) == "flat"


def test_samples_that_resemble_their_neighbours_do_not_promise_too_much() -> None:
    times = HOURS_2[:180].tolist()
    wrong = 0
    for seed in range(100):
        found = slope(times, wandering(np.random.default_rng(seed), 180, alike=0.9).tolist())
        assert found is not None
        wrong += not found.low <= 0 <= found.high
    assert wrong <= 10  # 5 are to be expected; without regard to the likeness it would be 30


def test_too_short_a_run_is_undecided() -> None:
    values = 400 + 20 * wandering(np.random.default_rng(1), 30)
    found = slope(HOURS_2[:30].tolist(), values.tolist())
    assert found is not None
    assert found.verdict(8 / 3600) == "undecided"
    assert slope([0.0, 1.0], [1.0, 2.0]) is None


def test_quantiles_are_those_of_the_values() -> None:
    assert quantiles([float(x) for x in range(101)]) == {"n": 101, "p50": 50.0, "p90": 90.0, "p99": 99.0, "max": 100.0}
    assert quantiles([]) == {"n": 0}
