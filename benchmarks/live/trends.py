"""Whether something grows: a slope with its interval, and a verdict by a stated rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import theilslopes

BLOCKS = 40
"""Samples are averaged in at most so many blocks first: neighbours resemble each other, and taken one by one they would
promise more certainty than there is."""
LEAST_BLOCKS = 8
CONFIDENCE = 0.95

Verdict = Literal["flat", "grows", "undecided"]


@dataclass(frozen=True, slots=True)
class Slope:
    """Theil-Sen slope: the median of the slopes between all pairs of blocks, with its 95 % interval (Sen 1968)."""

    per_s: float
    low: float
    high: float
    median: float
    """Of the values."""
    seconds: float
    """From the first to the last sample."""

    def verdict(self, limit_per_s: float) -> Verdict:
        """Say `flat` when the whole interval is below the limit, `grows` when all of it is above, else `undecided`."""
        if self.high <= limit_per_s:
            return "flat"
        return "grows" if self.low > limit_per_s else "undecided"


def slope(times_s: Sequence[float], values: Sequence[float]) -> Slope | None:
    """Return the slope of `values` (n,) over `times_s` (n,), ascending; None with less than eight samples."""
    if len(values) < LEAST_BLOCKS:
        return None
    blocks = min(BLOCKS, max(LEAST_BLOCKS, len(values) // 3))
    at = [part.mean() for part in np.array_split(np.asarray(times_s, dtype=float), blocks)]
    mean = [part.mean() for part in np.array_split(np.asarray(values, dtype=float), blocks)]
    found = theilslopes(mean, at, CONFIDENCE)
    return Slope(
        float(found.slope),
        float(found.low_slope),
        float(found.high_slope),
        float(np.median(values)),
        float(times_s[-1] - times_s[0]),
    )


def quantiles(values: Sequence[float], ndigits: int = 1) -> dict[str, float | int]:
    """Return n, p50, p90, p99 and the largest."""
    if not values:
        return {"n": 0}
    marks = np.quantile(np.asarray(values, dtype=float), [0.5, 0.9, 0.99, 1.0])
    named = zip(("p50", "p90", "p99", "max"), marks, strict=True)
    return {"n": len(values), **{name: round(float(mark), ndigits) for name, mark in named}}
