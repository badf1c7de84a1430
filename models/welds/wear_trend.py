"""The wear line of each gun: what its welds' resistance and voltage do as its tips wear, filtered block by block.

A block is some welds of one gun in a row. For every stream (gun, spot, programme) a running mean of each indicator and
of the wear at which it was taken is kept, so that only what a spot does *between* its own welds counts (the within
estimator of panel regression): log indicator - its mean = level + slope · (wear - mean wear) + scatter. Level and slope
of a gun are a Kalman filter over blocks; a block's measurement is the median over its welds, so that faults (an
expulsion, a missing sheet) do not move it. The level begins anew at each dress, from where it usually begins.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.welds.features import FEATURES

INDICATORS = ("r_beta_uohm", "r_end_uohm", "voltage_rms_v", "current_rms_ka")
"""What is followed. A tip that widens lowers R_β and R_end (constriction and column go with 1/area), and the voltage
falls with the current density; the stepper raises the current."""
COLUMNS = [FEATURES.index(name) for name in INDICATORS]
K = len(INDICATORS)
BLOCK = 16
"""Welds of a gun that are taken together."""
LEAST = 8
"""Of them, how many must say something for a block to count."""
KNOWN_N = 3
"""Welds of a stream before it says anything of its gun."""
STREAM_MEMORY_N = 50
SCATTER_MEMORY_N = 50
"""Blocks."""
FRESH_MEMORY_N = 10
"""Dresses over which the level after a dress is averaged: a coil of sheet lasts longer, and is followed."""
CUT = 3.0
"""Residuals beyond this many sigmas count as this."""
MAD_TO_SIGMA = 1.4826
SCATTER_FLOOR = 0.01
"""As `models.welds.reference.RELATIVE_FLOOR`: the class of the sensors."""
WALK = 0.0008**2
"""Variance by which the level wanders from block to block: sheets and coatings change."""
TURN = 0.002**2
"""Variance by which the slope per 100 welds changes from dress to dress."""
PER = 100.0
"""Slopes are kept per so many welds."""
_START = {
    "level_variance": 0.02**2,
    "slope_variance": 0.05**2,
    "noise": 0.01**2,
    "scatter": 0.02**2,
    "fresh_variance": 0.02**2,
}
"""Variances of logarithms: what is thought likely before anything was seen."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Rows:
    """Named arrays of one row per thing; growth doubles."""

    def __init__(self, spec: Mapping[str, tuple[tuple[int, ...], Any, Any]], rows: int = 16) -> None:
        """`spec`: name -> (shape of a row, dtype, what a new row holds)."""
        self._spec = spec
        self._arrays: dict[str, NDArray[Any]] = {
            name: np.full((rows, *shape), fill, dtype=dtype) for name, (shape, dtype, fill) in spec.items()
        }

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._arrays[name]

    def reserve(self, rows: int) -> None:
        """Make room for `rows` rows."""
        have = len(next(iter(self._arrays.values())))
        if rows > have:
            more = Rows(self._spec, max(rows, 2 * have) - have)
            self._arrays = {name: np.concatenate((array, more[name])) for name, array in self._arrays.items()}

    def snapshot(self, rows: int) -> dict[str, NDArray[np.generic]]:
        """Return the first `rows` rows of every array."""
        return {name: array[:rows] for name, array in self._arrays.items()}

    def restore(self, state: Mapping[str, NDArray[np.generic]], rows: int) -> None:
        """Take over the first `rows` rows."""
        self.reserve(rows)
        for name, array in self._arrays.items():
            array[:rows] = state[name]


TREND_SPEC: dict[str, tuple[tuple[int, ...], Any, Any]] = {
    "level": ((K,), np.float64, 0.0),  # of the log indicator at its streams' mean wear
    "slope": ((K,), np.float64, 0.0),  # per 100 welds
    "level_variance": ((K,), np.float64, _START["level_variance"]),
    "covariance": ((K,), np.float64, 0.0),
    "slope_variance": ((K,), np.float64, _START["slope_variance"]),
    "noise": ((K,), np.float64, _START["noise"]),  # variance of a block's median
    "scatter": ((K,), np.float64, _START["scatter"]),  # variance of one weld about the line
    "blocks": ((K,), np.int64, 0),
    "mean_wear": ((), np.float64, 0.0),  # at which its streams' means were taken
    "reach": ((), np.float64, 0.0),  # variance of the wear about it
    "fresh": ((K,), np.float64, 0.0),  # usual level after a dress
    "fresh_variance": ((K,), np.float64, _START["fresh_variance"]),
    "dresses_seen": ((), np.int64, 0),  # those that `fresh` is from
}
STREAM_SPEC: dict[str, tuple[tuple[int, ...], Any, Any]] = {
    "mean": ((K,), np.float64, np.nan),
    "wear": ((), np.float64, 0.0),
    "n": ((), np.int64, 0),
}


class Trends:
    """The lines of all guns and the means of all their streams."""

    def __init__(self) -> None:
        self.gun = Rows(TREND_SPEC)
        self.stream = Rows(STREAM_SPEC, 64)

    def take(self, guns: Ints, streams: Ints, wear: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Take one block of each of the distinct `guns` (n,).

        `streams` (n, B) rows, -1 where a block is shorter; `wear` (n, B) welds; `y` (n, B, K) log indicators, NaN where
        a weld does not say. Returns the level that the block alone shows (n, K), NaN where too few welds say, and the
        mean wear of those (n,).
        """
        g, s = self.gun, self.stream
        known = (streams >= 0) & (s["n"][streams] >= KNOWN_N)
        offset = np.where(known, (wear - s["wear"][streams]) / PER, 0.0)
        count = np.maximum(known.sum(axis=1), 1)
        x = offset.sum(axis=1) / count
        base = np.where(known, s["wear"][streams], 0.0).sum(axis=1) / count
        level = g["level"][guns]
        rest = y - s["mean"][streams] - level[:, None] - g["slope"][guns][:, None] * offset[:, :, None]
        rest[~known] = np.nan
        middle, n = median(rest)
        says = n >= LEAST
        self._measure(guns, middle, x, n, says)
        self._spread(guns, rest, middle, says)
        rate = np.where(says.any(axis=1), 1.0 / np.minimum(g["blocks"][guns].max(axis=1) + 1, SCATTER_MEMORY_N), 0.0)
        g["mean_wear"][guns] += rate * (base - g["mean_wear"][guns])
        g["reach"][guns] += rate * (np.square(offset).sum(axis=1) / count * PER**2 - g["reach"][guns])
        self._teach(guns, streams, wear, y)
        return np.where(says, level + middle, np.nan), base + x * PER

    def _measure(self, guns: Ints, rest: Floats, x: Floats, n: Ints, says: NDArray[np.bool_]) -> None:
        """Kalman step with the innovation `rest` (n, K) at wear offset `x` (n,), per 100 welds."""
        g, x = self.gun, x[:, None]
        ll, ls, ss = g["level_variance"][guns] + WALK, g["covariance"][guns], g["slope_variance"][guns]
        noise = g["noise"][guns] * (BLOCK / np.maximum(n, 1))
        own = ll + 2 * x * ls + np.square(x) * ss
        total = own + noise
        reach = CUT * np.sqrt(total)
        z = np.where(says, np.clip(rest, -reach, reach), 0.0)
        gain_l, gain_s = (ll + x * ls) / total, (ls + x * ss) / total
        new = {
            "level": g["level"][guns] + gain_l * z,
            "slope": g["slope"][guns] + gain_s * z,
            "level_variance": ll - gain_l * (ll + x * ls),
            "covariance": ls - gain_l * (ls + x * ss),
            "slope_variance": ss - gain_s * (ls + x * ss),
        }
        blocks = g["blocks"][guns]
        rate = 1.0 / np.minimum(blocks + 5, SCATTER_MEMORY_N)  # five blocks' worth of prior
        surprise = (np.square(z) - total) * (n / BLOCK)
        floor = g["scatter"][guns] / BLOCK
        new["noise"] = np.maximum(g["noise"][guns] + rate * surprise, floor)
        for name, value in new.items():
            g[name][guns] = np.where(says, value, g[name][guns])
        g["blocks"][guns] = blocks + says

    def _spread(self, guns: Ints, rest: Floats, middle: Floats, says: NDArray[np.bool_]) -> None:
        g = self.gun
        mad, _ = median(np.abs(rest - middle[:, None]))
        rate = 1.0 / np.minimum(g["blocks"][guns] + 5, SCATTER_MEMORY_N)
        seen = g["scatter"][guns] + rate * (np.square(MAD_TO_SIGMA * mad) - g["scatter"][guns])
        g["scatter"][guns] = np.where(says, seen, g["scatter"][guns])

    def _teach(self, guns: Ints, streams: Ints, wear: Floats, y: Floats) -> None:
        """Move the streams' means; a stream that occurs more than once in a block moves by the mean of its welds."""
        g, s = self.gun, self.stream
        k, b = np.nonzero(streams >= 0)
        rows = streams[k, b]
        level, slope = g["level"][guns][k], g["slope"][guns][k]
        mean, n = s["mean"][rows], s["n"][rows]
        line = mean + slope * ((wear[k, b] - s["wear"][rows]) / PER)[:, None]
        reach = CUT * np.sqrt(np.maximum(g["scatter"][guns][k], SCATTER_FLOOR**2))
        told = y[k, b] - level
        cut = line + np.clip(told - line, -reach, reach)
        told = np.where((n >= KNOWN_N)[:, None] & ~np.isnan(mean), cut, told)
        distinct, at = np.unique(rows, return_inverse=True)
        says = ~np.isnan(told)
        sums, counts, wears = np.zeros((len(distinct), K)), np.zeros((len(distinct), K)), np.zeros(len(distinct))
        np.add.at(sums, at, np.where(says, told, 0.0))
        np.add.at(counts, at, says)
        np.add.at(wears, at, wear[k, b])
        c = np.bincount(at, minlength=len(distinct))
        rate = c / np.minimum(s["n"][distinct] + c, STREAM_MEMORY_N)
        old = s["mean"][distinct]
        fresh = sums / np.maximum(counts, 1)
        moved = np.where(np.isnan(old), fresh, old + rate[:, None] * (fresh - old))
        s["mean"][distinct] = np.where(counts > 0, moved, old)
        s["wear"][distinct] += rate * (wears / c - s["wear"][distinct])
        s["n"][distinct] += c

    def begin(self, gun: int) -> None:
        """Begin a dressed tip: the level is where it usually is after a dress."""
        g = self.gun
        g["level"][gun] = g["fresh"][gun]
        g["level_variance"][gun] = g["fresh_variance"][gun] * (1 + 1 / FRESH_MEMORY_N)
        g["covariance"][gun] = 0.0
        g["slope_variance"][gun] += TURN

    def learn_fresh(self, gun: int, level: Floats, variance: Floats) -> None:
        """Take the level (K,) that was measured after a dress with a variance (K,)."""
        g = self.gun
        n = int(g["dresses_seen"][gun]) + 1
        rate = 1.0 / min(n, FRESH_MEMORY_N)
        expected = g["fresh_variance"][gun] + variance
        z = level - g["fresh"][gun]
        reach = CUT * np.sqrt(expected)
        z = np.where(np.isnan(z), 0.0, np.clip(z, -reach, reach))
        g["fresh"][gun] += rate * z
        spread = 1.0 / min(n + 5, 4 * FRESH_MEMORY_N)
        g["fresh_variance"][gun] += np.where(np.isnan(level), 0.0, spread * (np.square(z) - expected))
        g["fresh_variance"][gun] = np.maximum(g["fresh_variance"][gun], 0.003**2)
        g["dresses_seen"][gun] = n


def median(x: Floats) -> tuple[Floats, Ints]:
    """Return the median over axis 1 of (n, B, K) and how many are not NaN, each (n, K); exact in any batch."""
    ordered = np.sort(x, axis=1)  # NaN sorts last
    count = (~np.isnan(x)).sum(axis=1)
    last = np.maximum(count - 1, 0)
    low = np.take_along_axis(ordered, (last // 2)[:, None, :], axis=1)[:, 0]
    high = np.take_along_axis(ordered, ((last + 1) // 2)[:, None, :], axis=1)[:, 0]
    return 0.5 * (low + high), count
