"""`Store` over InfluxDB 2."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import chain
from types import MappingProxyType

import pyarrow as pa

from services.config import StoreSettings
from services.store import counting, schema
from services.store.closing import Closer
from services.store.counting import PLACE
from services.store.influx import answers, counts, points, queries, scan
from services.store.influx.answers import Counts, Row
from services.store.influx.points import BLUR_NS, STATES_NS
from services.store.influx.session import Session
from services.store.keyed import last_of_each
from services.store.protocol import Commit, Filters, StoreError
from services.store.spans import Span

LEAST_COUNTED_NS = 12 * counting.HOUR_NS
"""A shorter range is read from the welds: what is closed, and several small sums, take as long to ask for."""


class InfluxStore:
    """One bucket, written by one pipeline.

    Points are keyed by the source's time, so that writing again overwrites; the cursor is written last, so that it
    never claims more than is there.
    """

    def __init__(self, settings: StoreSettings) -> None:
        """Raise `StoreError` when there is no token; InfluxDB itself is first talked to by the first call."""
        self._session, self._bucket = Session(settings), settings.bucket
        self._writing = threading.Lock()
        self._written: _Written | None = None
        self._closer = Closer(lambda: nullcontext(counts.HourCounter(self._session)), self._writing)

    def commit(self, commit: Commit) -> None:
        """Write a commit, its cursor last."""
        with self._writing:
            if self._written is None:
                self._session.ensure_bucket()
                self._closer.load(*counts.counted(self._session), self._newest_ns())
                self._written = _Written(*self._progress(), self._spot_times())
            written = self._written
            changed, fresh = self._closer.reopen(commit.welds["time_ns"])
            if fresh:
                self._session.write(points.reopened_lines(fresh, is_open=True))
            spots = written.not_older(commit.spots)
            self._session.write(
                chain(
                    points.weld_lines(commit.welds) if len(commit.welds) else (),
                    points.state_lines("spot_state", spots, ("spot", "program")) if len(spots) else (),
                    points.event_lines(commit.events) if len(commit.events) else (),
                    points.reject_lines(commit.rejects) if len(commit.rejects) else (),
                )
            )
            sources_at_ns = written.sources_at_ns
            if commit.cursor >= written.cursor:  # else the states that are there follow from more of the journal
                sources_at_ns = commit.sources_at_ns or sources_at_ns
                self._write_states(commit)
            cursor = max(commit.cursor, written.cursor)
            self._session.write(points.progress_lines(cursor, sources_at_ns))
            self._written = _Written(cursor, sources_at_ns, written.spot_times | _times(spots))
            self._closer.committed(changed)

    def close_hours(self) -> int:
        """Count all hours that are over, which a thread does anyhow; return in how many steps. Raises `StoreError`.

        Only for whoever commits, after a commit.
        """
        return self._closer.close_hours(quiet_s=0)

    def cursor(self) -> int:
        """Return the newest committed cursor, 0 when nothing was committed."""
        self._session.ensure_bucket()
        return self._progress()[0]

    def welds(
        self,
        filters: Filters,
        limit: int,
        before: tuple[int, int] | None = None,
        columns: pa.Schema = schema.WELD,
    ) -> pa.Table:
        """Return one page of welds, newest first."""
        span = self._weld_span(filters)
        place = _weld_place
        if filters.spot:  # the spot's own series, short; else the log
            stream = scan.Stream("weld", "weld", _tags(filters), place, 1, queries.mark_pattern(filters))
        else:
            sparse = filters.verdict not in {"", "ok"} or (filters.cause and not filters.verdict)
            field = "finding" if sparse else "row"
            stream = scan.Stream("log", "weld", {}, place, BLUR_NS, queries.weld_pattern(filters), field)
        return answers.table(scan.newest(self._session, stream, span, limit, before), columns)

    def weld(self, weld_id: str) -> pa.Table:
        """Return the weld with that id, or none."""
        flux = queries.lookup("weld", points.slot(weld_id), weld_id, (queries.MIN_NS, STATES_NS))
        times = sorted((answers.time_ns(answer["_time"]) for answer in self._query(flux)), reverse=True)
        for time_ns in times:
            flux = queries.rows("log", {}, _units(time_ns, time_ns + 1))
            rows = [answers.row("weld", answer) for answer in self._query(flux)]
            same = [row for row in rows if row["weld_id"] == weld_id]
            if same:
                newest = max(same, key=_weld_place)
                return answers.table([newest], schema.WELD)
        return schema.WELD.empty_table()

    def welds_of(self, weld_ids: Collection[str]) -> pa.Table:
        """Return the welds with these ids, in no order; each is looked up by itself, in its own slot."""
        found = [self.weld(weld_id) for weld_id in sorted(set(weld_ids))]
        return pa.concat_tables(found or [schema.WELD.empty_table()]).select(schema.WELD_IN_SHORT.names)

    def tally(self, filters: Filters, by: tuple[str, ...] = (), bucket_ns: int = 0) -> pa.Table:
        """Count welds by verdict in groups and time buckets."""
        schema.tally_schema(by, bucket_ns)  # raises what `by` and bucket are wrong about
        return answers.tally(self._count(filters, by, bucket_ns), by, bucket_ns)

    def _count(self, filters: Filters, by: tuple[str, ...], bucket_ns: int) -> Counts:
        verdicts = [verdict for verdict in schema.VERDICTS if filters.verdict in {"", verdict}]
        if not verdicts:
            return Counter()
        columns, wanted = counting.columns_of(filters) | set(by), counting.span_of(filters)
        if "body" in columns or wanted[1] - wanted[0] < LEAST_COUNTED_NS:
            chosen, rest = list[counting.Counts](), [self._weld_span(filters)]
        else:
            chosen, rest = counting.choose(points.LEVELS, wanted, self._open_spans(), columns, bucket_ns)
        sums: list[str] = []
        marks: list[str] = []
        tags, own = _tags(filters), tuple(column for column in by if column in PLACE)
        for part in chosen:
            for span in chain.from_iterable(map(counts.in_range, part.spans)):
                cause = {"cause": filters.cause}
                sums.append(queries.counts(part.level, verdicts, tags | cause, by, span, bucket_ns))
        for span in chain.from_iterable(map(counts.in_range, rest)):
            pattern = queries.mark_pattern(filters)
            if not columns & {"cause", "body"}:
                sums.append(_sums_of_welds(verdicts, tags, own, span, bucket_ns))
                continue
            if not pattern and "body" not in by:
                # Marks are many, and nearly all are of ok welds, which have no cause: InfluxDB counts these itself.
                pattern = queries.NOT_OK
                sums.append(_sums_of_welds(["ok"], tags, own, span, bucket_ns))
            marks.append(queries.marks(pattern, tags, own, span, timed=bucket_ns > 0))
        return answers.count_fields(self._answers(sums), by, bucket_ns) + answers.count_marks(
            self._answers(marks), by, bucket_ns
        )

    def _open_spans(self) -> list[Span]:
        return counting.open_spans(*counts.counted(self._session))

    def _answers(self, texts: list[str]) -> list[dict[str, str]]:
        return self._query(queries.several(texts)) if texts else []

    def means(self, filters: Filters, feature: str, by: tuple[str, ...], bucket_ns: int) -> pa.Table:
        """Average a feature in groups and time buckets."""
        columns, span = schema.means_schema(feature, by, bucket_ns), _span(filters)
        if span[0] >= span[1]:
            return columns.empty_table()
        found = self._query(queries.feature_windows(feature, _tags(filters), by, span, bucket_ns))
        return answers.means(found, by, bucket_ns, columns)

    def bodies(self, filters: Filters, limit: int, before: tuple[int, str] | None = None) -> pa.Table:
        """Return one page of bodies, newest first."""
        tags = {"slot": points.slot(filters.body)} if filters.body else {}
        stream = scan.Stream(
            "body",
            "body",
            tags,
            lambda row: (_int(row["first_ns"]), str(row["body"])),
            BLUR_NS,
            queries.body_pattern(filters),
        )
        return answers.table(scan.newest(self._session, stream, _span(filters), limit, before), schema.BODY)

    def body_tally(self, since_ns: int | None, until_ns: int | None) -> tuple[int, int, int]:
        """Count complete bodies by verdict."""
        low, high = _span(Filters(since_ns=since_ns, until_ns=until_ns))
        counts = dict.fromkeys(schema.VERDICTS, 0)
        # Times of points are exact to BLUR_NS: whole units are summed by InfluxDB, of the ends the rows are looked at.
        first, last = -(-low // BLUR_NS) * BLUR_NS, _floor(high)
        if first < last:
            fields = [f"is_{verdict}" for verdict in schema.VERDICTS]
            for answer in self._query(queries.sums("body", fields, {}, (), (first, last))):
                counts[answer["_field"].removeprefix("is_")] += round(float(answer["_value"]))
        for start in {_floor(end) for end in (low, high) if end % BLUR_NS and low < high}:
            for answer in self._query(queries.rows("body", {}, (start, start + BLUR_NS))):
                row = answers.row("body", answer)
                if row["complete"] and low <= _int(row["first_ns"]) < high:
                    counts[str(row["verdict"])] += 1
        return counts["ok"], counts["defect"], counts["unjudged"]

    def spots(self, filters: Filters) -> pa.Table:
        """Return the latest state of every stream."""
        rows = self._states("spot_state", {"spot": filters.spot, "program": filters.program})
        low, high = _span(filters)
        asked = {name: getattr(filters, name) for name in (*PLACE, "cause", "verdict") if getattr(filters, name)}
        kept = [
            row
            for row in rows
            if low <= _int(row["time_ns"]) < high and all(row[name] == value for name, value in asked.items())
        ]
        return answers.table(sorted(kept, key=lambda row: (str(row["spot"]), str(row["program"]))), schema.SPOT_STATE)

    def agvs(self) -> pa.Table:
        """Return the latest state of every AGV."""
        return answers.table(sorted(self._states("agv"), key=lambda row: str(row["agv"])), schema.AGV)

    def events(self, filters: Filters, limit: int, before: tuple[int, str] | None = None) -> pa.Table:
        """Return one page of events, newest first."""
        tags = _tags(filters) | ({"kind": filters.kind} if filters.kind else {})
        stream = scan.Stream("event", "event", tags, lambda row: (_int(row["time_ns"]), str(row["event_id"])), BLUR_NS)
        return answers.table(scan.newest(self._session, stream, _span(filters), limit, before), schema.EVENT)

    def rejects(self, source: str, limit: int, before: tuple[int, int] | None = None) -> pa.Table:
        """Return one page of rejects, newest first."""
        if limit <= 0:
            return schema.REJECT.empty_table()
        tags, last = {"source": source}, None if before is None else points.order(*before)
        found = self._query(queries.reject_orders(tags, limit, last))
        if not found:
            return schema.REJECT.empty_table()
        times = [answers.time_ns(answer["_time"]) for answer in found]
        wanted = {int(answer["_value"]) for answer in found}
        flux = queries.rows("reject", tags, (min(times), max(times) + 1))
        rows = {}
        for answer in self._query(flux):
            row = answers.row("reject", answer)
            rows[points.order(_int(row["seq"]), _int(row["item"]))] = row
        return answers.table((rows[k] for k in sorted(wanted & rows.keys(), reverse=True)), schema.REJECT)

    def sources(self) -> tuple[int, pa.Table]:
        """Return when the newest account was taken, and the account."""
        _, at_ns = self._progress()
        rows = sorted(self._states("source"), key=lambda row: str(row["source"]))
        return at_ns, answers.table(rows, schema.SOURCE)

    def memory_bytes(self) -> int:
        """Return 0: InfluxDB has a process of its own."""
        return 0

    def hold(self) -> None:
        """Do nothing: InfluxDB is backed up by its own means."""

    def let_go(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Close the connections."""
        self._closer.pause()
        self._session.close()

    def _write_states(self, commit: Commit) -> None:
        self._session.write(
            chain(
                points.body_lines(commit.bodies) if len(commit.bodies) else (),
                points.state_lines("agv", commit.agvs, ("agv",)) if len(commit.agvs) else (),
                points.state_lines("source", commit.sources, ("source",)) if len(commit.sources) else (),
                points.account_lines(commit.sources, commit.sources_at_ns) if len(commit.sources) else (),
            )
        )

    def _progress(self) -> tuple[int, int]:
        found = {answer["_field"]: int(answer["_value"]) for answer in self._query(queries.progress())}
        if found.get("layout", 0) > points.LAYOUT:
            raise StoreError(
                f"bucket {self._bucket!r} has layout {found['layout']}; this Lineside reads up to "
                f"{points.LAYOUT}: install the newer one again"
            )
        return found.get("cursor", 0), found.get("sources_at_ns", 0)

    def _newest_ns(self) -> int:
        found = self._query(queries.newest_time("log", "row", {}, (queries.MIN_NS, STATES_NS)))
        return max((answers.time_ns(answer["_time"]) for answer in found), default=0)

    def _spot_times(self) -> dict[tuple[str, str], int]:
        return {(str(row["spot"]), str(row["program"])): _int(row["time_ns"]) for row in self._states("spot_state")}

    def _states(self, measurement: str, tags: Mapping[str, str] = MappingProxyType({})) -> list[Row]:
        return [answers.row(measurement, answer) for answer in self._query(queries.states(measurement, tags))]

    def _weld_span(self, filters: Filters) -> Span:
        """Return the time range to search; the look-up by body spares going through all that ever was."""
        low, high = _span(filters)
        if not filters.body or low >= high:
            return low, high
        flux = queries.lookup("body", points.slot(filters.body), filters.body, _units(low, high))
        times = [answers.time_ns(answer["_time"]) for answer in self._query(flux)]
        if not times:
            return low, low
        return max(low, _floor(min(times))), min(high, _floor(max(times)) + BLUR_NS)

    def _query(self, text: str) -> list[dict[str, str]]:
        return self._session.query(text)


def _sums_of_welds(
    verdicts: Sequence[str], tags: Mapping[str, str], by: tuple[str, ...], span: Span, bucket_ns: int
) -> str:
    if bucket_ns:
        return queries.verdict_windows(verdicts, tags, by, span, bucket_ns)
    return queries.sums("weld", verdicts, tags, by, span)


@dataclass(frozen=True, slots=True)
class _Written:
    """What this writer knows to be in the bucket."""

    cursor: int
    sources_at_ns: int
    spot_times: dict[tuple[str, str], int]

    def not_older(self, spots: pa.Table) -> pa.Table:
        """Return the states that are not older than what is there: InfluxDB would overwrite it all the same."""
        keep = [time_ns >= self.spot_times.get(stream, time_ns) for stream, time_ns in _times(spots).items()]
        return last_of_each(spots, ("spot", "program"), "time_ns").filter(pa.array(keep, pa.bool_()))


def _times(spots: pa.Table) -> dict[tuple[str, str], int]:
    newest = last_of_each(spots, ("spot", "program"), "time_ns")
    streams = zip(newest["spot"].to_pylist(), newest["program"].to_pylist(), strict=True)
    return dict(zip(streams, newest["time_ns"].to_pylist(), strict=True))


def _span(filters: Filters) -> Span:
    low = queries.MIN_NS if filters.since_ns is None else max(filters.since_ns, queries.MIN_NS)
    return low, STATES_NS if filters.until_ns is None else min(filters.until_ns, STATES_NS)


def _units(low: int, high: int) -> Span:
    """Return the range of keyed points that can stand for times in [low, high)."""
    return _floor(low), _floor(high - 1) + BLUR_NS


def _floor(time_ns: int) -> int:
    return time_ns // BLUR_NS * BLUR_NS


def _tags(filters: Filters) -> dict[str, str]:
    return {name: getattr(filters, name) for name in PLACE}


def _weld_place(row: Row) -> tuple[int, int]:
    return _int(row["time_ns"]), _int(row["ordinal"])


def _int(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is no integer")  # the row was written by us, from an int64 column
    return value
