"""Prometheus metrics of this server, of the account it can read, and of the processes that work beside it."""

from __future__ import annotations

import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, GCCollector, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edge.figures import FigureFiles, ProcessFigures, figures_folder
from services.api.context import Context
from services.api.live import Hub
from services.api.schemas import Account
from services.api.wire import total_of
from services.layout import DataLayout
from services.store.protocol import StoreError

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
NO_ROUTE = "(none)"


class LiveCollector(Collector):
    """The live feed of this server."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def collect(self) -> Iterator[Metric]:
        """Yield who listens, and what they missed."""
        yield GaugeMetricFamily("lineside_live_clients", "Browsers on the live feed.", self._hub.clients)
        yield GaugeMetricFamily(
            "lineside_live_connected", "1 while the live feed hears the broker.", int(self._hub.connected)
        )
        missed = CounterMetricFamily(
            "lineside_live_missed", "Items that were not sent to a browser too slow to take them.", labels=["kind"]
        )
        dropped = self._hub.dropped
        for kind, value in (("welds", dropped.welds), ("signals", dropped.signals)):
            missed.add_metric([kind], value)
        yield missed


class StoreCollector(Collector):
    """Reads the account from the store when it is asked: a row a source, however many welds there are."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def collect(self) -> Iterator[Metric]:
        """Yield what the store says; when it says nothing, only that it is down."""
        try:
            at_ns, sources = self._context.store.sources()
            held = self._context.store.memory_bytes()
        except StoreError:
            yield GaugeMetricFamily("lineside_store_up", "1 while the store answers.", 0)
            return
        yield GaugeMetricFamily("lineside_store_up", "1 while the store answers.", 1)
        yield GaugeMetricFamily(
            "lineside_store_memory_bytes", "What the embedded store holds of this process's memory.", held
        )
        total = total_of(sources)
        items = CounterMetricFamily(
            "lineside_items",
            "Items by what became of them: received = stored + rejected + duplicate + pending.",
            labels=["kind"],
        )
        for kind in Account.model_fields:
            if kind != "pending":
                items.add_metric([kind], getattr(total, kind))
        yield items
        yield GaugeMetricFamily("lineside_items_pending", "Items received and not yet committed.", total.pending)
        yield GaugeMetricFamily("lineside_account_time_seconds", "When the account was taken.", at_ns / 1e9)


def new_registry(context: Context, hub: Hub) -> tuple[CollectorRegistry, Histogram]:
    """Return a registry with everything that `/metrics` shows, and the histogram of request durations in it."""
    registry = CollectorRegistry()
    registry.register(StoreCollector(context))
    registry.register(LiveCollector(hub))
    journal = DataLayout(context.config.data).journal
    registry.register(FigureFiles(figures_folder(journal), own=[ProcessFigures("server")]))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    durations = Histogram(
        "lineside_http_request_seconds",
        "Duration of requests by route and status.",
        ("route", "status"),
        buckets=BUCKETS_S,
        registry=registry,
    )
    return registry, durations


class Durations:
    """ASGI middleware that measures each request until its last byte was handed over."""

    def __init__(self, app: ASGIApp, histogram: Histogram) -> None:
        self._app, self._histogram = app, histogram

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = "500"

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        started = time.perf_counter()
        try:
            await self._app(scope, receive, watch)
        finally:
            # The route's template, never the path itself: paths are without number.
            route = getattr(scope.get("route"), "path", NO_ROUTE)
            self._histogram.labels(route, status).observe(time.perf_counter() - started)
