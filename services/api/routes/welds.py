"""Judged welds and the curves behind their verdicts."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pyarrow as pa
from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from models.welds.features import FEATURES
from models.welds.signal import resistance_uohm
from services.api.addressing import NamedRoute
from services.api.context import Context, Ctx
from services.api.cursors import decode_cursor, encode_cursor
from services.api.documenting import listing, problems_of
from services.api.marks import evidence_out
from services.api.problems import not_found
from services.api.query import WeldQuery, no_parameters
from services.api.schemas import WeldOut, WeldPage
from services.api.schemas_evidence import CurveOut, EvidenceOut, WeldEvidence
from services.api.tables import AsListing, Sheet, columns_of
from services.api.wire import short, shorts, weld_detail, weld_fields, weld_out
from services.evidence import Curve
from services.store import schema

router = APIRouter(prefix="/api/v1", tags=["welds"], route_class=NamedRoute)

_FEATURE_COLUMNS = [f"{prefix}{name}" for name in FEATURES for prefix in ("", "z_")]


@router.get("/welds", summary="Welds, newest first", response_model=WeldPage, responses=listing(paged=True))
def list_welds(query: Annotated[WeldQuery, Query()], ctx: Ctx, wanted: AsListing) -> Response:
    """List the welds selected. CSV and Arrow also carry every feature and its distance `z_…` in sigmas."""
    before = decode_cursor("welds", query.cursor, tuple[int, int])
    columns = schema.WELD if wanted.tabular else schema.WELD_IN_SHORT
    rows = ctx.store.welds(query.filters(ctx.clock()), query.limit + 1, before, columns).to_pylist()
    cursor = None
    if len(rows) > query.limit:
        rows.pop()
        cursor = encode_cursor("welds", (rows[-1]["time_ns"], rows[-1]["ordinal"]))
    if not wanted.tabular:
        return wanted.json(WeldPage(items=[weld_out(row) for row in rows], next=cursor), cursor)
    shown = [*columns_of(WeldOut), *(pa.field(name, pa.float64()) for name in _FEATURE_COLUMNS)]
    cells = [_cells(row) for row in rows]
    return wanted.sheet(Sheet(pa.schema(shown), cells), cursor)


@router.get(
    "/welds/{id:path}/curve",
    summary="The curves of one weld",
    dependencies=[Depends(no_parameters)],
    responses=problems_of(400, 404, 503),
)
def read_curve(id: str, ctx: Ctx) -> CurveOut:  # noqa: A002 - the name in the address
    """Give current, voltage, resistance, where recorded force and displacement, sample by sample, and the evidence.

    `evidence` is what to draw over them: the phases of the schedule, where α, β, the largest step and the end were
    read, the reference laid over this curve, and the stretches in which the curve is away from it.

    The curves of every defect and unjudged weld are kept, and of a share of the good ones.
    """
    row = _row(ctx, id)
    curve = ctx.evidence.curve(row["ordinal"])
    if curve is None:
        raise not_found(
            "curve of the weld",
            id,
            "only a share of the good welds' curves is kept (archive.good_share, archive.keep_days)",
        )
    return CurveOut(
        id=row["weld_id"],
        dt_us=curve.dt_us,
        current_ka=shorts(curve.current_ka),
        voltage_v=shorts(curve.voltage_v),
        resistance_uohm=shorts(resistance_uohm(curve.current_ka, curve.voltage_v)),
        force_kn=None if curve.force_kn is None else shorts(curve.force_kn),
        displacement_mm=None if curve.displacement_mm is None else shorts(curve.displacement_mm),
        evidence=_evidence(ctx, row, curve),
    )


@router.get(
    "/welds/{id:path}",
    summary="One weld with its features and where they were read",
    dependencies=[Depends(no_parameters)],
    responses=problems_of(400, 404, 503),
)
def read_weld(id: str, ctx: Ctx) -> WeldEvidence:  # noqa: A002 - the name in the address
    """Give what a verdict was made of: every feature beside its distance from the spot's reference, and its evidence.

    `evidence` says where on the curve: phases, α, β, step and end with what the reference expects, and departures; null
    when the curve was not kept. The judge's own functions read it, so that it cannot disagree with the verdict.
    """
    row = _row(ctx, id)
    curve = ctx.evidence.curve(row["ordinal"])
    weld = weld_detail(row, curve_kept=curve is not None)
    return WeldEvidence(**weld.model_dump(), evidence=_evidence(ctx, row, curve) if curve else None)


def _cells(row: dict[str, Any]) -> dict[str, Any]:
    fields = weld_fields(row)
    features = {name: short(row[name]) for name in _FEATURE_COLUMNS}
    return {**fields, "lacks": msgspec.json.encode(fields["lacks"]).decode(), **features}


def _evidence(ctx: Context, row: dict[str, Any], curve: Curve) -> EvidenceOut:
    references = ctx.evidence.references(row["spot"])
    return evidence_out(row, curve, next((each for each in references if each.program == row["program"]), None))


def _row(ctx: Context, weld_id: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = ctx.store.weld(weld_id).to_pylist()
    if not rows:
        raise not_found("weld", weld_id)
    return rows[0]
