"""How far repeats of one weld scatter: the unit in which a learned model measures likeness."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SAME = (0.05, 0.02)
"""Two successive welds of a stream are repeats when conducting time and current differ by no more than this (natural
logarithm): the controller was told the same."""
FLOOR = 0.01
"""A repeat is never taken to be closer than 1 %: no sensor is better from week to week."""
USUAL = 0.03
"""Scatter where no repeats tell: resistance of a joint from weld to weld."""
MIN_REPEATS = 10


def repeat_sigma(
    x: NDArray[np.float64], stream: Sequence[tuple[str, str]], time_ns: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the sigma of one weld among its repeats per input (Q,), robustly, labels or not.

    `x` (n, Q) logarithms, the first two being conducting time and current; `stream` (n,) spot and programme.
    """
    code = {key: k for k, key in enumerate(dict.fromkeys(stream))}
    streams = np.array([code[key] for key in stream], dtype=np.int64)
    order = np.lexsort((time_ns, streams))
    change = np.abs(np.diff(x[order], axis=0))
    repeat = (streams[order][1:] == streams[order][:-1]) & (change[:, 0] <= SAME[0]) & (change[:, 1] <= SAME[1])
    repeat &= np.isfinite(change).all(axis=1)
    if repeat.sum() < MIN_REPEATS:
        return np.full(x.shape[1], USUAL)
    median = np.median(change[repeat], axis=0)
    sigma: NDArray[np.float64] = np.maximum(median / (0.6745 * np.sqrt(2.0)), FLOOR)
    return sigma
