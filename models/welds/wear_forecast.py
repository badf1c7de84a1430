"""How many welds are left until a moving line reaches its limit, with the doubt of the line in it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

Z95 = 1.959963984540054
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Line:
    """A level and a slope of `n` things as a filter knows them; every field (n,) float64, `x` counts welds."""

    level: Floats
    """Where the line stands now, towards the limit."""
    slope: Floats
    """Per weld."""
    level_variance: Floats
    covariance: Floats
    """Of level and slope."""
    slope_variance: Floats
    walk: Floats
    """Variance that each further weld adds to the level."""


def welds_to(line: Line, limit: Floats) -> tuple[Floats, Floats, Floats]:
    """Return when each line reaches its limit from below: welds from now (expected, low, high), each (n,), 0 at least.

    The bounds are those of E. C. Fieller (J. R. Stat. Soc. B 16 (1954) 175-185): all distances r at which a level of
    `limit` cannot be told from the line, (limit - level - slope r)² <= z² Var(level + slope r), z for 95 %. `high` is
    infinite where the slope cannot be told from none, `expected` where it is not towards the limit.
    """
    gap = limit - line.level
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        expected = np.where(line.slope > 0, np.maximum(gap, 0) / line.slope, np.inf)
        expected = np.where(gap <= 0, 0.0, expected)
        z2 = Z95**2
        a = np.square(line.slope) - z2 * line.slope_variance
        half_b = -gap * line.slope - z2 * (line.covariance + line.walk / 2)
        c = np.square(gap) - z2 * line.level_variance
        root = np.sqrt(np.maximum(np.square(half_b) - a * c, 0.0))
        first, second = (-half_b - root) / a, (-half_b + root) / a
        near, far = np.minimum(first, second), np.maximum(first, second)
        rises = (line.slope > 0) & (a > 0)
        # Where the slope may be none the line's upper bound still meets the limit: at the one root ahead of now.
        near = np.where(rises, near, np.where(a < 0, far, np.inf))
        low = np.where((gap <= 0) | (c <= 0), 0.0, np.where(near >= 0, near, np.inf))
        high = np.where(rises, np.maximum(far, 0.0), np.inf)
    return expected, np.minimum(low, expected), np.maximum(high, expected)


def usual(past: Floats) -> tuple[float, float, float]:
    """Return what the next of some like numbers will be: (expected, low, high) of its 95 % prediction interval.

    `past` (n,) as they came; NaN when there is none, and no bounds with fewer than three. Interval for normal numbers:
    mean ± t s √(1 + 1/n); numbers that are all the same give that number and no doubt.
    """
    n = len(past)
    if not n:
        return math.nan, math.nan, math.nan
    mean = float(past.mean())
    if n < 3:
        return mean, -math.inf, math.inf
    spread = float(past.std(ddof=1))
    half = float(stdtrit(n - 1, 0.975)) * spread * math.sqrt(1 + 1 / n)
    return mean, mean - half, mean + half
