"""What an engineer orders for the references of a spot."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import Field

from edge.sources.event import MAX_NOTE
from edge.sources.fields import MAX_NAME
from edge.topics import Place
from services.api.addressing import NamedRoute
from services.api.context import Ctx
from services.api.documenting import problems_of
from services.api.gate import BY, Who, check_named
from services.api.problems import not_found, wrong
from services.api.routes.spots import place_of_spot
from services.api.schemas import Model
from services.store.protocol import Filters

router = APIRouter(prefix="/api/v1", tags=["spots"], route_class=NamedRoute)

Action = Literal["pin", "unpin", "reset", "exclude", "include"]
KINDS: dict[Action, str] = {
    "pin": "reference_pin",
    "unpin": "reference_unpin",
    "reset": "reference_reset",
    "exclude": "spot_exclude",
    "include": "spot_include",
}
WHOLE_SPOT = frozenset({"exclude", "include"})


class ReferenceOrder(Model):
    """What to do, why, and who says so."""

    action: Action = Field(
        description="`pin`: it stops learning; `unpin`: it learns again; `reset`: it begins a new version; `exclude`: "
        "the spot's welds are unjudged and teach nothing; `include`: they are judged again"
    )
    program: str = Field(default="", max_length=MAX_NAME, description="only the reference of this weld schedule")
    note: str = Field(min_length=1, max_length=MAX_NOTE, description="why")
    by: str | None = Field(default=None, min_length=1, max_length=MAX_NAME, description=BY)


class OrderTaken(Model):
    """A command that the broker has; its effect and its record follow in a moment."""

    event: str = Field(description="id of the event that carries it, see GET /api/v1/events")
    kind: str


@router.post(
    "/spots/{spot:path}/reference",
    summary="Pin, unpin or reset a reference; exclude or include a spot",
    status_code=202,
    responses=problems_of(400, 403, 404, 413, 415, 503),
)
def order_reference(spot: str, order: ReferenceOrder, ctx: Ctx, who: Who) -> OrderTaken:
    """Publish the order as an event and answer when the broker has it.

    It takes effect at its place among the welds, and stands in `GET /api/v1/events?spot=` as the record of who
    ordered what, when and why.
    """
    check_named(who, order.by)
    where = place_of_spot(ctx, spot)
    if order.program and order.action in WHOLE_SPOT:
        raise wrong("program", order.program, f"none: {order.action} concerns the spot as a whole")
    if order.program:
        programs = ctx.store.spots(Filters(spot=spot))["program"].to_pylist()
        if order.program not in programs:
            raise not_found("program", order.program, f"{spot!r} was welded with {', '.join(map(repr, programs))}")
    kind = KINDS[order.action]
    event = {"kind": kind, "spot": spot, "program": order.program, "note": order.note, "by": order.by}
    place = Place(where["site"], where["area"], where["line"], where["cell"])
    return OrderTaken(event=ctx.commands.send(place, event, who), kind=kind)
