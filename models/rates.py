"""How often, and how sure: a rate never stands alone, it carries its n and its 95 % Wilson interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Z95 = 1.959963984540054
"""Two-sided 95 % quantile of the normal distribution."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Qualification rate = ok / (ok + defect) over judged welds; `unjudged` counts in no rate."""

    ok: int
    defect: int
    unjudged: int

    @property
    def n(self) -> int:
        """Judged welds."""
        return self.ok + self.defect

    @property
    def rate(self) -> float | None:
        """0..1, or None when nothing was judged."""
        return self.ok / self.n if self.n else None

    @property
    def low(self) -> float | None:
        """Lower end of the 95 % Wilson interval."""
        return float(wilson(self.ok, self.n)[0]) if self.n else None

    @property
    def high(self) -> float | None:
        """Upper end of the 95 % Wilson interval."""
        return float(wilson(self.ok, self.n)[1]) if self.n else None


def wilson(ok: ArrayLike, n: ArrayLike, z: float = Z95) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the Wilson score interval (low, high) of `ok` successes in `n` trials, both 0..1.

    `ok` and `n` broadcast; where `n` is 0 nothing is known and the interval is (0, 1).
    Raises `ValueError` when `ok` is negative or above `n`.
    Source: E. B. Wilson, JASA 22 (1927) 209-212.
    """
    ok = np.asarray(ok, dtype=np.float64)
    n = np.asarray(n, dtype=np.float64)
    if np.any(ok < 0) or np.any(ok > n):
        raise ValueError("ok must lie in 0..n")
    safe = np.where(n > 0, n, 1.0)
    p = ok / safe
    centre = p + z * z / (2 * safe)
    half = z * np.sqrt(p * (1 - p) / safe + z * z / (4 * safe * safe))
    scale = 1 + z * z / safe
    low = np.where(n > 0, np.clip((centre - half) / scale, 0.0, 1.0), 0.0)
    high = np.where(n > 0, np.clip((centre + half) / scale, 0.0, 1.0), 1.0)
    # The ends are exact where every trial, or none, succeeded; rounding must not say otherwise.
    return np.where(ok == 0, 0.0, low), np.where((ok == n) & (n > 0), 1.0, high)
