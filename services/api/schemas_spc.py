"""The shapes of change points and control charts on the wire; as `schemas`."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from services.api.schemas import Model


class ChangeCause(Model):
    """What happened at a machine just before a change, the likeliest first."""

    event: str = Field(description="id of the event")
    kind: str
    time: datetime
    gun: str
    spot: str
    program: str
    note: str
    lead_s: float = Field(description="from the event to the change's likeliest moment; below 0: within its interval")
    chance: float = Field(description="that such an event lies so close to a change by chance, 0..1")


class ChangeOut(Model):
    """One change of a defect rate or of a feature: where, when, by how much, and what else changed then."""

    kind: Literal["defect_rate", "feature"]
    by: Literal["plant", "program", "cell", "gun", "spot"] = Field(description="what the changed welds share")
    name: str = Field(description="which one; empty for the whole plant")
    feature: str = Field(description="the feature that moved; empty for a rate")
    also: list[str] = Field(description="other features of the same welds that moved then")
    time: datetime = Field(description="the likeliest moment")
    earliest: datetime = Field(description="of the moment's 95 % interval")
    latest: datetime
    before: float = Field(description="defect rate 0..1, or distance from each spot's median in its sigmas")
    after: float
    change: float = Field(description="after - before")
    low: float = Field(description="lower end of the change's 95 % interval")
    high: float
    share: float | None = Field(description="of the plant's extra defects since then, 0..1; null for a feature")
    evidence: float = Field(description="log likelihood ratio beyond the penalty for searching; the rank")
    spots: list[str] = Field(description="those that changed most, at most 20")
    spots_changed: int
    causes: list[ChangeCause]
    sentence: str = Field(description="the finding in words, English")


class SpcPoint(Model):
    """One weld on a spot's control chart; distances are in sigmas from the reference."""

    weld: str
    time: datetime
    value: float | None
    z: float = Field(description="distance from the reference that judged this weld; EWMA and CUSUM cut it to ±4")
    ewma: float
    cusum_high: float
    cusum_low: float = Field(description="never positive: the mirror of cusum_high")
    rules: list[int] = Field(description="Nelson rules 1..8 that this point breaks")
    signal: bool = Field(description="beyond a limit derived from the plant's false-alarm budget")


class SpcLimits(Model):
    """Where a point signals, sigmas: together they keep the budget of `alarms_per_hour` over the whole plant."""

    alarms_per_hour: float
    average_run_length: float = Field(description="welds of one chart between two false alarms of one limit")
    shewhart: float
    ewma: float
    cusum: float


class SpcStream(Model):
    """The control chart of one feature of one programme on a spot, oldest point first."""

    spot: str
    program: str
    feature: str
    centre: float | None = Field(description="the reference now, in the feature's unit")
    sigma: float | None
    autocorrelation: float | None = Field(description="lag 1, robust; null with too few points. It widens the limits")
    limits: SpcLimits
    points: list[SpcPoint]


class RateSpcPoint(Model):
    """Defect rate of one group in one time bucket, on a Laney p′ chart."""

    group: dict[str, str]
    start: datetime
    end: datetime
    defect: int
    n: int = Field(description="ok + defect")
    rate: float = Field(description="defect / n")
    centre: float = Field(description="of the group over the window")
    low: float
    high: float
    z: float = Field(description="distance from the centre in sigmas, those of the p′ chart")
    sigma_z: float = Field(description="how much more than binomially the group's rate scatters")
    rules: list[int] = Field(description="Nelson rules 1..8 that this point breaks")
    signal: bool = Field(description="beyond low or high")
