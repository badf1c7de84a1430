"""Steps of time: which buckets a trend has, and how welds and bodies are counted in ranges that no query can group by.

Shifts and the plant's own days (23 to 25 h long) are added up from hours, or from what they are all multiples of; the
store counts shorter steps.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from edge.plant import Plant
from services.api.moments import DAY_NS, NS, Duration, parse_duration
from services.api.problems import ProblemError, wrong
from services.store.protocol import Filters, Store
from services.store.schema import VERDICTS

MAX_RANGES = 200
"""Of one answer."""
FEW_RANGES = 4
"""So many are counted one by one."""
SHORTEST_NS = 5 * 60 * NS
MANY_VALUES = {"gun", "spot", "body"}
"""Groups too many for every hour of every one."""
MAX_CELLS = 10_000
"""Buckets times groups of one answer."""
MAX_POINTS = 95
"""A window never lies quite on the grid: it then touches one bucket more, which makes 96."""
LADDER = tuple(
    parse_duration(text)
    for text in (
        "1s", "2s", "5s", "10s", "15s", "30s", "1m", "2m", "5m", "10m", "15m", "30m", "1h", "2h", "4h", "8h", "12h",
        "1d", "2d", "4d", "7d", "14d", "28d", "91d", "182d", "364d",
    )
)  # fmt: skip
"""Each at most four times the one before, so that one of them always gives 24 to 96 points."""


@dataclass(frozen=True, slots=True)
class Span:
    """A range of time, ns UTC, without its end."""

    since_ns: int
    until_ns: int
    name: str = ""


def default_step(span: Span) -> Duration:
    """Return the step that gives a window 24 to 96 points (fewer when it is under half a minute)."""
    length_ns = span.until_ns - span.since_ns
    return next((step for step in LADDER if length_ns <= MAX_POINTS * step.ns), LADDER[-1])


def check_cells(cells: int, what: str) -> None:
    """Raise `ProblemError` when an answer would have too many rows."""
    if cells > MAX_CELLS:
        raise ProblemError(
            400,
            f"{what} would give {cells} rows; expected at most {MAX_CELLS}: narrow the time, or take larger steps",
            expected=f"at most {MAX_CELLS} rows",
        )


def day_ranges(plant: Plant, step: Duration, window: Span) -> list[Span]:
    """Return the ranges of `step.days` calendar days that touch a window; weeks begin on Monday."""
    zone = ZoneInfo(plant.timezone)
    first = datetime.fromtimestamp(window.since_ns // NS, zone).date()
    # Day 1 of the calendar, 0001-01-01, is a Monday.
    day = date.fromordinal((first.toordinal() - 1) // step.days * step.days + 1)
    ranges: list[Span] = []
    start_ns = _midnight_ns(day, zone)
    while start_ns < window.until_ns:
        _check_ranges(len(ranges) + 1, step.text)
        day += timedelta(days=step.days)
        end_ns = _midnight_ns(day, zone)
        ranges.append(Span(start_ns, end_ns))
        start_ns = end_ns
    return ranges


def even_ranges(step: Duration, window: Span) -> list[Span]:
    """Return the ranges of `step`, multiples since 1970 UTC, that touch a window."""
    starts = range(window.since_ns // step.ns * step.ns, window.until_ns, step.ns)
    _check_ranges(len(starts), step.text)
    return [Span(start, start + step.ns) for start in starts]


def shift_ranges(plant: Plant, window: Span) -> list[Span]:
    """Return the shifts that touch a window, named `<date> <name>`, in order of time."""
    if not plant.shifts:
        raise wrong("by", "shift", "a plant with a shift calendar: [[shifts]] in plant.toml")
    # No calendar is unrolled for longer than is answered: a plant has a shift on one day a week at least.
    _check_ranges((window.until_ns - window.since_ns) // (7 * DAY_NS), "shift")
    windows = plant.shift_windows(window.since_ns, window.until_ns)
    _check_ranges(len(windows), "shift")
    return [Span(w.start_ns, w.end_ns, f"{w.date} {w.name}") for w in windows]


def _check_ranges(have: int, what: str) -> None:
    if have > MAX_RANGES:
        detail = f"more than {MAX_RANGES} steps of {what}; expected at most that: narrow the time or take larger steps"
        raise ProblemError(400, detail, expected=f"at most {MAX_RANGES} steps")


def _midnight_ns(day: date, zone: ZoneInfo) -> int:
    return int(datetime.combine(day, time(), zone).timestamp()) * NS


def tally_ranges(
    store: Store, filters: Filters, by: tuple[str, ...], ranges: Iterable[Span]
) -> Iterator[tuple[Span, dict[str, str | int]]]:
    """Count welds in ranges, which are in order; yield (range, row of a tally), only where there is a weld."""
    listed = list(ranges)
    step_ns = math.gcd(*(edge for span in listed for edge in (span.since_ns, span.until_ns)))
    if len(listed) > FEW_RANGES and step_ns >= SHORTEST_NS and not MANY_VALUES & set(by):
        yield from _tally_at_once(store, filters, by, listed, step_ns)
        return
    for span in listed:
        for row in store.tally(_within(filters, span), by).to_pylist():
            if row["ok"] or row["defect"] or row["unjudged"]:
                yield span, row


def _tally_at_once(
    store: Store, filters: Filters, by: tuple[str, ...], ranges: list[Span], step_ns: int
) -> Iterator[tuple[Span, dict[str, str | int]]]:
    """Count in steps of `step_ns`, of which all ranges are made, and add them up."""
    steps = store.tally(_within(filters, Span(ranges[0].since_ns, ranges[-1].until_ns)), by, step_ns)
    starts = steps["bucket_ns"].to_numpy()
    of = np.searchsorted([span.since_ns for span in ranges], starts, side="right") - 1
    inside = starts < np.array([span.until_ns for span in ranges])[of]  # shifts may have gaps between them
    found = steps.append_column("range", pa.array(of)).filter(pa.array(inside)).group_by(["range", *by])
    added = found.aggregate([(verdict, "sum") for verdict in VERDICTS])
    order = [(name, "ascending") for name in ("range", *by)]
    for row in added.sort_by(order).to_pylist():
        counts = {verdict: row[f"{verdict}_sum"] for verdict in VERDICTS}
        yield ranges[row["range"]], {**{name: row[name] for name in by}, **counts}


def tally_bodies(store: Store, filters: Filters, ranges: Iterable[Span]) -> Iterator[tuple[Span, dict[str, str | int]]]:
    """Count complete bodies range by range; yield as `tally_ranges` does."""
    for span in ranges:
        part = _within(filters, span)
        ok, defect, unjudged = store.body_tally(part.since_ns, part.until_ns)
        if ok or defect or unjudged:
            yield span, {"ok": ok, "defect": defect, "unjudged": unjudged}


def _within(filters: Filters, span: Span) -> Filters:
    since = span.since_ns if filters.since_ns is None else max(span.since_ns, filters.since_ns)
    until = span.until_ns if filters.until_ns is None else min(span.until_ns, filters.until_ns)
    return replace(filters, since_ns=since, until_ns=until)
