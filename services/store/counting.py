"""Hours of welds, counted once when they are over: which counts answer a question, and what is left to the welds.

Each store has levels of counts: welds by verdict in units of time, by some columns. An hour is closed when its welds
are in all of them; a day's level has a day when all its hours are closed. What is not closed is read from the welds
themselves, so no answer depends on what is closed. `closing` does the closing.
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
    """Counts, one row for each unit of time and each combination of these columns' values that a weld has there."""

    name: str
    width_ns: int
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """What of a level an answer takes."""

    level: Level
    spans: list[Span]


def open_spans(until_ns: int, reopened: Iterable[int]) -> list[Span]:
    """Return the ranges that are not closed."""
    return few([*((start, start + HOUR_NS) for start in reopened if start < until_ns), (until_ns, LAST)], MOST_OPEN)


def choose(
    levels: Iterable[Level], wanted: Span, opened: list[Span], columns: set[str], bucket_ns: int = 0
) -> tuple[list[Counts], list[Span]]:
    """Return which levels answer for which parts of `wanted`, and what is left to be read from the welds themselves.

    The first of `levels` that can is taken; `columns` are those that filters or groups look at.
    """
    rest: list[Span] = [wanted] if wanted[0] < wanted[1] else []
    chosen: list[Counts] = []
    for level in levels:
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
