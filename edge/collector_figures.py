"""What the collector measures of itself, for `/metrics`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from edge.collector_status import CollectorStatus


class StatusFigures(Collector):
    """The collector's status as metrics."""

    def __init__(self, status: Callable[[], CollectorStatus], max_journal_bytes: int) -> None:
        self._status, self._max_journal_bytes = status, max_journal_bytes

    def collect(self) -> Iterator[Metric]:
        """Yield one family a figure."""
        status = self._status()
        counters = (
            ("received", "Messages that the broker delivered, second deliveries included.", status.received),
            ("journaled", "Messages put on disk.", status.journaled),
            ("dropped_qos0", "Messages of QoS 0 dropped while the journal took nothing.", status.dropped_qos0),
        )
        for name, text, value in counters:
            yield CounterMetricFamily(f"lineside_collector_messages_{name}", text, value)
        connected, stopped = status.connected_since_ns is not None, status.stopped_since_ns is not None
        gauges = (
            ("collector_connected", "1 while the collector is connected to the broker.", int(connected)),
            ("collector_stopped", "1 while nothing is acknowledged, since the journal takes nothing.", int(stopped)),
            ("collector_waiting_messages", "In memory, not on disk yet.", status.waiting),
            ("collector_waiting_bytes", "In memory, not on disk yet.", status.waiting_bytes),
            ("journal_messages", "In the journal; the pipeline may have taken them already.", _depth(status)),
            ("journal_bytes", "In use, its log included.", status.journal_bytes),
            ("journal_max_bytes", "At this bound nothing is acknowledged any more.", self._max_journal_bytes),
            ("journal_last_message", "Number of the last message.", status.last_seq),
        )
        for name, text, value in gauges:
            yield GaugeMetricFamily(f"lineside_{name}", text, value)


def _depth(status: CollectorStatus) -> int:
    return status.last_seq - status.trimmed
