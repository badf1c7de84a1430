"""Closed hours (see `services.store.counting`) as points: how they are made, and which there are.

    rate_*      one point for each start and group, its tags the level's columns
    counted     up to when hours are closed
    reopened    at an hour's start: whether it is open again

InfluxDB knows no transactions. What an hour is counted to is written while the hour is open, and nobody reads it before
the last point says that it is closed; what a crash leaves of it is overwritten when the hour is counted again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from services.store import schema
from services.store.counting import DAY_NS, HOUR_NS, PLACE, Level
from services.store.influx import answers, points, queries
from services.store.influx.answers import Counts
from services.store.influx.points import CELL_5MIN, CELL_DAY, CELL_HOUR, SPOT_DAY, SPOT_HOUR
from services.store.influx.session import Session
from services.store.spans import FIRST, LAST, Span, common


def in_range(span: Span) -> list[Span]:
    """Return what of a range of time InfluxDB can be asked for: it knows no open ends."""
    return common([span], [(queries.MIN_NS, points.STATES_NS)])


def counted(session: Session) -> tuple[int, list[int]]:
    """Return up to when hours are closed, and which of them are open again. Raises `StoreError`."""
    until_ns, reopened = FIRST, []
    for answer in session.query(queries.counted()):
        if answer["_field"] == "until_ns":
            until_ns = int(answer["_value"])
        else:
            reopened.append(answers.time_ns(answer["_time"]) // HOUR_NS * HOUR_NS)
    return until_ns, sorted(reopened)


class HourCounter:
    """Closes hours; see `services.store.closing.HourCounter`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def begin(self) -> None:
        """Do nothing: the welds are read as they are, and `end` is not called when a commit has changed them."""

    def next_ns(self, from_ns: int) -> int | None:
        """Return the time of the next weld, exact to `points.BLUR_NS`."""
        return self._first_ns("log", "row", (from_ns, LAST))

    def count(self, hours: Span, days: Span) -> Iterator[None]:
        """Count the welds of whole hours, then add up whole days."""
        for span in in_range(hours):
            marks = self._session.query(queries.marks(queries.NOT_OK, {}, PLACE, span, timed=True))
            yield
            for level in (SPOT_HOUR, CELL_HOUR, CELL_5MIN):
                place = [name for name in level.columns if name in PLACE]
                ok = self._session.query(queries.verdict_windows(["ok"], {}, place, span, level.width_ns))
                yield
                found = answers.count_fields(ok, level.columns, level.width_ns)
                yield from self._put(level, span, found + answers.count_marks(marks, level.columns, level.width_ns))
        at_ns = days[0]
        while (hour_ns := self._first_ns(SPOT_HOUR.name, "", (at_ns, days[1]))) is not None:
            start_ns = hour_ns // DAY_NS * DAY_NS
            at_ns = start_ns + DAY_NS
            for hour, day in ((SPOT_HOUR, SPOT_DAY), (CELL_HOUR, CELL_DAY)):
                # A day at a time: windows are slow to make of a table for each group.
                sums = queries.sums(hour.name, schema.VERDICTS, {}, day.columns, (start_ns, at_ns))
                counts = answers.count_fields(self._session.query(sums), day.columns, 0)
                yield
                dated = Counter({((values, start_ns), verdict): n for ((values, _), verdict), n in counts.items()})
                yield from self._put(day, (start_ns, at_ns), dated)

    def end(self, hours: Span, until_ns: int) -> None:
        """Say that the hours are closed."""
        reopened = [hour for hour in counted(self._session)[1] if hours[0] <= hour < hours[1]]
        if reopened:
            self._session.write(points.reopened_lines(reopened, is_open=False))
        self._session.write(points.counted_lines(until_ns))

    def _first_ns(self, measurement: str, field: str, span: Span) -> int | None:
        for within in in_range(span):
            for answer in self._session.query(queries.oldest_time(measurement, field, within)):
                return answers.time_ns(answer["_time"])
        return None

    def _put(self, level: Level, span: Span, counts: Counts) -> Iterator[None]:
        """Write the counts of a range; those that are there and are not among them become 0."""
        there = {
            answers.group(answer, level.columns, level.width_ns)
            for answer in self._session.query(queries.counted_groups(level, span))
        }
        yield
        groups = there | {group for group, _ in counts}
        if groups:
            # A 0 that nothing else is overwritten by would only be one more point to sum.
            rows = {
                group: [counts[group, verdict] or (0 if group in there else None) for verdict in schema.VERDICTS]
                for group in sorted(groups)
            }
            self._session.write(points.count_lines(level, rows))
        yield
