import math

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss

from models.calibration import brier, choose_threshold, reliability


def test_brier_equals_scikit_learns() -> None:
    rng = np.random.default_rng(1)
    said = rng.random(500)
    came = rng.random(500) < said
    assert brier(said, came) == pytest.approx(brier_score_loss(came, said))
    assert math.isnan(brier(np.empty(0), np.empty(0, dtype=bool)))


def test_what_is_calibrated_lies_in_its_bins_intervals_and_what_is_not_does_not() -> None:
    rng = np.random.default_rng(2)
    said = rng.random(4000)
    good = reliability(said, rng.random(4000) < said)
    assert [b.n for b in good] == [800] * 5
    assert all(b.low <= b.said <= b.high for b in good)
    bold = reliability(said, rng.random(4000) < 0.5 * said)
    assert not all(b.low <= b.said <= b.high for b in bold)
    assert reliability(np.empty(0), np.empty(0, dtype=bool)) == []


@pytest.mark.parametrize(("n", "budget", "allowed"), [(1000, 0.001, 1), (999, 0.001, 0), (500, 0.01, 5), (30, 0.0, 0)])
def test_the_threshold_keeps_the_budget_and_not_more_than_it(n: int, budget: float, allowed: int) -> None:
    rng = np.random.default_rng(3)
    good, bad = rng.beta(1, 8, n), rng.beta(6, 2, 50)
    found = choose_threshold(good, bad, budget)
    assert (good >= found.value).sum() == found.above == allowed
    # One step lower, a good weld more would be called a defect.
    assert (good >= np.sort(good)[::-1][allowed]).sum() == allowed + 1
    assert found.shown > found.above / n


def test_without_a_false_alarm_the_bound_is_that_of_the_domain() -> None:
    found = choose_threshold(np.linspace(0, 0.4, 30), np.array([0.9]), 0.001)
    assert found.value == pytest.approx(0.65)  # half-way
    assert found.shown == pytest.approx(1 - 30 / (30 + 3.8415), abs=1e-4)


def test_a_good_weld_at_risk_one_does_not_break_the_budget() -> None:
    assert choose_threshold(np.array([0.1, 1.0]), np.array([1.0]), 0.001).above == 0
    with pytest.raises(ValueError, match="no good weld"):
        choose_threshold(np.empty(0), np.array([0.5]), 0.1)
