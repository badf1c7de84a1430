"""The shapes on the wire, as OpenAPI shows them. Times are RFC 3339 UTC, cut to µs; units are in the names."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Verdict = Literal["ok", "defect", "unjudged"]


class Model(BaseModel):
    """Base: no extra keys, so that an answer never carries what the schema does not show."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RateOut(Model):
    """Qualification rate with its n and 95 % Wilson interval; unjudged welds count in no rate."""

    ok: int
    defect: int
    unjudged: int
    n: int = Field(description="ok + defect")
    rate: float | None = Field(description="ok / n, null when n is 0")
    low: float | None
    high: float | None


class RateGroup(RateOut):
    """A rate of one group: the `by` values in the order asked."""

    group: dict[str, str]


class TrendPoint(RateGroup):
    """A rate of one time bucket."""

    start: datetime
    end: datetime


class ParetoBar(Model):
    """One cause, most frequent first."""

    cause: str
    defects: int
    share: float = Field(description="of all defects in the selection")
    cumulative: float
    share_low: float
    share_high: float


class FeatureValue(Model):
    """One feature of a weld beside its reference."""

    name: str
    value: float | None
    z: float | None = Field(description="distance from the reference in sigmas, null when not compared")


class WeldOut(Model):
    """One judged weld."""

    id: str
    time: datetime
    received: datetime
    site: str
    area: str
    line: str
    cell: str
    gun: str
    spot: str
    program: str
    body: str
    wear_count: int | None
    verdict: Verdict
    cause: str
    lead: str = Field(description="the feature that decided")
    score: float | None = Field(description="largest distance from the reference, sigmas")
    value: float | None
    centre: float | None
    sigma: float | None
    reference_n: int
    reference_version: int
    late: bool
    new_spot: bool
    sentence: str = Field(description="the verdict in words, English")


class WeldDetail(WeldOut):
    """One weld with all its features."""

    features: list[FeatureValue]
    curve_kept: bool


class CurveOut(Model):
    """The curves of one weld, evenly spaced by `dt_us`; resistance is null where no current flows."""

    id: str
    dt_us: int
    current_ka: list[float | None]
    voltage_v: list[float | None]
    resistance_uohm: list[float | None]
    force_kn: list[float | None] | None
    displacement_mm: list[float | None] | None


class BandOut(Model):
    """What is normal for a stream: resistance over time, centre and sigma, null where no current flows."""

    time_ms: list[float]
    centre_uohm: list[float | None]
    sigma_uohm: list[float | None]


class FeatureReference(Model):
    """Normal value of one feature, null while learning."""

    name: str
    centre: float | None
    sigma: float | None


class SpotStream(Model):
    """One programme on a spot."""

    program: str
    n: int = Field(description="welds the reference has learnt from")
    version: int
    learning: bool
    features: list[FeatureReference]
    band: BandOut | None


class SpotOut(Model):
    """One spot: where it is, its reference per programme, its rate and its last welds (newest first)."""

    spot: str
    known: bool = Field(description="stands in the plant model")
    site: str
    area: str
    line: str
    cell: str
    gun: str
    stack: str
    x_mm: float | None
    y_mm: float | None
    z_mm: float | None
    streams: list[SpotStream]
    rate: RateOut
    welds: list[WeldDetail]


class BodyOut(Model):
    """One body; it qualifies (`ok`) when complete, all its judged spots are ok and none is missing."""

    body: str
    first: datetime
    last: datetime
    ok: int
    defect: int
    unjudged: int
    spots: int
    missing: int
    complete: bool
    verdict: Verdict


class BodyDetail(BodyOut):
    """One body with its defects and unjudged welds."""

    welds: list[WeldOut]
    missing_spots: list[str]


class AgvErrorOut(Model):
    """One entry of a vehicle's error list."""

    type: str
    level: str
    description: str


class AgvOut(Model):
    """The latest state of one AGV."""

    id: str = Field(description="manufacturer/serial")
    manufacturer: str
    serial: str
    version: str
    time: datetime
    connection: str
    x_m: float | None
    y_m: float | None
    theta_rad: float | None
    map_id: str
    driving: bool | None
    operating_mode: str
    battery_percent: float | None
    charging: bool | None
    emergency_stop: str
    order_id: str
    activity: str = Field(description="offline, error, charging, driving, acting, blocked, idle or manual")
    errors: list[AgvErrorOut]
    messages: int
    lost: int


class FloorOut(Model):
    """A rectangle on the floor plan, m."""

    x_m: float
    y_m: float
    width_m: float
    depth_m: float


class CellOut(Model):
    """One cell."""

    id: str
    guns: list[str]
    floor: FloorOut | None


class LineOut(Model):
    """One line."""

    id: str
    name: str
    cells: list[CellOut]


class PlantSpot(Model):
    """One spot with its latest state; `verdict` is "" before its first weld."""

    spot: str
    program: str
    line: str
    cell: str
    gun: str
    x_mm: float | None
    y_mm: float | None
    z_mm: float | None
    known: bool
    verdict: Literal["ok", "defect", "unjudged", ""]
    cause: str
    score: float | None
    time: datetime | None


class ShiftOut(Model):
    """One shift on one day."""

    name: str
    date: str
    start: datetime
    end: datetime


class PlantOut(Model):
    """The plant, its spots with their latest state, and the shift now running."""

    site: str
    area: str
    name: str
    timezone: str
    lines: list[LineOut]
    spots: list[PlantSpot]
    shift: ShiftOut | None


class SourceOut(Model):
    """One source's account and health."""

    source: str
    received: int
    stored: int
    rejected: int
    duplicate: int
    pending: int
    last_received: datetime | None
    last_time: datetime | None
    clock_offset_ms: float | None
    state: Literal["live", "silent", "clock_off"]


class Account(Model):
    """received = stored + rejected + duplicate + pending."""

    received: int
    stored: int
    rejected: int
    duplicate: int
    pending: int


class SourceAccount(Account):
    """The account of one source."""

    source: str


class AccountingOut(Model):
    """The whole account, one consistent snapshot."""

    at: datetime | None
    total: Account
    sources: list[SourceAccount]


class RejectOut(Model):
    """One item that was not taken."""

    seq: int
    item: int
    received: datetime
    source: str
    topic: str
    path: str
    came: str
    expected: str
    reason: str
    bytes: int


class EventOut(Model):
    """Something that happened at a machine: a cap change, a tip dress, a programme change."""

    id: str
    time: datetime
    received: datetime
    site: str
    area: str
    line: str
    cell: str
    kind: str
    gun: str
    spot: str
    program: str
    note: str


class Page(Model):
    """Where to go on: pass `next` as `cursor`; null at the end."""

    next: str | None


class WeldPage(Page):
    """Welds, newest first."""

    items: list[WeldOut]


class BodyPage(Page):
    """Bodies, newest first."""

    items: list[BodyOut]


class RejectPage(Page):
    """Rejects, newest first."""

    items: list[RejectOut]


class Problem(BaseModel):
    """RFC 9457 problem document."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    field: str | None = Field(default=None, description="the parameter at fault")
    came: str | None = None
    expected: str | None = None
