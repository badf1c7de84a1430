"""A CUSUM for rare events, which tells that the rate of defects has risen.

M. R. Reynolds and Z. G. Stoumbos, A CUSUM chart for monitoring a proportion when inspecting continuously, Journal of
Quality Technology 31 (1999) 87-108. For every good item the score falls by 1 (not below 0), for every bad one it rises
by m − 1; a score of `limit` or more is a signal. All of it is whole numbers, so nothing is ever rounded.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.linalg import solve_banded

MAX_LIMIT = 1 << 20


def step(p0: float, p1: float) -> int:
    """Return m, the chart's step, from the usual rate `p0` and a rate `p1` above it that is to be found soonest.

    One bad item in m is the rate at which the score neither falls nor rises: m is log-likelihood ratio of a bad item
    over that of a good one, rounded, and at least 2.
    """
    good = math.log((1 - p0) / (1 - p1))
    bad = math.log(p1 / p0)
    return max(2, round((good + bad) / good))


def run_length(p: float, m: int, limit: int) -> float:
    """Return the mean number of items from score 0 to a signal, when each is bad with probability `p`.

    Exact: the scores 0 .. limit − 1 are the states of a Markov chain.
    """
    if limit <= m - 1:
        return 1 / p
    # E[i] = 1 + (1 − p)·E[max(i − 1, 0)] + p·E[i + m − 1]; beyond the limit nothing more is to come.
    bands = np.zeros((m + 1, limit))
    bands[0, m - 1 :] = -p
    bands[m - 1] = 1.0
    bands[m - 1, 0] = p
    bands[m, :-1] = -(1 - p)
    return float(solve_banded((1, m - 1), bands, np.ones(limit))[0])


def limit_for(p0: float, m: int, least_run_length: float) -> int:
    """Return the smallest limit at which a chart signals a rate `p0` no sooner than `least_run_length` items, mean.

    Raises `ValueError` when there is none below `MAX_LIMIT`: the step does not suit the rate.
    """
    high = m
    while run_length(p0, m, high) < least_run_length:
        high *= 2
        if high > MAX_LIMIT:
            raise ValueError(
                f"no limit keeps a rate of {p0} quiet with step {m}; expected a step well under {1 / p0:g}"
            )
    low = max(1, high // 2)
    while low < high:
        middle = (low + high) // 2
        if run_length(p0, m, middle) < least_run_length:
            low = middle + 1
        else:
            high = middle
    return high
