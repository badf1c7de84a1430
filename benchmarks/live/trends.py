"""Whether something grows: a slope with its interval, and a verdict by a stated rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import theilslopes

BLOCKS = 20
"""Samples are averaged in at most so many blocks of three or more first."""
LEAST_SAMPLES = 24
MOST_ALIKE = 0.99
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
    """Return the slope of `values` (n,) over `times_s` (n,), ascending; None with fewer than 24 samples.

    Neighbouring samples resemble each other, and taken as independent they would promise more certainty than there
    is: the interval is widened by what their autocorrelation leaves between blocks. On noise without a trend, whose
    neighbours correlate by 0 to 0.97, that of 180 samples or more then leaves zero out in 3 to 8 % of the cases.
    """
    if len(values) < LEAST_SAMPLES:
        return None
    times, series = np.asarray(times_s, dtype=float), np.asarray(values, dtype=float)
    blocks = min(BLOCKS, len(values) // 3)
    at, mean = ([part.mean() for part in np.array_split(one, blocks)] for one in (times, series))
    found = theilslopes(mean, at, CONFIDENCE)
    wider = _widening(times, series, len(values) / blocks)
    return Slope(
        float(found.slope),
        float(found.slope - wider * (found.slope - found.low_slope)),
        float(found.slope + wider * (found.high_slope - found.slope)),
        float(np.median(series)),
        float(times[-1] - times[0]),
    )


def _widening(times: NDArray[np.float64], series: NDArray[np.float64], block: float) -> float:
    """Return sqrt((1 + r) / (1 - r)), r being how means over `block` samples of such a series correlate with the next.

    The series is taken as an AR(1) process about its line; its correlation is freed of the bias of short series
    (Kendall 1954).
    """
    rest = series - np.polyval(np.polyfit(times, series, 1), times)
    power = float(rest @ rest)
    if power <= np.finfo(float).eps * float(series @ series):
        return 1.0
    alike = max(0.0, float(rest[1:] @ rest[:-1]) / power)
    alike = min(MOST_ALIKE, alike + (1 + 4 * alike) / len(series))
    faded = alike**block
    r = alike * (1 - faded) ** 2 / (block * (1 - alike**2) - 2 * alike * (1 - faded))
    r = min(max(r, 0.0), MOST_ALIKE)
    return float(np.sqrt((1 + r) / (1 - r)))


def quantiles(values: Sequence[float], ndigits: int = 1) -> dict[str, float | int]:
    """Return n, p50, p90, p99 and the largest."""
    if not values:
        return {"n": 0}
    marks = np.quantile(np.asarray(values, dtype=float), [0.5, 0.9, 0.99, 1.0])
    named = zip(("p50", "p90", "p99", "max"), marks, strict=True)
    return {"n": len(values), **{name: round(float(mark), ndigits) for name, mark in named}}
