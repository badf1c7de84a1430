"""Curves made alike before features are read: whole, of one polarity, direct current, no finer than a millisecond.

A batch falls into parts: most of its welds need nothing and are passed on without a copy.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.welds.batch import WeldBatch
from models.welds.halfcycles import is_alternating, to_half_cycles

CURRENT, VOLTAGE, FORCE, DISPLACEMENT = 1, 2, 4, 8
"""Bits of what a weld's curves have. A channel that reads nothing is there; one that is NaN throughout is not."""
CHANNELS = {"current": CURRENT, "voltage": VOLTAGE, "force": FORCE, "displacement": DISPLACEMENT}
FINE_US = 750
"""Curves sampled faster than this are averaged to about a millisecond: what is read off a weld lasts longer."""


@dataclass(frozen=True, slots=True)
class Part:
    """Welds of a batch that are read in the same way."""

    welds: NDArray[np.int64]
    """(k,) their positions in the batch."""
    batch: WeldBatch
    """(k,) every sample of current (if there is any) and voltage is a number."""
    voltage_only: bool
    """There is no current channel."""
    direct: bool
    """The current is direct and recorded: what a loop induces can be seen, and taken off."""


def prepare(batch: WeldBatch) -> tuple[list[Part], NDArray[np.uint8], NDArray[np.bool_]]:
    """Return the parts of a batch of `n`, the channels of each weld (n,), and which welds miss samples (n,).

    A weld that misses samples of current or voltage is in no part: nothing that could be read off it is right.
    """
    starts = batch.offsets[:-1]
    some, every = _finite(batch.current_ka, starts)
    some_u, every_u = _finite(batch.voltage_v, starts)
    present = {
        CURRENT: some,
        VOLTAGE: some_u,
        FORCE: np.isfinite(batch.force_kn[starts]),
        DISPLACEMENT: np.isfinite(batch.displacement_mm[starts]),
    }
    channels = np.zeros(len(batch), dtype=np.uint8)
    for bit, there in present.items():
        channels |= np.where(there, bit, 0).astype(np.uint8)
    whole = every_u & (every | ~some)
    direct = whole & some
    at = np.arange(len(batch))
    parts = []
    if direct.any():
        welds, chosen = _select(batch, direct, at)
        alternating = is_alternating(chosen)
        if alternating.any():
            turning, ac = _select(chosen, alternating, welds)
            parts.append(Part(turning, to_half_cycles(ac), voltage_only=False, direct=False))
            welds, chosen = _select(chosen, ~alternating, welds)
        if len(chosen):
            parts.append(Part(welds, _coarse(chosen), voltage_only=False, direct=True))
    blind = whole & ~some
    if blind.any():
        welds, chosen = _select(batch, blind, at)
        parts.append(Part(welds, _coarse(chosen), voltage_only=True, direct=False))
    return parts, channels, ~whole


def _finite(curve: NDArray[np.float32], starts: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Tell for each weld whether some, and whether all of its samples are numbers."""
    every: NDArray[np.bool_] = np.isfinite(np.add.reduceat(curve, starts))
    if every.all():
        return every, every
    finite = np.isfinite(curve)
    every = np.logical_and.reduceat(finite, starts)
    return np.logical_or.reduceat(finite, starts), every


def _select(batch: WeldBatch, keep: NDArray[np.bool_], at: NDArray[np.int64]) -> tuple[NDArray[np.int64], WeldBatch]:
    return (at, batch) if keep.all() else (at[keep], batch.select(keep))


def _coarse(batch: WeldBatch) -> WeldBatch:
    """Average samples of fine curves by twos, threes, …, to about a millisecond; a rest at the end makes one more."""
    if (batch.dt_us >= FINE_US).all():
        return batch
    by = np.where(batch.dt_us < FINE_US, np.maximum(np.rint(1000 / batch.dt_us), 1), 1).astype(np.int64)
    n_out = -(-batch.samples // by)
    offsets = np.zeros(len(batch) + 1, dtype=np.int64)
    np.cumsum(n_out, out=offsets[1:])
    inside = np.arange(offsets[-1]) - np.repeat(offsets[:-1], n_out)
    begin: NDArray[np.int64] = np.repeat(batch.offsets[:-1], n_out) + inside * np.repeat(by, n_out)
    count: NDArray[np.float32] = np.diff(np.append(begin, batch.offsets[-1])).astype(np.float32)

    def mean(curve: NDArray[np.float32]) -> NDArray[np.float32]:
        averaged: NDArray[np.float32] = np.divide(np.add.reduceat(curve, begin), count, dtype=np.float32)
        return averaged

    return replace(
        batch,
        dt_us=batch.dt_us * by,
        offsets=offsets,
        current_ka=mean(batch.current_ka),
        voltage_v=mean(batch.voltage_v),
        force_kn=mean(batch.force_kn),
        displacement_mm=mean(batch.displacement_mm),
    )
