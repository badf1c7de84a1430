"""What DuckDB keeps of closed hours (see `services.store.counting`): counts, and what tells where to search.

    weld --close--> rate_hour --> rate_day      welds by verdict, per place, spot, programme and cause
                    rate_5min                   the same per cell and cause: for trends in small steps
                    weld_hour                   a hash of the id, and the hour
                    body_hour                   which body was welded in which hour

`counted` says up to when hours are closed, `reopened` which of them are not any more, as a later commit changed them.
"""

# ruff: noqa: S608  (names come from the schemas, values are bound, times are integers)

from __future__ import annotations

from collections.abc import Iterable

from services.store import schema
from services.store.counting import DAY_NS, HOUR_NS, MINUTE_NS, PLACE, Level
from services.store.spans import FIRST, Span, few, inner, without

Params = list[str | int | list[str] | list[int]]

DAY = Level("rate_day", DAY_NS, (*PLACE, "cause"))
HOUR = Level("rate_hour", HOUR_NS, (*PLACE, "cause"))
FIVE = Level("rate_5min", 5 * MINUTE_NS, (*PLACE[:4], "cause"))
LEVELS = (DAY, FIVE, HOUR)
"""As they are chosen: without spots and guns, five minutes of a cell are fewer rows than an hour of every spot."""
MOST_HOURS = 64
"""Ranges that welds are searched for in."""
_VERDICTS = schema.VERDICTS


def bucket(time: str, width_ns: int) -> str:
    """Return the expression for the start of the unit in which a time lies; `time` is a column."""
    # The double remainder rounds down for times before 1970 as well.
    return f"{time} - (({time} % {width_ns:d}) + {width_ns:d}) % {width_ns:d}"


def _create(level: Level) -> str:
    columns = [
        *(f'"{name}" VARCHAR NOT NULL' for name in level.columns),
        *(f"{verdict} INTEGER NOT NULL" for verdict in _VERDICTS),
    ]
    return f"CREATE TABLE IF NOT EXISTS {level.name} (start_ns BIGINT NOT NULL, {', '.join(columns)})"


def _count(level: Level, source: str = "weld") -> str:
    """Return the statement that adds the counts of a range (from, to), of the welds or of another level."""
    when = "time_ns" if source == "weld" else "start_ns"
    sums = ", ".join(
        f"count(*) FILTER (verdict = '{verdict}')::INTEGER" if source == "weld" else f"sum({verdict})::INTEGER"
        for verdict in _VERDICTS
    )
    names = ", ".join(f'"{name}"' for name in level.columns)
    # In order, the columns shrink to a few bits a row, and a line's rows lie together.
    return (
        f"INSERT INTO {level.name} SELECT {bucket(when, level.width_ns)} AS start_ns, {names}, {sums} FROM {source} "
        f"WHERE {when} >= ? AND {when} < ? GROUP BY ALL ORDER BY start_ns, {names}"
    )


CREATE = (
    *(_create(level) for level in LEVELS),
    "CREATE TABLE IF NOT EXISTS weld_hour (id_hash UINTEGER NOT NULL, start_ns BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS body_hour (body VARCHAR NOT NULL, start_ns BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS counted (until_ns BIGINT NOT NULL, probe UBIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS reopened (start_ns BIGINT NOT NULL)",
)
TABLES = (*(level.name for level in LEVELS), "weld_hour", "body_hour")
_HASH = "(hash({}) & 4294967295)::UINTEGER"
PROBE = "SELECT until_ns, probe = hash('lineside') FROM counted"
"""DuckDB does not promise that another version of it hashes alike; when it does not, all is counted again."""
BEGIN_ANEW = (
    *(f"DELETE FROM {table}" for table in (*TABLES, "reopened", "counted")),
    f"INSERT INTO counted SELECT {FIRST}, hash('lineside')",
)
HAS_COUNTS = "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'counted' AND database_name = current_database()"
UNTIL = "SELECT until_ns FROM counted"
SET_UNTIL = "UPDATE counted SET until_ns = ?"
REOPENED = "SELECT DISTINCT start_ns FROM reopened"
REOPEN = "INSERT INTO reopened SELECT unnest(?)"
CLOSE_AGAIN = "DELETE FROM reopened WHERE start_ns >= ? AND start_ns < ?"
NEXT_NS = "SELECT min(time_ns) FROM weld WHERE time_ns >= ?"
_OF_WELDS = f"{bucket('time_ns', HOUR_NS)} FROM weld WHERE time_ns >= ? AND time_ns < ?"
COUNT_HOURS = (
    *(f"DELETE FROM {table} WHERE start_ns >= ? AND start_ns < ?" for table in TABLES if table != DAY.name),
    _count(HOUR),
    _count(FIVE),
    # Sorted, the hashes of a day lie in row groups that a search can skip.
    f"INSERT INTO weld_hour SELECT {_HASH.format('weld_id')} AS id_hash, {_OF_WELDS} ORDER BY id_hash",
    f"INSERT INTO body_hour SELECT DISTINCT body, {_OF_WELDS} AND body <> ''",
)
"""Each takes the range (from, to), whole hours."""
COUNT_DAYS = (f"DELETE FROM {DAY.name} WHERE start_ns >= ? AND start_ns < ?", _count(DAY, HOUR.name))
"""Each takes the range (from, to), whole days."""
HOURS_OF_IDS = f"SELECT DISTINCT start_ns FROM weld_hour WHERE id_hash IN (SELECT {_HASH.format('unnest(?)')})"
HOURS_OF_BODY = "SELECT DISTINCT start_ns FROM body_hour WHERE body = ?"


def hours_to_search(hours: Iterable[int], opened: list[Span]) -> list[Span]:
    """Return where rows of these closed hours are, or of any that is not closed."""
    return few([*((start, start + HOUR_NS) for start in hours), *opened], MOST_HOURS)


def days_within(wanted: Span, opened: list[Span]) -> list[Span]:
    """Return the closed days that lie in `wanted`."""
    return inner(without([wanted], opened), DAY_NS)


def days_to_search(days: Iterable[tuple[int, int]], counted: list[Span], wanted: Span, limit: int) -> list[Span]:
    """Return a part of `wanted` that has its newest `limit` rows.

    `days` says how many of them there are in each of the days of `counted`, newest first; of the rest nothing is known.
    """
    left, found = limit, without([wanted], counted)
    for start, n in days:
        found.append((start, start + DAY_NS))
        left -= n
        if left <= 0:
            found = [(max(low, start), high) for low, high in found if high > start]
            break
    return few(found, MOST_HOURS)
