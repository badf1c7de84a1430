"""Hours of welds, counted once when they are over: which counts answer a question, and what is left to the welds.

    weld --close--> rate_hour --> rate_day      welds by verdict, per place, spot, programme and cause
                    rate_5min                   the same per cell and cause: for trends in small steps

An hour is closed when its welds are in these tables. What is not closed is read from the welds themselves, so no answer
depends on what is closed. `closing` does the closing; how each store keeps counts is its own affair.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from services.store.protocol import Filters
from services.store.spans import FIRST, LAST, Span, few, inner, without

MINUTE_NS = 60 * 10**9
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS

PLACE = ("site", "area", "line", "cell", "gun", "spot", "program")
MOST_OPEN = 16
"""Ranges that an answer reads from the welds themselves; when more are open, what lies between is read as well."""


@dataclass(frozen=True, slots=True)
class Level:
    """A table of counts, one row for each unit of time in which there is a weld of these columns."""

    name: str
    width_ns: int
    columns: tuple[str, ...]


DAY = Level("rate_day", DAY_NS, (*PLACE, "cause"))
HOUR = Level("rate_hour", HOUR_NS, (*PLACE, "cause"))
FIVE = Level("rate_5min", 5 * MINUTE_NS, (*PLACE[:4], "cause"))
LEVELS = (DAY, HOUR, FIVE)


@dataclass(frozen=True, slots=True)
class Counts:
    """What of a level an answer takes."""

    level: Level
    spans: list[Span]


def open_spans(until_ns: int, reopened: Iterable[int]) -> list[Span]:
    """Return the ranges that are not closed."""
    return few([*((start, start + HOUR_NS) for start in reopened if start < until_ns), (until_ns, LAST)], MOST_OPEN)


def choose(wanted: Span, opened: list[Span], columns: set[str], bucket_ns: int = 0) -> tuple[list[Counts], list[Span]]:
    """Return which levels answer for which parts of `wanted`, and what is left to be read from the welds themselves."""
    rest: list[Span] = [wanted] if wanted[0] < wanted[1] else []
    chosen: list[Counts] = []
    # Without spots and guns, five minutes of a cell are fewer rows than an hour of every spot.
    for level in (DAY, FIVE if columns <= set(FIVE.columns) else HOUR):
        if columns <= set(level.columns) and bucket_ns % level.width_ns == 0:
            spans = inner(without(rest, opened), level.width_ns)
            if spans:
                chosen.append(Counts(level, spans))
                rest = without(rest, spans)
    return chosen, rest


def span_of(filters: Filters) -> Span:
    """Return the range of time asked for."""
    low = FIRST if filters.since_ns is None else filters.since_ns
    return low, LAST if filters.until_ns is None else filters.until_ns


def columns_of(filters: Filters) -> set[str]:
    """Return the columns that filters look at, other than time and verdict."""
    return {name for name in (*PLACE, "cause", "body") if getattr(filters, name)}
