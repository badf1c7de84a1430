"""How a process says what it measures of itself: Prometheus' text in a file of its own, written anew every 2 s.

The server reads the files of all processes of a data folder and answers `/metrics` with them, so that none but it has
to listen anywhere, and a process that hangs or is gone shows by the age of its file.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil
from prometheus_client import CollectorRegistry, disable_created_metrics, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

EVERY_S = 2.0
"""Each time costs 2.5 ms of a core."""
GONE_S = 10.0
"""A file older than this was its process's last."""
MAX_BYTES = 2**20

# Created series would be a second one of each counter and histogram, which nobody asks for.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the one function there without annotations


class ProcessFigures(Collector):
    """Processor time and memory of this process."""

    def __init__(self, process: str) -> None:
        self._process, self._self = process, psutil.Process()

    def collect(self) -> Iterator[Metric]:
        """Yield them; the names are those of every process, the label says whose they are."""
        with self._self.oneshot():
            times, resident = self._self.cpu_times(), self._self.memory_info().rss
            started = self._self.create_time()
        cpu = CounterMetricFamily("lineside_process_cpu_seconds", "Processor time used.", labels=["process"])
        cpu.add_metric([self._process], times.user + times.system)
        yield cpu
        memory = GaugeMetricFamily(
            "lineside_process_resident_memory_bytes", "Memory that is in the machine's own.", labels=["process"]
        )
        memory.add_metric([self._process], resident)
        yield memory
        start = GaugeMetricFamily("lineside_process_start_time_seconds", "When it started.", labels=["process"])
        start.add_metric([self._process], started)
        yield start


class FigureFile:
    """The writing end, for one thread."""

    def __init__(self, folder: Path, process: str, collectors: Iterable[Collector]) -> None:
        """`collectors` give what the process measures."""
        self._path = folder / f"{process}.prom"
        self._registry = CollectorRegistry()
        self._due = 0.0
        for collector in collectors:
            self._registry.register(collector)

    def write(self) -> None:
        """Write the file, unless that was done less than `EVERY_S` ago. On a full disk the old one stays."""
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + EVERY_S
        fresh = self._path.with_name(f"{self._path.name}.new")
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_bytes(generate_latest(self._registry))
            fresh.replace(self._path)


def figures_folder(journal: Path) -> Path:
    """Return where the processes that work around a journal leave their figures."""
    return journal.with_name("figures")


class FigureFiles(Collector):
    """The reading end: the figures of every process whose file is fresh, and which are gone."""

    def __init__(self, folder: Path, own: Iterable[Collector] = ()) -> None:
        """`own` give figures of the reading process under the same names."""
        self._folder, self._own = folder, tuple(own)

    def collect(self) -> Iterator[Metric]:
        """Yield the families, each once, and `lineside_process_up` of every process that ever wrote here."""
        families: dict[str, Metric] = {}
        up = GaugeMetricFamily(
            "lineside_process_up", "1 while the process writes its figures; 0: it is gone or hangs.", labels=["process"]
        )
        for path in sorted(self._folder.glob("*.prom")):
            found = _read(path)
            up.add_metric([path.stem], int(found is not None))
            _merge(families, found or ())
        for collector in self._own:
            _merge(families, collector.collect())
        yield up
        yield from families.values()

    def describe(self) -> Iterator[Metric]:
        """Yield nothing: what there is is known when the files are read."""
        return iter(())


def _read(path: Path) -> list[Metric] | None:
    """Return what a process wrote, None when that is old or cannot be read."""
    try:
        with path.open("rb") as stream:
            age_s = time.time() - path.stat().st_mtime
            text = stream.read(MAX_BYTES).decode()
        return list(text_string_to_metric_families(text)) if age_s < GONE_S else None
    except (OSError, ValueError):
        return None


def _merge(families: dict[str, Metric], found: Iterable[Metric]) -> None:
    for family in found:
        families.setdefault(family.name, Metric(family.name, family.documentation, family.type)).samples.extend(
            family.samples
        )
