"""Where current flows, and what resistance it meets there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONDUCTING_SHARE = 0.15
"""A sample conducts when its current is at least this share of the weld's peak ..."""
CONDUCTING_MIN_KA = 0.3
"""... and at least this much: below it a sensor's offset would pass for current."""
SETTLED_SHARE = 0.8
"""The core of a pulse lies between its first and last sample at this share of the pulse's peak: outside, the voltage
carries the L·dI/dt of the rising and falling edge, and U/I is not the resistance of the joint."""


@dataclass(frozen=True, slots=True)
class Pulses:
    """What conducts in a batch of `n` welds with `m` samples in all."""

    peak_ka: NDArray[np.float32]
    """(n,) largest |current|; 0 for a weld without a finite sample."""
    conducting: NDArray[np.bool_]
    """(m,) current flows."""
    first: NDArray[np.int64]
    """(n,) flat index of the first conducting sample; the weld's own first when none conducts."""
    last: NDArray[np.int64]
    """(n,) one past the last conducting sample; equal to `first` when none conducts."""
    core_start: NDArray[np.int64]
    """(n,) flat index where the main (longest, at a tie the last) pulse has settled."""
    core_stop: NDArray[np.int64]
    """(n,) one past its last settled sample; equal to `core_start` when there is no pulse."""


def find_pulses(current_ka: NDArray[np.float32], offsets: NDArray[np.int64]) -> Pulses:
    """Find the conducting samples and the main pulse of each weld.

    `current_ka` (m,) kA, `offsets` (n + 1,) as in `WeldBatch`; every weld has at least one sample. NaN never conducts.
    """
    starts = offsets[:-1]
    size = np.abs(current_ka)
    size[~np.isfinite(size)] = 0.0
    peak = np.maximum.reduceat(size, starts)
    lengths = np.diff(offsets)
    threshold = np.maximum(np.float32(CONDUCTING_SHARE) * peak, np.float32(CONDUCTING_MIN_KA))
    conducting = size >= np.repeat(threshold, lengths)

    before = np.empty_like(conducting)
    before[0] = False
    before[1:] = conducting[:-1]
    before[starts] = False
    after = np.empty_like(conducting)
    after[-1] = False
    after[:-1] = conducting[1:]
    after[offsets[1:] - 1] = False
    run_start = np.flatnonzero(conducting & ~before)
    run_stop = np.flatnonzero(conducting & ~after) + 1

    first, last = starts.copy(), starts.copy()
    core_start, core_stop = starts.copy(), starts.copy()
    if len(run_start):
        owner = np.searchsorted(offsets, run_start, side="right") - 1
        at = np.flatnonzero(np.r_[True, owner[1:] != owner[:-1]])
        weld = owner[at]
        first[weld] = run_start[at]
        last[weld] = run_stop[np.r_[at[1:], len(owner)] - 1]
        # The longest run of each weld, the last at a tie, as one integer so that a single reduceat finds it.
        rank = (run_stop - run_start) * (len(run_start) + 1) + np.arange(len(run_start))
        main = np.maximum.reduceat(rank, at) % (len(run_start) + 1)
        start, stop = run_start[main], run_stop[main]
        pairs = np.column_stack((start, stop)).ravel()
        padded = np.append(size, np.float32(0.0))  # a reduceat index may then be one past the end
        level = np.float32(SETTLED_SHARE) * np.maximum.reduceat(padded, pairs)[::2]
        index, seg = gather(start, stop)
        settled = size[index] >= np.repeat(level, stop - start)
        core_start[weld] = np.minimum.reduceat(np.where(settled, index, len(size)), seg)
        core_stop[weld] = np.maximum.reduceat(np.where(settled, index, -1), seg) + 1
    return Pulses(peak, conducting, first, last, core_start, core_stop)


def gather(start: NDArray[np.int64], stop: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the flat indices `start[i]:stop[i]` end to end, and where each segment begins among them.

    Every segment must hold at least one index, as `reduceat` needs.
    """
    lengths = stop - start
    begin = np.zeros(len(lengths), dtype=np.int64)
    np.cumsum(lengths[:-1], out=begin[1:])
    index = np.arange(int(lengths.sum()), dtype=np.int64)
    index += np.repeat(start - begin, lengths)
    return index, begin


def resistance_uohm(
    current_ka: NDArray[np.float32],
    voltage_v: NDArray[np.float32],
    offsets: NDArray[np.int64] | None = None,
) -> NDArray[np.float32]:
    """Return the dynamic resistance U/I in µΩ (m,), NaN where no current flows.

    Without `offsets` the curves are those of one weld; an empty one gives an empty result.
    """
    if offsets is None:
        offsets = np.array([0, len(current_ka)], dtype=np.int64)
    if not len(current_ka):
        return np.empty(0, dtype=np.float32)
    return divide_uohm(current_ka, voltage_v, find_pulses(current_ka, offsets).conducting)


def divide_uohm(
    current_ka: NDArray[np.float32], voltage_v: NDArray[np.float32], conducting: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Return U/I in µΩ where `conducting`, NaN elsewhere; V / kA is mΩ."""
    result = np.full(len(current_ka), np.nan, dtype=np.float32)
    np.divide(voltage_v, current_ka, out=result, where=conducting)
    result *= np.float32(1000.0)
    return result
