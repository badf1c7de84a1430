"""`Store` over one DuckDB file."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from services.config import StoreSettings
from services.store import counting, schema
from services.store.closing import Closer
from services.store.duck import counted, layouts, sql
from services.store.keyed import last_of_each
from services.store.protocol import Commit, Filters, StoreError
from services.store.spans import FIRST, Span, common

_log = logging.getLogger(__name__)
MEMORY_MB = StoreSettings().memory_mb
CHECKPOINT_TRIES, CHECKPOINT_WAIT_S = 50, 0.1


class DuckStore:
    """One file, written by one process.

    A commit is one transaction, so that rows, account and cursor appear together or not at all. Each call works on a
    connection of its own to the shared database: readers see the last commit and never wait for the writer.
    """

    def __init__(self, path: Path, *, read_only: bool = False, memory_mb: int = MEMORY_MB) -> None:
        """Open the file, made with its tables when missing. `memory_mb` bounds what DuckDB keeps and works in.

        Raises `StoreError` when it is held by another process, is damaged, or was written by another version.
        """
        self._path, self._read_only = path, read_only
        self._memory_mb = memory_mb
        self._writing = threading.Lock()
        self._opening = threading.Lock()
        self._database: duckdb.DuckDBPyConnection | None = None
        self._closed = False
        self._found_ns = 0
        self._counts = False
        self._newest_ns: dict[tuple[str, str], int] = {}
        self._closer = Closer(self._counter, self._writing)
        if read_only and not path.exists():
            raise StoreError(f"{path}: no such store")
        with self._connection():
            pass

    def commit(self, commit: Commit) -> None:
        """Make a commit durable in one transaction."""
        with self._writing, self._connection() as connection:
            connection.begin()
            cursor, sources_at_ns = _progress(connection)
            changed, fresh = self._closer.reopen(commit.welds["time_ns"])
            if fresh:
                connection.execute(counted.REOPEN, [fresh])
            _replace(connection, sql.WELD, commit.welds, new=self._are_new(commit.welds))
            _replace(connection, sql.SPOT_STATE, commit.spots)
            _replace(connection, sql.EVENT, commit.events)
            _replace(connection, sql.REJECT, commit.rejects)
            if commit.cursor >= cursor:  # else the states that are there follow from more of the journal
                _replace(connection, sql.BODY, commit.bodies)
                _replace(connection, sql.AGV, commit.agvs)
                _replace(connection, sql.SOURCE, commit.sources)
                sources_at_ns = commit.sources_at_ns or sources_at_ns
            connection.execute(sql.SET_PROGRESS, [max(cursor, commit.cursor), sources_at_ns])
            connection.commit()
            self._closer.committed(changed)

    def close_hours(self) -> int:
        """Count all hours that are over, which a thread does anyhow; return in how many steps. Raises `StoreError`."""
        return self._closer.close_hours(quiet_s=0)

    def _are_new(self, welds: pa.Table) -> bool:
        """Tell whether every weld is newer than all that this store has of its stream; then there is none to replace.

        Of a stream not written since the file was opened it is only known that it is no newer than the newest weld.
        """
        newest, new = self._newest_ns, True
        streams = zip(welds["spot"].to_pylist(), welds["program"].to_pylist(), strict=True)
        for stream, time_ns in zip(streams, welds["time_ns"].to_pylist(), strict=True):
            if time_ns > newest.get(stream, self._found_ns):
                newest[stream] = time_ns
            else:
                new = False
        return new

    def cursor(self) -> int:
        """Return the newest committed cursor, 0 when nothing was committed."""
        with self._connection() as connection:
            return _progress(connection)[0]

    def welds(
        self,
        filters: Filters,
        limit: int,
        before: tuple[int, int] | None = None,
        columns: pa.Schema = schema.WELD,
    ) -> pa.Table:
        """Return one page of welds, newest first."""
        with self._snapshot() as connection:
            low, high = counting.span_of(filters)
            wanted = (low, high if before is None else min(high, before[0] + 1))
            spans = self._spans_of_welds(connection, filters, wanted, limit)
            return _welds_at(connection, columns, *sql.rows_of_welds(filters, spans, limit, before))

    def weld(self, weld_id: str) -> pa.Table:
        """Return the weld with that id, or none."""
        return self._by_ids([weld_id], schema.WELD)

    def welds_of(self, weld_ids: Collection[str]) -> pa.Table:
        """Return the welds with these ids, newest first."""
        return self._by_ids(sorted(set(weld_ids)), schema.WELD_IN_SHORT)

    def _by_ids(self, wanted: list[str], columns: pa.Schema) -> pa.Table:
        if not wanted:
            return columns.empty_table()
        with self._snapshot() as connection:
            opened = self._open_spans(connection)
            hours = _column(connection, counted.HOURS_OF_IDS, [wanted]) if self._counts else []
            return _welds_at(connection, columns, *sql.rows_of_ids(wanted, counted.hours_to_search(hours, opened)))

    def tally(self, filters: Filters, by: tuple[str, ...] = (), bucket_ns: int = 0) -> pa.Table:
        """Count welds by verdict in groups and time buckets: from the counts of closed hours, the rest one by one."""
        rows = schema.tally_schema(by, bucket_ns)
        with self._snapshot() as connection:
            opened, wanted = self._open_spans(connection), counting.span_of(filters)
            columns = counting.columns_of(filters) | set(by)
            chosen, rest = counting.choose(counted.LEVELS, wanted, opened, columns, bucket_ns)
            if filters.body and rest and self._counts:
                hours = _column(connection, counted.HOURS_OF_BODY, [filters.body])
                rest = common(counted.hours_to_search(hours, opened), rest)
            return _fetch(connection, rows, *sql.tally(filters, by, bucket_ns, chosen, rest))

    def means(self, filters: Filters, feature: str, by: tuple[str, ...], bucket_ns: int) -> pa.Table:
        """Average a feature in groups and time buckets."""
        rows = schema.means_schema(feature, by, bucket_ns)
        return self._read(rows, *sql.means(filters, feature, by, bucket_ns))

    def bodies(self, filters: Filters, limit: int, before: tuple[int, str] | None = None) -> pa.Table:
        """Return one page of bodies, newest first."""
        return self._read(schema.BODY, *sql.bodies(filters, limit, before))

    def body_tally(self, since_ns: int | None, until_ns: int | None) -> tuple[int, int, int]:
        """Count complete bodies by verdict."""
        row = self._read(schema.tally_schema((), 0), *sql.body_tally(since_ns, until_ns)).to_pylist()[0]
        return row["ok"], row["defect"], row["unjudged"]

    def spots(self, filters: Filters) -> pa.Table:
        """Return the latest state of every stream."""
        return self._read(schema.SPOT_STATE, *sql.spots(filters))

    def agvs(self) -> pa.Table:
        """Return the latest state of every AGV."""
        return self._read(schema.AGV, sql.AGVS, [])

    def events(self, filters: Filters, limit: int, before: tuple[int, str] | None = None) -> pa.Table:
        """Return one page of events, newest first."""
        return self._read(schema.EVENT, *sql.events(filters, limit, before))

    def rejects(self, source: str, limit: int, before: tuple[int, int] | None = None) -> pa.Table:
        """Return one page of rejects, newest first."""
        return self._read(schema.REJECT, *sql.rejects(source, limit, before))

    def sources(self) -> tuple[int, pa.Table]:
        """Return when the newest account was taken, and the account."""
        with self._snapshot() as connection:
            at_ns = _progress(connection)[1]
            return at_ns, _fetch(connection, schema.SOURCE, sql.SOURCES, [])

    def memory_bytes(self) -> int:
        """Return what DuckDB keeps of its file and works in, which `memory_mb` bounds."""
        with self._connection() as connection:
            [(held,)] = connection.execute(sql.MEMORY).fetchall()
        return int(held)

    def hold(self) -> None:
        """Put all that was committed into the file and leave that as it is until `let_go`; commits go to its log."""
        self._closer.pause()
        with self._writing, self._connection() as connection:
            connection.execute(sql.NO_CHECKPOINT)
            log = self._path.with_name(f"{self._path.name}.wal")
            for _ in range(CHECKPOINT_TRIES):
                connection.execute("CHECKPOINT")
                if not log.exists() or not log.stat().st_size:
                    return
                time.sleep(CHECKPOINT_WAIT_S)
        raise StoreError(f"{self._path}: its log could not be emptied, since queries keep running")

    def let_go(self) -> None:
        """End `hold`, if it was begun."""
        with suppress(StoreError), self._connection() as connection:
            connection.execute(sql.CHECKPOINT)
        self._closer.resume()

    def close(self) -> None:
        """Let go of the file; what was committed is in it."""
        self._closer.pause()
        with self._writing, self._opening:
            self._closed = True
            if self._database is not None:
                self._database.close()
                self._database = None

    def _read(self, rows: pa.Schema, text: str, params: counted.Params) -> pa.Table:
        with self._connection() as connection:
            return _fetch(connection, rows, text, params)

    def _spans_of_welds(
        self, connection: duckdb.DuckDBPyConnection, filters: Filters, wanted: Span, limit: int
    ) -> list[Span]:
        """Return where in `wanted` its newest `limit` welds are, as far as closed hours tell."""
        if not self._counts or wanted[0] >= wanted[1]:
            return [wanted] if wanted[0] < wanted[1] else []
        opened = self._open_spans(connection)
        if filters.body:
            hours = _column(connection, counted.HOURS_OF_BODY, [filters.body])
            return common(counted.hours_to_search(hours, opened), [wanted])
        days = counted.days_within(wanted, opened)
        if not days:
            return [wanted]
        found = connection.execute(*sql.days_of_welds(filters, days)).fetchall()
        return counted.days_to_search(found, days, wanted, limit)

    def _open_spans(self, connection: duckdb.DuckDBPyConnection) -> list[Span]:
        """Return what is not closed, as this connection's transaction sees it."""
        if not self._counts:
            return counting.open_spans(FIRST, [])
        [until_ns] = _column(connection, counted.UNTIL, [])
        return counting.open_spans(until_ns, _column(connection, counted.REOPENED, []))

    @contextmanager
    def _counter(self) -> Iterator[_HourCounter]:
        with self._connection() as connection:
            yield _HourCounter(connection)

    @contextmanager
    def _snapshot(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Give a connection whose statements all see one moment."""
        with self._connection() as connection:
            connection.begin()
            yield connection

    @contextmanager
    def _connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Give a connection for one call, and turn DuckDB's errors into ours."""
        try:
            with closing(self._open().cursor()) as connection:
                yield connection
        except duckdb.FatalException as error:
            # DuckDB shuts a database whose file it could not write (disk full); opened again, it recovers from its log.
            self._forget()
            raise StoreError(f"{self._path}: {error}") from error
        except duckdb.Error as error:
            raise StoreError(f"{self._path}: {error}") from error

    def _open(self) -> duckdb.DuckDBPyConnection:
        with self._opening:
            if self._closed:
                raise StoreError(f"{self._path}: the store was closed")
            if self._database is None:
                self._database = self._connect()
            return self._database

    def _connect_to(self) -> duckdb.DuckDBPyConnection:
        # Without a bound it takes up to four fifths of the machine's memory.
        config: dict[str, str | bool | int | float | list[str]] = {"memory_limit": f"{self._memory_mb}MiB"}
        return duckdb.connect(self._path, read_only=self._read_only, config=config)

    def _connect(self) -> duckdb.DuckDBPyConnection:
        database = self._connect_to()
        try:
            layout = layouts.layout_of(database, self._path)
            if layout == 1 and not self._read_only:
                database.close()
                old = layouts.rebuild(self._path, layout)
                _log.warning("%s was of layout %d and is brought up to date; the old one: %s", self._path, layout, old)
                database = self._connect_to()
            if not self._read_only:
                database.execute(sql.CHECKPOINT)
                for statement in sql.CREATE:
                    database.execute(statement)
            for target in sql.TARGETS:
                self._check(target, [name for (name,) in database.execute(sql.COLUMNS, [target.name]).fetchall()])
            [(newest_ns,)] = database.execute(sql.NEWEST_NS).fetchall()
            self._found_ns, self._newest_ns = newest_ns, {}
            if not self._read_only:
                self._closer.load(*_counted(database), newest_ns)
            self._counts = _has_counts(database)
        except BaseException:
            database.close()
            raise
        return database

    def _check(self, target: sql.Target, have: list[str]) -> None:
        if have != target.rows.names:
            differ = sorted(set(have) ^ set(target.rows.names)) or ["their order"]
            raise StoreError(
                f"{self._path}: table {target.name} was written by another version "
                f"(columns that differ: {', '.join(differ)}); move the file away or use that version"
            )

    def _forget(self) -> None:
        with self._opening:
            if self._database is not None:
                self._database.close()
                self._database = None


class _HourCounter:
    """Closes hours in one transaction, undone with its connection unless it ends."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def begin(self) -> None:
        self._connection.begin()

    def next_ns(self, from_ns: int) -> int | None:
        """Return the time of the next weld; the first query fixes what the transaction sees."""
        [(found,)] = self._connection.execute(counted.NEXT_NS, [from_ns]).fetchall()
        return None if found is None else int(found)

    def count(self, hours: Span, days: Span) -> Iterator[None]:
        for statements, span in ((counted.COUNT_HOURS, hours), (counted.COUNT_DAYS, days)):
            for statement in statements:
                self._connection.execute(statement, span)
                yield

    def end(self, hours: Span, until_ns: int) -> None:
        self._connection.execute(counted.SET_UNTIL, [until_ns])
        self._connection.execute(counted.CLOSE_AGAIN, hours)
        self._connection.commit()


def _counted(database: duckdb.DuckDBPyConnection) -> tuple[int, list[int]]:
    """Return up to when hours are closed and which are not, of a file that nobody else has.

    Nothing is closed when the ids were hashed otherwise.
    """
    state = database.execute(counted.PROBE).fetchall()
    if not any(same for _, same in state):
        database.begin()
        for statement in counted.BEGIN_ANEW:
            database.execute(statement)
        database.commit()
        return FIRST, []
    return state[0][0], _column(database, counted.REOPENED, [])


def _replace(connection: duckdb.DuckDBPyConnection, target: sql.Target, table: pa.Table, *, new: bool = False) -> None:
    """Put rows into a table in the place of those with their keys; with `new` there are none, which saves a search."""
    if not len(table):
        return
    connection.register(sql.BATCH, table if new else last_of_each(table, target.key, target.newest_by))
    if not new:
        bounds: counted.Params = []
        if target.ordered_by:
            ends = pc.min_max(table[target.ordered_by])
            bounds = [ends["min"].as_py(), ends["max"].as_py()]
        connection.execute(target.delete, bounds)
    connection.execute(target.insert)
    connection.unregister(sql.BATCH)


def _progress(connection: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    [(cursor, sources_at_ns)] = connection.execute(sql.GET_PROGRESS).fetchall()
    return cursor, sources_at_ns


def _has_counts(connection: duckdb.DuckDBPyConnection) -> bool:
    """Tell whether closed hours can be used: not those of a file that is only read and older, or hashed otherwise."""
    if not connection.execute(counted.HAS_COUNTS).fetchall()[0][0]:
        return False
    return any(same for _, same in connection.execute(counted.PROBE).fetchall())


def _column(connection: duckdb.DuckDBPyConnection, text: str, params: counted.Params) -> list[int]:
    return [value for (value,) in connection.execute(text, params).fetchall()]


def _welds_at(connection: duckdb.DuckDBPyConnection, columns: pa.Schema, text: str, params: counted.Params) -> pa.Table:
    """Return columns of the welds whose row numbers a statement gives."""
    rows = _column(connection, text, params)
    return _fetch(connection, columns, sql.welds_at(columns), [rows]) if rows else columns.empty_table()


def _fetch(connection: duckdb.DuckDBPyConnection, rows: pa.Schema, text: str, params: counted.Params) -> pa.Table:
    table: pa.Table = connection.sql(text, params=params).to_arrow_table()
    return table.cast(rows)
