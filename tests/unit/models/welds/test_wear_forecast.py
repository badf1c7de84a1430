"""Distances to a limit against known answers and against drawing lines at random."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.welds.wear_forecast import Line, usual, welds_to


def line(level: float, slope: float, ll: float = 0.0, ls: float = 0.0, ss: float = 0.0, walk: float = 0.0) -> Line:
    return Line(*(np.array([x]) for x in (level, slope, ll, ls, ss, walk)))


def answer(of: Line, limit: float) -> tuple[float, ...]:
    return tuple(float(part[0]) for part in welds_to(of, np.array([limit])))


def test_a_line_that_is_known_exactly_has_no_interval() -> None:
    assert answer(line(1.0, 0.01), 3.0) == pytest.approx((200.0, 200.0, 200.0))


def test_a_limit_that_is_passed_is_now() -> None:
    assert answer(line(3.1, 0.01), 3.0) == (0.0, 0.0, 0.0)
    expected, low, high = answer(line(3.1, 0.01, ll=0.1**2), 3.0)
    assert (expected, low) == (0.0, 0.0)
    assert high == pytest.approx((0.1 * 1.96 - 0.1) / 0.01, rel=1e-3)


def test_a_line_that_does_not_rise_has_no_end_but_may_have_a_beginning() -> None:
    assert answer(line(0.0, 0.0), 1.0) == (math.inf, math.inf, math.inf)
    assert answer(line(0.0, -0.01), 1.0) == (math.inf, math.inf, math.inf)
    expected, low, high = answer(line(0.0, 0.0, ss=0.001**2), 1.0)
    assert (expected, high) == (math.inf, math.inf)
    assert low == pytest.approx(1 / (1.959964 * 0.001), rel=1e-6)


@pytest.mark.parametrize("covariance", [-0.5, 0.0, 0.5])
def test_the_interval_holds_as_often_as_it_says(covariance: float) -> None:
    rng = np.random.default_rng(8)
    sd_level, sd_slope = 0.1, 0.002
    shared = covariance * sd_level * sd_slope
    truth = rng.multivariate_normal([1.0, 0.01], [[sd_level**2, shared], [shared, sd_slope**2]], 20_000)
    crossing = (3.0 - truth[:, 0]) / truth[:, 1]
    _, low, high = answer(line(1.0, 0.01, sd_level**2, shared, sd_slope**2), 3.0)
    assert np.mean((crossing >= low) & (crossing <= high)) == pytest.approx(0.95, abs=0.01)


def test_walking_widens_the_interval() -> None:
    _, near, far = answer(line(1.0, 0.01, walk=0.0001), 3.0)
    assert near < 200 - 1.96 * math.sqrt(0.0001 * 200) / 0.01 * 0.8
    assert far > 200 + 1.96 * math.sqrt(0.0001 * 200) / 0.01 * 0.8


def test_what_is_usual() -> None:
    assert all(math.isnan(part) for part in usual(np.array([])))
    assert usual(np.array([200.0, 220.0])) == (210.0, -math.inf, math.inf)
    assert usual(np.full(5, 225.0)) == (225.0, 225.0, 225.0)
    mean, low, high = usual(np.array([10.0, 12.0, 14.0, 16.0]))
    half = 3.182446 * math.sqrt(20 / 3) * math.sqrt(1.25)  # t of 3 degrees of freedom
    assert (mean, low, high) == pytest.approx((13.0, 13.0 - half, 13.0 + half), rel=1e-6)
