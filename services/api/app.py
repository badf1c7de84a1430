"""The application: routes, errors, the live feed and the web pages put together."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI, Request
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import HTMLResponse, JSONResponse, Response

from edge.plant import Plant
from services.accounts.accounts import Accounts
from services.api import documenting, guard, metrics, problems
from services.api.access import Access
from services.api.commands import Commands
from services.api.context import Context
from services.api.gate import Gate
from services.api.live import Hub
from services.api.pages import Pages
from services.api.query import check_repeated
from services.api.reference import STYLE, STYLE_PATH, reference_page
from services.api.routes import (
    account,
    agvs,
    bodies,
    guns,
    health,
    inspections,
    live,
    models,
    rates,
    references,
    session,
    spc,
    spots,
    users,
    welds,
)
from services.api.routes import plant as plant_routes
from services.config import Config
from services.evidence import Evidence
from services.store.protocol import Store
from services.version import VERSION

GZIP_FROM_BYTES = 1024
GZIP_LEVEL = 5
"""Three times as fast as the default 9, and within a few per cent of its size."""
DESCRIPTION = """\
What Lineside knows of a car-body plant: every weld with its verdict and the evidence behind it, the qualification \
rate with its doubt, bodies, AGVs, and the account of every message.

Lists come as JSON, CSV or an Arrow IPC stream, as `Accept` asks. Errors are problem documents (RFC 9457) that name \
the parameter, what came and what was expected. Pages: pass `next` as `cursor`, or follow the Link header. Names in \
paths may hold slashes and any script; percent-encode what a URL cannot hold.

A change is ordered with POST, as JSON or CSV, from a page of this very server or from a program. It is answered when \
the broker has it, and takes effect at its place among the welds a moment later.

Live: the WebSocket /api/v1/live sends verdicts, rates, vehicles and the account as they change; it only sends.
"""


def create_app(
    *,
    store: Store,
    evidence: Evidence,
    plant: Plant,
    config: Config,
    web_root: Path | None,
    clock: Callable[[], int] = time.time_ns,
    extra_hosts: Collection[str] = (),
) -> FastAPI:
    """Return the application over a store; `clock` gives ns UTC.

    Bound to loopback it answers only to loopback names and `extra_hosts`. The live feed runs while the application's
    lifespan does; without a broker everything else works.
    """
    context = Context(store, evidence, plant, config, clock, Commands(config, clock))
    access = Access(Accounts(config, clock), clock, open_without_users=not config.api.is_reachable)
    hub = Hub(context)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        try:
            async with hub.running():
                yield
        finally:
            access.close()

    app = _Api(
        title="Lineside",
        version=VERSION,
        description=DESCRIPTION,
        docs_url=None,
        openapi_url=None,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(check_repeated), Depends(guard.check_change)],
        lifespan=lifespan,
    )
    registry, durations = metrics.new_registry(context, hub)
    app.state.context, app.state.hub, app.state.registry = context, hub, registry
    app.state.access = access
    routes = (
        plant_routes,
        rates,
        welds,
        references,
        spots,
        spc,
        bodies,
        inspections,
        models,
        guns,
        agvs,
        account,
        session,
        users,
        health,
        live,
    )
    for module in routes:
        app.include_router(module.router)
    _add_reference(app)
    _add_pages(app, Pages(web_root))
    page = app.routes[-1]
    problems.add_handlers(app)

    # The last one added is the outermost.
    app.add_middleware(problems.CatchAll)
    app.add_middleware(Gate, access=access, routes=app.routes, page=page)
    app.add_middleware(guard.BodyLimit)
    app.add_middleware(GZipMiddleware, minimum_size=GZIP_FROM_BYTES, compresslevel=GZIP_LEVEL)
    app.add_middleware(metrics.Durations, histogram=durations)
    hosts = guard.allowed_hosts(config.api, extra_hosts)
    if hosts is not None:
        app.add_middleware(guard.HostGuard, hosts=hosts)
    app.add_middleware(guard.SecurityHeaders)
    app.add_middleware(guard.HeadAsGet)
    return app


class _Api(FastAPI):
    """FastAPI whose document says what problem answers really are."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document."""
        if self.openapi_schema is None:
            documenting.finish(super().openapi())
        return super().openapi()


def _add_reference(app: FastAPI) -> None:
    @app.get("/openapi.json", include_in_schema=False)
    async def read_document() -> Response:
        return JSONResponse(app.openapi())

    @app.get("/docs", include_in_schema=False)
    def read_reference() -> Response:
        return HTMLResponse(reference_page(app.openapi()))

    @app.get(STYLE_PATH, include_in_schema=False)
    async def read_style() -> Response:
        return Response(STYLE, media_type="text/css")


def _add_pages(app: FastAPI, pages: Pages) -> None:
    """Let every other path give the page: there is nothing of the plant in it, so that the gate lets it out."""

    @app.get("/{path:path}", include_in_schema=False)
    async def read_page(path: str, request: Request) -> Response:
        return await pages.answer(path, request.scope)
