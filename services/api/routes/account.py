"""Where every message went: received = stored + rejected + duplicate + pending."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from starlette.responses import Response

from services.api.collector import collector_out
from services.api.context import Ctx
from services.api.cursors import decode_cursor, encode_cursor
from services.api.documenting import listing, problems_of
from services.api.problems import not_found
from services.api.query import EventQuery, RejectQuery, no_parameters
from services.api.schemas import EventOut, RejectOut, RejectPage, SourceOut
from services.api.schemas_account import AccountingOut, SourceAccount
from services.api.tables import AsListing
from services.api.wire import event_out, reject_out, source_out, total_of
from services.times import utc

router = APIRouter(prefix="/api/v1", tags=["sources"])


@router.get(
    "/sources",
    summary="Every source with its account and health",
    dependencies=[Depends(no_parameters)],
    response_model=list[SourceOut],
    responses=listing(),
)
def list_sources(ctx: Ctx, wanted: AsListing) -> Response:
    """List every source that was ever heard, by name, and whether it is `live`.

    `silent`: nothing came for 60 s (AGVs 120 s; events and unrouted messages come when they come). `clock_off`: the
    source's clock and ours are more than 5 s apart.
    """
    _, table = ctx.store.sources()
    now_ns = ctx.clock()
    return wanted.answer(SourceOut, [source_out(row, now_ns) for row in table.to_pylist()])


@router.get(
    "/accounting",
    summary="The whole account",
    dependencies=[Depends(no_parameters)],
    responses=problems_of(400, 503),
)
def read_accounting(ctx: Ctx) -> AccountingOut:
    """Give one consistent snapshot: received = stored + rejected + duplicate + pending, in total and per source.

    Beside it stands how the collector is: whether it is receiving, and if not, why.
    """
    at_ns, table = ctx.store.sources()
    sources = [SourceAccount(**{name: row[name] for name in SourceAccount.model_fields}) for row in table.to_pylist()]
    collector = collector_out(ctx.evidence.collector(), ctx.clock())
    return AccountingOut(at=utc(at_ns) if at_ns else None, total=total_of(table), sources=sources, collector=collector)


@router.get(
    "/rejects", summary="What was not taken, newest first", response_model=RejectPage, responses=listing(paged=True)
)
def list_rejects(query: Annotated[RejectQuery, Query()], ctx: Ctx, wanted: AsListing) -> Response:
    """List each item that was not taken: which field, what came and what was expected.

    Of one message the first 100 are listed; all are counted, and `/rejects/{seq}/payload` has the message.
    """
    before = decode_cursor("rejects", query.cursor, tuple[int, int])
    rows = ctx.store.rejects(query.source, query.limit + 1, before).to_pylist()
    cursor = None
    if len(rows) > query.limit:
        rows.pop()
        cursor = encode_cursor("rejects", (rows[-1]["seq"], rows[-1]["item"]))
    return wanted.answer(RejectOut, [reject_out(row) for row in rows], page=RejectPage, cursor=cursor)


@router.get(
    "/rejects/{seq}/payload",
    summary="The bytes of a rejected message",
    dependencies=[Depends(no_parameters)],
    response_class=Response,
    responses={
        200: {
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
            "description": "The message as it came.",
        },
        **problems_of(400, 404, 503),
    },
)
def read_payload(seq: Annotated[int, Path(ge=0, lt=2**63)], ctx: Ctx) -> Response:
    """Give the message that the rejected item was in, byte for byte. The oldest are dropped when space runs out."""
    payload = ctx.evidence.reject_payload(seq)
    if payload is None:
        raise not_found("payload of message", str(seq), "it was not rejected, or is no longer kept")
    headers = {"Content-Disposition": f'attachment; filename="reject-{seq}.bin"'}
    return Response(payload, headers=headers, media_type="application/octet-stream")


@router.get("/events", summary="Events, newest first", response_model=list[EventOut], responses=listing())
def list_events(query: Annotated[EventQuery, Query()], ctx: Ctx, wanted: AsListing) -> Response:
    """List what was done at machines, what engineers ordered, what inspections found and what Lineside noticed."""
    rows = ctx.store.events(query.filters(ctx.clock()), query.limit).to_pylist()
    return wanted.answer(EventOut, [event_out(row) for row in rows])
