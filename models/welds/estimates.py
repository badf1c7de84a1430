"""Centres and spreads of few welds: robust, and drawn to what a programme's other spots are like (empirical Bayes)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MAD_TO_SIGMA = 1.4826
"""Median absolute deviation of a normal distribution -> its sigma."""
MEDIAN_VARIANCE = 1.57
"""Variance of a median of normal values, in units of that of their mean."""
UNLIKE_SIGMA, UNLIKE_N = 4.0, 5
"""A stream whose own median of at least so many welds lies so far from its programme's spots is not one of their kind:
they do not tell what is normal for it. The distance is in sigmas of what spots, and medians, differ by."""
TINY = 1e-12
"""Added where spots may not differ at all, as in weld time."""


def blend(
    own: NDArray[np.float64],
    n: NDArray[np.int64],
    prior: NDArray[np.float64],
    within: NDArray[np.float64],
    between: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and variance (k, F) of a centre known by the median `own` of `n` welds and by its programme."""
    own_weight = np.where(np.isnan(own), 0.0, n[:, None] / (MEDIAN_VARIANCE * within))
    prior_weight = 1.0 / (between + TINY)
    variance = 1.0 / (own_weight + prior_weight)
    centre = variance * (own_weight * np.nan_to_num(own, nan=0.0) + prior_weight * prior)
    return centre, variance


def unlike(
    own: NDArray[np.float64],
    n: NDArray[np.int64],
    prior: NDArray[np.float64],
    within: NDArray[np.float64],
    between: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Tell (k, F) where the median `own` of `n` welds lies farther from the programme's spots than they differ."""
    usual = between + MEDIAN_VARIANCE * within / np.maximum(n, 1)[:, None]
    far: NDArray[np.bool_] = np.square(own - prior) > UNLIKE_SIGMA**2 * usual
    return far


def middle_and_spread(x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return median and squared scaled MAD over axis 1 of (rows, L, F)."""
    middle = nanmedian(x)
    return middle, np.square(MAD_TO_SIGMA * nanmedian(np.abs(x - middle[:, None, :])))


def nanmedian(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median over axis 1 of (rows, L, F), NaN where all are; exact, hence the same in any batch."""
    ordered = np.sort(x, axis=1)  # NaN sorts last
    count = (~np.isnan(x)).sum(axis=1)
    last = np.maximum(count - 1, 0)
    low = np.take_along_axis(ordered, (last // 2)[:, None, :], axis=1)[:, 0]
    high = np.take_along_axis(ordered, np.minimum((last + 1) // 2, last)[:, None, :], axis=1)[:, 0]
    median: NDArray[np.float64] = 0.5 * (low + high)
    return median
