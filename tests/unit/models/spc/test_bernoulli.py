import numpy as np
import pytest

from models.spc.bernoulli import limit_for, run_length, step


def simulated(p: float, m: int, limit: int, runs: int) -> tuple[float, float]:
    """Return mean run length and its standard error, from drawn items."""
    draw = np.random.default_rng(11)
    lengths = []
    for _ in range(runs):
        score, n = 0, 0
        while score < limit:
            gap = int(draw.geometric(p))
            n += gap
            score = max(0, score - (gap - 1)) + m - 1
        lengths.append(n)
    return float(np.mean(lengths)), float(np.std(lengths) / np.sqrt(runs))


@pytest.mark.parametrize(("p", "m", "limit"), [(0.02, 12, 40), (0.05, 12, 40), (0.3, 3, 12), (0.01, 50, 160)])
def test_the_run_length_is_that_of_drawn_items(p: float, m: int, limit: int) -> None:
    mean, error = simulated(p, m, limit, 2000)
    assert abs(run_length(p, m, limit) - mean) < 4 * error


@pytest.mark.parametrize("p", [0.01, 0.3])
def test_known_run_lengths(p: float) -> None:
    """One bad item reaches the limit: geometric. Two in a row are needed: the run of two, (1 + p)/p²."""
    assert run_length(p, 5, 4) == pytest.approx(1 / p)
    assert run_length(p, 2, 2) == pytest.approx(mean_of_score_two(p))


def mean_of_score_two(p: float) -> float:
    """m = 2, limit 2: from 0 a bad item leads to 1, from there a good one back to 0: a run of two."""
    return (1 + p) / p**2


def test_a_rate_at_the_break_even_neither_rises_nor_falls() -> None:
    p0, p1 = 0.001, 0.02
    m = step(p0, p1)
    assert p0 < 1 / m < p1
    good, bad = np.log((1 - p0) / (1 - p1)), np.log(p1 / p0)
    assert m == round((good + bad) / good) == 157


@pytest.mark.parametrize("p0", [1e-5, 1e-3, 0.02, 0.2])
def test_the_limit_is_the_smallest_that_keeps_quiet(p0: float) -> None:
    m = step(p0, max(0.02, min(5 * p0, (1 + p0) / 2)))
    limit = limit_for(p0, m, 1e6)
    assert run_length(p0, m, limit) >= 1e6
    assert limit == 1 or run_length(p0, m, limit - 1) < 1e6


def test_a_step_that_does_not_suit_the_rate_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no limit keeps a rate of 0\.2 quiet with step 20"):
        limit_for(0.2, 20, 1e12)
