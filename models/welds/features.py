"""Curves to numbers: what the field reads off a weld, and whether its sensors can be trusted.

Everything is computed for a whole batch by segment operations on the flat arrays; each weld's numbers depend on its
own samples alone, so any split of a batch gives the same bits.

    batch --prepare--> even, direct, 1 ms or coarser --find_pulses--> cores --reduceat--> features, sensor checks, grid
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.welds.batch import WeldBatch
from models.welds.inductance import compensate, estimate_uh
from models.welds.prepare import Part, prepare
from models.welds.sensors import CLIPPED_SHARE_CURRENT, CLIPPED_SHARE_VOLTAGE, SENSORS, check, is_clipped
from models.welds.signal import SETTLED_SHARE, SETTLED_SHARE_VOLTAGE, Pulses, Ranges, find_pulses, gather

FEATURES = (
    "weld_time_ms",  # conducting time, all pulses
    "current_rms_ka",  # over the core of the main pulse
    "voltage_rms_v",  # likewise
    "energy_j",  # over all pulses
    "charge_c",  # likewise
    "r_first_uohm",  # mean of the first 5 ms with current, once it has risen: contact between sheets
    "r_alpha_uohm",  # lowest resistance of the early main pulse: contact has broken down
    "r_beta_uohm",  # highest resistance from there on: bulk hot, nugget begins
    "t_beta_ms",  # when, from the start of the core
    "r_mean_uohm",  # over the core
    "r_end_uohm",  # mean of the last 10 ms
    "r_drop_uohm",  # R_β − R_end
    "r_slope_uohm_per_ms",  # mean slope from β to the end
    "step_uohm",  # largest fall of R within 4 ms after α: expulsion is a step
    "step_left",  # share of the core that is left when that fall begins
    "current_dip_share",  # largest dip of the regulated current below its effective value
    "force_mean_kn",  # while current flows
    "force_step_kn",  # fall of the force across the largest fall of R
    "expansion_mm",  # largest opening of the electrodes after the current starts
    "voltage_end_v",  # mean of the last 10 ms
    "voltage_step_v",  # largest fall of U within 4 ms in the last two thirds, of welds without a current channel
)
"""Feature names with their units, in column order. After J. Dickinson et al., Welding Journal 59 (1980) 170-s."""
AT = {name: column for column, name in enumerate(FEATURES)}

ALPHA_MS = 30.0
ALPHA_SHARE = 0.4
"""α is looked for in the first 30 ms of the core, or in its first 40 % when that is shorter."""
END_MS = 10.0
STEP_MS = 4.0
STEP_SAMPLES = (3, 5)
"""A step lasts 1 to 3 ms, and smoothing over three samples adds to that: the fall is taken over 4 ms, but at least
and at most over so many samples."""
FIRST_MS = (2.0, 7.0)
"""From the first sample with current: where `r_first_uohm` is read; before it the current still rises."""
DIP_GUARD_MS = (6.0, 2.0)
"""At the start and the end of the core, where the current rises and falls by itself."""
BEFORE_MS, AFTER_MS = (-5.0, -3.0, -1.0), (3.0, 5.0, 7.0)
"""From the start of the largest fall of R: where the force is read."""
MIN_CORE_SAMPLES = 8
BAND_POINTS = 64
BLOCK_SAMPLES = 1 << 19
"""Welds are taken in blocks of about this many samples, so that the working arrays mostly stay in the processor's
cache and the calls still cost little beside the arithmetic."""

_K = np.float32(1000)


@dataclass(frozen=True, slots=True)
class Features:
    """What was read off `n` welds."""

    values: NDArray[np.float32]
    """(n, F) by `FEATURES`, NaN where undefined (no such channel, no main pulse)."""
    sensor: NDArray[np.int8]
    """(n,) index into `models.welds.sensors.SENSORS`."""
    channels: NDArray[np.uint8]
    """(n,) what the curves have: bits of `models.welds.prepare`."""
    band: NDArray[np.float32]
    """(n, `BAND_POINTS`) resistance in µΩ (of a weld without a current channel voltage in mV) at even steps over the
    core of the main pulse, NaN without one."""
    span_ms: NDArray[np.float32]
    """(n,) length of the core, ms."""
    loop_uh: NDArray[np.float32]
    """(n,) inductance of the pick-up's loop that this weld shows, NaN where it does not."""

    @classmethod
    def empty(cls, n: int) -> Features:
        """Return features of `n` welds, still to be read."""
        return cls(
            values=np.full((n, len(FEATURES)), np.nan, dtype=np.float32),
            sensor=np.zeros(n, dtype=np.int8),
            channels=np.zeros(n, dtype=np.uint8),
            band=np.full((n, BAND_POINTS), np.nan, dtype=np.float32),
            span_ms=np.zeros(n, dtype=np.float32),
            loop_uh=np.full(n, np.nan, dtype=np.float32),
        )


def extract(batch: WeldBatch, loop_uh: NDArray[np.float32] | None = None) -> Features:
    """Reduce the curves of a batch to features, sensor checks and the resistance on a fixed grid.

    `loop_uh` (n,) is the inductance of each weld's pick-up (`models.welds.inductance`), µH; without it 0.
    """
    loop_uh = np.zeros(len(batch), dtype=np.float32) if loop_uh is None else loop_uh
    out = Features.empty(len(batch))
    start = 0
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):  # hostile samples give NaN or inf, never a stop
        while start < len(batch):
            limit = batch.offsets[start] + BLOCK_SAMPLES
            stop = max(start + 1, int(np.searchsorted(batch.offsets, limit, side="right")) - 1)
            parts, out.channels[start:stop], broken = prepare(batch.take(start, stop))
            for part in parts:
                at = start + part.welds
                _read(part, at, loop_uh[at], out)
            out.sensor[start + np.flatnonzero(broken)] = SENSORS.index("gap")
            start = stop
    return out


def _read(part: Part, at: NDArray[np.int64], loop_uh: NDArray[np.float32], out: Features) -> None:
    """Read the welds of a part, which are those `at` in `out`."""
    batch, n = part.batch, len(part.batch)
    starts = batch.offsets[:-1]
    dt_ms = (batch.dt_us / 1000.0).astype(np.float32)
    current, voltage, pulses = conduct(part, loop_uh)
    size_u = np.abs(voltage)
    values = np.full((n, len(FEATURES)), np.nan, dtype=np.float32)
    values[:, AT["weld_time_ms"]] = pulses.count * dt_ms
    on = np.flatnonzero(pulses.count)
    if len(on):
        _whole_weld(batch, current, voltage, pulses, on, dt_ms, values, part.voltage_only)
    clipped = np.zeros(n, dtype=np.bool_)
    core = np.flatnonzero(pulses.core_stop - pulses.core_start >= MIN_CORE_SAMPLES)
    if len(core):
        main = Ranges(pulses.core_start[core], pulses.core_stop[core], len(voltage))
        clipped[core] = is_clipped(size_u, main, CLIPPED_SHARE_VOLTAGE)
        if part.voltage_only:
            resistance = size_u * _K  # mV
        else:
            clipped[core] |= is_clipped(pulses.size_ka, main, CLIPPED_SHARE_CURRENT)
            resistance = _K * voltage / current
        values[core, AT["voltage_rms_v"]] = main.rms(voltage)
        _core(batch, pulses.size_ka, size_u, resistance, core, main, dt_ms[core], values, part.voltage_only)
        out.band[at[core]] = _grid(resistance, main)
        out.span_ms[at[core]] = (main.length - 1) * dt_ms[core]
        if part.direct:
            tail = _tail(main.length, dt_ms[core])  # before the last of it, as there the current may already fall
            level = Ranges(main.stop - 2 * tail, main.stop - tail, len(voltage)).mean(resistance)
            out.loop_uh[at[core]] = estimate_uh(
                current, batch.voltage_v, level, main.stop, batch.offsets[1:][core], dt_ms[core]
            )
    out.values[at] = values
    out.sensor[at] = check(
        np.maximum.reduceat(size_u, starts),
        None if part.voltage_only else pulses.peak_ka,
        values[:, AT["voltage_rms_v"]],
        values[:, AT["current_rms_ka"]],
        clipped,
    )


def conduct(part: Part, loop_uh: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32], Pulses]:
    """Return the current (m,), the voltage of the joint (m,) without what the pick-up's loop adds, and the pulses.

    Of welds without a current channel the first is the size of the voltage, which then says when current flows, and
    whose curve stands in for the resistance's.
    """
    batch = part.batch
    voltage = batch.voltage_v
    if part.voltage_only:
        size = np.abs(voltage)
        return size, voltage, find_pulses(size, batch.offsets, SETTLED_SHARE_VOLTAGE)
    if part.direct:
        dt_ms = (batch.dt_us / 1000.0).astype(np.float32)
        voltage = compensate(batch.current_ka, voltage, batch.offsets, dt_ms, loop_uh)
    return batch.current_ka, voltage, find_pulses(batch.current_ka, batch.offsets, SETTLED_SHARE)


def _whole_weld(
    batch: WeldBatch,
    current: NDArray[np.float32],
    voltage: NDArray[np.float32],
    pulses: Pulses,
    on: NDArray[np.int64],
    dt_ms: NDArray[np.float32],
    values: NDArray[np.float32],
    voltage_only: bool,
) -> None:
    """Fill the columns that span all pulses, for the welds `on` in which current flows."""
    first, last, dt = pulses.first[on], pulses.last[on], dt_ms[on]
    whole = Ranges(first, last, len(voltage))
    if not voltage_only:
        values[on, AT["energy_j"]] = whole.reduce(np.add, current * voltage) * dt
        values[on, AT["charge_c"]] = whole.reduce(np.add, pulses.size_ka) * dt
        start = np.minimum(first + np.rint(np.float32(FIRST_MS[0]) / dt).astype(np.int64), last - 1)
        stop = np.minimum(np.maximum(first + np.rint(np.float32(FIRST_MS[1]) / dt).astype(np.int64), start + 1), last)
        begin = Ranges(start, stop, len(voltage))
        fraction = begin.reduce(np.add, voltage) / begin.reduce(np.add, current)
        values[on, AT["r_first_uohm"]] = _K * fraction
    if np.isfinite(batch.force_kn[first]).any():
        values[on, AT["force_mean_kn"]] = whole.mean(batch.force_kn)
    if np.isfinite(batch.displacement_mm[first]).any():
        widest = whole.reduce(np.maximum, batch.displacement_mm)
        values[on, AT["expansion_mm"]] = widest - batch.displacement_mm[first]


def _core(
    batch: WeldBatch,
    current: NDArray[np.float32],
    voltage: NDArray[np.float32],
    resistance: NDArray[np.float32],
    core: NDArray[np.int64],
    main: Ranges,
    dt: NDArray[np.float32],
    values: NDArray[np.float32],
    voltage_only: bool,
) -> None:
    """Fill the columns that come from the core of the main pulse, the ranges `main` of the welds `core` that have one.

    `current` and `voltage` (m,) are absolute; `resistance` (m,) holds anything outside the cores, and of welds without
    a current channel it is the voltage in mV.
    """
    start, stop, length = main.start, main.stop, main.length
    samples = length.astype(np.float32)
    tail = _tail(length, dt)
    last = Ranges(stop - tail, stop, len(voltage))
    end = last.mean(resistance)

    smooth = smooth_core(resistance, start, stop)
    early = np.maximum(1, np.minimum(np.float32(ALPHA_MS) / dt, np.float32(ALPHA_SHARE) * samples)).astype(np.int64)
    begin = Ranges(start, start + early, len(voltage))
    alpha = begin.reduce(np.minimum, smooth)
    alpha_at = begin.first_hit(smooth, alpha)
    rest = Ranges(alpha_at, stop, len(voltage))
    beta = rest.reduce(np.maximum, smooth)
    beta_at = rest.first_hit(smooth, beta)

    width = step_samples(dt)
    fall = _fall(smooth, width, start, stop)
    # A voltage also falls where the contact breaks down, and there is no α in it to tell when that is over.
    since = start + length // 3 if voltage_only else alpha_at
    falling = Ranges(since, stop - width, len(voltage))
    most = falling.reduce(np.maximum, fall)
    step_at = falling.first_hit(fall, most)
    step: NDArray[np.float32] = np.maximum(most, np.float32(0))

    def put(name: str, value: NDArray[np.float32]) -> None:
        values[core, AT[name]] = value

    put("step_left", (stop - 1 - step_at).astype(np.float32) / samples)
    if voltage_only:
        put("voltage_end_v", end / _K)
        put("voltage_step_v", step / _K)
        return
    put("current_rms_ka", main.rms(current))
    put("voltage_end_v", last.mean(voltage))
    put("r_alpha_uohm", alpha)
    put("r_beta_uohm", beta)
    put("t_beta_ms", (beta_at - start).astype(np.float32) * dt)
    put("r_mean_uohm", main.mean(resistance))
    put("r_end_uohm", end)
    put("r_drop_uohm", beta - end)
    to_end_ms = (stop - 1 - beta_at).astype(np.float32) * dt
    slope = np.divide(end - beta, to_end_ms, out=np.zeros_like(end), where=to_end_ms > 0)
    put("r_slope_uohm_per_ms", slope)
    put("step_uohm", step)
    put("current_dip_share", _dip(current, values[core, AT["current_rms_ka"]], main, dt))
    if np.isfinite(batch.force_kn[start]).any():
        put("force_step_kn", _force_step(batch.force_kn, step_at, main, dt))


def _tail(length: NDArray[np.int64], dt_ms: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return how many samples the end of a core has: 10 ms, at least two, at most a quarter."""
    tail: NDArray[np.int64] = np.clip(np.rint(np.float32(END_MS) / dt_ms), 2, np.maximum(2, length // 4)).astype(
        np.int64
    )
    return tail


def step_samples(dt_ms: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return over how many samples a fall of R is taken, for sample intervals (n,)."""
    width: NDArray[np.int64] = np.clip(np.rint(np.float32(STEP_MS) / dt_ms), *STEP_SAMPLES).astype(np.int64)
    return width


def smooth_core(x: NDArray[np.float32], start: NDArray[np.int64], stop: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the mean of each sample with its neighbours in `start:stop`, whose ends count twice."""
    mean = np.empty_like(x)
    mean[0] = mean[-1] = 0
    np.add(x[:-2], x[1:-1], out=mean[1:-1])
    mean[1:-1] += x[2:]
    last = stop - 1
    mean[start] = x[start] + x[start] + x[start + 1]
    mean[last] = x[last - 1] + x[last] + x[last]
    mean /= np.float32(3)
    return mean


def _fall(
    smooth: NDArray[np.float32], width: NDArray[np.int64], start: NDArray[np.int64], stop: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return by how much each sample lies above the one `width[i]` later, in the ranges `start[i]:stop[i]`."""
    fall = np.zeros_like(smooth)
    for wide in np.unique(width):
        if (width == wide).all():
            np.subtract(smooth[:-wide], smooth[wide:], out=fall[:-wide])
            break
        index, _ = gather(start[width == wide], stop[width == wide] - wide)
        fall[index] = smooth[index] - smooth[index + wide]
    return fall


def _dip(
    current: NDArray[np.float32], rms: NDArray[np.float32], main: Ranges, dt: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the largest dip of the current within the guards, as a share of its effective value."""
    begin = main.start + np.ceil(np.float32(DIP_GUARD_MS[0]) / dt).astype(np.int64)
    end = main.stop - np.ceil(np.float32(DIP_GUARD_MS[1]) / dt).astype(np.int64)
    short = end <= begin
    inner = Ranges(np.where(short, main.start, begin), np.where(short, main.stop, end), len(current))
    dip: NDArray[np.float32] = np.maximum(1 - inner.reduce(np.minimum, current) / rms, np.float32(0))
    return dip


def _force_step(
    force_kn: NDArray[np.float32], step_at: NDArray[np.int64], main: Ranges, dt: NDArray[np.float32]
) -> NDArray[np.float32]:
    away = np.rint(np.array((*BEFORE_MS, *AFTER_MS), dtype=np.float32)[:, None] / dt).astype(np.int64)
    index = np.minimum(np.maximum(step_at + away, main.start), main.stop - 1)
    a, b, c, d, e, f = force_kn.take(index, mode="clip")
    step: NDArray[np.float32] = (a + b + c) / np.float32(3) - (d + e + f) / np.float32(3)
    return step


def _grid(resistance: NDArray[np.float32], main: Ranges) -> NDArray[np.float32]:
    """Put each core on `BAND_POINTS` even steps from its first to its last sample, linear between samples."""
    spans, kind = np.unique(main.length - 1, return_inverse=True)  # a plant has few lengths of core, and many cores
    position = spans.astype(np.float32)[:, None] * (
        np.arange(BAND_POINTS, dtype=np.float32) / np.float32(BAND_POINTS - 1)
    )
    step = np.minimum(position.astype(np.int64), spans[:, None] - 1)
    weight = (position - step.astype(np.float32)).take(kind, axis=0)
    left = step.take(kind, axis=0)
    left += main.start[:, None]
    low = resistance.take(left, mode="clip")  # checks no bounds, which cannot be passed
    left += 1
    grid: NDArray[np.float32] = resistance.take(left, mode="clip")
    grid -= low
    grid *= weight
    grid += low
    return grid
