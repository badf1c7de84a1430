"""Guns: how far their electrodes have worn, when they are due, and whether dressing works."""

from __future__ import annotations

import math
from typing import Any

from fastapi import APIRouter, Depends
from starlette.responses import Response

from edge.plant import Plant
from models.welds.wear_signals import sentence
from models.welds.wear_state import DressCheck, GunWear
from models.welds.wear_trend import INDICATORS
from services.api.context import Ctx
from services.api.documenting import listing, problems_of
from services.api.problems import not_found
from services.api.query import no_parameters
from services.api.schemas import DressCheckOut, GunDetail, GunOut, WearTrendOut
from services.api.tables import AsListing
from services.api.wire import event_out
from services.store.protocol import Filters
from services.times import utc

router = APIRouter(prefix="/api/v1", tags=["guns"], dependencies=[Depends(no_parameters)])
SIGNALS = ("wear_warning", "dress_ineffective")
MAX_SIGNALS = 50
"""Of each kind."""


@router.get("/guns", summary="All guns", response_model=list[GunOut], responses=listing())
def list_guns(ctx: Ctx, wanted: AsListing) -> Response:
    """List the electrodes of every gun that has welded, by name: wear, caps, the next dress and the last one."""
    places = _places(ctx.plant)
    return wanted.answer(GunOut, [GunOut(**_fields(gun, places)) for gun in ctx.evidence.guns()])


@router.get("/guns/{gun:path}", summary="One gun", responses=problems_of(400, 404, 503))
def read_gun(gun: str, ctx: Ctx) -> GunDetail:
    """Give the wear of one gun since its last dress, indicator by indicator, and its last signals."""
    found = next((one for one in ctx.evidence.guns() if one.gun == gun), None)
    if found is None:
        raise not_found("gun", gun, "it has not welded yet")
    rows = [row for kind in SIGNALS for row in ctx.store.events(Filters(gun=gun, kind=kind), MAX_SIGNALS).to_pylist()]
    rows.sort(key=lambda row: (row["time_ns"], row["event_id"]), reverse=True)
    changes = [[_share(point.change[k]) for point in found.points] for k in range(len(INDICATORS))]
    trends = [
        WearTrendOut(
            feature=trend.feature,
            per_100=_share(trend.per_100),
            low=_share(trend.low),
            high=_share(trend.high),
            now=_share(trend.now),
            limit=_share(trend.limit),
            change=change,
        )
        for trend, change in zip(found.trends, changes, strict=False)
    ]
    return GunDetail(
        **_fields(found, _places(ctx.plant)),
        points=[round(point.wear, 1) for point in found.points],
        trends=trends,
        signals=[event_out(row) for row in rows],
    )


def _places(plant: Plant) -> dict[str, tuple[str, str]]:
    """Return line and cell of each gun."""
    return {gun: (line.id, cell.id) for line in plant.lines for cell in line.cells for gun in cell.guns}


def _fields(gun: GunWear, places: dict[str, tuple[str, str]]) -> dict[str, Any]:
    line, cell = places.get(gun.gun, ("", ""))
    forecast = gun.forecast
    return {
        "gun": gun.gun,
        "line": line,
        "cell": cell,
        "time": utc(gun.time_ns),
        "wear": gun.wear,
        "counted": gun.counted,
        "dressed": None if gun.dressed_ns is None else utc(gun.dressed_ns),
        "dresses": gun.dresses,
        "dresses_per_cap": _welds(gun.dresses_per_cap),
        "caps_changed": None if gun.caps_ns is None else utc(gun.caps_ns),
        "caps_welds": gun.caps_welds,
        "next": gun.next_action,
        "routine": _welds(gun.routine[0]),
        "ready": gun.ready,
        "remaining": _welds(forecast.expected) if forecast else None,
        "low": _welds(forecast.low) if forecast else None,
        "high": _welds(forecast.high) if forecast else None,
        "limit": forecast.limit if forecast else "",
        "feature": forecast.feature if forecast else "",
        "sentence": sentence(forecast) if forecast and math.isfinite(forecast.expected) else "",
        "check": _check(gun.check),
    }


def _check(check: DressCheck | None) -> DressCheckOut | None:
    if check is None:
        return None
    return DressCheckOut(
        time=utc(check.time_ns),
        feature=check.feature,
        before=_share(check.before),
        after=_share(check.after),
        recovered=_share(check.recovered),
        low=_share(check.low),
        high=_share(check.high),
        effective=check.effective,
    )


def _welds(n: float) -> float | None:
    return round(n, 1) if math.isfinite(n) else None


def _share(x: float) -> float | None:
    return round(x, 5) if math.isfinite(x) else None
