"""How long a chart runs between two false alarms (ARL), and the limits that give it a wanted run length.

Everything is for independent standard normal values with known mean and sigma. The integral equations are solved by
Gauss-Legendre quadrature (Nyström), which is exact to about 1e-6 here, as the kernels are smooth.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import norm

NODES = 96
"""Quadrature nodes: a kernel of width λ over the whole EWMA range stays resolved down to λ = 0.03."""
MIN_LAMBDA = 0.03


def arl_of_budget(alarms_per_hour: float, values_per_hour: float) -> float:
    """Return the run length, values per false alarm of one chart, with which all charts together keep a budget.

    `values_per_hour` counts the values of all charts: charts that see `b` values an hour each, `n` of them, have the
    run length n·b / budget whatever `n` and `b` are alone. Raises `ValueError` when either is not above 0.
    """
    if not alarms_per_hour > 0 or not values_per_hour > 0:
        raise ValueError(f"budget and load must be above 0, not {alarms_per_hour} and {values_per_hour}")
    return max(values_per_hour / alarms_per_hour, 2.0)


def shewhart_arl(limit: float, shift: float = 0.0) -> float:
    """Return the run length of a chart that signals beyond ±`limit` sigmas, when the mean is off by `shift` sigmas."""
    return float(1.0 / (norm.sf(limit - shift) + norm.cdf(-limit - shift)))


def ewma_arl(lam: float, limit: float, shift: float = 0.0) -> float:
    """Return the zero-state run length of an EWMA with weight `lam`, limit ±`limit` asymptotic sigmas of the EWMA.

    Raises `ValueError` when `lam` is not in 0.03..1. Source: S. V. Crowder, Technometrics 29 (1987) 401-407.
    """
    if not MIN_LAMBDA <= lam <= 1:
        raise ValueError(f"lam is {lam}; expected {MIN_LAMBDA} to 1")
    if lam == 1:
        return shewhart_arl(limit, shift)
    h = limit * float(np.sqrt(lam / (2 - lam)))
    x, weight = _legendre(-h, h)

    def kernel(start: NDArray[np.float64]) -> NDArray[np.float64]:
        result: NDArray[np.float64] = weight * norm.pdf((x - (1 - lam) * start[:, None]) / lam - shift) / lam
        return result

    at_nodes = np.linalg.solve(np.eye(NODES) - kernel(x), np.ones(NODES))
    return float(1.0 + kernel(np.zeros(1))[0] @ at_nodes)


def cusum_arl(k: float, h: float, shift: float = 0.0) -> float:
    """Return the zero-state run length of a two-sided CUSUM with reference value `k` and decision limit `h`, sigmas.

    The sides combine as 1/ARL = 1/ARL⁺ + 1/ARL⁻ (exact for k > 0 and a start at zero). Raises `ValueError` when `k` or
    `h` is not above 0. Sources: E. S. Page, Biometrika 41 (1954) 100-115; C. S. van Dobben de Bruyn, Cumulative Sum
    Tests (1968); D. M. Hawkins, D. H. Olwell, Cumulative Sum Charts (1998).
    """
    if not k > 0 or not h > 0:
        raise ValueError(f"k and h must be above 0, not {k} and {h}")
    return 1.0 / (1.0 / _one_sided_cusum_arl(k, h, shift) + 1.0 / _one_sided_cusum_arl(k, h, -shift))


def _one_sided_cusum_arl(k: float, h: float, shift: float) -> float:
    x, weight = _legendre(0.0, h)
    # The last unknown is the run length from 0, where the CUSUM rests with a probability of its own.
    start = np.append(x, 0.0)
    system = np.eye(NODES + 1)
    system[:, :-1] -= weight * norm.pdf(x - start[:, None] + k - shift)
    system[:, -1] -= norm.cdf(k - start - shift)
    return float(np.linalg.solve(system, np.ones(NODES + 1))[-1])


@lru_cache(maxsize=256)
def shewhart_limit(arl: float) -> float:
    """Return the limit, sigmas, at which a Shewhart chart has the in-control run length `arl` (above 1)."""
    return float(norm.isf(0.5 / arl))


@lru_cache(maxsize=256)
def ewma_limit(lam: float, arl: float) -> float:
    """Return L, in asymptotic sigmas of the EWMA, at which it has the in-control run length `arl`, 2 to 1e8."""
    return _solve(lambda limit: ewma_arl(lam, limit), arl)


@lru_cache(maxsize=256)
def cusum_limit(k: float, arl: float) -> float:
    """Return h, sigmas, at which a two-sided CUSUM has the in-control run length `arl`, 2 to 1e8."""
    return _solve(lambda h: cusum_arl(k, h), arl, upper=60.0)


def _solve(arl_at: Callable[[float], float], arl: float, upper: float = 7.0) -> float:
    if not 2 <= arl <= 1e8:
        raise ValueError(f"the run length is {arl}; expected 2 to 1e8")
    low = 1e-3
    high = 1.0
    while arl_at(high) < arl:
        low, high = high, high * 1.25
        if high > upper:
            raise ValueError(f"no limit up to {upper} gives a run length of {arl}")
    return float(brentq(lambda limit: np.log(arl_at(limit) / arl), low, high, xtol=1e-6))


def _legendre(low: float, high: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    nodes, weight = _unit_legendre()
    half = 0.5 * (high - low)
    return low + half * (nodes + 1), half * weight


@lru_cache(maxsize=1)
def _unit_legendre() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    nodes, weight = np.polynomial.legendre.leggauss(NODES)
    return np.asarray(nodes, dtype=np.float64), np.asarray(weight, dtype=np.float64)
