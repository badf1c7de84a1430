from __future__ import annotations

import numpy as np
import pytest

from models.spc.autocorrelation import cusum_widening, ewma_widening, lag_one, residuals, shrink
from models.spc.charts import cusum, ewma, ewma_sigma
from models.spc.nelson import RULES, nelson
from models.spc.proportions import laney
from models.spc.run_length import cusum_limit, ewma_limit

# Montgomery, Introduction to Statistical Quality Control, table 9.1: thirty values, the last ten from a mean of 11.
MONTGOMERY = [
    9.45, 7.99, 9.29, 11.66, 12.16, 10.18, 8.04, 11.46, 9.2, 10.34, 9.03, 11.47, 10.51, 9.4, 10.08, 9.37, 10.62, 10.31,
    8.52, 10.84, 10.9, 9.33, 12.29, 11.5, 10.6, 11.08, 10.38, 11.62, 11.31, 10.52,
]  # fmt: skip


def test_cusum_of_montgomerys_example() -> None:
    high, low = cusum(np.array(MONTGOMERY) - 10, 0.5)
    assert high[:6] == pytest.approx([0, 0, 0, 1.16, 2.82, 2.5])
    assert high[28] == pytest.approx(5.28)  # the first beyond h = 5
    assert np.flatnonzero(high > 5)[0] == 28
    assert -low[:3] == pytest.approx([0.05, 1.56, 1.77])
    assert (low > -5).all()


def test_ewma_of_montgomerys_example() -> None:
    moving = 10 + ewma(np.array(MONTGOMERY) - 10, 0.1)
    assert moving[:4] == pytest.approx([9.945, 9.7495, 9.70355, 9.8992], abs=1e-4)
    beyond = np.flatnonzero(np.abs(moving - 10) > 2.7 * ewma_sigma(0.1))
    assert beyond.tolist() == [28, 29]  # of the ten values from a mean that is one sigma higher


def test_missing_values_leave_every_chart_as_it_was() -> None:
    z = np.array([[1.0, np.nan, 2.0], [3.0, 0.0, np.nan]])
    assert ewma(z, 0.5)[0].tolist() == [0.5, 0.5, 1.25]
    high, low = cusum(z, 0.5)
    assert high[0].tolist() == [0.5, 0.5, 2.0]
    assert high[1].tolist() == [2.5, 2.0, 2.0]
    assert (low == 0).all()


PATTERNS = {
    1: [0.0, 3.1],
    2: [0.5] * 9,
    3: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6],
    4: [0.5, -0.5] * 7,
    5: [2.1, 0.0, 2.2],
    6: [1.1, 1.1, 0.0, 1.1, 1.1],
    7: [0.5, -0.9, 0.2] * 5,
    8: [1.5, -1.5, -1.2, 1.3, 1.1, -1.4, 1.6, -1.1],
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("sign", [1, -1])
def test_each_nelson_rule_at_the_point_that_completes_it(rule: int, sign: int) -> None:
    pattern = sign * np.array(PATTERNS[rule])
    [fired] = nelson(pattern, [rule])
    assert fired.tolist() == [False] * (len(pattern) - 1) + [True]
    [shorter] = nelson(pattern[1:], [rule])
    assert not shorter[:-1].any()
    assert shorter.any() == (rule == 1)


@pytest.mark.parametrize(
    ("rule", "almost"),
    [
        (1, [3.0, -3.0]),
        (2, [0.5] * 8 + [0.0] + [0.5] * 8),
        (3, [0.1, 0.2, 0.3, 0.3, 0.4, 0.5, 0.6, 0.7]),  # a tie is no rise
        (4, [0.5, -0.5] * 3 + [-0.5, 0.5] * 3),
        (5, [2.1, 0.0, -2.2, 0.0, 2.1]),  # on two sides
        (5, [2.1, 2.2, 0.0][1:]),
        (6, [1.1, 1.1, 0.0, 1.1, -1.1, 1.1, 0.0]),
        (7, [0.5] * 7 + [1.0] + [0.5] * 7),
        (8, [1.5] * 7 + [1.0] + [1.5] * 7),
    ],
)
def test_what_is_almost_a_pattern_is_none(rule: int, almost: list[float]) -> None:
    assert not nelson(almost, [rule]).any()


def test_the_point_after_two_of_three_is_not_marked_when_it_is_back() -> None:
    assert nelson([2.1, 2.2, 0.0], [5]).tolist() == [[False, True, False]]


def test_rules_come_in_the_order_asked_and_one_by_one() -> None:
    both = nelson([0.0, 3.5], [5, 1])
    assert both.tolist() == [[False, False], [False, True]]
    assert nelson([], (1, 2)).shape == (2, 0)
    with pytest.raises(ValueError, match="expected some of"):
        nelson([0.0], [9])
    with pytest.raises(ValueError, match="finite"):
        nelson([np.nan])


def test_all_eight_rules_together_run_seventy_values() -> None:
    rng = np.random.default_rng(11)
    firsts = []
    for _ in range(1500):
        fired = nelson(rng.standard_normal(600)).any(axis=0)
        firsts.append(int(np.argmax(fired)) + 1 if fired.any() else 600)
    assert np.mean(firsts) == pytest.approx(71, abs=5)


def test_with_subgroups_of_one_size_laneys_limits_are_those_of_individuals() -> None:
    rate = np.array([0.112, 0.118, 0.111, 0.125, 0.116, 0.114])
    chart = laney(rate * 10_000, np.full(6, 10_000))
    low, high = chart.limits(3)
    half = 2.6596 * np.abs(np.diff(rate)).mean()  # the XmR chart of the rates
    assert high - chart.centre == pytest.approx(np.full(6, half), rel=1e-4)
    assert chart.centre - low == pytest.approx(np.full(6, half), rel=1e-4)
    assert chart.centre == pytest.approx(rate.mean())


def test_laneys_chart_keeps_quiet_where_a_p_chart_cries_wolf() -> None:
    rng = np.random.default_rng(3)
    n = rng.integers(20_000, 60_000, 200)
    defects = rng.binomial(n, 0.02 * np.exp(0.1 * rng.standard_normal(200)))
    chart = laney(defects, n)
    assert chart.sigma_z == pytest.approx(3, abs=0.5)  # 10 % of 0.02 is 2.7 binomial sigmas
    plain = chart.z * chart.sigma_z
    assert (np.abs(plain) > 3).sum() > 40
    assert (np.abs(chart.z) > 3).sum() <= 3


def test_on_binomial_counts_laneys_chart_is_a_p_chart() -> None:
    rng = np.random.default_rng(4)
    n = np.full(2000, 5000)
    assert laney(rng.binomial(n, 0.02), n).sigma_z == pytest.approx(1, abs=0.04)


def test_rates_without_anything_to_see() -> None:
    none = laney([0, 0, 0], [5, 0, 7])
    assert none.z[[0, 2]].tolist() == [0, 0]
    assert np.isnan(none.rate[1])
    assert not none.signals(3).any()
    assert laney([], []).sigma_z == 1
    assert laney([5, 5], [5, 5]).centre == 1
    with pytest.raises(ValueError, match=r"0\.\.n"):
        laney([3], [2])


def test_a_few_defects_where_few_are_expected_are_no_signal() -> None:
    # 0.25 are expected in each bucket: two in one are 3.5 binomial sigmas and happen in one of fifty.
    defects = np.array([0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 1] + [0, 0, 0, 1] * 9)
    n = np.full(len(defects), 1000)
    chart = laney(defects, n, least_sigma_z=1.0)
    assert chart.z.max() > 3
    assert not chart.signals(3).any()
    defects[20] = 8
    assert np.flatnonzero(laney(defects, n, least_sigma_z=1.0).signals(3)).tolist() == [20]


def test_memory_is_estimated_in_spite_of_wild_values_and_gaps() -> None:
    rng = np.random.default_rng(5)
    z = rng.standard_normal((40, 2000))
    for t in range(1, 2000):
        z[:, t] = 0.6 * z[:, t - 1] + 0.8 * z[:, t]
    z[:, ::97] = 40.0
    z[:, 5::89] = np.nan
    phi = lag_one(z)
    assert phi.mean() == pytest.approx(0.6, abs=0.08)  # each wild value breaks two pairs
    plain = np.nanmean(z[:, 1:] * z[:, :-1]) / np.nanmean(z * z)
    assert plain < 0.3
    assert np.isnan(lag_one([[1.0, 2.0, 3.0]])).all()
    assert np.isnan(lag_one(np.full((1, 9), 3.0))).all()


def test_shrinking_leaves_what_is_certain_and_draws_in_what_is_not() -> None:
    rng = np.random.default_rng(6)
    same = 0.3 + rng.standard_normal(3000) / np.sqrt(200)
    assert same.std() > 0.06
    assert shrink(same, 200).std() < 0.015
    two = np.r_[np.full(50, 0.1), np.full(50, 0.7)]
    assert np.abs(shrink(two, 10_000) - two).max() < 0.01
    assert shrink([np.nan, 0.2, 0.4], 10)[0] == pytest.approx(0.3)
    assert shrink([np.nan], 10).tolist() == [0.0]


def test_residuals_forget_and_a_gap_begins_anew() -> None:
    z = np.array([1.0, 2.0, np.nan, 3.0, 1.0])
    left = residuals(z, 0.5)
    assert left[0] == 1.0
    assert left[1] == pytest.approx((2 - 0.5) / np.sqrt(0.75))
    assert np.isnan(left[2])
    assert left[3] == 3.0
    assert left[4] == pytest.approx((1 - 1.5) / np.sqrt(0.75))


@pytest.mark.parametrize("phi", [0.3, 0.6])
def test_widened_limits_keep_the_run_length_of_independent_values(phi: float) -> None:
    arl, steps, streams = 2000.0, 800, 2000
    rng = np.random.default_rng(9)
    z = rng.standard_normal((streams, steps))
    for t in range(1, steps):
        z[:, t] = phi * z[:, t - 1] + np.sqrt(1 - phi * phi) * z[:, t]
    allowed = streams * steps / arl
    moving = np.abs(ewma(z, 0.1)) > ewma_limit(0.1, arl) * ewma_sigma(0.1) * ewma_widening(phi, 0.1)
    begun = (moving[:, 1:] & ~moving[:, :-1]).sum()
    assert begun < 1.1 * allowed
    high, low = cusum(z, 0.5)
    beyond = np.maximum(high, -low) > cusum_limit(0.5, arl) * cusum_widening(phi)
    assert (beyond[:, 1:] & ~beyond[:, :-1]).sum() < 1.1 * allowed
    assert ewma_widening(-0.5, 0.1) == 1
    assert cusum_widening(-0.5) == 1
