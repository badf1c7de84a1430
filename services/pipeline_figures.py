"""What the pipeline measures of itself, for `/metrics`: how long each step takes, how far it is, what it rejected."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.compute as pc
from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.registry import Collector

from edge.figures import FigureFile, ProcessFigures, figures_folder
from services.intake import Outcome
from services.store.schema import VERDICTS

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
MESSAGES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
STEPS = ("judge", "commit", "publish", "flush", "snapshot")
MAX_FIELDS = 40
"""Fields that rejects are counted by; further ones are counted together."""
OTHER = "other"


class PipelineFigures:
    """For the pipeline's thread. Counters begin at each start, as Prometheus expects."""

    def __init__(self, journal: Path, *, own_process: bool) -> None:
        """With `own_process` processor time and memory are the pipeline's; else those of the server it is part of."""
        self._steps = Histogram(
            "lineside_pipeline_step_seconds",
            "Duration of each step of a batch: judge (decode and judge), commit (to the store), publish (to the "
            "broker), flush (of curves), snapshot.",
            ("step",),
            buckets=SECONDS,
            registry=None,
        )
        for step in STEPS:
            self._steps.labels(step)
        self._batches = Histogram(
            "lineside_pipeline_batch_messages", "Messages of a batch.", buckets=MESSAGES, registry=None
        )
        self._welds = Counter("lineside_welds", "Welds judged, by verdict.", ("verdict",), registry=None)
        for verdict in VERDICTS:
            self._welds.labels(verdict)
        self._rejects = Counter(
            "lineside_rejects",
            "Items rejected, by the field that is wrong: `topic`, `item` as a whole, or its name.",
            ("field",),
            registry=None,
        )
        self._fields: set[str] = set()
        self._errors = Counter(
            "lineside_pipeline_errors",
            "Failed attempts, each tried again: `store` does not answer, `disk` takes nothing.",
            ("what",),
            registry=None,
        )
        for what in ("store", "disk"):
            self._errors.labels(what)
        self._oldest_ns: int | None = None
        self._lag = Gauge(
            "lineside_pipeline_lag_seconds", "Age of the oldest message that is not committed.", registry=None
        )
        self._lag.set_function(self._lag_s)
        self._cursor = Gauge("lineside_pipeline_last_message", "Number of the last message committed.", registry=None)
        made: list[Collector] = [
            self._steps, self._batches, self._welds, self._rejects, self._errors, self._lag, self._cursor,
        ]  # fmt: skip
        if own_process:
            made.append(ProcessFigures("pipeline"))
        self._file = FigureFile(figures_folder(journal), "pipeline", made)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure a step; one that raises counts too."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self._steps.labels(name).observe(time.perf_counter() - started)

    def add(self, messages: int, outcome: Outcome) -> None:
        """Count a batch that was judged."""
        self._batches.observe(messages)
        for row in pc.value_counts(outcome.welds["verdict"]).to_pylist():
            self._welds.labels(row["values"]).inc(row["counts"])
        for reject in outcome.rejects:
            self._rejects.labels(self._field(reject.reject.path)).inc()

    def failed(self, what: str) -> None:
        """Count a failed attempt."""
        self._errors.labels(what).inc()

    def waits(self, oldest_received_ns: int | None) -> None:
        """Say since when the oldest message waits that is not committed, None when none does."""
        self._oldest_ns = oldest_received_ns

    def committed(self, cursor: int) -> None:
        """Say up to which message everything is committed."""
        self._cursor.set(cursor)
        self._oldest_ns = None

    def write(self) -> None:
        """Write the file, unless that was done just now."""
        self._file.write()

    def _lag_s(self) -> float:
        return max(0.0, (time.time_ns() - self._oldest_ns) / 1e9) if self._oldest_ns else 0.0

    def _field(self, path: str) -> str:
        name = path.removeprefix("$").removeprefix(".").partition(".")[0].partition("[")[0] or "item"
        if name not in self._fields:
            if len(self._fields) >= MAX_FIELDS or not name.isidentifier():
                return OTHER
            self._fields.add(name)
        return name
