"""A limit keeps its check within the budget, whatever the tail, and true defects move it little."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.welds.limits import KNOWN_N, RANGE_SIGMA, Limits

BUDGET = 5e-5


def learnt(scores: np.ndarray) -> Limits:
    limits = Limits(scores.shape[1], BUDGET, first_sigma=6.0)
    limits.add(scores)
    limits.end_block()
    return limits


@pytest.mark.parametrize("degrees", [8, 15, 30])
def test_the_budget_is_kept_for_light_and_heavy_tails(degrees: int) -> None:
    """Student's t is heavier than an exponential far out: about twice the budget is what a shape of 0 can promise."""
    rng = np.random.default_rng(degrees)
    limits = learnt(np.abs(rng.standard_t(degrees, size=(200_000, 1))))
    fresh = np.abs(rng.standard_t(degrees, size=2_000_000))
    assert (fresh >= limits.sigma[0]).mean() <= 2.2 * BUDGET


def test_a_heavier_tail_has_a_wider_limit_and_a_normal_one_no_wider_than_it_needs() -> None:
    rng = np.random.default_rng(1)
    scores = np.column_stack(
        [np.abs(rng.standard_t(d, size=100_000)) for d in (4, 8)] + [np.abs(rng.standard_normal(100_000))]
    )
    four, eight, normal = learnt(scores).sigma
    assert four > eight > normal
    assert 3.9 < normal < 4.7  # exactly 4.06


def test_defects_among_the_welds_move_a_limit_little() -> None:
    rng = np.random.default_rng(2)
    scores = np.abs(rng.standard_normal((200_000, 1)))
    clean = learnt(scores).sigma[0]
    scores[::1000] = 30.0
    assert learnt(scores).sigma[0] == pytest.approx(clean, abs=0.05)
    scores[::1000] = 7.0
    assert clean < learnt(scores).sigma[0] < clean + 1.6


def test_before_enough_welds_the_first_limit_holds() -> None:
    limits = learnt(np.ones((KNOWN_N - 1, 2)))
    np.testing.assert_array_equal(limits.sigma, [6.0, 6.0])
    limits.add(np.array([[1.0, np.nan]]))  # only the first check applies
    np.testing.assert_array_equal(limits.sigma, [6.0, 6.0])  # nor before the block ends
    limits.end_block()
    np.testing.assert_array_equal(limits.sigma, [RANGE_SIGMA[0], 6.0])


@settings(deadline=None)
@given(cuts=st.lists(st.integers(1, 199), max_size=4), seed=st.integers(0, 100))
def test_any_split_gives_the_same_bits_and_a_snapshot_goes_on(cuts: list[int], seed: int) -> None:
    scores = np.random.default_rng(seed).standard_normal((200, 3))
    one, other = Limits(3, BUDGET, 6.0), Limits(3, BUDGET, 6.0)
    one.add(scores)
    for part in np.split(scores, sorted(cuts)):
        other.add(part)
    again = Limits(3, BUDGET, 6.0)
    again.restore(other.snapshot())
    for limits in (one, other, again):
        limits.end_block()
    np.testing.assert_array_equal(one.counts, other.counts)
    np.testing.assert_array_equal(one.counts, again.counts)
