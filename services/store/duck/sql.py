"""Every SQL statement of the embedded store. Values only ever travel as bound parameters.

Tables have no primary-key index: an index over tens of millions of welds makes each commit slow and the file large.
A commit instead deletes what it replaces and inserts (MERGE updates in place, which was ten times slower on the latest
states), and the range on the table's `ordered_by` column lets DuckDB skip every row group, by its minimum and maximum,
that cannot hold one of them.
"""

# ruff: noqa: S608  (names come from the schemas, values are bound; that is what this module is for)

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from services.store import schema
from services.store.protocol import Filters

Params = list[str | int | list[str]]

BATCH = "batch"
"""The name under which a commit's rows are visible to the statements."""


def _names(rows: pa.Schema) -> str:
    """Return the columns, quoted: some, as `by`, are words of SQL."""
    return ", ".join(f'"{name}"' for name in rows.names)


@dataclass(frozen=True, slots=True)
class Target:
    """A table: its rows, what makes one row replace another, and the column that grows with time."""

    name: str
    rows: pa.Schema
    key: tuple[str, ...]
    ordered_by: str = ""
    newest_by: str = ""
    """When set, a row gives way only to one that is not older by this column."""

    @property
    def columns(self) -> list[tuple[str, str]]:
        """Names and types, in their order."""
        return [(field.name, _TYPES[field.type]) for field in self.rows]

    @property
    def create(self) -> str:
        """The statement that makes the table."""
        columns = ", ".join(f'"{name}" {kind}' for name, kind in self.columns)
        return f"CREATE TABLE IF NOT EXISTS {self.name} ({columns})"

    @property
    def delete(self) -> str:
        """The statement that deletes what `BATCH` replaces; takes the range of `ordered_by`, if there is one."""
        match = self._match
        if self.newest_by:
            match += f" AND t.{self.newest_by} <= b.{self.newest_by}"
        if self.ordered_by:
            match += f" AND t.{self.ordered_by} BETWEEN ? AND ?"
        return f"DELETE FROM {self.name} AS t USING {BATCH} AS b WHERE {match}"

    @property
    def insert(self) -> str:
        """The statement that adds the rows of `BATCH`, of which no two have one key."""
        guard = f" AS b WHERE NOT EXISTS (FROM {self.name} AS t WHERE {self._match})" if self.newest_by else ""
        return f"INSERT INTO {self.name} SELECT {_names(self.rows)} FROM {BATCH}{guard}"

    @property
    def _match(self) -> str:
        return " AND ".join(f"t.{column} = b.{column}" for column in self.key)


_TYPES = {
    pa.int64(): "BIGINT NOT NULL",
    pa.string(): "VARCHAR NOT NULL",
    pa.float32(): "FLOAT",
    pa.float64(): "DOUBLE",
    pa.bool_(): "BOOLEAN",
}

WELD = Target("weld", schema.WELD, ("spot", "program", "time_ns"), ordered_by="time_ns")
BODY = Target("body", schema.BODY, ("body", "first_ns"), ordered_by="first_ns")
SPOT_STATE = Target("spot_state", schema.SPOT_STATE, ("spot", "program"), newest_by="time_ns")
AGV = Target("agv", schema.AGV, ("agv",))
EVENT = Target("event", schema.EVENT, ("event_id", "time_ns"), ordered_by="time_ns")
REJECT = Target("reject", schema.REJECT, ("seq", "item"), ordered_by="seq")
SOURCE = Target("source", schema.SOURCE, ("source",))
TARGETS = (WELD, BODY, SPOT_STATE, AGV, EVENT, REJECT, SOURCE)

CHECKPOINT = "SET checkpoint_threshold = '64MB'"
"""Of the log: a checkpoint rewrites the row groups that are not full, a third of writing at the usual 16 MB."""
NO_CHECKPOINT = "SET checkpoint_threshold = '1TB'"
CREATE = (
    *(target.create for target in TARGETS),
    "CREATE TABLE IF NOT EXISTS progress (cursor BIGINT NOT NULL, sources_at_ns BIGINT NOT NULL)",
    "INSERT INTO progress SELECT 0, 0 WHERE NOT EXISTS (FROM progress)",
    "CREATE TABLE IF NOT EXISTS layout (version BIGINT NOT NULL)",
    "INSERT INTO layout SELECT 3 WHERE NOT EXISTS (FROM layout)",  # `layouts.LAYOUT`
)
SET_PROGRESS = "UPDATE progress SET cursor = ?, sources_at_ns = ?"
NEWEST_NS = "SELECT coalesce(max(time_ns), 0) FROM weld"
GET_PROGRESS = "SELECT cursor, sources_at_ns FROM progress"
GET_LAYOUT = "SELECT version FROM layout"
COLUMNS = (
    "SELECT column_name FROM information_schema.columns WHERE table_catalog = current_database() AND table_name = ? "
    "ORDER BY ordinal_position"
)
OLD_COLUMNS = "SELECT column_name FROM information_schema.columns WHERE table_catalog = 'old' AND table_name = ?"

_COUNTS = ", ".join(f"count(*) FILTER (verdict = '{verdict}') AS {verdict}" for verdict in schema.VERDICTS)
_SELECT = {target.name: f"SELECT {_names(target.rows)} FROM {target.name}" for target in TARGETS}

AGVS = f"{_SELECT['agv']} ORDER BY agv"
SOURCES = f"{_SELECT['source']} ORDER BY source"
WELDS_BY_ID = (
    f"{_SELECT['weld']} WHERE weld_id IN (SELECT unnest(?)) "
    "QUALIFY row_number() OVER (PARTITION BY weld_id ORDER BY time_ns DESC, ordinal DESC) = 1"
)
WELD_BY_ID = f"{_SELECT['weld']} WHERE weld_id = ? ORDER BY time_ns DESC, ordinal DESC LIMIT 1"


def welds(filters: Filters, limit: int, before: tuple[int, int] | None) -> tuple[str, Params]:
    """Return the statement for one page of welds, newest first."""
    terms, params = _terms(filters, "time_ns", _WELD_FILTERS)
    return _page("weld", terms, params, ("time_ns", "ordinal"), limit, before)


def bodies(filters: Filters, limit: int, before: tuple[int, str] | None) -> tuple[str, Params]:
    """Return the statement for one page of bodies, newest first."""
    terms, params = _terms(filters, "first_ns", ("body", "verdict"))
    return _page("body", terms, params, ("first_ns", "body"), limit, before)


def events(filters: Filters, limit: int, before: tuple[int, str] | None) -> tuple[str, Params]:
    """Return the statement for one page of events, newest first."""
    terms, params = _terms(filters, "time_ns", (*_PLACE, "kind"))
    return _page("event", terms, params, ("time_ns", "event_id"), limit, before)


def rejects(source: str, limit: int, before: tuple[int, int] | None) -> tuple[str, Params]:
    """Return the statement for one page of rejects, newest first."""
    terms, params = (["source = ?"], Params([source])) if source else ([], [])
    return _page("reject", terms, params, ("seq", "item"), limit, before)


def spots(filters: Filters) -> tuple[str, Params]:
    """Return the statement for the latest state of every stream."""
    terms, params = _terms(filters, "time_ns", (*_PLACE, "cause", "verdict"))
    return f"{_SELECT['spot_state']}{_where(terms)} ORDER BY spot, program", params


def tally(filters: Filters, by: tuple[str, ...], bucket_ns: int) -> tuple[str, Params]:
    """Return the statement that counts welds by verdict in groups and time buckets."""
    terms, params = _terms(filters, "time_ns", _WELD_FILTERS)
    groups = [f'"{column}"' for column in by]
    sorting = list(groups)
    if bucket_ns:
        groups.append(_bucket(bucket_ns))
        sorting.insert(0, "bucket_ns")
    text = f"SELECT {', '.join([*groups, _COUNTS])} FROM weld{_where(terms)}"
    if sorting:
        text += f" GROUP BY {', '.join(sorting)} ORDER BY {', '.join(sorting)}"
    return text, params


def means(filters: Filters, feature: str, by: tuple[str, ...], bucket_ns: int) -> tuple[str, Params]:
    """Return the statement that averages a feature in groups and time buckets."""
    terms, params = _terms(filters, "time_ns", _PLACE)
    groups = [f'"{column}"' for column in by]
    where = _where([*terms, f"{feature} IS NOT NULL"])
    text = (
        f"SELECT {', '.join([*groups, _bucket(bucket_ns), f'count(*) AS n, avg({feature}::DOUBLE) AS mean'])} FROM weld"
    )
    order = ", ".join(["bucket_ns", *groups])
    return f"{text}{where} GROUP BY {order} ORDER BY {order}", params


def body_tally(since_ns: int | None, until_ns: int | None) -> tuple[str, Params]:
    """Return the statement that counts complete bodies by verdict."""
    terms, params = _terms(Filters(since_ns=since_ns, until_ns=until_ns), "first_ns", ())
    return f"SELECT {_COUNTS} FROM body{_where(['complete', *terms])}", params


def _bucket(bucket_ns: int) -> str:
    """Return the column that says in which bucket a weld lies."""
    # The double remainder rounds down for times before 1970 as well.
    return f"time_ns - ((time_ns % {bucket_ns:d}) + {bucket_ns:d}) % {bucket_ns:d} AS bucket_ns"


_PLACE = ("site", "area", "line", "cell", "gun", "spot", "program")
_WELD_FILTERS = (*_PLACE, "cause", "verdict", "body")


def _terms(filters: Filters, time: str, columns: tuple[str, ...]) -> tuple[list[str], Params]:
    terms: list[str] = []
    params: Params = []
    for column in columns:
        value = getattr(filters, column)
        if value:
            terms.append(f"{column} = ?")
            params.append(value)
    if filters.since_ns is not None:
        terms.append(f"{time} >= ?")
        params.append(filters.since_ns)
    if filters.until_ns is not None:
        terms.append(f"{time} < ?")
        params.append(filters.until_ns)
    return terms, params


def _page(
    table: str,
    terms: list[str],
    params: Params,
    order: tuple[str, str],
    limit: int,
    before: tuple[int, int] | tuple[int, str] | None,
) -> tuple[str, Params]:
    first, second = order
    if before is not None:
        # The first term says no more than the second does; it is what lets row groups be skipped.
        terms = [*terms, f"{first} <= ?", f"({first} < ? OR {second} < ?)"]
        params = [*params, before[0], before[0], before[1]]
    return f"{_SELECT[table]}{_where(terms)} ORDER BY {first} DESC, {second} DESC LIMIT ?", [*params, limit]


def _where(terms: list[str]) -> str:
    return f" WHERE {' AND '.join(terms)}" if terms else ""
