"""Charts of rates: p and Laney's p′, whose limits know that a rate scatters from hour to hour more than coins do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom, norm

MR_TO_SIGMA = 1.128
"""d₂ for two: the mean moving range of independent normal values over their sigma."""


@dataclass(frozen=True, slots=True)
class ProportionChart:
    """A p′ chart of `n` subgroups, in order of time."""

    rate: NDArray[np.float64]
    """(n,) share of defects, 0..1; NaN in an empty subgroup."""
    n: NDArray[np.float64]
    """(n,) trials."""
    centre: float
    """Defects over trials of all subgroups."""
    sigma_z: float
    """How many times more than binomially the rate scatters from one subgroup to the next; 1 on a plain p chart."""
    sigma: NDArray[np.float64]
    """(n,) of the rate: binomial sigma times `sigma_z`."""
    z: NDArray[np.float64]
    """(n,) distance of the rate from the centre, in `sigma`; NaN in an empty subgroup."""

    def limits(self, sigmas: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the lower and upper limit (n,) at so many sigmas, within 0..1."""
        half = sigmas * self.sigma
        return np.clip(self.centre - half, 0.0, 1.0), np.clip(self.centre + half, 0.0, 1.0)

    def signals(self, sigmas: float) -> NDArray[np.bool_]:
        """Tell which subgroups (n,) lie beyond the limits, and are as improbable by the binomial distribution itself.

        Where a handful of defects is expected the normal limits alone cry wolf: the distribution is skewed.
        """
        known = self.n > 0
        d = np.where(known, np.rint(np.nan_to_num(self.rate) * self.n), 0.0)
        tail = np.where(
            self.z > 0,
            binom.sf(d - 1, self.n, self.centre),
            np.where(self.z < 0, binom.cdf(d, self.n, self.centre), 1.0),
        )
        result: NDArray[np.bool_] = known & (np.abs(np.nan_to_num(self.z)) > sigmas) & (tail < norm.sf(sigmas))
        return result


def laney(defects: ArrayLike, n: ArrayLike, *, least_sigma_z: float = 0.0) -> ProportionChart:
    """Return Laney's p′ chart of `defects` (n,) of `n` (n,) trials.

    sigma_z is the mean moving range of the binomial z over 1.128; `least_sigma_z` = 1 never lets limits be narrower
    than a p chart's. Empty subgroups are passed over. With fewer than two subgroups, or where nothing or everything
    is defective, sigma_z is 1 (there is nothing to see it by). Raises `ValueError` when defects are not in 0..n.
    Source: D. B. Laney, Improved Control Charts for Attributes, Quality Engineering 14 (2002) 531-537.
    """
    count = np.asarray(defects, dtype=np.float64)
    trials = np.asarray(n, dtype=np.float64)
    if count.shape != trials.shape or count.ndim != 1:
        raise ValueError(f"defects and n must be vectors of one length, not {count.shape} and {trials.shape}")
    if np.any(count < 0) or np.any(count > trials):
        raise ValueError("defects must lie in 0..n")
    full = trials > 0
    total = trials.sum()
    centre = float(count.sum() / total) if total else 0.0
    safe = np.where(full, trials, 1.0)
    rate = np.where(full, count / safe, np.nan)
    binomial = np.sqrt(centre * (1 - centre) / safe)
    varies = 0 < centre < 1
    z = np.where(full, (rate - centre) / np.where(binomial > 0, binomial, 1.0), np.nan) if varies else 0.0 * rate
    seen = z[full]
    sigma_z = 1.0
    if varies and len(seen) >= 2:
        sigma_z = max(float(np.abs(np.diff(seen)).mean()) / MR_TO_SIGMA, least_sigma_z)
    scaled = z / sigma_z if sigma_z > 0 else z
    return ProportionChart(rate=rate, n=trials, centre=centre, sigma_z=sigma_z, sigma=binomial * sigma_z, z=scaled)
