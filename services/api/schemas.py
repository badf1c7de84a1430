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
    score: float | None = Field(description="the furthest of all checks, scaled: its limit is judge.limit_sigma (6)")
    value: float | None
    centre: float | None
    sigma: float | None
    risk: float | None = Field(
        description="0..1: of a model in use the probability that the weld is not ok, else a rank, 0.5 at the limit"
    )
    shadow_risk: float | None = Field(description="what the model in the shadow says")
    by_model: bool = Field(description="the verdict is the model's in use")
    lacks: list[str] = Field(description="channels the curve has not: current, voltage, force, displacement")
    shape_t2: float | None = Field(description="distance of the whole curve along the usual directions, sigmas")
    shape_q: float | None = Field(description="distance of the whole curve from these directions, sigmas")
    reference_n: int
    reference_version: int
    late: bool
    new_spot: bool
    sentence: str = Field(description="the verdict in words, English")


class WeldDetail(WeldOut):
    """One weld with all its features."""

    cause_scores: dict[str, float] = Field(
        description="how well each cause explains the weld, 0..1, the best first; empty when nothing was compared"
    )
    features: list[FeatureValue]
    curve_kept: bool


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
    since: datetime = Field(description="when this version began")
    why: str = Field(description="the kind of event that began it, empty for the first")
    learning: bool = Field(description="too few welds of its own; its programme's other spots stand in, once known")
    pinned: bool = Field(description="learns no more, by order of an engineer")
    excluded: bool = Field(description="the spot's welds are not judged, by order of an engineer")
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
    """Something done at a machine, ordered by an engineer, found by an inspection, or noticed by Lineside."""

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
    by: str = Field(description="who did or ordered it")
    note: str
    details: dict[str, str | float] = Field(description="what else it says, as the nugget that an inspection found")


class DressCheckOut(Model):
    """What the last dress or cap change that could be checked did; shares are relative changes from a dressed tip."""

    time: datetime
    feature: str = Field(description="the indicator that shows it best; empty when none was worn enough to tell")
    before: float | None = Field(description="change since a dressed tip just before")
    after: float | None = Field(description="... and just after")
    recovered: float | None = Field(description="share of the wear that was taken off")
    low: float | None = Field(description="lower end of its 95 % interval")
    high: float | None
    effective: bool | None = Field(description="more than half was taken off; null when that cannot be told")


class GunOut(Model):
    """The electrodes of one gun, as of its latest weld."""

    gun: str
    line: str = Field(description="by the plant model; empty when it does not know the gun")
    cell: str
    time: datetime = Field(description="of the latest weld")
    wear: int = Field(description="welds since the last dress or cap change, or since the gun was first seen")
    counted: bool = Field(description="the controller counts them; else Lineside does")
    dressed: datetime | None = Field(description="the last dress or cap change; null when none was seen")
    dresses: int = Field(description="since the cap change, or since the gun was first seen")
    dresses_per_cap: float | None = Field(description="usual; null when not known")
    caps_changed: datetime | None = Field(description="null when none was seen")
    caps_welds: int = Field(description="welds since then, or since the gun was first seen")
    next: Literal["tip_dress", "cap_change"] = Field(description="what is due next")
    routine: float | None = Field(description="welds between two dresses as they usually are; null when not known")
    ready: bool = Field(description="enough welds are known for a trend")
    remaining: float | None = Field(description="welds until the first limit; null when nothing moves towards one")
    low: float | None = Field(description="lower end of its 95 % interval")
    high: float | None = Field(description="null: not bounded")
    limit: Literal["reference", "density", "routine", ""] = Field(
        description="what comes first: welds leave their references, the current density has fallen too far, or the "
        "gun is usually dressed then"
    )
    feature: str = Field(description="the indicator that gets there")
    sentence: str = Field(description="the forecast in words, English")
    check: DressCheckOut | None


class WearTrendOut(Model):
    """How one indicator changes with wear; shares are relative changes from a dressed tip."""

    feature: str
    per_100: float | None = Field(description="change over 100 welds")
    low: float | None = Field(description="lower end of its 95 % interval")
    high: float | None
    now: float | None = Field(description="change since the dress, by the trend")
    limit: float | None = Field(description="change at which a limit is reached; null when there is none")
    change: list[float | None] = Field(description="as measured, at each of the gun's `points`")


class GunDetail(GunOut):
    """One gun with its wear since the last dress and what was signalled."""

    points: list[float] = Field(description="welds since the dress, at which `trends[].change` was measured")
    trends: list[WearTrendOut]
    signals: list[EventOut] = Field(description="wear warnings and dresses that did not work, newest first")


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
