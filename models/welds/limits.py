"""How far is too far: a limit per check from a budget of false alarms, learnt from how the plant's welds scatter.

Tails are heavier than a normal distribution's, and differ from plant to plant and from feature to feature; a flat
number of sigmas is either deaf or cries wolf. Each check keeps a histogram of its scores over all welds judged. Its
limit is where the exponential tail beyond the 99th percentile leaves the check's share of the budget: peaks over
threshold (J. Pickands, Annals of Statistics 3 (1975) 119-131) with shape 0, which over-estimates any lighter tail and
keeps to twice the budget for a Student distribution of 8 degrees. True defects are in the histogram too, but few: how
far a score lies beyond the threshold counts up to `REACH_SIGMA`, and what lies in the last bin is no good weld's. A
limit stays within `RANGE_SIGMA`.

Histograms hold counts, which are exact in any order; limits change at the end of blocks of welds only.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

BIN_SIGMA = 0.125
BINS = 96
"""The last holds everything beyond 12 sigma."""
TAIL_SHARE = 0.01
REACH_SIGMA = 3.0
RANGE_SIGMA = (3.5, 8.0)
KNOWN_N = 4000
"""Scores from which on a check has a limit of its own."""
MEMORY_N = 1 << 20
"""Scores after which the past counts half."""


class Limits:
    """The histogram of every check."""

    def __init__(self, checks: int, budget: float, first_sigma: float) -> None:
        """Every check may raise `budget` false alarms per weld; before `KNOWN_N` its limit is `first_sigma`."""
        self._budget, self._first = budget, first_sigma
        self.counts = np.zeros((checks, BINS), dtype=np.int64)
        self.block = np.zeros((checks, BINS), dtype=np.int64)
        """Counts of the block under way."""
        self.sigma = np.full(checks, first_sigma)
        """(checks,) the limits."""

    def add(self, scores: NDArray[np.float64]) -> None:
        """Take the scores (n, checks) of welds that were compared; NaN and -inf: the check does not apply."""
        place = np.fmin(np.fmax(scores * (1 / BIN_SIGMA), 0), BINS - 1).astype(np.int64)
        place += np.arange(len(self.sigma)) * BINS
        self.block += np.bincount(place.ravel(), minlength=self.block.size).reshape(self.block.shape)
        self.block[:, 0] -= len(scores) - (scores > -np.inf).sum(axis=0)  # of these the first bin was only a guess

    def end_block(self) -> None:
        """Let what the block has brought take effect."""
        self.counts += self.block
        self.block[...] = 0
        self.counts[self.counts.sum(axis=1) > 2 * MEMORY_N] //= 2
        self._set()

    def snapshot(self) -> dict[str, NDArray[np.generic]]:
        """Return the whole state as plain arrays."""
        return {"counts": self.counts.copy(), "block": self.block.copy()}

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Take over a snapshot."""
        self.counts[...], self.block[...] = state["counts"], state["block"]
        self._set()

    def _set(self) -> None:
        total = self.counts.sum(axis=1)
        within = self.counts.copy()
        within[:, -1] = 0
        beyond = np.cumsum(within[:, ::-1], axis=1)[:, ::-1]  # scores in this bin or further
        enough = beyond <= TAIL_SHARE * total[:, None]
        start = np.where(enough.any(axis=1), np.argmax(enough, axis=1), BINS - 1)
        k = np.arange(len(total))
        middle = (np.arange(BINS) + 0.5) * BIN_SIGMA
        excess = np.clip(middle - start[:, None] * BIN_SIGMA, 0, REACH_SIGMA)
        tail = np.where(np.arange(BINS) >= start[:, None], within, 0)
        n = beyond[k, start]
        mean = (excess * tail).sum(axis=1) / np.maximum(n, 1)
        share = np.maximum(n / np.maximum(total, 1), self._budget)
        limit = np.clip(start * BIN_SIGMA + mean * np.log(share / self._budget), *RANGE_SIGMA)
        self.sigma = np.where(total >= KNOWN_N, limit, self._first)
