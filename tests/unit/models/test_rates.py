"""The rate and its interval: known answers, the definition itself as an oracle, and what holds for all counts."""

from __future__ import annotations

from decimal import Decimal, getcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from models.rates import Z95, Rate, wilson

counts = st.integers(0, 10**7).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@pytest.mark.parametrize(
    ("ok", "n", "low", "high"),
    [
        # R. G. Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3 (to four places).
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_published_intervals(ok: int, n: int, low: float, high: float) -> None:
    got = wilson(ok, n)
    assert [round(float(x), 4) for x in got] == [low, high]


def test_thirty_of_thirty_prove_no_more_than_the_domain_says() -> None:
    assert round(float(wilson(30, 30)[0]), 3) == 0.886
    assert float(wilson(3838, 3838)[0]) >= 0.999
    assert float(wilson(3837, 3837)[0]) < 0.999


@given(st.integers(1, 10**7))
def test_without_a_failure_the_lower_end_is_n_over_n_plus_z_squared(n: int) -> None:
    low, high = wilson(n, n)
    assert low == pytest.approx(n / (n + Z95**2), rel=1e-12)
    assert high == 1.0
    assert wilson(0, n)[0] == 0.0
    assert wilson(0, n)[1] == pytest.approx(1 - n / (n + Z95**2), rel=1e-6)


@given(counts)
def test_the_ends_solve_wilsons_equation(count: tuple[int, int]) -> None:
    """(p − ok/n)² = z² p (1 − p) / n, solved in 50 decimal digits."""
    ok, n = count
    low, high = wilson(ok, n)
    if n == 0:
        assert (low, high) == (0.0, 1.0)
        return
    getcontext().prec = 50
    p, z2, size = Decimal(ok) / n, Decimal(Z95) ** 2, Decimal(n)
    root = (p * (1 - p) / size + z2 / (4 * size * size)).sqrt() * Decimal(Z95)
    for end, exact in ((low, p + z2 / (2 * size) - root), (high, p + z2 / (2 * size) + root)):
        assert float(end) == pytest.approx(float(exact / (1 + z2 / size)), abs=1e-14)


@given(counts)
def test_the_interval_holds_the_rate_and_mirrors(count: tuple[int, int]) -> None:
    ok, n = count
    low, high = (float(end) for end in wilson(ok, n))
    assert 0.0 <= low <= (ok / n if n else 0.5) <= high <= 1.0
    mirrored = wilson(n - ok, n)
    assert (1 - float(mirrored[1]), 1 - float(mirrored[0])) == pytest.approx((low, high), abs=1e-12)


@given(st.integers(0, 1000), st.integers(0, 1000), st.integers(2, 50))
def test_more_of_the_same_narrows_it(ok: int, defect: int, times: int) -> None:
    if ok + defect == 0:
        return
    few, many = Rate(ok, defect, 0), Rate(ok * times, defect * times, 0)
    assert few.low is not None
    assert few.high is not None
    assert many.low is not None
    assert many.high is not None
    assert many.rate == few.rate
    assert many.high - many.low < few.high - few.low


def test_arrays_broadcast_and_equal_the_single_answers() -> None:
    ok = np.array([0, 5, 30, 0])
    n = np.array([0, 10, 30, 7])
    low, high = wilson(ok, n)
    assert low.shape == high.shape == (4,)
    for i in range(4):
        assert (low[i], high[i]) == wilson(int(ok[i]), int(n[i]))
    assert wilson(np.arange(3)[:, None], [10, 20])[0].shape == (3, 2)


@pytest.mark.parametrize(("ok", "n"), [(-1, 5), (6, 5), (1, 0), ([1, 9], [2, 8])])
def test_impossible_counts_are_refused(ok: int, n: int) -> None:
    with pytest.raises(ValueError, match=r"0\.\.n"):
        wilson(ok, n)


def test_unjudged_counts_in_no_rate() -> None:
    assert (Rate(9, 1, 0).rate, Rate(9, 1, 500).rate) == (0.9, 0.9)
    assert (Rate(9, 1, 500).n, Rate(9, 1, 500).low) == (10, Rate(9, 1, 0).low)


def test_with_nothing_judged_there_is_no_rate() -> None:
    nothing = Rate(0, 0, 12)
    assert (nothing.n, nothing.rate, nothing.low, nothing.high) == (0, None, None, None)


def test_it_covers_the_truth_about_as_often_as_it_says() -> None:
    """The exact coverage at p = 0.98, n = 500 is the binomial weight of the counts whose interval holds p."""
    n, p = 500, 0.98
    ok = np.arange(n + 1)
    low, high = wilson(ok, n)
    weight = binom.pmf(ok, n, p)
    assert 0.93 < float(weight[(low <= p) & (p <= high)].sum()) < 0.97
