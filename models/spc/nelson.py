"""Nelson's eight tests for special causes, one by one.

Source: L. S. Nelson, The Shewhart Control Chart: Tests for Special Causes, Journal of Quality Technology 16 (1984)
237-239. All eight together have an in-control run length of about 71 values: use few of them on many streams.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import ArrayLike, NDArray

RULES = {
    1: "one point beyond 3 sigmas",
    2: "nine points in a row on one side of the centre",
    3: "six points in a row rising or falling",
    4: "fourteen points in a row alternating up and down",
    5: "two of three points beyond 2 sigmas on one side",
    6: "four of five points beyond 1 sigma on one side",
    7: "fifteen points in a row within 1 sigma of the centre",
    8: "eight points in a row beyond 1 sigma, on either side",
}
ON_RANGE_CHARTS = (1,)
"""Ranges and standard deviations are skewed: the other tests, made for a symmetric distribution, do not hold there."""


def nelson(z: ArrayLike, rules: Collection[int] = tuple(RULES)) -> NDArray[np.bool_]:
    """Tell which rules each point completes: (len(rules), n), in the order of `rules`.

    `z` (n,) are distances from the centre in sigmas, in order of time and finite. A rule is marked at the point that
    completes its pattern, if that point is itself part of it (for 5 and 6: beyond the line). Points on the centre or
    on a line are on neither side. Raises `ValueError` on an unknown rule, or values that are not a finite vector.
    """
    x = np.asarray(z, dtype=np.float64)
    if x.ndim != 1 or not np.isfinite(x).all():
        raise ValueError("z must be a vector of finite numbers")
    if not set(rules) <= set(RULES):
        raise ValueError(f"rules is {tuple(rules)}; expected some of {tuple(RULES)}")
    rise = np.sign(np.diff(x, prepend=x[:1]))
    turn = np.r_[False, rise[1:] * rise[:-1] < 0] if len(x) else np.zeros(0, dtype=np.bool_)
    found = {
        1: lambda: np.abs(x) > 3,
        2: lambda: _all(x > 0, 9) | _all(x < 0, 9),
        # Six points are five steps, fourteen points are thirteen steps and twelve turns.
        3: lambda: _all(rise > 0, 5) | _all(rise < 0, 5),
        4: lambda: _all(turn, 12),
        5: lambda: _most(x > 2, 2, 3) | _most(x < -2, 2, 3),
        6: lambda: _most(x > 1, 4, 5) | _most(x < -1, 4, 5),
        7: lambda: _all(np.abs(x) < 1, 15),
        8: lambda: _all(np.abs(x) > 1, 8),
    }
    return np.array([found[rule]() for rule in rules], dtype=np.bool_).reshape(len(rules), len(x))


def _all(hit: NDArray[np.bool_], window: int) -> NDArray[np.bool_]:
    result: NDArray[np.bool_] = _count(hit, window) == window
    return result


def _most(hit: NDArray[np.bool_], least: int, window: int) -> NDArray[np.bool_]:
    result: NDArray[np.bool_] = hit & (_count(hit, window) >= least)
    return result


def _count(hit: NDArray[np.bool_], window: int) -> NDArray[np.int64]:
    """Return how many of the last `window` points, each included, are hit; fewer points at the beginning."""
    total = np.cumsum(hit, dtype=np.int64)
    before = np.zeros(len(hit), dtype=np.int64)
    before[window:] = total[:-window]
    result: NDArray[np.int64] = total - before
    return result
