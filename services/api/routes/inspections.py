"""What destructive and ultrasonic tests found: the labels that models learn from."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from edge.topics import Place
from models.welds.trained import GOOD
from services.api.context import Context, Ctx
from services.api.cursors import decode_cursor, encode_cursor
from services.api.documenting import listing, problems_of
from services.api.gate import Asking, Who
from services.api.inspections import FIELDS, Item, WrongItemError, read_items
from services.api.problems import MEDIA_TYPE
from services.api.query import InspectionQuery, no_parameters
from services.api.schemas_learning import (
    InspectionOut,
    InspectionPage,
    InspectionProblem,
    InspectionsTaken,
    InspectionTaken,
)
from services.api.tables import CSV, JSON, AsListing
from services.api.wire import short
from services.message_limits import message_limits
from services.times import utc

router = APIRouter(prefix="/api/v1", tags=["inspections"])

KIND = "inspection"
READ_AT_ONCE = 500
"""Events looked at for one page, again and again until it is full."""
_EXAMPLE = {"weld": "2026-03-01-000123", "result": "stick", "method": "chisel", "nugget_mm": 3.1, "by": "A. Meyer"}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            JSON: {"schema": {"type": ["object", "array"]}, "example": _EXAMPLE},
            CSV: {"schema": {"type": "string"}, "example": f"{','.join(FIELDS[:3])}\n2026-03-01-000123,stick,chisel\n"},
        },
    }
}


async def _body(request: Request) -> bytes:
    return await request.body()


@router.post(
    "/inspections",
    summary="Say what inspections found",
    status_code=202,
    response_model=InspectionsTaken,
    responses=problems_of(400, 403, 413, 415, 503),
    openapi_extra=_BODY,
    dependencies=[Depends(no_parameters)],
)
def post_inspections(request: Request, ctx: Ctx, who: Who, body: Annotated[bytes, Depends(_body)]) -> Response:
    """Take one inspection, a list of them, or CSV with a header; at most 1,000 at once.

    Each stands by itself: what is wrong with one (row, field, what came, what was expected) hinders no other. Answers
    202 when the broker has those that were accepted, and 400 when none was. An inspection with a `time` that is sent
    twice counts once. Of several for one weld the newest counts.
    """
    is_csv = request.headers.get("content-type", "").startswith(CSV)
    items = read_items(body, is_csv=is_csv, limits=message_limits(ctx.config), now_ns=ctx.clock())
    welds = {row["weld_id"]: row for row in ctx.store.welds_of({i.weld for i in items if i.error is None}).to_pylist()}
    problems = {k: error for k, item in enumerate(items) if (error := _problem(item, welds)) is not None}
    events = _send(ctx, items, welds, problems, who)
    taken = InspectionsTaken(
        accepted=len(events),
        refused=len(problems),
        items=[
            InspectionTaken(row=item.row, weld=item.weld, event=events.get(k), problem=_told(problems.get(k)))
            for k, item in enumerate(items)
        ],
    )
    if events:
        return Response(taken.model_dump_json(), 202, media_type=JSON)
    first = next(iter(problems.values())).problem.model_dump(exclude_none=True)
    return Response(msgspec.json.encode({**first, **taken.model_dump()}), 400, media_type=MEDIA_TYPE)


@router.get(
    "/inspections",
    summary="Inspections, newest first",
    response_model=InspectionPage,
    responses=listing(paged=True),
)
def list_inspections(query: Annotated[InspectionQuery, Query()], ctx: Ctx, wanted: AsListing) -> Response:
    """List what inspections found, each beside the verdict and the risk that its weld had got, and whether they agree.

    Places and times select the inspections; `since` and `until` are when the inspection was made.
    """
    filters = query.filters(ctx.clock())
    before = decode_cursor("inspections", query.cursor, tuple[int, str])
    found: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = []
    while len(found) <= query.limit:
        events = ctx.store.events(filters, READ_AT_ONCE, before).to_pylist()
        if not events:
            break
        found += [row for row in _joined(ctx, events) if query.wants(row[1], row[2])]
        before = (events[-1]["time_ns"], events[-1]["event_id"])
    cursor = None
    if len(found) > query.limit:
        found = found[: query.limit]
        cursor = encode_cursor("inspections", (found[-1][0]["time_ns"], found[-1][0]["event_id"]))
    kept = ctx.evidence.kept([weld["ordinal"] for _, _, weld in found if weld])
    return wanted.answer(InspectionOut, [_out(*row, kept=kept) for row in found], page=InspectionPage, cursor=cursor)


def _problem(item: Item, welds: Mapping[str, Any]) -> WrongItemError | None:
    if item.error is not None:
        return item.error
    if item.weld not in welds:
        return WrongItemError("weld", item.weld, "the id of a weld that Lineside has judged")
    return None


def _send(
    ctx: Context,
    items: Sequence[Item],
    welds: Mapping[str, Mapping[str, Any]],
    problems: Mapping[int, object],
    who: Asking,
) -> dict[int, str]:
    """Publish what was accepted, one message a cell, and return the id of each item's event."""
    at: dict[Place, list[int]] = defaultdict(list)
    for k, item in enumerate(items):
        if k not in problems:
            row = welds[item.weld]
            at[Place(row["site"], row["area"], row["line"], row["cell"])].append(k)
    events: dict[int, str] = {}
    for place, mine in at.items():
        told = [
            {**items[k].event, **{name: welds[items[k].weld][name] for name in ("gun", "spot", "program")}}
            for k in mine
        ]
        events |= zip(mine, ctx.commands.send_all(place, told, who), strict=True)
    return events


def _told(error: WrongItemError | None) -> InspectionProblem | None:
    if error is None:
        return None
    problem = error.problem
    return InspectionProblem(
        field=problem.field or "", came=problem.came, expected=problem.expected, detail=problem.detail
    )


def _joined(
    ctx: Context, events: Sequence[dict[str, Any]]
) -> list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]]:
    """Return each event with its details and its weld's row, which is empty when the store has none."""
    details = [json.loads(event["details"]) for event in events]
    welds = {row["weld_id"]: row for row in ctx.store.welds_of({d["weld"] for d in details}).to_pylist()}
    return [(event, detail, welds.get(detail["weld"], {})) for event, detail in zip(events, details, strict=True)]


def _out(
    event: Mapping[str, Any], detail: Mapping[str, Any], weld: Mapping[str, Any], *, kept: set[int]
) -> InspectionOut:
    verdict = weld.get("verdict", "")
    agrees = None if verdict in {"", "unjudged"} else (verdict == "ok") == (detail["result"] == GOOD)
    return InspectionOut(
        id=event["event_id"],
        time=utc(event["time_ns"]),
        weld=detail["weld"],
        result=detail["result"],
        method=detail.get("method", ""),
        nugget_mm=detail.get("nugget_mm"),
        verdict=verdict,
        cause=weld.get("cause", ""),
        risk=short(weld.get("risk")),
        shadow_risk=short(weld.get("shadow_risk")),
        agrees=agrees,
        curve_kept=bool(weld) and weld["ordinal"] in kept,
        **{name: event[name] for name in ("spot", "gun", "program", "line", "cell", "by", "note")},
    )
