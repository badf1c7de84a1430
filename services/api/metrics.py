"""Prometheus metrics of this server and of the account it can read."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, GCCollector, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.context import Context
from services.api.schemas import Account
from services.api.wire import total_of
from services.store.protocol import Filters, StoreError
from services.store.schema import VERDICTS

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
NO_ROUTE = "(none)"


class StoreCollector(Collector):
    """Reads the account and the verdicts from the store when it is asked."""

    def __init__(self, context: Context, clients: Callable[[], int], connected: Callable[[], bool]) -> None:
        self._context, self._clients, self._connected = context, clients, connected

    def collect(self) -> Iterator[Metric]:
        """Yield what the store says; when it says nothing, only that it is down."""
        yield GaugeMetricFamily("lineside_live_clients", "Browsers on the live feed.", self._clients())
        yield GaugeMetricFamily(
            "lineside_live_connected", "1 while the live feed hears the broker.", int(self._connected())
        )
        try:
            at_ns, sources = self._context.store.sources()
            verdicts = self._context.store.tally(Filters()).to_pylist()[0]
        except StoreError:
            yield GaugeMetricFamily("lineside_store_up", "1 while the store answers.", 0)
            return
        yield GaugeMetricFamily("lineside_store_up", "1 while the store answers.", 1)
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
        welds = CounterMetricFamily("lineside_welds", "Welds judged, by verdict.", labels=["verdict"])
        for verdict in VERDICTS:
            welds.add_metric([verdict], verdicts[verdict])
        yield welds


def new_registry() -> tuple[CollectorRegistry, Histogram]:
    """Return a registry of its own with the process's metrics, and the histogram of request durations in it."""
    registry = CollectorRegistry()
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
