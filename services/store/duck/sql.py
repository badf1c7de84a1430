"""SQL of the embedded store; what closes hours is in `counted`. Values only ever travel as bound parameters.

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
from services.store.counting import PLACE, Counts
from services.store.duck import counted
from services.store.duck.counted import DAY, Params
from services.store.protocol import Filters
from services.store.spans import FIRST, LAST, Span

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
    *counted.CREATE,
    "CREATE TABLE IF NOT EXISTS layout (version BIGINT NOT NULL)",
    "INSERT INTO layout SELECT 4 WHERE NOT EXISTS (FROM layout)",  # `layouts.LAYOUT`
    "UPDATE layout SET version = 4 WHERE version < 4",  # a file of layout 3 had only no counts
)
SET_PROGRESS = "UPDATE progress SET cursor = ?, sources_at_ns = ?"
NEWEST_NS = "SELECT coalesce(max(time_ns), 0) FROM weld"
GET_PROGRESS = "SELECT cursor, sources_at_ns FROM progress"
GET_LAYOUT = "SELECT version FROM layout"
MEMORY = "SELECT sum(memory_usage_bytes) FROM duckdb_memory()"
COLUMNS = (
    "SELECT column_name FROM information_schema.columns WHERE table_catalog = current_database() AND table_name = ? "
    "ORDER BY ordinal_position"
)
OLD_COLUMNS = "SELECT column_name FROM information_schema.columns WHERE table_catalog = 'old' AND table_name = ?"

_COUNTS = ", ".join(f"count(*) FILTER (verdict = '{verdict}') AS {verdict}" for verdict in schema.VERDICTS)
_SUMS = ", ".join(f"coalesce(sum({verdict}), 0)::BIGINT AS {verdict}" for verdict in schema.VERDICTS)
_ONES = ", ".join(f"(verdict = '{verdict}')::INTEGER AS {verdict}" for verdict in schema.VERDICTS)
_SELECT = {target.name: f"SELECT {_names(target.rows)} FROM {target.name}" for target in TARGETS}

AGVS = f"{_SELECT['agv']} ORDER BY agv"
SOURCES = f"{_SELECT['source']} ORDER BY source"


def welds_at(columns: pa.Schema) -> str:
    """Return the statement for columns of the welds with given row numbers, newest first."""
    newest = "ORDER BY time_ns DESC, ordinal DESC"
    return f"SELECT {_names(columns)} FROM weld WHERE rowid IN (SELECT unnest(?)) {newest}"


def rows_of_welds(
    filters: Filters, spans: list[Span], limit: int, before: tuple[int, int] | None
) -> tuple[str, Params]:
    """Return the statement for the row numbers of one page of welds, all of which lie in `spans`.

    DuckDB sorts the few columns that tell the order; of all the other columns it then reads the rows of the page only.
    """
    terms, params = _equal(filters, (*PLACE, "cause", "verdict", "body"))
    _add_spans(terms, params, "time_ns", spans)
    if before is not None:
        # The first term says no more than the second does; it is what lets row groups be skipped.
        terms += ["time_ns <= ?", "(time_ns < ? OR ordinal < ?)"]
        params += [before[0], before[0], before[1]]
    return f"SELECT rowid FROM weld{_where(terms)} ORDER BY time_ns DESC, ordinal DESC LIMIT ?", [*params, limit]


def rows_of_ids(weld_ids: list[str], spans: list[Span]) -> tuple[str, Params]:
    """Return the statement for the row numbers of the newest weld of each id, all of which lie in `spans`."""
    terms, params = ["weld_id IN (SELECT unnest(?))"], Params([weld_ids])
    _add_spans(terms, params, "time_ns", spans)
    newest = "row_number() OVER (PARTITION BY weld_id ORDER BY time_ns DESC, ordinal DESC) = 1"
    return f"SELECT rowid FROM weld{_where(terms)} QUALIFY {newest}", params


def days_of_welds(filters: Filters, spans: list[Span]) -> tuple[str, Params]:
    """Return the statement for how many welds there are in each counted day of `spans` that has any, newest first."""
    terms, params = _equal(filters, (*PLACE, "cause"))
    _add_spans(terms, params, "start_ns", spans)
    n = filters.verdict if filters.verdict in schema.VERDICTS else " + ".join(schema.VERDICTS)
    text = f"SELECT start_ns, sum({n})::BIGINT AS n FROM {DAY.name}{_where(terms)}"
    return f"{text} GROUP BY start_ns HAVING sum({n}) > 0 ORDER BY start_ns DESC", params


def bodies(filters: Filters, limit: int, before: tuple[int, str] | None) -> tuple[str, Params]:
    """Return the statement for one page of bodies, newest first."""
    terms, params = _terms(filters, "first_ns", ("body", "verdict"))
    return _page("body", terms, params, ("first_ns", "body"), limit, before)


def events(filters: Filters, limit: int, before: tuple[int, str] | None) -> tuple[str, Params]:
    """Return the statement for one page of events, newest first."""
    terms, params = _terms(filters, "time_ns", (*PLACE, "kind"))
    return _page("event", terms, params, ("time_ns", "event_id"), limit, before)


def rejects(source: str, limit: int, before: tuple[int, int] | None) -> tuple[str, Params]:
    """Return the statement for one page of rejects, newest first."""
    terms, params = (["source = ?"], Params([source])) if source else ([], [])
    return _page("reject", terms, params, ("seq", "item"), limit, before)


def spots(filters: Filters) -> tuple[str, Params]:
    """Return the statement for the latest state of every stream."""
    terms, params = _terms(filters, "time_ns", (*PLACE, "cause", "verdict"))
    return f"{_SELECT['spot_state']}{_where(terms)} ORDER BY spot, program", params


def tally(
    filters: Filters, by: tuple[str, ...], bucket_ns: int, chosen: list[Counts], rest: list[Span]
) -> tuple[str, Params]:
    """Return the statement that counts welds by verdict in groups and time buckets: `chosen` counts, `rest` singly."""
    parts: list[str] = []
    params: Params = []
    groups = [f'"{column}"' for column in by]
    for part in chosen:
        terms, values = _equal(filters, (*PLACE, "cause"))
        _add_spans(terms, values, "start_ns", part.spans)
        sums = ", ".join(schema.VERDICTS)
        if filters.verdict:
            sums = ", ".join(f"{v if v == filters.verdict else 0} AS {v}" for v in schema.VERDICTS)
            terms.append(f"{filters.verdict} > 0" if filters.verdict in schema.VERDICTS else "false")
        step_ns = 0 if bucket_ns == part.level.width_ns else bucket_ns  # a start is the start of its bucket then
        start = ["start_ns AS bucket_ns"] if bucket_ns and not step_ns else []
        parts.append(
            f"SELECT {_columns([*groups, *start], 'start_ns', step_ns)}{sums} FROM {part.level.name}{_where(terms)}"
        )
        params += values
    if rest or not parts:
        terms, values = _equal(filters, (*PLACE, "cause", "verdict", "body"))
        _add_spans(terms, values, "time_ns", rest)
        parts.append(f"SELECT {_columns(groups, 'time_ns', bucket_ns)}{_ONES} FROM weld{_where(terms)}")
        params += values
    sorting = [*(["bucket_ns"] if bucket_ns else []), *groups]
    shown = [*groups, *(["bucket_ns"] if bucket_ns else []), _SUMS]
    text = f"SELECT {', '.join(shown)} FROM ({' UNION ALL '.join(parts)})"
    if sorting:
        text += f" GROUP BY {', '.join(sorting)} ORDER BY {', '.join(sorting)}"
    return text, params


def means(filters: Filters, feature: str, by: tuple[str, ...], bucket_ns: int) -> tuple[str, Params]:
    """Return the statement that averages a feature in groups and time buckets."""
    terms, params = _terms(filters, "time_ns", PLACE)
    groups = [f'"{column}"' for column in by]
    where = _where([*terms, f"{feature} IS NOT NULL"])
    columns = _columns(groups, "time_ns", bucket_ns)
    text = f"SELECT {columns}count(*) AS n, avg({feature}::DOUBLE) AS mean FROM weld"
    order = ", ".join(["bucket_ns", *groups])
    return f"{text}{where} GROUP BY {order} ORDER BY {order}", params


def body_tally(since_ns: int | None, until_ns: int | None) -> tuple[str, Params]:
    """Return the statement that counts complete bodies by verdict."""
    terms, params = _terms(Filters(since_ns=since_ns, until_ns=until_ns), "first_ns", ())
    return f"SELECT {_COUNTS} FROM body{_where(['complete', *terms])}", params


def _columns(groups: list[str], time: str, bucket_ns: int) -> str:
    columns = [*groups, *([f"{counted.bucket(time, bucket_ns)} AS bucket_ns"] if bucket_ns else [])]
    return "".join(f"{column}, " for column in columns)


def _add_spans(terms: list[str], params: Params, time: str, spans: list[Span]) -> None:
    """Add that a time lies in one of these; none is nowhere."""
    texts = []
    for low, high in spans:
        ends = [f"{time} >= ?"] * (low != FIRST) + [f"{time} < ?"] * (high != LAST)
        params += [low] * (low != FIRST) + [high] * (high != LAST)
        texts.append(" AND ".join(ends) or "true")
    terms.append(f"({' OR '.join(texts) or 'false'})")


def _equal(filters: Filters, columns: tuple[str, ...]) -> tuple[list[str], Params]:
    wanted = [(column, getattr(filters, column)) for column in columns if getattr(filters, column)]
    return [f'"{column}" = ?' for column, _ in wanted], [value for _, value in wanted]


def _terms(filters: Filters, time: str, columns: tuple[str, ...]) -> tuple[list[str], Params]:
    terms, params = _equal(filters, columns)
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
