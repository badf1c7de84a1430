"""Memory from one value to the next: how much of it there is, and what it does to a chart.

A chart made for independent values cries wolf on values that follow each other. There are two remedies, both here:
chart what the last value did not foretell (`residuals`), or widen an EWMA's limits (`ewma_widening`). Residuals keep
the false-alarm rate exactly but see a lasting step δ only as δ·√((1−φ)/(1+φ)); a widened EWMA shows the step whole.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

WINSOR_SIGMA = 3.0
MAX_PHI = 0.95
"""A series with more memory than this is not stationary in any window that one has."""


def lag_one(z: ArrayLike) -> NDArray[np.float64]:
    """Return the lag-1 autocorrelation (...) of each series (..., n) about its median; NaN under 3 pairs.

    Robust: values are cut to ±3 sigmas (1.4826 MAD) of their median first, so that one wild weld, which would halve
    the estimate, counts little. NaN is no value, and pairs with one count nothing. The estimate's own sigma is about
    1/√n. Source of the idea: R. A. Maronna et al., Robust Statistics (2019), 8.6.
    """
    x = np.asarray(z, dtype=np.float64)
    if x.shape[-1] < 4:
        return np.full(x.shape[:-1], np.nan)
    seen = ~np.isnan(x)
    few = seen.sum(axis=-1) < 4
    filled = np.where(few[..., None], 0.0, x)
    away = filled - np.nanmedian(filled, axis=-1, keepdims=True)
    reach = WINSOR_SIGMA * 1.4826 * np.nanmedian(np.abs(away), axis=-1, keepdims=True)
    cut = np.clip(away, -reach, reach)
    cut = cut - np.nanmean(cut, axis=-1, keepdims=True)
    pairs = cut[..., 1:] * cut[..., :-1]
    count = (~np.isnan(pairs)).sum(axis=-1)
    variance = np.nanmean(np.square(cut), axis=-1)
    usable = ~few & (count >= 3) & (variance > 0)
    mean = np.nansum(pairs, axis=-1) / np.maximum(count, 1)
    phi = np.clip(mean / np.where(usable, variance, 1.0), -MAX_PHI, MAX_PHI)
    return np.where(usable, phi, np.nan)


def shrink(phi: ArrayLike, n: ArrayLike) -> NDArray[np.float64]:
    """Return autocorrelations (m,) of many streams, each drawn towards the mean of all as far as it is uncertain.

    `n` (m,) is how many values each was estimated from. A limit made from a noisy φ is wrong more often than one from
    its neighbours' mean. The variance between streams is what their spread has beyond the sampling variance
    (1 − φ̄²)/n (empirical Bayes by moments; B. Efron, C. Morris, JASA 70 (1975) 311-319). NaN becomes the mean.
    """
    own = np.asarray(phi, dtype=np.float64)
    size = np.broadcast_to(np.asarray(n, dtype=np.float64), own.shape)
    seen = ~np.isnan(own)
    if not seen.any():
        return np.zeros_like(own)
    mean = float(own[seen].mean())
    sampling = (1 - mean * mean) / np.maximum(size, 1.0)
    between = max(float(np.square(own[seen] - mean).mean() - sampling[seen].mean()), 0.0)
    weight = between / (between + sampling)
    return np.where(seen, mean + weight * (own - mean), mean)


def residuals(z: ArrayLike, phi: ArrayLike) -> NDArray[np.float64]:
    """Return what the value before did not foretell, (..., n), of unit variance when `z` (..., n) has it.

    `phi` (...) is each series' lag-1 autocorrelation. The first value, and one after a gap (NaN), is kept as it is.
    Source: L. C. Alwan, H. V. Roberts, Journal of Business & Economic Statistics 6 (1988) 87-95.
    """
    x = np.asarray(z, dtype=np.float64)
    memory = np.asarray(phi, dtype=np.float64)[..., None]
    out = x.copy()
    fresh = (x[..., 1:] - memory * x[..., :-1]) / np.sqrt(1 - np.square(memory))
    out[..., 1:] = np.where(np.isnan(x[..., :-1]), x[..., 1:], fresh)
    return out


def ewma_widening(phi: ArrayLike, lam: float) -> NDArray[np.float64]:
    """Return how many times wider an EWMA of an AR(1) series is than one of independent values; never below 1.

    Limits widened by it keep at least the run length of independent values. Source: W. Schmid, A. Schöne, Journal of
    Time Series Analysis 18 (1997) 409-421; negative φ is not trusted to narrow them.
    """
    memory = np.maximum(np.asarray(phi, dtype=np.float64), 0.0) * (1 - lam)
    result: NDArray[np.float64] = np.sqrt((1 + memory) / (1 - memory))
    return result


def cusum_widening(phi: ArrayLike) -> NDArray[np.float64]:
    """Return by how much a CUSUM's decision limit must grow for an AR(1) series; at least 1.

    At one reference value k the run length goes with e^(2kh/σ²), σ² being the long-run variance, (1 + φ)/(1 − φ) that
    of independent values. Source: R. A. Johnson, M. Bagshaw, Technometrics 16 (1974) 103-112.
    """
    memory = np.maximum(np.asarray(phi, dtype=np.float64), 0.0)
    result: NDArray[np.float64] = (1 + memory) / (1 - memory)
    return result
