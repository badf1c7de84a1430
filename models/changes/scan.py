"""One change in each of many series: how much likelier it is than none, at every place where it could be.

Series are buckets of time, (G, T); a split after bucket k parts them into [0, k] and [k + 1, T). All are scanned at
once by cumulative sums. The best split is the exact answer to "at most one change" (D. M. Hawkins, JASA 72 (1977)
180-186), and repeating it on both sides is binary segmentation (A. J. Scott, M. Knott, Biometrics 30 (1974) 507-512).
`ruptures` (BSD, maintained) segments one series at a time and has no binomial cost; here it is thousands at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from models.rates import Z95, wilson

Array = NDArray[np.float64]
FALSE_FINDINGS = 0.05
"""Chance that a search over series without any change finds one."""
LEAST_STEPS = 8
WITHIN = -float(np.log(1 - np.sqrt(0.95)))
"""Splits whose log likelihood is within 3.68 of the best are a 95 % interval of the moment: on either side of the truth
the likelihood ratio is a random walk whose maximum is exponential, so that both stay below c with (1 − e^−c)²."""


def rate_ratio(defects: Array, trials: Array) -> Array:
    """Return the log likelihood ratio (G, T − 1) of a change of a rate after each bucket, from counts (G, T)."""
    d, n = np.cumsum(defects, axis=1), np.cumsum(trials, axis=1)
    d_all, n_all = d[:, -1:], n[:, -1:]
    d, n = d[:, :-1], n[:, :-1]
    ratio = _binomial(d, n) + _binomial(d_all - d, n_all - n) - _binomial(d_all, n_all)
    # Rounding leaves a little below 0 where both sides have one rate.
    return np.asarray(np.maximum(ratio, 0.0), dtype=np.float64)


def _binomial(defects: Array, trials: Array) -> Array:
    p = defects / np.maximum(trials, 1)
    return np.asarray(xlogy(defects, p) + xlogy(trials - defects, 1 - p), dtype=np.float64)


def mean_ratio(total: Array, n: Array, sigma: Array) -> Array:
    """Return the log likelihood ratio (G, T − 1) of a change of the mean of normal values after each bucket.

    `total` (G, T) are sums of `n` (G, T) values of one series, each with the sigma (G,).
    """
    x, m = np.cumsum(total, axis=1), np.cumsum(n, axis=1)
    x_all, m_all = x[:, -1:], m[:, -1:]
    x, m = x[:, :-1], m[:, :-1]
    rest = m_all - m
    gap = x / np.maximum(m, 1) - (x_all - x) / np.maximum(rest, 1)
    weight = m * rest / np.maximum(m_all, 1)
    result: Array = 0.5 * weight * np.square(gap / sigma[:, None])
    return result


def penalty(series: int, splits: int, freedom: float = np.inf) -> float:
    """Return what a log likelihood ratio must exceed to be a finding.

    Each of `series` x `splits` ratios exceeds x by chance with a probability of at most about 2·e^−x (Chernoff, both
    directions): the union bound keeps the whole search at `FALSE_FINDINGS`. A ratio t²/2 whose sigma is estimated with
    so many degrees of `freedom` must exceed the t² at which Student's likelihood, (1 + t²/ν)^(−(ν + 1)/2), is e^−x.
    """
    x = float(np.log(2 * max(series, 1) * max(splits, 1) / FALSE_FINDINGS))
    return x if np.isinf(freedom) else float(0.5 * freedom * np.expm1(2 * x / (freedom + 1)))


def step_freedom(buckets: int) -> float:
    """Return the degrees of freedom that `step_sigma` is worth: 2/3 of the buckets.

    Source: J. von Neumann et al., Annals of Mathematical Statistics 12 (1941) 153-162, on successive differences.
    """
    return max(2 * buckets / 3, 1.0)


def interval(ratio: Array) -> tuple[int, int]:
    """Return the first and last split of the 95 % interval of the moment, from the ratios (T − 1,) of one series."""
    near = np.flatnonzero(ratio >= ratio.max() - WITHIN)
    return int(near[0]), int(near[-1])


def rate_difference(d1: float, n1: float, d2: float, n2: float) -> tuple[float, float]:
    """Return the 95 % interval of a change from rate d1/n1 to d2/n2; each needs a trial.

    Source: R. G. Newcombe, Statistics in Medicine 17 (1998) 873-890, method 10 (from two Wilson intervals).
    """
    low, high = wilson(np.array([d1, d2]), np.array([n1, n2]))
    p1, p2 = d1 / n1, d2 / n2
    below = float(np.hypot(p2 - low[1], high[0] - p1))
    above = float(np.hypot(high[1] - p2, p1 - low[0]))
    return p2 - p1 - below, p2 - p1 + above


def mean_difference(sigma: float, n1: float, n2: float) -> float:
    """Return the half width of the 95 % interval of a change between means of `n1` and `n2` normal values."""
    return float(Z95 * sigma * np.sqrt(1 / n1 + 1 / n2))


def step_sigma(total: Array, n: Array) -> Array:
    """Return the sigma (G,) of one value, from how bucket means follow each other (G, T); NaN with under 8 steps.

    A change moves one step only, and steps beyond 3 sigmas of the median one are left out. Scatter from bucket to
    bucket that is more than the values' own is in it.
    """
    mean = np.where(n > 0, total / np.maximum(n, 1), np.nan)
    reach = np.sqrt(1 / np.maximum(n[:, 1:], 1) + 1 / np.maximum(n[:, :-1], 1))
    step = np.abs(np.diff(mean, axis=1)) / reach
    enough = (~np.isnan(step)).sum(axis=1) >= LEAST_STEPS
    step = np.where(enough[:, None], step, 0.0)
    usual = step <= 3 * 1.4826 * np.nanmedian(step, axis=1, keepdims=True)
    square = np.square(np.where(usual, step, 0.0)).sum(axis=1) / np.maximum(usual.sum(axis=1), 1)
    return np.where(enough, np.sqrt(square), np.nan)
