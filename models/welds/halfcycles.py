"""Alternating current: each half-cycle becomes one sample of a direct curve.

Within a half-cycle the voltage carries the L·dI/dt of a changing current all along, so U/I of single samples says
little. Over a whole half-cycle, from zero to zero, ∫ L·(dI/dt)·I dt vanishes: the resistance that fits best,
R = Σ U·I / Σ I², is that of the joint whatever the loop's inductance.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.welds.batch import WeldBatch

ALTERNATING_SHARE = 0.5
"""Current alternates when it reaches this share of its peak in both directions."""
MIN_PEAK_KA = 0.5
MAX_DT_US = 2500
"""Coarser curves cannot follow a half-cycle."""
FLOWS_SHARE = 0.05
"""Of the peak: below it the current is in the dead time between two half-cycles."""
HALF_CYCLE_US = (7000, 12000)
"""Shortest and longest: 60 and 50 Hz with some tolerance."""


def is_alternating(batch: WeldBatch) -> NDArray[np.bool_]:
    """Tell which welds (n,) were made with alternating current."""
    starts = batch.offsets[:-1]
    low = np.minimum.reduceat(batch.current_ka, starts)
    if not (low <= -ALTERNATING_SHARE * MIN_PEAK_KA).any():
        return np.zeros(len(batch), dtype=np.bool_)
    high = np.maximum.reduceat(batch.current_ka, starts)
    peak = np.maximum(high, -low)
    level = np.float32(ALTERNATING_SHARE) * peak
    result: NDArray[np.bool_] = (peak >= MIN_PEAK_KA) & (high >= level) & (-low >= level) & (batch.dt_us <= MAX_DT_US)
    return result


def to_half_cycles(batch: WeldBatch) -> WeldBatch:
    """Return the welds with one sample per half-cycle, evenly spaced; current effective, voltage R times that.

    Between pulses, where no half-cycle is, there are samples without current. Force and displacement are those in the
    middle of each half-cycle. All `n` welds must alternate.
    """
    lengths, starts = batch.samples, batch.offsets[:-1]
    current, voltage = batch.current_ka, batch.voltage_v
    peak = np.maximum.reduceat(np.abs(current), starts)
    flows = np.abs(current) >= np.repeat(np.float32(FLOWS_SHARE) * peak, lengths)
    sign = np.sign(current) * flows
    weld = np.repeat(np.arange(len(batch)), lengths)
    new = np.r_[True, (sign[1:] != sign[:-1]) | (weld[1:] != weld[:-1])]
    begin = np.flatnonzero(new)
    real = flows[begin]
    square = np.add.reduceat(np.square(current), begin)[real]
    power = np.add.reduceat(current * voltage, begin)[real]
    stop = np.append(begin[1:], len(current))[real]
    begin = begin[real]
    owner = weld[begin]
    middle = (begin + stop - 1) / 2.0

    # Spacing of half-cycles: the mean of the gaps that are one half-cycle long, per weld.
    gap_us = np.diff(middle) * batch.dt_us[owner[1:]]
    within = (owner[1:] == owner[:-1]) & (gap_us >= HALF_CYCLE_US[0]) & (gap_us <= HALF_CYCLE_US[1])
    total_us = np.bincount(owner[1:][within], gap_us[within], minlength=len(batch))
    count = np.bincount(owner[1:][within], minlength=len(batch))
    half_us = np.where(count > 0, total_us / np.maximum(count, 1), np.mean(HALF_CYCLE_US))
    # Sample k lies k half-cycles after the start of the record, to within half of one: times stay those of the record.
    first = np.searchsorted(owner, np.arange(len(batch)))
    dt_us = batch.dt_us
    before = np.rint((middle[first] - starts) * dt_us / half_us).astype(np.int64)
    place = before[owner] + np.rint((middle - middle[first][owner]) * dt_us[owner] / half_us[owner]).astype(np.int64)
    last = np.searchsorted(owner, np.arange(len(batch)), side="right") - 1
    offsets = np.zeros(len(batch) + 1, dtype=np.int64)
    np.cumsum(place[last] + 1, out=offsets[1:])
    at = offsets[owner] + place

    effective = np.zeros(offsets[-1], dtype=np.float32)
    across = np.zeros(offsets[-1], dtype=np.float32)
    rms = np.sqrt(square * batch.dt_us[owner] / half_us[owner]).astype(np.float32)
    effective[at] = rms
    across[at] = rms * (power / square)
    inside = np.arange(offsets[-1]) - np.repeat(offsets[:-1] + before, np.diff(offsets))
    middle_of = np.repeat(middle[first], np.diff(offsets)) + inside * np.repeat(half_us / dt_us, np.diff(offsets))
    nearest = np.clip(np.rint(middle_of).astype(np.int64), 0, len(current) - 1)
    return replace(
        batch,
        dt_us=np.rint(half_us).astype(np.int64),
        offsets=offsets,
        current_ka=effective,
        voltage_v=across,
        force_kn=batch.force_kn[nearest],
        displacement_mm=batch.displacement_mm[nearest],
    )
