"""EWMA and CUSUM statistics of many streams at once; a Shewhart chart is the values themselves.

Values are distances from a known centre in sigmas, (n,) of one stream or (..., n) with time last; NaN is no value: the
statistic stays as it was. Limits come from `run_length`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Values = NDArray[np.float64]


def ewma_sigma(lam: float) -> float:
    """Return the asymptotic sigma of an EWMA of independent standard normal values."""
    return float(np.sqrt(lam / (2 - lam)))


def ewma(z: ArrayLike, lam: float, start: ArrayLike = 0.0) -> Values:
    """Return the exponentially weighted moving average (..., n) after each value, beginning at `start` (...).

    Source: S. W. Roberts, Technometrics 1 (1959) 239-250.
    """
    x = np.asarray(z, dtype=np.float64)
    out = np.empty_like(x)
    state = np.broadcast_to(np.asarray(start, dtype=np.float64), x.shape[:-1]).copy()
    for t in range(x.shape[-1]):
        state = ewma_step(state, x[..., t], lam)
        out[..., t] = state
    return out


def ewma_step(state: Values, z: Values, lam: float) -> Values:
    """Return the EWMA (...) after one more value (...) of each stream."""
    moved: Values = state + lam * (z - state)
    return np.where(np.isnan(z), state, moved)


def cusum(z: ArrayLike, k: float) -> tuple[Values, Values]:
    """Return the upper and lower CUSUM (..., n) after each value, beginning at 0; the lower one is never positive.

    A two-sided chart signals when upper ≥ h or lower ≤ −h. Source: E. S. Page, Biometrika 41 (1954) 100-115.
    """
    x = np.asarray(z, dtype=np.float64)
    high, low = np.empty_like(x), np.empty_like(x)
    above, below = np.zeros(x.shape[:-1]), np.zeros(x.shape[:-1])
    for t in range(x.shape[-1]):
        above, below = cusum_step(above, below, x[..., t], k)
        high[..., t], low[..., t] = above, below
    return high, low


def cusum_step(above: Values, below: Values, z: Values, k: float) -> tuple[Values, Values]:
    """Return both sides (...) of the CUSUM after one more value (...) of each stream."""
    none = np.isnan(z)
    return (
        np.where(none, above, np.maximum(above + z - k, 0.0)),
        np.where(none, below, np.minimum(below + z + k, 0.0)),
    )
