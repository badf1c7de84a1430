"""`python -m benchmarks.queries`: how long rates, trends, Paretos and searches take over tens of millions of welds.

The store is made by Lineside and filled by `many_welds`; its hours are closed by the store's own code. Every question
is asked many times with other values, drawn by a seed. Answers from a file that is not in memory are told apart.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

import duckdb
import httpx
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.machine import describe, wide_console
from benchmarks.many_welds import DAY_NS, Many, names
from benchmarks.path.contenders import OverDuckDB
from services.layout import DataLayout
from services.store.counting import open_spans
from services.store.duck.store import DuckStore
from services.store.protocol import Filters, Store
from services.store.schema import WELD_IN_SHORT
from services.store.spans import FIRST, Span
from services.times import utc
from tests.system.mosquitto import Mosquitto

HOUR_NS = 3600 * 10**9
RANGES = {"8 h": 8 * HOUR_NS, "7 d": 7 * DAY_NS, "90 d": 90 * DAY_NS}

Ask = Callable[[Store, Many, np.random.Generator], int]
"""Asks one question and returns how many rows the answer has."""


@dataclass(frozen=True, slots=True)
class Question:
    """One kind of question, asked with other values each time."""

    name: str
    ask: Ask


def _window(many: Many, length_ns: int, rng: np.random.Generator) -> dict[str, int]:
    """Return a window that ends at any ns of the last week, as those of `since=-8h` do."""
    end_ns = many.end_ns - int(rng.integers(min(7 * DAY_NS, max(1, many.takts * many.takt_ns // 10))))
    return {"since_ns": end_ns - length_ns, "until_ns": end_ns}


def _rate(length: str, by: tuple[str, ...] = (), where: tuple[str, ...] = (), **fixed: str) -> Ask:
    def ask(store: Store, many: Many, rng: np.random.Generator) -> int:
        drawn = names(rng, many)
        window = _window(many, RANGES[length], rng) if length else {}
        return len(store.tally(Filters(**{name: drawn[name] for name in where}, **fixed, **window), by))

    return ask


def _trend(length: str, bucket_ns: int, by: tuple[str, ...] = (), where: tuple[str, ...] = ()) -> Ask:
    def ask(store: Store, many: Many, rng: np.random.Generator) -> int:
        drawn = names(rng, many)
        filters = Filters(**{name: drawn[name] for name in where}, **_window(many, RANGES[length], rng))
        return len(store.tally(filters, by, bucket_ns))

    return ask


# As the API's lists: a page and one more, without the features.
def _search(*where: str, pages: int = 1, **fixed: str) -> Ask:
    def ask(store: Store, many: Many, rng: np.random.Generator) -> int:
        drawn = names(rng, many)
        filters, before, n = Filters(**{name: drawn[name] for name in where}, **fixed), None, 0
        for _ in range(pages):
            page = store.welds(filters, 101, before, WELD_IN_SHORT)
            n += len(page)
            if not len(page):
                break
            before = (page["time_ns"][-1].as_py(), page["ordinal"][-1].as_py())
        return n

    return ask


def _any_page(store: Store, many: Many, rng: np.random.Generator) -> int:
    before = (many.end_ns - int(rng.integers(many.takts * many.takt_ns)), 0)
    return len(store.welds(Filters(), 101, before, WELD_IN_SHORT))


def _by_id(store: Store, many: Many, rng: np.random.Generator) -> int:
    return len(store.weld(names(rng, many)["weld_id"]))


def _by_ids(store: Store, many: Many, rng: np.random.Generator) -> int:
    return len(store.welds_of([names(rng, many)["weld_id"] for _ in range(50)]))


MINUTE_NS = 60 * 10**9
QUESTIONS = (
    Question("rate, everything", _rate("")),
    *(Question(f"rate, {length}", _rate(length)) for length in RANGES),
    *(Question(f"rate, {length}, of a spot", _rate(length, (), ("spot",))) for length in ("7 d", "90 d")),
    Question("rate, 90 d, of a line and cause", _rate("90 d", (), ("line", "cause"))),
    *(
        Question(f"rate, {length}, by {by}", _rate(length, (by,)))
        for length in ("7 d", "90 d")
        for by in ("cause", "program", "cell", "line", "spot")
    ),
    Question("rate of a body", _rate("", (), ("body",))),
    Question("trend, 8 h in 5 min", _trend("8 h", 5 * MINUTE_NS)),
    Question("trend, 8 h in 5 min, by line", _trend("8 h", 5 * MINUTE_NS, ("line",))),
    Question("trend, 7 d in 15 min", _trend("7 d", 15 * MINUTE_NS)),
    Question("trend, 7 d in 2 h, by line", _trend("7 d", 2 * HOUR_NS, ("line",))),
    Question("trend, 7 d in 2 h, of a spot", _trend("7 d", 2 * HOUR_NS, (), ("spot",))),
    Question("trend, 90 d in 1 h", _trend("90 d", HOUR_NS)),
    Question("trend, 90 d in 1 d, by line", _trend("90 d", DAY_NS, ("line",))),
    Question("trend, 90 d in 15 min", _trend("90 d", 15 * MINUTE_NS)),
    *(Question(f"Pareto, {length}", _rate(length, ("cause",), verdict="defect")) for length in RANGES),
    Question("Pareto, 90 d, of a program", _rate("90 d", ("cause",), ("program",), verdict="defect")),
    Question("welds, newest", _search()),
    Question("welds, a page anywhere", _any_page),
    Question("welds of a spot", _search("spot")),
    Question("welds of a spot, 5 pages", _search("spot", pages=5)),
    Question("welds of a spot, defects", _search("spot", verdict="defect")),
    Question("welds of a spot and cause", _search("spot", "cause")),
    Question("welds of a gun", _search("gun")),
    Question("welds of a body", _search("body")),
    Question("welds of a body, defects", _search("body", verdict="defect")),
    Question("welds, defects of a cause", _search("cause", verdict="defect")),
    Question("weld by id", _by_id),
    Question("welds by 50 ids", _by_ids),
)


@dataclass(frozen=True, slots=True)
class Answered:
    """How long one kind of question took, ms."""

    question: str
    asked: int
    p50: float
    p95: float
    cpu: float
    """Processor time of one answer, mean; all threads."""
    first: float
    """The slowest of `COLD` answers that each came first after the store was opened and the file put out of memory."""
    scanned: float | None = None
    """Median when every weld is looked at: the same store, its closed hours not used."""


COLD, SCANS = 3, 3


class EveryWeld(DuckStore):
    """The same store, as if no hour were closed."""

    def _open_spans(self, connection: duckdb.DuckDBPyConnection) -> list[Span]:  # noqa: ARG002
        return open_spans(FIRST, [])


def measure(path: Path, many: Many, times: int, only: str, say: Callable[[Answered], None]) -> list[Answered]:
    """Ask every kind of question `times` times."""
    found = []
    for question in QUESTIONS:
        if only not in question.name:
            continue
        rng = np.random.default_rng(len(question.name))
        first = max(_cold_ms(path, many, question, rng) for _ in range(COLD))
        with closing(DuckStore(path)) as store:
            spent_ms(store, many, question, rng, 3 + times // 10)
            cpu_s = time.process_time()
            spent = spent_ms(store, many, question, rng, times)
            cpu_ms = (time.process_time() - cpu_s) / times * 1000
        scanned = None
        if question.name.startswith(("rate", "trend", "Pareto")):
            with closing(EveryWeld(path)) as plain:
                scanned = statistics.median(spent_ms(plain, many, question, rng, SCANS))
        p50, p95 = (float(np.quantile(spent, q)) for q in (0.5, 0.95))
        found.append(Answered(question.name, times, p50, p95, cpu_ms, first, scanned))
        say(found[-1])
    return found


def _cold_ms(path: Path, many: Many, question: Question, rng: np.random.Generator) -> float:
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    with closing(DuckStore(path)) as store:
        return spent_ms(store, many, question, rng, 1)[0]


def spent_ms(store: Store, many: Many, question: Question, rng: np.random.Generator, times: int) -> list[float]:
    """Return how long each of `times` answers took, ms."""
    spent = []
    for _ in range(times):
        start = time.perf_counter()
        question.ask(store, many, rng)
        spent.append((time.perf_counter() - start) * 1000)
    return spent


class Serving(OverDuckDB):
    """`lineside run`, to be asked."""

    @property
    def url(self) -> str:
        """Where it is asked."""
        return f"http://127.0.0.1:{self._port}"

    def resident_mb(self) -> float:
        """Return the memory that all its processes hold."""
        return sum(process.memory_info().rss for process in self._processes()) / 1e6


def served(folder: Path, many: Many, times: int, console: Console) -> dict[str, object]:
    """Start `lineside run` on an empty folder and on the store, in turn; ask the latter over HTTP."""
    figures: dict[str, object] = {}
    broker = Mosquitto(folder / "broker")
    broker.start()
    try:
        starts = [(_start_s(folder / f"empty-{k}", broker.port), _start_s(folder, broker.port)) for k in range(SCANS)]
        figures["start_s"] = {"empty": [empty for empty, _ in starts], "full": [full for _, full in starts]}
        server = Serving(folder, broker.port)
        server.start()
        try:
            figures["resident_mb_at_start"] = server.resident_mb()
            with httpx.Client(base_url=server.url, timeout=60) as client:
                answers = {name: _asked(client, many, name, times) for name in _ADDRESSES}
            figures["http_ms"] = answers
            figures["resident_mb"] = server.resident_mb()
        finally:
            server.stop()
    finally:
        broker.kill()
    console.print(figures)
    return figures


_ADDRESSES = {
    "rate, 90 d, by cell": "/api/v1/rate?since={since}&until={until}&by=cell",
    "trend, 90 d": "/api/v1/trend?since={since}&until={until}",
    "Pareto, 90 d": "/api/v1/pareto?since={since}&until={until}",
    "welds of a spot": "/api/v1/welds?spot={spot}",
    "weld by id": "/api/v1/welds/{weld_id}",
}


def _asked(client: httpx.Client, many: Many, name: str, times: int) -> dict[str, float]:
    rng, spent = np.random.default_rng(len(name)), []
    for _ in range(times + 3):
        window = _window(many, 90 * DAY_NS, rng)
        values = {"since": utc(window["since_ns"]).isoformat(), "until": utc(window["until_ns"]).isoformat()}
        address = _ADDRESSES[name].format(**{k: quote(v) for k, v in (values | names(rng, many)).items()})
        start = time.perf_counter()
        client.get(address).raise_for_status()
        spent.append((time.perf_counter() - start) * 1000)
    return {"p50": float(np.quantile(spent[3:], 0.5)), "p95": float(np.quantile(spent[3:], 0.95))}


def _start_s(folder: Path, broker_port: int) -> float:
    server, start = Serving(folder, broker_port), time.perf_counter()
    try:
        server.start()
        return time.perf_counter() - start
    finally:
        server.stop()


def main() -> None:
    """Fill a store, ask, and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=30_000_000, help="welds in the store")
    options.add_argument("--days", type=int, default=90, help="over which they are spread")
    options.add_argument("--times", type=int, default=60, help="how often each kind of question is asked")
    options.add_argument("--only", default="", help="part of a question's name")
    options.add_argument("--folder", type=Path, help="where the store is kept, and taken from when it is there")
    options.add_argument("--json", type=Path, help="also write the figures here")
    chosen = options.parse_args()
    console, many = wide_console(), Many(chosen.rows, chosen.days)
    with tempfile.TemporaryDirectory(prefix="lineside-bench-") as scratch:
        folder = chosen.folder or Path(scratch)
        path = DataLayout(folder / "data").store
        machine = describe()
        if not path.exists():
            command = [sys.executable, "-m", "benchmarks.many_welds", str(path), str(many.rows), str(many.days)]
            subprocess.run(command, check=True)
        found = measure(path, many, chosen.times, chosen.only, lambda one: console.print(asdict(one)))
        figures = {"mb_per_million": path.stat().st_size / many.rows, **served(folder, many, chosen.times, console)}
    console.print(table(found))
    if chosen.json:
        content = {"machine": machine, "rows": many.rows, "found": [asdict(one) for one in found], **figures}
        chosen.json.write_text(json.dumps(content, indent=1), encoding="utf-8")


def table(found: list[Answered]) -> Table:
    """Return the figures, ms."""
    made = Table("question", "p50", "p95", "processor", "first, cold", "every weld looked at / p50")
    for one in found:
        times = f"{one.scanned / one.p50:.1f}" if one.scanned else ""
        made.add_row(one.question, *(f"{x:,.0f}" for x in (one.p50, one.p95, one.cpu, one.first)), times)
    return made


if __name__ == "__main__":
    main()
