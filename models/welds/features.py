"""Curves to numbers: what the field reads off a weld, and whether its sensors can be trusted.

Everything is computed for a whole batch by segment operations on the flat arrays; each weld's numbers depend on its
own samples alone, so any split of a batch gives the same bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.welds.batch import WeldBatch
from models.welds.signal import Pulses, divide_uohm, find_pulses, gather

FEATURES = (
    "weld_time_ms",  # conducting time, all pulses
    "current_rms_ka",  # over the core of the main pulse, as are all that follow
    "voltage_rms_v",
    "energy_j",  # over all pulses
    "r_alpha_uohm",  # lowest resistance of the early main pulse: contact has broken down
    "r_beta_uohm",  # highest resistance from there on: bulk hot, nugget begins
    "t_beta_ms",  # when, from the start of the core
    "r_end_uohm",  # mean of the last 10 ms
    "r_drop_uohm",  # R_β − R_end
    "r_slope_uohm_per_ms",  # mean slope from β to the end
    "step_uohm",  # largest fall of R within 3 ms after α: expulsion is a step
    "force_mean_kn",  # while current flows
)
"""Feature names with their units, in column order. After J. Dickinson et al., Welding Journal 59 (1980) 170-s."""

SENSORS = ("", "no_current", "dead_current", "dead_voltage", "clipped", "too_short", "gap")
"""What the sensor checks say, by code; 0 is sound. Causes of `models.welds.causes`."""

ALPHA_MS = 30.0
ALPHA_SHARE = 0.4
"""α is looked for in the first 30 ms of the core, or in its first 40 % when that is shorter."""
END_MS = 10.0
STEP_MS = 3.0
MIN_CORE_SAMPLES = 6
NO_CURRENT_KA = 0.5
"""A weld whose current peaks below this was not made."""
TIP_VOLTAGE_V = (0.3, 3.0)
"""Between the tips while current flows; more than that is an open circuit."""
DEAD_VOLTAGE_V = 0.1
DEAD_RESISTANCE_UOHM = 15.0
"""A joint of car-body sheet has tens of µΩ at least; a pick-up that reads less is dead."""
CLIPPED_SHARE = (0.6, 0.3)
"""Share of core samples that sit exactly on the curve's maximum: of the current (regulated, hence flat), of the
voltage (never flat on a live joint)."""
CLIPPED_MIN_SAMPLES = 8
BLOCK_SAMPLES = 1 << 16
"""Welds are taken in blocks of about this many samples, so that the working arrays stay in the processor's cache."""

_TINY = np.float32(1e-12)


@dataclass(frozen=True, slots=True)
class Features:
    """What was read off `n` welds."""

    values: NDArray[np.float32]
    """(n, F) by `FEATURES`, NaN where undefined (no force channel, no main pulse)."""
    sensor: NDArray[np.int8]
    """(n,) index into `SENSORS`."""
    band: NDArray[np.float32]
    """(n, `BAND_POINTS`) resistance in µΩ at even steps from first to last conducting sample, NaN without current."""
    span_ms: NDArray[np.float32]
    """(n,) time from first to last conducting sample, ms."""


BAND_POINTS = 64


def extract(batch: WeldBatch) -> Features:
    """Reduce the curves of a batch to features, sensor checks and the resistance on a fixed grid."""
    n = len(batch)
    out = Features(
        values=np.full((n, len(FEATURES)), np.nan, dtype=np.float32),
        sensor=np.zeros(n, dtype=np.int8),
        band=np.full((n, BAND_POINTS), np.nan, dtype=np.float32),
        span_ms=np.zeros(n, dtype=np.float32),
    )
    start = 0
    while start < n:
        limit = batch.offsets[start] + BLOCK_SAMPLES
        stop = max(start + 1, int(np.searchsorted(batch.offsets, limit, side="right")) - 1)
        _extract_block(batch.take(start, stop), out, slice(start, stop))
        start = stop
    return out


def _extract_block(batch: WeldBatch, out: Features, at: slice) -> None:
    current, voltage, offsets = batch.current_ka, batch.voltage_v, batch.offsets
    starts, dt_ms = offsets[:-1], (batch.dt_us / 1000.0).astype(np.float32)
    values = out.values[at]
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):  # hostile samples give NaN or inf, never a stop
        pulses = find_pulses(current, offsets)
        resistance = divide_uohm(current, voltage, pulses.conducting)
        count = np.add.reduceat(pulses.conducting, starts, dtype=np.int64)
        values[:, 0] = count * dt_ms
        power = np.where(pulses.conducting, current * voltage, np.float32(0))
        values[:, 3] = np.add.reduceat(power, starts) * dt_ms
        force = np.where(pulses.conducting, batch.force_kn, np.float32(0))
        values[:, 11] = np.where(count > 0, np.add.reduceat(force, starts) / np.maximum(count, 1), np.float32(np.nan))
        sound = np.flatnonzero(pulses.core_stop - pulses.core_start >= MIN_CORE_SAMPLES)
        if len(sound):
            _main_pulse(current, voltage, resistance, pulses, dt_ms, sound, values)
            _grid(resistance, pulses, dt_ms, sound, out.band[at], out.span_ms[at])
        out.sensor[at] = _check_sensors(current, voltage, pulses, starts, values, sound)


def _main_pulse(
    current: NDArray[np.float32],
    voltage: NDArray[np.float32],
    resistance: NDArray[np.float32],
    pulses: Pulses,
    dt_ms: NDArray[np.float32],
    sound: NDArray[np.int64],
    values: NDArray[np.float32],
) -> None:
    """Fill the columns that come from the core of the main pulse, for the welds `sound` that have one."""
    start, stop, dt = pulses.core_start[sound], pulses.core_stop[sound], dt_ms[sound]
    index, seg = gather(start, stop)
    length = stop - start
    inside = np.arange(len(index)) - np.repeat(seg, length)

    samples = length.astype(np.float32)
    values[sound, 1] = np.sqrt(np.add.reduceat(np.square(current[index]), seg) / samples)
    values[sound, 2] = np.sqrt(np.add.reduceat(np.square(voltage[index]), seg) / samples)

    smooth = _smooth(resistance[index], inside, np.repeat(length, length))
    early = np.maximum(1, np.minimum(np.float32(ALPHA_MS) / dt, np.float32(ALPHA_SHARE) * samples)).astype(np.int64)
    alpha = np.minimum.reduceat(np.where(inside < np.repeat(early, length), smooth, np.float32(np.inf)), seg)
    alpha_at = _first(smooth == np.repeat(alpha, length), inside, seg)
    later = inside >= np.repeat(alpha_at, length)
    beta = np.maximum.reduceat(np.where(later, smooth, np.float32(-np.inf)), seg)
    beta_at = _first(later & (smooth == np.repeat(beta, length)), inside, seg)

    tail = np.clip(np.rint(np.float32(END_MS) / dt), 2, np.maximum(2, length // 4)).astype(np.int64)
    is_tail = inside >= np.repeat(length - tail, length)
    end = np.add.reduceat(np.where(is_tail, resistance[index], np.float32(0)), seg) / tail
    to_end_ms = (length - 1 - beta_at) * dt

    width = np.maximum(1, np.rint(np.float32(STEP_MS) / dt)).astype(np.int64)
    ahead = np.arange(len(index)) + np.repeat(width, length)
    valid = later & (inside + np.repeat(width, length) < np.repeat(length, length))
    fall = smooth - smooth[np.minimum(ahead, len(smooth) - 1)]
    step = np.maximum.reduceat(np.where(valid, fall, np.float32(0)), seg)

    values[sound, 4] = alpha
    values[sound, 5] = beta
    values[sound, 6] = beta_at * dt
    values[sound, 7] = end
    values[sound, 8] = beta - end
    values[sound, 9] = np.where(to_end_ms > 0, (end - beta) / np.maximum(to_end_ms, _TINY), np.float32(0))
    values[sound, 10] = step


def _smooth(x: NDArray[np.float32], inside: NDArray[np.int64], length: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the mean of each sample with its neighbours in the segment; the ends count twice."""
    left = np.r_[x[:1], x[:-1]]
    right = np.r_[x[1:], x[-1:]]
    left = np.where(inside == 0, x, left)
    right = np.where(inside == length - 1, x, right)
    mean: NDArray[np.float32] = (left + x + right) / np.float32(3)
    return mean


def _first(hit: NDArray[np.bool_], inside: NDArray[np.int64], seg: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the position within its segment of each segment's first hit; 0 where there is none (NaN curves)."""
    none = np.iinfo(np.int64).max
    first = np.minimum.reduceat(np.where(hit, inside, none), seg)
    return np.where(first == none, 0, first)


def _grid(
    resistance: NDArray[np.float32],
    pulses: Pulses,
    dt_ms: NDArray[np.float32],
    sound: NDArray[np.int64],
    band: NDArray[np.float32],
    span_ms: NDArray[np.float32],
) -> None:
    """Put R of each weld on `BAND_POINTS` even steps from first to last conducting sample (linear between samples)."""
    first, last = pulses.first[sound], pulses.last[sound] - 1
    span = (last - first).astype(np.float32)
    fraction = np.arange(BAND_POINTS, dtype=np.float32) / np.float32(BAND_POINTS - 1)
    position = span[:, None] * fraction
    left = np.minimum(position.astype(np.int64), (last - first)[:, None])
    right = np.minimum(left + 1, (last - first)[:, None])
    weight = position - left.astype(np.float32)
    low, high = resistance[first[:, None] + left], resistance[first[:, None] + right]
    mixed = low + weight * (high - low)
    band[sound] = np.where(weight == 0, low, mixed)
    span_ms[sound] = span * dt_ms[sound]


def _check_sensors(
    current: NDArray[np.float32],
    voltage: NDArray[np.float32],
    pulses: Pulses,
    starts: NDArray[np.int64],
    values: NDArray[np.float32],
    sound: NDArray[np.int64],
) -> NDArray[np.int8]:
    """Return a code of `SENSORS` per weld; the first that applies, in the order missing data, no signal, bad signal."""
    n = len(starts)
    code = np.zeros(n, dtype=np.int8)
    has_core = np.zeros(n, dtype=np.bool_)
    has_core[sound] = True
    if len(sound):
        clipped = _clipped(current, pulses, sound, CLIPPED_SHARE[0]) | _clipped(
            voltage, pulses, sound, CLIPPED_SHARE[1]
        )
        code[sound[clipped]] = SENSORS.index("clipped")
    mean_r = np.float32(1000) * values[:, 2] / values[:, 1]
    dead = has_core & ((values[:, 2] < DEAD_VOLTAGE_V) | (mean_r < DEAD_RESISTANCE_UOHM))
    code[dead] = SENSORS.index("dead_voltage")
    code[~has_core] = SENSORS.index("too_short")
    peak_u = np.fmax.reduceat(np.abs(voltage), starts)
    idle = pulses.peak_ka < NO_CURRENT_KA
    tip = (peak_u >= TIP_VOLTAGE_V[0]) & (peak_u <= TIP_VOLTAGE_V[1])
    code[idle & ~tip] = SENSORS.index("no_current")
    code[idle & tip] = SENSORS.index("dead_current")
    broken = np.logical_or.reduceat(~np.isfinite(current) | ~np.isfinite(voltage), starts)
    code[broken] = SENSORS.index("gap")
    return code


def _clipped(curve: NDArray[np.float32], pulses: Pulses, sound: NDArray[np.int64], share: float) -> NDArray[np.bool_]:
    start, stop = pulses.core_start[sound], pulses.core_stop[sound]
    index, seg = gather(start, stop)
    length = stop - start
    size = np.abs(curve[index])
    top = np.maximum.reduceat(size, seg)
    at_top = np.add.reduceat(size == np.repeat(top, length), seg, dtype=np.int64)
    return (at_top >= CLIPPED_MIN_SAMPLES) & (at_top >= share * length)
