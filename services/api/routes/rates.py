"""The qualification rate: as one number, in groups, over time, and what its defects are due to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, TypeVar

import numpy as np
from fastapi import APIRouter, Query
from starlette.responses import Response

from models.rates import wilson
from services.api import steps
from services.api.context import Context, Ctx
from services.api.documenting import listing
from services.api.moments import NS
from services.api.problems import wrong
from services.api.query import RateQuery, Selection, TrendQuery
from services.api.schemas import ParetoBar, RateGroup, RateOut, TrendPoint
from services.api.steps import Span
from services.api.tables import AsListing
from services.api.wire import rate_out, rates_of
from services.store.protocol import Filters
from services.times import utc

router = APIRouter(prefix="/api/v1", tags=["rates"])

SHIFTS_BACK_NS = 7 * 86_400 * NS
"""What `by=shift` covers when it is not told."""
TREND_BACK_NS = 8 * 3600 * NS
"""What a trend covers when it is not told."""
_BODY_FIELDS = {"since", "until", "by", "level", "bucket"}
RATE_EXAMPLE = rates_of(1431, 9, 60)[0]

Counted = tuple[dict[str, str], Span, dict[str, Any]]
"""(group, bucket, counts)."""
NO_SPAN = Span(0, 0)
"""The bucket of a rate that is not over time."""
Made = TypeVar("Made")


@router.get(
    "/rate",
    summary="Qualification rate",
    response_model=RateOut | list[RateGroup],
    responses=listing(example=RATE_EXAMPLE),
)
def read_rate(query: Annotated[RateQuery, Query()], ctx: Ctx, wanted: AsListing) -> Response:
    """Give ok / (ok + defect) over judged welds, with its n and 95 % Wilson interval; with `by`, a list of those.

    Without `since` it covers everything; `by=shift` the last 7 days. With `level=body` it counts complete bodies: one
    qualifies when all its judged spots are ok and none is missing.
    """
    filters = query.filters(ctx.clock())
    if query.level == "body":
        _check_bodies(query)
    if query.groups:
        counted = _by_shift(ctx, query, filters) if "shift" in query.groups else _by(ctx, query, filters)
        steps.check_cells(len(counted), f"by={query.by}")
        groups = _rates(counted, lambda group, _, rate: RateGroup(group=group, **rate))
        return wanted.answer(RateGroup, groups, groups=query.groups)
    if query.level == "body":
        rate = rate_out(*ctx.store.body_tally(filters.since_ns, filters.until_ns))
    else:
        row = ctx.store.tally(filters).to_pylist()[0]
        rate = rate_out(row["ok"], row["defect"], row["unjudged"])
    return wanted.answer(RateOut, [rate]) if wanted.tabular else wanted.json(rate)


@router.get("/trend", summary="Qualification rate over time", response_model=list[TrendPoint], responses=listing())
def read_trend(query: Annotated[TrendQuery, Query()], ctx: Ctx, wanted: AsListing) -> Response:
    """Give one rate per bucket, and per group when `by` is given, in order of time; buckets without a weld are absent.

    Without `since` it covers 8 h before `until`. The first and last bucket count only what lies in the window.
    """
    if "shift" in query.groups:
        raise wrong("by", query.by, "groups other than shift: for shifts over time take /rate?by=shift")
    if query.level == "body":
        _check_bodies(query)
    now_ns = ctx.clock()
    filters = query.filters(now_ns)
    until_ns = filters.until_ns if filters.until_ns is not None else now_ns
    since_ns = filters.since_ns if filters.since_ns is not None else max(0, until_ns - TREND_BACK_NS)
    span = Span(since_ns, max(since_ns, until_ns))
    filters = replace(filters, since_ns=span.since_ns, until_ns=span.until_ns)
    step = query.step or steps.default_step(span)
    if query.level == "body":
        ranges = steps.day_ranges(ctx.plant, step, span) if step.days else steps.even_ranges(step, span)
        counted: list[Counted] = [({}, part, row) for part, row in steps.tally_bodies(ctx.store, filters, ranges)]
    elif step.days:
        tallies = steps.tally_ranges(ctx.store, filters, query.groups, steps.day_ranges(ctx.plant, step, span))
        counted = [(_group(row, query.groups), part, row) for part, row in tallies]
    else:
        steps.check_cells((span.until_ns - span.since_ns) // step.ns, f"bucket={step.text}")
        rows = ctx.store.tally(filters, query.groups, step.ns).to_pylist()
        counted = [(_group(row, query.groups), Span(row["bucket_ns"], row["bucket_ns"] + step.ns), row) for row in rows]
    steps.check_cells(len(counted), f"bucket={step.text} with these groups")
    return wanted.answer(TrendPoint, _rates(counted, _trend_point), groups=query.groups)


@router.get("/pareto", summary="Causes of defects", response_model=list[ParetoBar], responses=listing())
def read_pareto(query: Annotated[Selection, Query()], ctx: Ctx, wanted: AsListing) -> Response:
    """Give the causes of the defects selected, most frequent first, each with its share and its 95 % interval."""
    if query.verdict not in {"", "defect"}:
        raise wrong("verdict", query.verdict, "defect, or none: this is about defects")
    filters = replace(query.filters(ctx.clock()), verdict="defect")
    rows = ctx.store.tally(filters, ("cause",)).to_pylist()
    rows.sort(key=lambda row: (-row["defect"], row["cause"]))
    defects = np.array([row["defect"] for row in rows], dtype=np.int64)
    total = int(defects.sum())
    low, high = wilson(defects, total)
    running = np.cumsum(defects)
    bars = [
        ParetoBar(
            cause=row["cause"],
            defects=row["defect"],
            share=row["defect"] / total,
            cumulative=int(running[k]) / total,
            share_low=float(low[k]),
            share_high=float(high[k]),
        )
        for k, row in enumerate(rows)
    ]
    return wanted.answer(ParetoBar, bars)


def _check_bodies(query: RateQuery) -> None:
    for name in type(query).model_fields:
        if name not in _BODY_FIELDS and getattr(query, name):
            raise wrong(
                name, getattr(query, name), "nothing with level=body, where only since, until and by=shift select"
            )
    if not set(query.groups) <= {"shift"}:
        raise wrong("by", query.by, "shift, or nothing, with level=body")


def _by(ctx: Context, query: RateQuery, filters: Filters) -> list[Counted]:
    rows = ctx.store.tally(filters, query.groups).to_pylist()
    return [(_group(row, query.groups), NO_SPAN, row) for row in rows]


def _by_shift(ctx: Context, query: RateQuery, filters: Filters) -> list[Counted]:
    until_ns = filters.until_ns if filters.until_ns is not None else ctx.clock()
    since_ns = filters.since_ns if filters.since_ns is not None else max(0, until_ns - SHIFTS_BACK_NS)
    filters = replace(filters, since_ns=since_ns, until_ns=max(since_ns, until_ns))
    shifts = steps.shift_ranges(ctx.plant, Span(since_ns, max(since_ns, until_ns)))
    if query.level == "body":
        tallies = steps.tally_bodies(ctx.store, filters, shifts)
    else:
        others = tuple(name for name in query.groups if name != "shift")
        tallies = steps.tally_ranges(ctx.store, filters, others, shifts)
    return [(_group({**row, "shift": part.name}, query.groups), part, row) for part, row in tallies]


def _group(row: dict[str, Any], names: tuple[str, ...]) -> dict[str, str]:
    return {name: row[name] for name in names}


def _rates(counted: list[Counted], make: Callable[[dict[str, str], Span, dict[str, Any]], Made]) -> list[Made]:
    columns = ([row[name] for _, _, row in counted] for name in ("ok", "defect", "unjudged"))
    rates = rates_of(*columns)
    return [make(group, span, rate) for (group, span, _), rate in zip(counted, rates, strict=True)]


def _trend_point(group: dict[str, str], span: Span, rate: dict[str, Any]) -> TrendPoint:
    return TrendPoint(group=group, start=utc(span.since_ns), end=utc(span.until_ns), **rate)
