"""Bodies: does each one qualify as a whole."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from services.api.context import Ctx
from services.api.cursors import decode_cursor, encode_cursor
from services.api.documenting import listing, problems_of
from services.api.problems import not_found
from services.api.query import MAX_LIMIT, BodyQuery, no_parameters
from services.api.schemas import BodyDetail, BodyOut, BodyPage
from services.api.tables import AsListing
from services.api.wire import body_fields, body_out, weld_out
from services.store.protocol import Filters

router = APIRouter(prefix="/api/v1", tags=["bodies"])


@router.get("/bodies", summary="Bodies, newest first", response_model=BodyPage, responses=listing(paged=True))
def list_bodies(query: Annotated[BodyQuery, Query()], ctx: Ctx, wanted: AsListing) -> Response:
    """List the bodies whose first weld lies in the window."""
    before = decode_cursor("bodies", query.cursor, tuple[int, str])
    since_ns, until_ns = query.range_ns(ctx.clock())
    filters = Filters(body=query.body, verdict=query.verdict, since_ns=since_ns, until_ns=until_ns)
    rows = ctx.store.bodies(filters, query.limit + 1, before).to_pylist()
    cursor = None
    if len(rows) > query.limit:
        rows.pop()
        cursor = encode_cursor("bodies", (rows[-1]["first_ns"], rows[-1]["body"]))
    return wanted.answer(BodyOut, [body_out(row) for row in rows], page=BodyPage, cursor=cursor)


@router.get(
    "/bodies/{body:path}",
    summary="One body",
    dependencies=[Depends(no_parameters)],
    responses=problems_of(400, 404, 503),
)
def read_body(body: str, ctx: Ctx) -> BodyDetail:
    """Give one body with its defects and unjudged welds (newest first, at most 1,000 of each) and the spots it lacks.

    Spots are missing only from a complete body: one that has left the shop, or has all its spots.
    """
    rows = ctx.store.bodies(Filters(body=body), 1).to_pylist()
    if not rows:
        raise not_found("body", body)
    welds = [
        row
        for verdict in ("defect", "unjudged")
        for row in ctx.store.welds(Filters(body=body, verdict=verdict), MAX_LIMIT).to_pylist()
    ]
    welds.sort(key=lambda row: (row["time_ns"], row["ordinal"]), reverse=True)
    missing: list[str] = []
    if rows[0]["missing"]:
        seen = set(ctx.store.tally(Filters(body=body), ("spot",))["spot"].to_pylist())
        missing = [spot for spot in ctx.plant.spots if spot not in seen]
    return BodyDetail(**body_fields(rows[0]), welds=[weld_out(row) for row in welds], missing_spots=missing)
