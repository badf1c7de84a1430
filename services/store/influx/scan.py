"""Newest first, without sorting everything: InfluxDB has no order across series, so look back in growing windows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from services.store.influx import answers, queries
from services.store.influx.answers import Row
from services.store.influx.points import STATES_NS
from services.store.influx.session import Session

FIRST_WINDOW_NS = 60 * 10**9
GROWTH = 8
"""Each window reaches this much further back than the one before: eleven queries reach 1970."""

Place = tuple[int, Any]
"""Where a row stands: its time, and what orders rows of one time (of one type within a stream)."""


@dataclass(frozen=True, slots=True)
class Stream:
    """What is scanned."""

    measurement: str
    rows: str
    """Whose rows they are, a key of `points.ROWS`."""
    tags: dict[str, str]
    place: Callable[[Row], Place]
    unit_ns: int
    """Points carry their row's time rounded down to a multiple of this, and then something below it."""
    pattern: str = ""
    field: str = "row"


def newest(session: Session, stream: Stream, span: tuple[int, int], limit: int, before: Place | None) -> list[Row]:
    """Return up to `limit` rows whose time is in `span` (end exclusive), newest first, those before `before`."""
    low, high = span
    if before is not None:
        high = min(high, before[0] + 1)

    def wanted(row: Row) -> bool:
        place = stream.place(row)
        return low <= place[0] < high and (before is None or place < before)

    found: list[Row] = []
    start = _round_down(max(low, queries.MIN_NS), stream.unit_ns)
    stop = min(high, STATES_NS)
    if low >= high or limit <= 0:
        return found
    # The unit in which the range ends is taken whole: some of its rows are wanted and some not.
    edge = _round_down(stop - 1, stream.unit_ns)
    found += sorted(
        filter(wanted, _rows(session, stream, (edge, edge + stream.unit_ns))), key=stream.place, reverse=True
    )
    stop = edge
    window = FIRST_WINDOW_NS
    if len(found) < limit and start < stop:
        stop = _newest_end(session, stream, (start, stop))
    while len(found) < limit and start < stop:
        since = max(start, _round_down(stop - window, stream.unit_ns))
        rows = _rows(session, stream, (since, stop), limit - len(found))
        if len(rows) == limit - len(found):
            # Cut off: of the last unit some rows may be missing, and which ones InfluxDB does not say.
            last = _round_down(min(stream.place(row)[0] for row in rows), stream.unit_ns)
            rows = [row for row in rows if stream.place(row)[0] >= last + stream.unit_ns]
            rows += _rows(session, stream, (last, last + stream.unit_ns))
        found += sorted(filter(wanted, rows), key=stream.place, reverse=True)
        stop, window = since, window * GROWTH
    return found[:limit]


def _rows(session: Session, stream: Stream, span: tuple[int, int], limit: int = 0) -> list[Row]:
    flux = queries.rows(stream.measurement, stream.tags, span, field=stream.field, pattern=stream.pattern, newest=limit)
    return [answers.row(stream.rows, answer) for answer in session.query(flux)]


def _newest_end(session: Session, stream: Stream, span: tuple[int, int]) -> int:
    """Return the end of the unit of the newest point in `span`, or the start of `span` when there is none."""
    found = session.query(queries.newest_time(stream.measurement, stream.field, stream.tags, span))
    if not found:
        return span[0]
    return _round_down(answers.time_ns(found[0]["_time"]), stream.unit_ns) + stream.unit_ns


def _round_down(time_ns: int, unit_ns: int) -> int:
    return time_ns // unit_ns * unit_ns
