import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from models.scoring import auc


def test_auc_equals_scikit_learns_with_ties() -> None:
    rng = np.random.default_rng(1)
    score = rng.integers(0, 12, 400).astype(float)
    positive = rng.random(400) < 0.3
    assert auc(score, positive)[0] == pytest.approx(roc_auc_score(positive, score), abs=1e-12)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    truth = 0.7602  # P(N(1, 1) > N(0, 1))
    held = 0
    for _ in range(400):
        score = np.r_[rng.normal(1, 1, 40), rng.normal(0, 1, 60)]
        _, low, high = auc(score, np.arange(100) < 40)
        held += low <= truth <= high
    assert 0.92 < held / 400 < 0.98


def test_without_both_classes_nothing_is_known() -> None:
    assert all(math.isnan(x) for x in auc([0.1, 0.2], [True, True]))


def test_vectors_must_match() -> None:
    with pytest.raises(ValueError, match="one length"):
        auc([0.1], [True, False])
