"""What electrode wear does to a feature, learnt per stream: a line over the wear count, shrunk to the programme's.

Tips mushroom about evenly with the number of welds and the stepper follows them, so over a dress interval features run
along a line, and jump back at a dress. A reference that knows the line is narrower, and not surprised by the dress.
The slope is a ridge regression with forgetting: data outweigh the programme's slope as they come (empirical Bayes;
C. N. Morris, JASA 78 (1983) 47-55), so that few welds, or a wear count that hardly varies, make no slope of noise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.welds.batch import ABSENT_WEAR

WEAR_UNIT = 100.0
"""Wear is reckoned in hundreds of welds."""
MAX_WEAR = 10_000
"""A count above this, more than any pair of tips lasts, says no more than this."""
SLOPE_PRIOR_SIGMA = 1.0
"""Slopes of one programme's streams differ by about so many sigmas per hundred welds, before anything is known."""
SLOPE_MAX_SIGMA = 4.0
"""No slope is steeper than so many sigmas of the anchor per hundred welds: that is no wear."""
REACH_SIGMA, REACH = 3.0, 1.0
"""Beyond so many standard deviations of the wear that a stream has seen, and so many hundred welds, its line ends."""


def wear_of(wear_count: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return wear in hundreds of welds, NaN where the controller does not count."""
    wear: NDArray[np.float64] = np.minimum(wear_count, MAX_WEAR) / WEAR_UNIT
    return np.where(wear_count == ABSENT_WEAR, np.nan, wear)


def from_mean(
    wear: NDArray[np.float64], mean: NDArray[np.float64], variance: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return by how much `wear` lies above the mean of what a stream has seen; 0 where it is not counted."""
    reach = REACH_SIGMA * np.sqrt(variance) + REACH
    away: NDArray[np.float64] = np.clip(np.nan_to_num(wear - mean, nan=0.0), -reach, reach)
    return away


def slope_of(
    covariance: NDArray[np.float64], variance: NDArray[np.float64], n: NDArray[np.int64], prior: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the slope (rows, F) per hundred welds: least squares over `n` welds, drawn to `prior` (rows, F).

    `variance` (rows,) is that of the wear, `covariance` (rows, F) of wear and feature.
    """
    ridge = 1.0 / (SLOPE_PRIOR_SIGMA**2 * n)
    slope: NDArray[np.float64] = (covariance + ridge[:, None] * prior) / (variance + ridge)[:, None]
    return slope


def doubt(away: NDArray[np.float64], variance: NDArray[np.float64], n: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the variance of what is expected, in units of the feature's: of its mean and of its slope."""
    doubted: NDArray[np.float64] = 1.0 / n + np.square(away) / (n * variance + 1.0 / SLOPE_PRIOR_SIGMA**2)
    return doubted
