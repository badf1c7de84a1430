"""Where on a weld's curve the judge read what it judged by: phases, marks, and departures from the reference.

Nothing is measured anew here: values come from `extract`, and places from the very functions that it uses, so that what
is drawn over a curve and what was said of it cannot disagree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.welds.batch import WeldBatch
from models.welds.features import AT, BAND_POINTS, Features, conduct, extract, smooth_core, step_samples
from models.welds.prepare import Part, prepare
from models.welds.signal import Pulses, resistance_uohm

PhaseKind = Literal["squeeze", "preheat", "cool", "main", "postheat", "hold"]
MarkKind = Literal["alpha", "beta", "step", "end"]
Quantity = Literal["resistance_uohm", "voltage_v"]

MAIN_CURRENT_SHARE = 0.9
MAIN_TIME_SHARE = 0.5
"""A pulse with at least this share of the main pulse's effective current, that lasts at least this share of its time,
is a main pulse too: thick stacks are welded with several alike. A weaker or shorter one heats before or after."""
DEPARTURE_SIGMA = 3.0
DEPARTURE_POINTS = 2
"""A departure is further from the reference than so many sigmas at so many neighbouring points of the grid."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of the schedule, ms from the curve's first sample."""

    kind: PhaseKind
    start_ms: float
    stop_ms: float


@dataclass(frozen=True, slots=True)
class Mark:
    """A place on the trace that a feature was read at."""

    kind: MarkKind
    feature: str
    """The name of `FEATURES` whose value was read here."""
    ms: float
    """From the curve's first sample; of a step where it begins, of the end the last sample of the core."""
    value: float
    """Of the trace there, in its unit, as the feature has it (smoothed); of a step, before it falls."""
    step: Step | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """The largest fall of the trace."""

    size: float
    """In the unit of the trace."""
    stop_ms: float
    left: float
    """Share of the core of the main pulse that is left when it begins."""


@dataclass(frozen=True, slots=True)
class CurveEvidence:
    """What was read off one curve, and where."""

    quantity: Quantity
    """What the trace is: of a weld without a current channel the voltage stands in for the resistance."""
    time_ms: NDArray[np.float64]
    """(p,) from the curve's first sample; fine or alternating curves have fewer points than samples."""
    trace: NDArray[np.float32]
    """(p,) in µΩ or V, NaN where no current flows."""
    origin_ms: float | None
    """Where the core of the main pulse begins: what `t_beta_ms` counts from; None without a main pulse."""
    span_ms: float
    """Length of the core, over which the reference is laid; 0 without one."""
    phases: tuple[Phase, ...]
    marks: tuple[Mark, ...]
    features: Features
    """(1,) as `extract` gives them."""


@dataclass(frozen=True, slots=True)
class Departure:
    """A stretch in which the curve is away from its reference, ms from the curve's first sample."""

    start_ms: float
    stop_ms: float
    peak_ms: float
    sigmas: float
    """Farthest distance in the stretch; negative below the reference."""


def read_evidence(weld: WeldBatch, loop_uh: float) -> CurveEvidence:
    """Return what the judge read off the one weld of a batch, and where.

    `loop_uh` is what it took for the inductance of the pick-up's loop, µH. Raises `ValueError` for any other number of
    welds.
    """
    if len(weld) != 1:
        raise ValueError(f"the batch has {len(weld)} welds; expected 1")
    loop = np.array([loop_uh], dtype=np.float32)
    features = extract(weld, loop)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        parts, _, _ = prepare(weld)
        if not parts:  # samples are missing: nothing was read
            trace = resistance_uohm(weld.current_ka, weld.voltage_v)
            time_ms = _times(len(trace), int(weld.dt_us[0]) / 1000)
            return CurveEvidence("resistance_uohm", time_ms, trace, None, 0.0, (), (), features)
        return _read(parts[0], loop, features)


def departures(
    evidence: CurveEvidence, centre: NDArray[np.float64], sigma: NDArray[np.float64]
) -> tuple[list[Departure], Departure | None]:
    """Return where a curve is away from its reference, and where it is farthest, in order of time.

    `centre` and `sigma` (`BAND_POINTS`,) in µΩ (of a weld without a current channel mV) as a reference has them, NaN
    where it knows nothing; the reference is laid over the core of this curve, as the judge does.
    """
    if evidence.origin_ms is None:
        return [], None
    time_ms = grid_ms(evidence)
    with np.errstate(invalid="ignore", divide="ignore"):
        z = (evidence.features.band[0] - centre) / sigma
    if not np.isfinite(z).any():
        return [], None
    size = np.where(np.isfinite(z), np.abs(z), 0.0)
    edges = np.flatnonzero(np.diff(np.r_[False, size > DEPARTURE_SIGMA, False]))
    runs = [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    stretches = [_stretch(time_ms, z, a, b) for a, b in runs if b - a >= DEPARTURE_POINTS]
    top = int(np.argmax(size))
    return stretches, _stretch(time_ms, z, top, top + 1)


def grid_ms(evidence: CurveEvidence) -> NDArray[np.float64]:
    """Return when the points of a reference (`BAND_POINTS`,) fall on this curve, ms from its first sample."""
    origin = evidence.origin_ms or 0.0
    grid: NDArray[np.float64] = origin + np.linspace(0.0, evidence.span_ms, BAND_POINTS)
    return grid


def _times(samples: int, dt_ms: float) -> NDArray[np.float64]:
    return np.arange(samples, dtype=np.float64) * np.float64(dt_ms)


def _stretch(time_ms: NDArray[np.float64], z: NDArray[np.float64], start: int, stop: int) -> Departure:
    peak = start + int(np.argmax(np.abs(z[start:stop])))
    return Departure(float(time_ms[start]), float(time_ms[stop - 1]), float(time_ms[peak]), float(z[peak]))


def _read(part: Part, loop_uh: NDArray[np.float32], features: Features) -> CurveEvidence:
    dt_ms = int(part.batch.dt_us[0]) / 1000
    current, voltage, pulses = conduct(part, loop_uh)
    trace = np.full(len(current), np.nan, dtype=np.float32)
    on = pulses.conducting
    trace[on] = current[on] if part.voltage_only else np.float32(1000) * voltage[on] / current[on]
    has_core = bool(np.isfinite(features.band[0]).any())
    core = (int(pulses.core_start[0]), int(pulses.core_stop[0]))
    return CurveEvidence(
        quantity="voltage_v" if part.voltage_only else "resistance_uohm",
        time_ms=_times(len(trace), dt_ms),
        trace=trace,
        origin_ms=core[0] * dt_ms if has_core else None,
        span_ms=float(features.span_ms[0]) if has_core else 0.0,
        phases=tuple(_phases(np.abs(current), pulses, dt_ms)),
        marks=tuple(_marks(trace, core, dt_ms, features.values[0], part.voltage_only)) if has_core else (),
        features=features,
    )


def _phases(current_ka: NDArray[np.float32], pulses: Pulses, dt_ms: float) -> list[Phase]:
    """Name what lies before, between, in and after the pulses."""
    runs = list(zip(pulses.pulse_start.tolist(), pulses.pulse_stop.tolist(), strict=True))
    if not runs:
        return []
    main = next(k for k, (start, stop) in enumerate(runs) if start <= pulses.core_start[0] < stop)
    rms = [float(np.sqrt(np.mean(np.square(current_ka[start:stop])))) for start, stop in runs]
    length = [stop - start for start, stop in runs]

    def kind(k: int) -> PhaseKind:
        strong = rms[k] >= MAIN_CURRENT_SHARE * rms[main] and length[k] >= MAIN_TIME_SHARE * length[main]
        return "main" if strong else "preheat" if k < main else "postheat"

    found: list[tuple[PhaseKind, int, int]] = [("squeeze", 0, runs[0][0])]
    for k, (start, stop) in enumerate(runs):
        if k:
            found.append(("cool", runs[k - 1][1], start))
        found.append((kind(k), start, stop))
    found.append(("hold", runs[-1][1], len(current_ka)))
    return [Phase(name, start * dt_ms, stop * dt_ms) for name, start, stop in found if stop > start]


def _marks(
    trace: NDArray[np.float32], core: tuple[int, int], dt_ms: float, values: NDArray[np.float32], voltage_only: bool
) -> list[Mark]:
    start, stop = core
    smooth = smooth_core(trace, np.array([start]), np.array([stop]))
    step_at = start + round(stop - 1 - start - float(values[AT["step_left"]]) * (stop - start))
    width = int(step_samples(np.array([dt_ms], dtype=np.float32))[0])
    name = {"end": "voltage_end_v", "step": "voltage_step_v"} if voltage_only else {}
    marks = []
    if not voltage_only:
        beta_at = start + round(float(values[AT["t_beta_ms"]]) / dt_ms)
        alpha = values[AT["r_alpha_uohm"]]
        alpha_at = start + int(np.argmax(smooth[start : beta_at + 1] == alpha))
        marks += [
            Mark("alpha", "r_alpha_uohm", alpha_at * dt_ms, float(alpha)),
            Mark("beta", "r_beta_uohm", beta_at * dt_ms, float(values[AT["r_beta_uohm"]])),
        ]
    size = float(values[AT[name.get("step", "step_uohm")]])
    if size > 0:
        step = Step(size, (step_at + width) * dt_ms, float(values[AT["step_left"]]))
        marks.append(Mark("step", name.get("step", "step_uohm"), step_at * dt_ms, float(smooth[step_at]), step))
    end = float(values[AT[name.get("end", "r_end_uohm")]])
    marks.append(Mark("end", name.get("end", "r_end_uohm"), (stop - 1) * dt_ms, end))
    return sorted(marks, key=lambda mark: mark.ms)
