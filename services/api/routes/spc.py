"""What is noise and what is change: change points, and control charts of features and rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query
from numpy.typing import NDArray
from starlette.responses import Response

from models.spc.autocorrelation import cusum_widening, ewma_widening, lag_one
from models.spc.charts import cusum, ewma, ewma_sigma
from models.spc.nelson import ON_RANGE_CHARTS, RULES, nelson
from models.spc.proportions import laney
from models.spc.run_length import arl_of_budget, cusum_limit, ewma_limit, shewhart_limit
from models.welds.drift import LAMBDA, WATCHED, WINSOR_SIGMA
from models.welds.features import FEATURES
from services.api import steps
from services.api.context import Context, Ctx
from services.api.documenting import listing, problems_of
from services.api.findings import find_changes
from services.api.moments import NS, parse_duration
from services.api.query import ChangeQuery, RateSpcQuery, SpcQuery, Window
from services.api.schemas_spc import ChangeOut, RateSpcPoint, SpcLimits, SpcPoint, SpcStream
from services.api.steps import Span
from services.api.tables import AsListing
from services.api.wire import shorts
from services.store.protocol import Filters
from services.store.schema import VERDICTS
from services.times import utc

router = APIRouter(prefix="/api/v1", tags=["change"])

BACK_NS = 8 * 3600 * NS
"""What is looked at when it is not told."""
HOUR_NS = 3600 * NS
CUSUM_K = 0.5
"""Finds a shift of one sigma soonest."""
LEAST_ARL = 370.4
"""Of a rate chart: few groups would let a budget draw limits narrower than the usual 3 sigmas (ISO 7870-2)."""
MAX_ARL = 1e8
TESTS = 3
"""Shewhart, EWMA and CUSUM."""
EVEN_FROM = 5.0
"""Defects expected in a bucket from which on their distribution is even enough for Nelson's other rules."""


@router.get("/changes", summary="What changed, when, and what else changed then", responses=listing())
async def read_changes(query: Annotated[ChangeQuery, Query()], ctx: Ctx, wanted: AsListing) -> Response:
    """Give the changes of the defect rate, then those of features, each kind by its evidence.

    A change is given to the smallest group (plant, program, cell, gun or spot) that explains it, with the 95 %
    intervals of its moment and size, its share of the plant's additional defects, and the events close before it that
    are least likely to be there by chance. When nothing changes at all, a search finds something in one case of
    twenty. Features are in sigmas of each spot's own welds; under half a sigma nothing is told. Without `since` it
    covers 8 h before `until`. An answer may be half a minute old, or
    five times as old as it took to find.
    """
    span = _span(query, ctx)
    filters = query.filters(ctx.clock())
    found = await ctx.changes.get(
        query.model_dump_json(), lambda: find_changes(ctx, filters, span, query.only, query.feature)
    )
    return wanted.answer(ChangeOut, found)


@router.get("/spc", summary="Control chart of a spot", responses=problems_of(400, 503))
def read_spc(query: Annotated[SpcQuery, Query()], ctx: Ctx) -> list[SpcStream]:
    """Give, for each programme of a spot, the newest welds of one feature on an EWMA, CUSUM and Shewhart chart.

    The values are distances from the reference, in sigmas (`centre` and `sigma` are the reference now); late welds and
    those that were not compared are left out. Limits follow from the plant's budget of false alarms per hour and the
    welds of its last hour; the lag-1 autocorrelation of the points widens those of EWMA and CUSUM. The drift signals
    of the live monitor besides take off what all spots of a gun and a programme do together; this chart does not.
    """
    now_ns = ctx.clock()
    since_ns, until_ns = query.range_ns(now_ns)
    filters = Filters(spot=query.spot, program=query.program, since_ns=since_ns, until_ns=until_ns)
    rows = ctx.store.welds(filters, query.limit).to_pylist()[::-1]
    streams: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if row[f"z_{query.feature}"] is not None and not row["late"]:
            streams.setdefault(row["program"], []).append(row)
    references = {reference.program: reference for reference in ctx.evidence.references(query.spot)}
    column = FEATURES.index(query.feature)
    arl = _run_length(ctx, now_ns if until_ns is None else until_ns)
    charts = []
    for program, welds in sorted(streams.items()):
        reference = references.get(program)
        phi = float(lag_one(_distances(welds, query.feature)))
        limits = _limits(ctx.config.spc.alarms_per_hour, arl, 0.0 if np.isnan(phi) else phi)
        centre, sigma = (None, None) if reference is None else (
            shorts(reference.centre)[column], shorts(reference.sigma)[column]
        )  # fmt: skip
        charts.append(
            SpcStream(
                spot=query.spot,
                program=program,
                feature=query.feature,
                centre=centre,
                sigma=sigma,
                autocorrelation=None if np.isnan(phi) else phi,
                limits=limits,
                points=_points(welds, query, limits),
            )
        )
    return charts


@router.get("/spc/rate", summary="Control charts of defect rates", responses=listing())
def read_rate_spc(query: Annotated[RateSpcQuery, Query()], ctx: Ctx, wanted: AsListing) -> Response:
    """Give the defect rate of each group over time on Laney's p′ chart, in order of group and time.

    A p′ chart measures how much more than binomially the rate scatters from bucket to bucket, so that busy groups do
    not cry wolf. Limits follow from the plant's budget of false alarms per hour, and are never narrower than 3 sigmas;
    a point signals when it is beyond them and the binomial distribution itself finds it as improbable. Without `since`
    it covers 8 h before `until`.
    """
    span = _span(query, ctx)
    step = parse_duration(query.bucket) if query.bucket else steps.default_step(span)
    steps.check_cells((span.until_ns - span.since_ns) // step.ns, f"bucket={step.text}")
    filters = replace(query.filters(ctx.clock()), since_ns=span.since_ns, until_ns=span.until_ns)
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in ctx.store.tally(filters, (query.by,), step.ns).to_pylist():
        if row["ok"] or row["defect"]:
            groups.setdefault(row[query.by], []).append(row)
    steps.check_cells(sum(len(rows) for rows in groups.values()), f"bucket={step.text} by {query.by}")
    per_hour = len(groups) * HOUR_NS / step.ns
    arl = arl_of_budget(ctx.config.spc.alarms_per_hour, per_hour) if groups else LEAST_ARL
    sigmas = shewhart_limit(min(max(arl, LEAST_ARL), MAX_ARL))
    points: list[RateSpcPoint] = []
    for name, rows in sorted(groups.items()):
        points += _rate_points({query.by: name}, rows, sigmas, step.ns)
    return wanted.answer(RateSpcPoint, points, groups=(query.by,))


def _span(query: Window, ctx: Context) -> Span:
    """Return what is asked for, 8 h where that is open. Raises `ProblemError`."""
    now_ns = ctx.clock()
    since_ns, until_ns = query.range_ns(now_ns)
    until_ns = now_ns if until_ns is None else until_ns
    since_ns = max(0, until_ns - BACK_NS) if since_ns is None else since_ns
    return Span(since_ns, max(since_ns + 1, until_ns))


def _run_length(ctx: Context, until_ns: int) -> float:
    """Return the run length of one chart, if all that the live monitor watches were charted so, by the last hour.

    Each point is looked at in three ways, and each of these gets a third of the budget.
    """
    hour = ctx.store.tally(Filters(since_ns=max(0, until_ns - HOUR_NS), until_ns=until_ns)).to_pylist()[0]
    values = max(sum(hour[verdict] for verdict in VERDICTS), 1) * len(WATCHED)
    return min(arl_of_budget(ctx.config.spc.alarms_per_hour / TESTS, values), MAX_ARL)


def _limits(budget: float, arl: float, phi: float) -> SpcLimits:
    return SpcLimits(
        alarms_per_hour=budget,
        average_run_length=arl,
        shewhart=shewhart_limit(arl),
        ewma=ewma_limit(LAMBDA, arl) * ewma_sigma(LAMBDA) * float(ewma_widening(phi, LAMBDA)),
        cusum=cusum_limit(CUSUM_K, arl) * float(cusum_widening(phi)),
    )


def _points(rows: Sequence[dict[str, Any]], query: SpcQuery, limits: SpcLimits) -> list[SpcPoint]:
    z = _distances(rows, query.feature)
    cut = np.clip(z, -WINSOR_SIGMA, WINSOR_SIGMA)
    moving = ewma(cut, LAMBDA)
    high, low = cusum(cut, CUSUM_K)
    numbers = query.rule_numbers
    fired = nelson(z, numbers)
    beyond = (
        (np.abs(z) > limits.shewhart) | (np.abs(moving) > limits.ewma) | (high > limits.cusum) | (low < -limits.cusum)
    )
    return [
        SpcPoint(
            weld=row["weld_id"],
            time=utc(row["time_ns"]),
            value=row[query.feature],
            z=float(z[k]),
            ewma=float(moving[k]),
            cusum_high=float(high[k]),
            cusum_low=float(low[k]),
            rules=[rule for rule, hit in zip(numbers, fired[:, k], strict=True) if hit],
            signal=bool(beyond[k]),
        )
        for k, row in enumerate(rows)
    ]


def _distances(rows: Sequence[dict[str, Any]], feature: str) -> NDArray[np.float64]:
    return np.array([row[f"z_{feature}"] for row in rows], dtype=np.float64)


def _rate_points(
    group: dict[str, str], rows: Sequence[dict[str, Any]], sigmas: float, step_ns: int
) -> list[RateSpcPoint]:
    defect = np.array([row["defect"] for row in rows])
    n = defect + np.array([row["ok"] for row in rows])
    # A rate that scatters less than binomially is luck: limits are not drawn narrower for it.
    chart = laney(defect, n, least_sigma_z=1.0)
    low, high = chart.limits(sigmas)
    beyond = chart.signals(sigmas)
    rules = tuple(RULES) if float(np.median(n)) * chart.centre >= EVEN_FROM else ON_RANGE_CHARTS
    fired = nelson(chart.z, rules)
    return [
        RateSpcPoint(
            group=group,
            start=utc(row["bucket_ns"]),
            end=utc(row["bucket_ns"] + step_ns),
            defect=int(defect[k]),
            n=int(n[k]),
            rate=float(chart.rate[k]),
            centre=chart.centre,
            low=float(low[k]),
            high=float(high[k]),
            z=float(chart.z[k]),
            sigma_z=chart.sigma_z,
            rules=[rule for rule, hit in zip(rules, fired[:, k], strict=True) if hit],
            signal=bool(beyond[k]),
        )
        for k, row in enumerate(rows)
    ]
