"""`python -m benchmarks.influx`: how long rates, trends, Paretos and searches take over InfluxDB.

Two buckets of one real influxd: one of many welds with the fields that are summed and no others (all of them would take
hours to write), whose hours Lineside's own code closes; and one of fewer welds, committed whole, to be searched.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import psutil

from benchmarks import many_welds
from benchmarks.machine import describe, wide_console
from benchmarks.many_welds import Many
from benchmarks.queries import QUESTIONS, Answered, Question, spent_ms, table
from services.store import schema
from services.store.counting import HOUR_NS, open_spans
from services.store.influx.session import Session
from services.store.influx.store import InfluxStore
from services.store.protocol import Commit
from services.store.spans import FIRST, Span
from tests.influxd import Influxd

LINES, COMMIT = 15_000, 5_000
SUMMED = r"""
    'weld,area=body,cell=' || cell || ',gun=' || gun || ',line=' || line || ',program=' || program
    || ',site=works,spot=' || spot || ' verdict="' || verdict || '",ok=' || (verdict = 'ok')::INT
    || ',defect=' || (verdict = 'defect')::INT || ',unjudged=' || (verdict = 'unjudged')::INT
    || ',mark="[\"' || verdict || '\",\"' || cause || '\",\"' || body || '\"]" ' || time_ns
"""
"""One line of a weld, as `services.store.influx.points` writes it, of the fields that tallies look at."""
SCANS = 2
COUNTED = [one for one in QUESTIONS if one.name.startswith(("rate", "trend", "Pareto")) and "body" not in one.name]
SEARCHED = [one for one in QUESTIONS if one not in COUNTED]


class EveryWeld(InfluxStore):
    """The same bucket, as if no hour were closed."""

    def _open_spans(self) -> list[Span]:
        return open_spans(FIRST, [])


def fill_summed(session: Session, many: Many) -> None:
    """Write what is summed of many welds, and of the log what closing looks for: the first weld of each hour."""
    with closing(duckdb.connect()) as database:
        for first in range(0, many.rows, many_welds.CHUNK):
            welds = many_welds.select(many, first, min(first + many_welds.CHUNK, many.rows))
            lines = database.execute(f"SELECT {SUMMED} FROM ({welds})")  # noqa: S608 - of our own text and numbers
            while some := lines.fetchmany(LINES):
                session.write(line for (line,) in some)
    hours = range(many_welds.START_NS, many.end_ns, HOUR_NS)
    session.write(f'log,slot=1 row="first of its hour" {at_ns}' for at_ns in (*hours, many.end_ns - 1))


def fill_whole(store: InfluxStore, many: Many) -> None:
    """Commit welds as the pipeline does."""
    with closing(duckdb.connect()) as database:
        for cursor, first in enumerate(range(0, many.rows, COMMIT), 1):
            welds = database.sql(many_welds.select(many, first, min(first + COMMIT, many.rows))).to_arrow_table()
            store.commit(Commit(cursor, welds.cast(schema.WELD)))


def measure(
    store: InfluxStore, many: Many, times: int, questions: list[Question], scan: InfluxStore | None = None
) -> Iterator[Answered]:
    """Ask each question `times` times, and the same of `scan` a few times."""
    for question in questions:
        rng = np.random.default_rng(len(question.name))
        [first] = spent_ms(store, many, question, rng, 1)
        cpu_s = time.process_time()
        spent = spent_ms(store, many, question, rng, times)
        cpu_ms = (time.process_time() - cpu_s) / times * 1000
        p50, p95 = (float(np.quantile(spent, q)) for q in (0.5, 0.95))
        yield Answered(question.name, times, p50, p95, cpu_ms, first, _scanned_ms(scan, many, question, rng))


def _scanned_ms(scan: InfluxStore | None, many: Many, question: Question, rng: np.random.Generator) -> float | None:
    return None if scan is None else statistics.median(spent_ms(scan, many, question, rng, SCANS))


def main() -> None:
    """Fill both buckets, close hours, ask and print."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.influx", description=__doc__)
    options.add_argument("--rows", type=int, default=3_000_000, help="welds to be counted, a third of a million a day")
    options.add_argument("--whole", type=int, default=150_000, help="welds to be searched")
    options.add_argument("--times", type=int, default=10, help="how often each kind of question is asked")
    options.add_argument("--no-scans", action="store_true", help="do not look at every weld for comparison")
    options.add_argument("--json", type=Path, help="also write the figures here")
    chosen = options.parse_args()
    console, machine = wide_console(), describe()
    many, whole = (Many(rows, max(1, rows * 90 // 30_000_000)) for rows in (chosen.rows, chosen.whole))
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="lineside-influx-") as scratch:
        server = Influxd(Path(scratch))
        server.start()
        try:
            settings = server.settings()
            with closing(InfluxStore(settings)) as store, closing(EveryWeld(settings)) as scan:
                store.cursor()  # makes the bucket
                with closing(Session(settings)) as session:
                    fill_summed(session, many)
                store.commit(Commit(1))
                figures["close_s_per_day"] = _closed_s(store) / many.days
                found = list(measure(store, many, chosen.times, COUNTED, None if chosen.no_scans else scan))
                figures["counted"] = {"rows": many.rows, "found": [asdict(one) for one in found]}
            with closing(InfluxStore(server.settings())) as store:
                fill_whole(store, whole)
                searched = list(measure(store, whole, chosen.times, SEARCHED))
                figures["searched"] = {"rows": whole.rows, "found": [asdict(one) for one in searched]}
            figures["influxd_mb"] = psutil.Process(server.pid).memory_info().rss / 1e6
        finally:
            server.kill()
    console.print(table([*found, *searched]))
    console.print({name: figure for name, figure in figures.items() if name not in {"counted", "searched"}})
    if chosen.json:
        chosen.json.write_text(json.dumps({"machine": machine, **figures}, indent=1), encoding="utf-8")


def _closed_s(store: InfluxStore) -> float:
    start = time.perf_counter()
    store.close_hours()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
