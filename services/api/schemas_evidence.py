"""What a verdict was read from, on the curve itself, as the API answers it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from services.api.schemas import Model, WeldDetail


class PhaseOut(Model):
    """A part of the weld schedule, as the current shows it."""

    kind: Literal["squeeze", "preheat", "cool", "main", "postheat", "hold"]
    start_ms: float
    stop_ms: float


class StepOut(Model):
    """The largest fall of the trace after α; expulsion shows as one."""

    size: float = Field(description="in the trace's unit")
    stop_ms: float
    left: float = Field(description="share of the main pulse that is left when it begins")


class MarkOut(Model):
    """A place on the trace that a feature was read at, beside where the reference has it."""

    kind: Literal["alpha", "beta", "step", "end"]
    feature: str = Field(description="name of the feature read here")
    ms: float = Field(description="of a step, where it begins")
    value: float = Field(description="of the trace there, in its unit; of a step, before it falls")
    z: float | None = Field(description="distance of the feature from the reference that judged it, sigmas")
    expected: float | None = Field(
        description="the feature's centre now, at mean electrode wear, in the trace's unit; of a step, of its size"
    )
    sigma: float | None
    expected_ms: float | None = Field(description="where β should be")
    sigma_ms: float | None
    step: StepOut | None


class TraceOut(Model):
    """The curve that was judged; null where no current flows. Fine and alternating curves have fewer points."""

    quantity: Literal["resistance_uohm", "voltage_v"] = Field(
        description="of a weld without a current channel the voltage stands in for the resistance"
    )
    time_ms: list[float]
    value: list[float | None]


class TraceBand(Model):
    """The reference laid over the main pulse of this very curve, in the trace's unit."""

    time_ms: list[float]
    centre: list[float | None]
    sigma: list[float | None]


class DepartureOut(Model):
    """A stretch in which the trace is away from its reference."""

    start_ms: float
    stop_ms: float
    peak_ms: float
    sigmas: float = Field(description="farthest distance in it; negative below the reference")


class EvidenceOut(Model):
    """What was read off a curve, and where. Times are ms from the curve's first sample."""

    origin_ms: float | None = Field(description="where the main pulse has settled: what t_beta_ms counts from")
    phases: list[PhaseOut]
    marks: list[MarkOut] = Field(description="in order of time")
    trace: TraceOut
    band: TraceBand | None = Field(description="null while the reference is being learnt")
    reference_version: int | None = Field(
        description="of the band and of what is expected; the weld's own reference_version when it was judged by these"
    )
    departures: list[DepartureOut] = Field(description="beyond 3 sigmas, in order of time")
    farthest: DepartureOut | None = Field(description="the point with the largest distance, however small it is")


class CurveOut(Model):
    """The curves of one weld, evenly spaced by `dt_us`; resistance is null where no current flows."""

    id: str
    dt_us: int
    current_ka: list[float | None]
    voltage_v: list[float | None]
    resistance_uohm: list[float | None]
    force_kn: list[float | None] | None
    displacement_mm: list[float | None] | None
    evidence: EvidenceOut


class WeldEvidence(WeldDetail):
    """One weld with all its features and, when its curve was kept, where on it they were read."""

    evidence: EvidenceOut | None
