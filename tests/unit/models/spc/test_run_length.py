from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import poisson

from models.spc.autocorrelation import lag_one, residuals, shrink
from models.spc.charts import cusum_step, ewma_sigma, ewma_step
from models.spc.run_length import (
    arl_of_budget,
    cusum_arl,
    cusum_limit,
    ewma_arl,
    ewma_limit,
    shewhart_arl,
    shewhart_limit,
)

STREAMS, STEPS = 3000, 700
ALARMS_PER_HOUR, BODIES_PER_HOUR = 6.0, 30.0


@pytest.mark.parametrize(("lam", "limit", "arl"), [(0.1, 2.814, 500), (0.2, 2.962, 500), (0.2, 2.86, 371)])
def test_ewma_run_lengths_of_the_field(lam: float, limit: float, arl: float) -> None:
    assert ewma_arl(lam, limit) == pytest.approx(arl, rel=2e-3)


@pytest.mark.parametrize(("h", "arl"), [(4, 168), (4.774, 370), (5, 465)])
def test_cusum_run_lengths_of_the_field(h: float, arl: float) -> None:
    assert cusum_arl(0.5, h) == pytest.approx(arl, rel=2e-3)


@pytest.mark.parametrize(
    ("shift", "arl"), [(0.0, 168), (0.25, 74.2), (0.5, 26.6), (0.75, 13.3), (1.0, 8.38), (1.5, 4.75), (2.0, 3.34)]
)
def test_cusum_run_lengths_of_montgomerys_table(shift: float, arl: float) -> None:
    # Montgomery, Introduction to Statistical Quality Control, table 9.3: k = 0.5, h = 4.
    assert cusum_arl(0.5, 4, shift) == pytest.approx(arl, rel=5e-3)


def test_a_shewhart_chart_of_three_sigmas() -> None:
    assert shewhart_arl(3) == pytest.approx(370.4, rel=1e-4)
    assert shewhart_arl(3, shift=1) == pytest.approx(43.9, rel=1e-3)


def test_an_ewma_that_forgets_at_once_is_a_shewhart_chart() -> None:
    assert ewma_arl(1.0, 3.0) == shewhart_arl(3.0)


def test_three_sigmas_cry_wolf_eight_times_a_body() -> None:
    assert STREAMS / shewhart_arl(3) == pytest.approx(8.1, abs=0.05)


def test_the_limits_of_a_plants_budget() -> None:
    arl = arl_of_budget(ALARMS_PER_HOUR, STREAMS * BODIES_PER_HOUR)
    assert arl == 15_000
    assert shewhart_limit(arl) == pytest.approx(3.99, abs=5e-3)
    assert ewma_limit(0.2, arl) == pytest.approx(3.94, abs=5e-3)
    assert cusum_limit(0.5, arl) == pytest.approx(8.46, abs=5e-3)


@pytest.mark.parametrize("arl", [50.0, 370.4, 15_000.0, 2e6])
def test_limits_give_back_their_run_length(arl: float) -> None:
    assert shewhart_arl(shewhart_limit(arl)) == pytest.approx(arl)
    assert ewma_arl(0.1, ewma_limit(0.1, arl)) == pytest.approx(arl, rel=1e-4)
    assert cusum_arl(0.5, cusum_limit(0.5, arl)) == pytest.approx(arl, rel=1e-4)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: arl_of_budget(0, 1),
        lambda: arl_of_budget(1, -1),
        lambda: ewma_arl(0.01, 3),
        lambda: ewma_arl(1.1, 3),
        lambda: cusum_arl(0, 4),
        lambda: cusum_arl(0.5, float("nan")),
        lambda: ewma_limit(0.2, 1e12),
    ],
)
def test_what_has_no_answer_is_an_error(ask: object) -> None:
    with pytest.raises(ValueError, match=r"expected|above 0"):
        ask()  # type: ignore[operator]


def false_alarms(z: np.ndarray, arl: float) -> dict[str, int]:
    """Return how often each chart signals on in-control values (streams, n); it begins anew after each signal."""
    limit = {
        "shewhart": shewhart_limit(arl),
        "ewma": ewma_limit(0.2, arl) * ewma_sigma(0.2),
        "cusum": cusum_limit(0.5, arl),
    }
    count = dict.fromkeys(limit, 0)
    moving, above, below = (np.zeros(len(z)) for _ in range(3))
    for value in z.T:
        moving = ewma_step(moving, value, 0.2)
        above, below = cusum_step(above, below, value, 0.5)
        hit = {
            "shewhart": np.abs(value) > limit["shewhart"],
            "ewma": np.abs(moving) > limit["ewma"],
            "cusum": (above > limit["cusum"]) | (below < -limit["cusum"]),
        }
        for name, found in hit.items():
            count[name] += int(found.sum())
        moving = np.where(hit["ewma"], 0, moving)
        above, below = (np.where(hit["cusum"], 0, side) for side in (above, below))
    return count


def budget(steps: int, arl: float) -> tuple[float, float]:
    """Return the 95 % interval of the number of false alarms that the budget allows in so many steps of all streams."""
    low, high = poisson.interval(0.95, STREAMS * steps / arl)
    return float(low), float(high)


def test_three_thousand_streams_in_control_keep_the_budget() -> None:
    arl = arl_of_budget(ALARMS_PER_HOUR, STREAMS * BODIES_PER_HOUR)
    count = false_alarms(np.random.default_rng(20261125).standard_normal((STREAMS, STEPS)), arl)
    low, high = budget(STEPS, arl)
    assert all(low <= found <= high for found in count.values()), (count, low, high)


def ar1(rng: np.random.Generator, phi: float, streams: int, steps: int) -> np.ndarray:
    z = rng.standard_normal((streams, steps))
    for t in range(1, steps):
        z[:, t] = phi * z[:, t - 1] + np.sqrt(1 - phi * phi) * z[:, t]
    return z


def test_streams_with_memory_keep_the_budget_by_their_residuals_and_not_without() -> None:
    arl = arl_of_budget(ALARMS_PER_HOUR, STREAMS * BODIES_PER_HOUR)
    z = ar1(np.random.default_rng(7), 0.3, STREAMS, 400 + STEPS)
    learnt, watched = z[:, :400], z[:, 400:]
    phi = shrink(lag_one(learnt), learnt.shape[1])
    low, high = budget(STEPS, arl)
    count = false_alarms(residuals(watched, phi), arl)
    assert all(low <= found <= high for found in count.values()), (count, low, high)
    raw = false_alarms(watched, arl)
    assert raw["ewma"] > 5 * high
    assert raw["cusum"] > 5 * high
