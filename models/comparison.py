"""Is one score better than another on the same welds: paired comparison of two areas under the ROC curve."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from models.rates import Z95

Z95_ONE_SIDED = 1.6448536269514722


@dataclass(frozen=True, slots=True)
class AucComparison:
    """Two scores of the same `n` welds."""

    positives: int
    negatives: int
    first: float
    """AUC of the first score."""
    second: float
    difference: float
    """first - second."""
    low: float
    """95 % interval of the difference."""
    high: float
    better: bool
    """The first is better at the 5 % level, one-sided."""


def compare_auc(first: ArrayLike, second: ArrayLike, positive: ArrayLike) -> AucComparison:
    """Compare two scores (n,) of the same welds; higher means more likely `positive` (n,) bool.

    Source: E. R. DeLong, D. M. DeLong, D. L. Clarke-Pearson, Biometrics 44 (1988) 837-845, by the midranks of
    X. Sun, W. Xu, IEEE Signal Processing Letters 21 (2014) 1389-1393. Two scores that rank alike differ by 0, and are
    not better. Raises `ValueError` with fewer than two positives or two negatives, or lengths that differ.
    """
    scores = np.array([np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)])
    y = np.asarray(positive, dtype=np.bool_)
    if scores.shape != (2, len(y)):
        raise ValueError(f"scores and positive must be vectors of one length, not {scores.shape[1:]} and {y.shape}")
    m, n = int(y.sum()), int((~y).sum())
    if m < 2 or n < 2:
        raise ValueError(f"{m} positives and {n} negatives; expected at least two of each")
    area, v10, v01 = _placements(scores, y, m, n)
    covariance = np.cov(v10) / m + np.cov(v01) / n
    difference = float(area[0] - area[1])
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    sigma = math.sqrt(max(variance, 0.0))
    return AucComparison(
        positives=m,
        negatives=n,
        first=float(area[0]),
        second=float(area[1]),
        difference=difference,
        low=max(-1.0, difference - Z95 * sigma),
        high=min(1.0, difference + Z95 * sigma),
        better=difference - Z95_ONE_SIDED * sigma > 0,
    )


def _placements(
    scores: NDArray[np.float64], y: NDArray[np.bool_], m: int, n: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the areas (2,), and how each positive (2, m) and each negative (2, n) is placed among the others."""
    everyone = rankdata(scores, axis=1)
    v10 = (everyone[:, y] - rankdata(scores[:, y], axis=1)) / n
    v01 = 1 - (everyone[:, ~y] - rankdata(scores[:, ~y], axis=1)) / m
    return v10.mean(axis=1), v10, v01
