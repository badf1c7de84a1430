"""What InfluxDB answered, as the rows and tallies of the contract."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

import msgspec
import numpy as np
import pyarrow as pa

from services.store import schema
from services.store.influx.lines import decode_tag
from services.store.influx.points import OLDER_ROWS, ROWS, Group

Answer = Mapping[str, str]
Value = str | int | float | bool | None
Row = dict[str, Value]
Counts = Counter[tuple[Group, str]]
"""Welds per group and verdict."""


def time_ns(text: str) -> int:
    """Return an RFC 3339 UTC time as ns since 1970."""
    return int(np.datetime64(text.removesuffix("Z"), "ns").astype(np.int64))


def row(measurement: str, answer: Answer) -> Row:
    """Return the columns of a point's `row`; of an older layout only those that it had."""
    values = msgspec.json.decode(answer["_value"])
    names = ROWS[measurement]
    return dict(zip(names if len(values) == len(names) else OLDER_ROWS[measurement], values, strict=True))


def table(rows: Iterable[Row], columns: pa.Schema) -> pa.Table:
    """Return rows as an Arrow table; what an older row never had is null, or empty."""
    listed = list(rows)
    arrays = [_array([row.get(field.name, _never_had(field.type)) for row in listed], field.type) for field in columns]
    return pa.Table.from_arrays(arrays, schema=columns)


def _never_had(kind: pa.DataType) -> Value:
    if pa.types.is_floating(kind):
        return None
    return "" if pa.types.is_string(kind) else False


def _array(values: list[Value], kind: pa.DataType) -> pa.Array:
    if pa.types.is_floating(kind):  # JSON writes a whole number without a point
        return pa.array([None if value is None else float(value) for value in values], kind)
    return pa.array(values, kind)


def count_fields(answers: Iterable[Answer], by: tuple[str, ...], bucket_ns: int) -> Counts:
    """Count by answers that hold one verdict, `_field`, each."""
    counts: Counts = Counter()
    for answer in answers:
        counts[group(answer, by, bucket_ns), answer["_field"]] += round(float(answer["_value"]))
    return counts


def group(answer: Answer, by: tuple[str, ...], bucket_ns: int) -> Group:
    """Return which group an answer is of; a tag that it does not have is ""."""
    return tuple(decode_tag(answer.get(column, "")) for column in by), _bucket(answer, bucket_ns)


def count_marks(answers: Iterable[Answer], by: tuple[str, ...], bucket_ns: int) -> Counts:
    """Count by answers that hold the (verdict, cause, body) of one weld each, `_value`."""
    tags = [column for column in by if column not in {"cause", "body"}]
    alike = Counter(
        (answer["_value"], tuple(answer.get(column, "") for column in tags), _bucket(answer, bucket_ns))
        for answer in answers
    )
    counts: Counts = Counter()
    for (mark, values, bucket), n in alike.items():
        verdict, cause, body = msgspec.json.decode(mark, type=tuple[str, str, str])
        own = {"cause": cause, "body": body} | {
            column: decode_tag(value) for column, value in zip(tags, values, strict=True)
        }
        counts[(tuple(own[column] for column in by), bucket), verdict] += n
    return counts


def tally(counts: Counts, by: tuple[str, ...], bucket_ns: int) -> pa.Table:
    """Return counts as the contract's table."""
    groups = {one for (one, _), n in counts.items() if n}
    if not by and not bucket_ns:
        groups = {((), 0)}
    rows = [
        {
            **dict(zip(by, one[0], strict=True)),
            "bucket_ns": one[1],
            **{verdict: counts[one, verdict] for verdict in schema.VERDICTS},
        }
        for one in sorted(groups, key=lambda one: (one[1], one[0]))
    ]
    return pa.Table.from_pylist(rows, schema=schema.tally_schema(by, bucket_ns))


def means(answers: Iterable[Answer], by: tuple[str, ...], bucket_ns: int, columns: pa.Schema) -> pa.Table:
    """Return answers that hold a `count` or a `sum` each, by `_field`, as the contract's table of `columns`."""
    parts: dict[Group, dict[str, float]] = defaultdict(lambda: {"count": 0.0, "sum": 0.0})
    for answer in answers:
        parts[group(answer, by, bucket_ns)][answer["_field"]] += float(answer["_value"])
    rows = [
        {
            **dict(zip(by, one[0], strict=True)),
            "bucket_ns": one[1],
            "n": round(part["count"]),
            "mean": part["sum"] / part["count"],
        }
        for one, part in sorted(parts.items(), key=lambda item: (item[0][1], item[0][0]))
    ]
    return pa.Table.from_pylist(rows, schema=columns)


def _bucket(answer: Answer, bucket_ns: int) -> int:
    # The first window of a range begins with the range; its bucket began before that.
    return time_ns(answer["_time"]) // bucket_ns * bucket_ns if bucket_ns else 0
