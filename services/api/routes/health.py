"""For whatever watches this server: is it up, is it of use, how is it doing."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from pydantic import BaseModel
from starlette.responses import Response

from edge.broker_watch import read_report, report_path
from services.api.context import Ctx
from services.api.documenting import problems_of
from services.api.live import Hub
from services.api.problems import RETRY_AFTER_S, ProblemError
from services.layout import DataLayout
from services.store.protocol import StoreError
from services.version import VERSION

router = APIRouter(tags=["operation"])

MAX_ACCOUNT_AGE_S = 30.0


class HealthOut(BaseModel):
    """The process answers."""

    status: Literal["ok"]
    version: str


class ReadyOut(BaseModel):
    """Everything behind the API works."""

    status: Literal["ready"]
    account_age_s: float
    live_feed: Literal["connected", "disconnected"]
    """Disconnected: pages show what the store has, but nothing live."""
    broker_findings: int
    """In how many ways the broker may lose messages, as the collector found at its start; its log and
    `lineside doctor` say which."""


@router.get("/healthz", summary="Is the process up?")
async def read_health() -> HealthOut:
    """Say so."""
    return HealthOut(status="ok", version=VERSION)


@router.get("/readyz", summary="Is it of use?", responses=problems_of(503))
def read_readiness(request: Request, ctx: Ctx) -> ReadyOut:
    """Tell: ready when the store answers and the pipeline has taken its account within the last 30 s."""
    hub: Hub = request.app.state.hub
    live: Literal["connected", "disconnected"] = "connected" if hub.connected else "disconnected"
    try:
        at_ns, _ = ctx.store.sources()
    except StoreError:
        raise _not_ready("store", f"the store does not answer (live feed: {live})") from None
    if not at_ns:
        raise _not_ready("pipeline", f"the pipeline has not taken an account yet (live feed: {live})")
    age_s = (ctx.clock() - at_ns) / 1e9
    if age_s > MAX_ACCOUNT_AGE_S:
        raise _not_ready(
            "pipeline",
            f"the account is {age_s:.0f} s old; expected at most {MAX_ACCOUNT_AGE_S:.0f} s (live feed: {live})",
        )
    report = read_report(report_path(DataLayout(ctx.config.data).journal))
    findings = sum(finding.loses for finding in report.findings) if report else 0
    return ReadyOut(status="ready", account_age_s=round(age_s, 3), live_feed=live, broker_findings=findings)


def _not_ready(part: str, detail: str) -> ProblemError:
    return ProblemError(503, detail, field=part, headers={"Retry-After": str(RETRY_AFTER_S)})


@router.get(
    "/metrics",
    summary="Prometheus metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Exposition format."}},
)
def read_metrics(request: Request) -> Response:
    """Give the account, requests and live pages, and what collector and pipeline measure of themselves."""
    registry: CollectorRegistry = request.app.state.registry
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
