"""The AGV fleet."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from starlette.responses import Response

from services.api.context import Ctx
from services.api.documenting import listing, problems_of
from services.api.problems import not_found
from services.api.query import no_parameters
from services.api.schemas import AgvOut
from services.api.tables import AsListing
from services.api.wire import agv_out

router = APIRouter(prefix="/api/v1", tags=["fleet"], dependencies=[Depends(no_parameters)])


@router.get("/agvs", summary="All AGVs", response_model=list[AgvOut], responses=listing())
def list_agvs(ctx: Ctx, wanted: AsListing) -> Response:
    """List the latest state of every vehicle, by id."""
    return wanted.answer(AgvOut, [agv_out(row) for row in ctx.store.agvs().to_pylist()])


@router.get("/agvs/{id:path}", summary="One AGV", responses=problems_of(400, 404, 503))
def read_agv(id: str, ctx: Ctx) -> AgvOut:  # noqa: A002 - the name in the address
    """Give the latest state of one vehicle; its id is `manufacturer/serial`."""
    for row in ctx.store.agvs().to_pylist():
        if row["agv"] == id:
            return agv_out(row)
    raise not_found("AGV", id, "ids are manufacturer/serial")
