"""What is normal for each stream (spot x programme): robust, learnt from conforming welds only.

Every method takes at most one weld per stream, so that the arithmetic is vectorised over rows and a result depends
on the order of a stream's own welds alone. State is a row in arrays; growth doubles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from models.welds.features import FEATURES

MEMORY_N = 200
"""Welds over which the reference forgets: each new one counts 1/200 once the stream has that many."""
WINSOR_SIGMA = 2.5
"""Distances beyond this count as this when learning, so that no single weld pulls the reference."""
WINSOR_VARIANCE = 0.97756
"""E[min(z², 2.5²)] of a standard normal z: what the winsorised variance must be divided by."""
MAD_TO_SIGMA = 1.4826
"""Median absolute deviation of a normal distribution -> its sigma."""
RELATIVE_FLOOR = 0.01
"""Sigma is never taken below 1 % of the centre: the class of the current and voltage sensors (ISO 17657-4)."""
_FLOORS = {
    "weld_time_ms": 2.0, "current_rms_ka": 0.05, "voltage_rms_v": 0.01, "energy_j": 2.0, "charge_c": 2.0,
    "r_first_uohm": 1.0, "r_alpha_uohm": 1.0, "r_beta_uohm": 1.0, "t_beta_ms": 4.0, "r_mean_uohm": 1.0,
    "r_end_uohm": 1.0, "r_drop_uohm": 2.0, "r_slope_uohm_per_ms": 0.03, "step_uohm": 1.0, "step_left": 0.02,
    "current_dip_share": 0.01, "force_mean_kn": 0.02, "force_step_kn": 0.02, "expansion_mm": 0.01,
    "voltage_end_v": 0.01, "voltage_step_v": 0.01,
}  # fmt: skip
ABSOLUTE_FLOOR = np.array([_FLOORS[name] for name in FEATURES])
"""... nor below this, per feature, in its own unit: two samples of time, a quantisation step of the sensors."""


@dataclass(slots=True)
class References:
    """The reference of every stream, one row each. `F` features, `L` welds to learn from."""

    learn_n: int
    n: NDArray[np.int64]
    """(rows,) welds learnt from since the version began."""
    version: NDArray[np.int64]
    """(rows,) counts resets, from 1."""
    last_time_ns: NDArray[np.int64]
    """(rows,) newest source time judged; a weld not newer is late."""
    centre: NDArray[np.float64]
    """(rows, F) NaN while learning, or where the stream lacks the feature."""
    variance: NDArray[np.float64]
    """(rows, F) likewise."""
    first: NDArray[np.float32]
    """(rows, L, F) features of the welds being learnt from."""

    @classmethod
    def empty(cls, learn_n: int, rows: int = 64) -> References:
        """Return `rows` streams that have seen nothing."""
        return cls(
            learn_n=learn_n,
            n=np.zeros(rows, dtype=np.int64),
            version=np.ones(rows, dtype=np.int64),
            last_time_ns=np.full(rows, np.iinfo(np.int64).min),
            centre=np.full((rows, len(FEATURES)), np.nan),
            variance=np.full((rows, len(FEATURES)), np.nan),
            first=np.full((rows, learn_n, len(FEATURES)), np.nan, dtype=np.float32),
        )

    ARRAYS: ClassVar[tuple[str, ...]] = (
        "n", "version", "last_time_ns", "centre", "variance", "first",
    )  # fmt: skip

    def arrays(self, rows: int) -> dict[str, NDArray[np.generic]]:
        """Return the first `rows` rows of every array by name: what a snapshot holds."""
        return {name: getattr(self, name)[:rows] for name in self.ARRAYS}

    def reserve(self, rows: int) -> None:
        """Make room for `rows` streams; doubles, so that a growing plant costs little."""
        have = len(self.n)
        if rows <= have:
            return
        more = References.empty(self.learn_n, max(rows, 2 * have) - have)
        for name in self.ARRAYS:
            setattr(self, name, np.concatenate((getattr(self, name), getattr(more, name))))

    def learning(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell which of `rows` have not seen `learn_n` welds yet."""
        result: NDArray[np.bool_] = self.n[rows] < self.learn_n
        return result

    def sigma(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return sigma (len(rows), F), never below the floors; NaN while learning."""
        floor = np.maximum(RELATIVE_FLOOR * np.abs(self.centre[rows]), ABSOLUTE_FLOOR)
        sigma: NDArray[np.float64] = np.maximum(np.sqrt(self.variance[rows]), floor)
        return sigma

    def learn(self, rows: NDArray[np.int64], values: NDArray[np.float32]) -> None:
        """Take one conforming weld of each of the distinct `rows`: features (len(rows), F)."""
        young = self.learning(rows)
        if young.any():
            self._gather_first(rows[young], values[young])
        if not young.all():
            self._follow(rows[~young], values[~young])
        self.n[rows] += 1

    def reset(self, rows: NDArray[np.int64]) -> None:
        """Forget what is normal for `rows` and begin their next version; what was judged stays judged."""
        blank = References.empty(self.learn_n, 1)
        keep = {"version": self.version[rows] + 1, "last_time_ns": self.last_time_ns[rows]}
        for name in self.ARRAYS:
            getattr(self, name)[rows] = keep.get(name, getattr(blank, name)[0])

    def _gather_first(self, rows: NDArray[np.int64], values: NDArray[np.float32]) -> None:
        self.first[rows, self.n[rows]] = values
        done = rows[self.n[rows] == self.learn_n - 1]
        if not len(done):
            return
        first = self.first[done].astype(np.float64)
        # A feature that most of the first welds lack is not one of this stream's; a few gaps are filled by the median.
        lacking = np.isnan(first).sum(axis=1) * 2 > self.learn_n
        centre = _nanmedian(first)
        mad = _nanmedian(np.abs(first - centre[:, None, :]))
        self.centre[done] = np.where(lacking, np.nan, centre)
        self.variance[done] = np.where(lacking, np.nan, np.square(MAD_TO_SIGMA * mad))

    def _follow(self, rows: NDArray[np.int64], values: NDArray[np.float32]) -> None:
        centre, sigma = self.centre[rows], self.sigma(rows)
        rate = 1.0 / np.minimum(self.n[rows] + 1, MEMORY_N)[:, None]
        z = np.clip((values - centre) / sigma, -WINSOR_SIGMA, WINSOR_SIGMA)
        variance = self.variance[rows]
        spread = variance + rate * (np.square(z * sigma) / WINSOR_VARIANCE - variance)
        seen = ~np.isnan(z)
        self.centre[rows] = np.where(seen, centre + rate * z * sigma, centre)
        self.variance[rows] = np.where(seen, spread, variance)


def _nanmedian(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median over axis 1 of (rows, L, F), NaN where all are; exact, hence the same in any batch."""
    ordered = np.sort(x, axis=1)  # NaN sorts last
    count = (~np.isnan(x)).sum(axis=1)
    last = np.maximum(count - 1, 0)
    low = np.take_along_axis(ordered, (last // 2)[:, None, :], axis=1)[:, 0]
    high = np.take_along_axis(ordered, np.minimum((last + 1) // 2, last)[:, None, :], axis=1)[:, 0]
    median: NDArray[np.float64] = 0.5 * (low + high)
    return median
