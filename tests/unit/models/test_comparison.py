import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from models.comparison import compare_auc


def naive(x: np.ndarray, y: np.ndarray, positive: np.ndarray) -> tuple[float, float]:
    """DeLong's difference and its variance as the paper writes them, pair by pair."""
    placed = []
    for score in (x, y):
        pos, neg = score[positive], score[~positive]
        wins = np.array([[float(p > n) + 0.5 * float(p == n) for n in neg] for p in pos])
        placed.append((wins.mean(), wins.mean(axis=1), wins.mean(axis=0)))
    (a, v10, v01), (b, w10, w01) = placed
    variance = np.var(v10 - w10, ddof=1) / positive.sum() + np.var(v01 - w01, ddof=1) / (~positive).sum()
    return a - b, variance


def test_delong_as_the_paper_has_it_with_ties() -> None:
    rng = np.random.default_rng(5)
    positive = rng.random(120) < 0.3
    x = np.round(positive + rng.normal(0, 1, 120), 1)
    y = np.round(positive + rng.normal(0, 2, 120), 1)
    found = compare_auc(x, y, positive)
    difference, variance = naive(x, y, positive)
    assert found.first == pytest.approx(roc_auc_score(positive, x))
    assert found.second == pytest.approx(roc_auc_score(positive, y))
    assert found.difference == pytest.approx(difference)
    assert found.high - found.low == pytest.approx(2 * norm.ppf(0.975) * np.sqrt(variance))


def test_equally_good_scores_are_called_better_as_seldom_as_it_says() -> None:
    rng = np.random.default_rng(6)
    better = held = 0
    for _ in range(1000):
        positive = np.arange(160) < 60
        common = positive + rng.normal(0, 0.7, 160)
        found = compare_auc(common + rng.normal(0, 0.7, 160), common + rng.normal(0, 0.7, 160), positive)
        better += found.better
        held += found.low <= 0 <= found.high
    assert 0.03 < better / 1000 < 0.075
    assert 0.93 < held / 1000 < 0.97


def test_a_clearly_better_score_is_found_and_the_same_ranking_is_not() -> None:
    rng = np.random.default_rng(7)
    positive = np.arange(200) < 50
    good, weak = positive * 2 + rng.normal(0, 1, 200), positive * 0.5 + rng.normal(0, 1, 200)
    assert compare_auc(good, weak, positive).better
    assert not compare_auc(weak, good, positive).better
    same = compare_auc(good, np.exp(good), positive)
    assert (same.difference, same.better) == (0.0, False)


@pytest.mark.parametrize(
    ("positive", "message"), [([True, False, False], "expected at least two"), ([True], "one length")]
)
def test_what_cannot_be_compared(positive: list[bool], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compare_auc([0.1, 0.2, 0.3], [0.2, 0.1, 0.3], positive)
