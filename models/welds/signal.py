"""Where current flows, and what resistance it meets there.

The work is done on the flat arrays of a whole batch with `reduceat` over (start, stop) pairs: on a present processor
that costs a quarter of a nanosecond a sample, a masked `where` or a fancy index ten times as much. What lies outside
the pairs may be anything, NaN and inf included.
"""

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
SETTLED_SHARE_VOLTAGE = 0.3
"""The same for a voltage that stands in for the current: it peaks at the contact's breakdown and falls from there."""


PROBE = 16
"""So many samples of a pulse are looked at for its settled part at first."""
SPARSE = 5
"""To take a sample out costs about five times as much as to pass over it; `take` clips, as then it checks no bounds."""


@dataclass(frozen=True, slots=True)
class Pulses:
    """What conducts in a batch of `n` welds with `m` samples in all, in `k` pulses."""

    size_ka: NDArray[np.float32]
    """(m,) |current|, 0 where it is no number."""
    peak_ka: NDArray[np.float32]
    """(n,) its largest."""
    conducting: NDArray[np.bool_]
    """(m,) current flows."""
    count: NDArray[np.int64]
    """(n,) conducting samples."""
    first: NDArray[np.int64]
    """(n,) flat index of the first conducting sample; the weld's own first when none conducts."""
    last: NDArray[np.int64]
    """(n,) one past the last conducting sample; equal to `first` when none conducts."""
    core_start: NDArray[np.int64]
    """(n,) flat index where the main (longest, at a tie the last) pulse has settled."""
    core_stop: NDArray[np.int64]
    """(n,) one past its last settled sample; equal to `core_start` when there is no pulse."""
    pulse_start: NDArray[np.int64]
    """(k,) flat index of the first sample of every pulse, in order."""
    pulse_stop: NDArray[np.int64]
    """(k,) one past its last."""


def find_pulses(
    current_ka: NDArray[np.float32], offsets: NDArray[np.int64], settled_share: float = SETTLED_SHARE
) -> Pulses:
    """Find the conducting samples, the pulses and the settled core of the main pulse of each weld.

    `current_ka` (m,) kA, `offsets` (n + 1,) as in `WeldBatch`; every weld has at least one sample. NaN never conducts.
    For a weld without a current channel |U| in V takes its place, with `SETTLED_SHARE_VOLTAGE`.
    """
    starts = offsets[:-1]
    size = np.abs(current_ka)
    peak = np.maximum.reduceat(size, starts)
    if not np.isfinite(peak).all():
        size[~np.isfinite(size)] = 0.0
        peak = np.maximum.reduceat(size, starts)
    lengths = np.diff(offsets)
    threshold = np.maximum(np.float32(CONDUCTING_SHARE) * peak, np.float32(CONDUCTING_MIN_KA))
    conducting = size >= np.repeat(threshold, lengths)
    run_start, run_stop = _runs(conducting, offsets)

    first, last, count = starts.copy(), starts.copy(), np.zeros(len(starts), dtype=np.int64)
    core_start, core_stop = starts.copy(), starts.copy()
    if len(run_start):
        owner = np.searchsorted(offsets, run_start, side="right") - 1
        at = np.flatnonzero(np.r_[True, owner[1:] != owner[:-1]])
        weld = owner[at]
        first[weld] = run_start[at]
        last[weld] = run_stop[np.r_[at[1:], len(owner)] - 1]
        count[weld] = np.add.reduceat(run_stop - run_start, at)
        # The longest run of each weld, the last at a tie, as one integer so that a single reduceat finds it.
        rank = (run_stop - run_start) * (len(run_start) + 1) + np.arange(len(run_start))
        main = np.maximum.reduceat(rank, at) % (len(run_start) + 1)
        start, stop = run_start[main], run_stop[main]
        level = np.float32(settled_share) * Ranges(start, stop, len(size)).reduce(np.maximum, size)
        core_start[weld] = _first_at_least(size, level, start, stop, 1)
        core_stop[weld] = _first_at_least(size, level, stop - 1, start - 1, -1) + 1
    return Pulses(size, peak, conducting, count, first, last, core_start, core_stop, run_start, run_stop)


def _first_at_least(
    x: NDArray[np.float32], level: NDArray[np.float32], start: NDArray[np.int64], stop: NDArray[np.int64], step: int
) -> NDArray[np.int64]:
    """Return the first flat index from `start[i]` by `step` (1 or -1) to before `stop[i]` with `x >= level[i]`.

    There is one in each range, nearly always among the first few samples: those are looked at, then twice as many.
    """
    found = start.copy()
    left = np.arange(len(start))
    begin, width = start, PROBE
    while len(left):
        index = begin[:, None] + step * np.arange(width)
        index = np.minimum(index, stop[left, None] - 1) if step > 0 else np.maximum(index, stop[left, None] + 1)
        reached = x.take(index, mode="clip") >= level[left, None]
        at = np.argmax(reached, axis=1)
        there = reached[np.arange(len(left)), at]
        found[left[there]] = begin[there] + step * at[there]
        begin, left, width = begin[~there] + step * width, left[~there], 2 * width
    return found


def _runs(conducting: NDArray[np.bool_], offsets: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where runs of conducting samples begin and end (one past); no run reaches over the end of a weld."""
    change = np.empty(len(conducting) + 1, dtype=np.bool_)
    change[0], change[-1] = conducting[0], conducting[-1]
    np.not_equal(conducting[1:], conducting[:-1], out=change[1:-1])
    # A weld that begins as the one before it ends, with current, changes nothing: it ends a run and begins one.
    inner = offsets[1:-1]
    joined = inner[conducting[inner] & conducting[inner - 1]]
    edges = np.flatnonzero(change)
    if len(joined):
        edges = np.sort(np.concatenate((edges, joined, joined)))
    return edges[::2], edges[1::2]


class Ranges:
    """Ranges `start[i]:stop[i]` of flat arrays of `m` samples, in order, disjoint and not empty."""

    def __init__(self, start: NDArray[np.int64], stop: NDArray[np.int64], m: int) -> None:
        self.start, self.stop, self.length = start, stop, stop - start
        self._m = m
        self._index: NDArray[np.int64] | None = None
        if SPARSE * int(self.length.sum()) < m:  # the result is the same
            self._index, self._pairs = gather(start, stop)
        else:
            pairs = np.empty(2 * len(start), dtype=np.int64)
            pairs[::2], pairs[1::2] = start, stop
            # An index past the end is none for reduceat; the last range then ends with the array.
            self._pairs = pairs[:-1] if len(stop) and stop[-1] == m else pairs

    def reduce(self, operation: np.ufunc, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (n,) `operation` over every range of `x` (m,)."""
        if self._index is not None:
            few: NDArray[np.float32] = operation.reduceat(x.take(self._index, mode="clip"), self._pairs)
            return few
        result: NDArray[np.float32] = operation.reduceat(x, self._pairs)[::2]
        return result

    def mean(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (n,) the means."""
        samples: NDArray[np.float32] = self.length.astype(np.float32)
        return self.reduce(np.add, x) / samples

    def rms(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (n,) the effective values."""
        effective: NDArray[np.float32] = np.sqrt(self.mean(np.square(x)))
        return effective

    def hits(self, x: NDArray[np.float32], value: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the flat indices, in order, at which range i equals `value[i]`."""
        if self._index is not None:
            equal = x.take(self._index, mode="clip") == np.repeat(value, self.length)
            found: NDArray[np.int64] = self._index[equal]
            return found
        edges = np.empty(2 * len(value) + 2, dtype=np.int64)
        edges[0], edges[1:-1:2], edges[2:-1:2], edges[-1] = 0, self.start, self.stop, self._m
        wanted = np.full(2 * len(value) + 1, np.nan, dtype=np.float32)
        wanted[1::2] = value
        return np.flatnonzero(x == np.repeat(wanted, np.diff(edges)))

    def first_hit(self, x: NDArray[np.float32], value: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return (n,) where range i first equals `value[i]`; its start where it does not (NaN)."""
        found = self.hits(x, value)
        at = np.append(found, np.iinfo(np.int64).max)[np.searchsorted(found, self.start)]
        return np.where(at < self.stop, at, self.start)


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
    """Return the dynamic resistance U/I in µΩ (m,), NaN where no current flows; V / kA is mΩ.

    Without `offsets` the curves are those of one weld; an empty one gives an empty result.
    """
    if offsets is None:
        offsets = np.array([0, len(current_ka)], dtype=np.int64)
    result = np.full(len(current_ka), np.nan, dtype=np.float32)
    if len(current_ka):
        np.divide(voltage_v, current_ka, out=result, where=find_pulses(current_ka, offsets).conducting)
        result *= np.float32(1000.0)
    return result
