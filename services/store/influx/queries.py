"""Every Flux text of the InfluxDB store.

InfluxDB 2 OSS takes no query parameters, so values go in as literals that cannot end: `literal` writes every character
other than letters, digits and a few harmless signs as a code, `_exactly` quotes all that means something in a pattern.
Names of measurements, fields and tags are our own.

The shapes are those that the storage engine answers itself (range, filter on _measurement, _field, tags and _value,
then group and sum or last), or that leave it little to hand over. Measured on 300,000 welds of 3,000 spots: grouping
first and windowing then takes a twentieth of the time of the reverse, and a pivot ten times that of `mark`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from services.store.counting import PLACE, Level
from services.store.influx.lines import encode_tag
from services.store.influx.points import STATES_NS
from services.store.protocol import Filters

MIN_NS = -9_223_372_036_854_000_000
"""The earliest time that InfluxDB knows, to a millisecond."""

FROM = "points()"
"""What the texts call the bucket; `in_bucket` says which one it is. (A variable shared by a union is not planned.)"""

_PLAIN = re.compile(r"[A-Za-z0-9 _.:/,;+*()=-]")


_MEANS_SOMETHING = re.compile(r"[\\/.+*?()|\[\]{}^$]")


def literal(value: str) -> str:
    r"""Return a Flux string literal; what is not plainly harmless becomes \xHH, byte by byte."""
    return '"' + "".join(c if _PLAIN.fullmatch(c) else _bytes(c) for c in value) + '"'


def in_bucket(bucket: str, text: str) -> str:
    """Return a query of this module, to be run on a bucket."""
    return f"points = () => from(bucket: {literal(bucket)})\n{text}"


def rows(
    measurement: str,
    tags: Mapping[str, str],
    span: tuple[int, int],
    *,
    field: str = "row",
    pattern: str = "",
    newest: int = 0,
) -> str:
    """Return the query for the `row` (or other) field, newest first and only the `newest` ones when that is given."""
    text = _points(span, measurement, field, tags, pattern) + '\n|> keep(columns: ["_time", "_value"]) |> group()'
    if newest:
        text += f'\n|> sort(columns: ["_time"], desc: true) |> limit(n: {newest:d})'
    return text


def several(texts: Sequence[str]) -> str:
    """Return the query whose answer is that of all these queries, one after the other."""
    return "\n".join(f'{text}\n|> yield(name: "{number}")' for number, text in enumerate(texts))


def oldest_time(measurement: str, field: str, span: tuple[int, int]) -> str:
    """Return the query for the time of the oldest point; of any field without one."""
    return f'{_points(span, measurement, field, {})}\n|> group() |> first() |> keep(columns: ["_time"])'


def newest_time(measurement: str, field: str, tags: Mapping[str, str], span: tuple[int, int]) -> str:
    """Return the query for the time of the newest point."""
    return f'{_points(span, measurement, field, tags)}\n|> group() |> last() |> keep(columns: ["_time"])'


def states(measurement: str, tags: Mapping[str, str]) -> str:
    """Return the query for the rows of all latest states."""
    return rows(measurement, tags, (STATES_NS, STATES_NS + 1))


def progress() -> str:
    """Return the query for how far everything is written."""
    text = _points((STATES_NS, STATES_NS + 1), "progress", "", {})
    return text + '\n|> keep(columns: ["_field", "_value"])'


def lookup(kind: str, slot: str, key: str, span: tuple[int, int]) -> str:
    """Return the query for when welds with an id, or of a body, were made."""
    text = _points(span, "lookup", "key", {"kind": kind, "slot": slot})
    return f'{text}\n|> filter(fn: (r) => r._value == {literal(key)}) |> keep(columns: ["_time"]) |> group()'


def reject_orders(tags: Mapping[str, str], limit: int, before: int | None) -> str:
    """Return the query for time and order of the newest rejects by order."""
    text = _points((MIN_NS, STATES_NS), "reject", "order", tags)
    if before is not None:
        text += f"\n|> filter(fn: (r) => r._value < {before:d})"
    return (
        f'{text}\n|> keep(columns: ["_time", "_value"]) |> group() '
        f'|> sort(columns: ["_value"], desc: true) |> limit(n: {limit:d})'
    )


def sums(
    measurement: str, fields: Sequence[str], tags: Mapping[str, str], by: Sequence[str], span: tuple[int, int]
) -> str:
    """Return the query for the sums of 0/1 fields in groups."""
    chosen = " or ".join(f'r._field == "{field}"' for field in fields)
    columns = _columns(["_field", *by])
    return (
        f"{_points(span, measurement, '', tags)}\n|> filter(fn: (r) => {chosen})\n"
        f"|> group(columns: {columns}) |> sum() |> keep(columns: {_columns(['_field', '_value', *by])})"
    )


def counts(
    level: Level,
    fields: Sequence[str],
    tags: Mapping[str, str],
    by: Sequence[str],
    span: tuple[int, int],
    every_ns: int,
) -> str:
    """Return the query for the sums of a level's counts in groups and, when `every_ns` > 0, windows."""
    if not every_ns:
        return sums(level.name, fields, tags, by, span)
    chosen = " or ".join(f'r._field == "{field}"' for field in fields)
    return (
        f"{_points(span, level.name, '', tags)}\n|> filter(fn: (r) => {chosen})\n"
        f"|> group(columns: {_columns(['_field', *by])}) {_windows(every_ns, 'sum')}\n"
        f"|> keep(columns: {_columns(['_field', '_time', '_value', *by])})"
    )


def counted_groups(level: Level, span: tuple[int, int]) -> str:
    """Return the query for time and tags of all of a level's counts; those by several verdicts come as often."""
    return f"{_points(span, level.name, '', {})}\n|> group() |> keep(columns: {_columns(['_time', *level.columns])})"


def counted() -> str:
    """Return the query for up to when hours are closed (`until_ns`), and for those that are open again (`_time`)."""
    until = _points((STATES_NS, STATES_NS + 1), "counted", "until_ns", {})
    reopened = f"{_points((MIN_NS, STATES_NS), 'reopened', 'open', {})}\n|> filter(fn: (r) => r._value == true)"
    keep = '|> keep(columns: ["_field", "_time", "_value"])'
    return several([f"{until} {keep}", f"{reopened} {keep}"])


def verdict_windows(
    verdicts: Sequence[str], tags: Mapping[str, str], by: Sequence[str], span: tuple[int, int], every_ns: int
) -> str:
    """Return the query for the number of welds by verdict, in groups and windows; `_field` says the verdict."""
    columns = _columns(["_field", "_time", "_value", *by])
    streams = [
        f"{_points(span, 'weld', 'verdict', tags)}\n|> filter(fn: (r) => r._value == {literal(verdict)})\n"
        f"|> group(columns: {_columns(by)}) {_windows(every_ns)}\n"
        f'|> set(key: "_field", value: {literal(verdict)}) |> keep(columns: {columns})'
        for verdict in verdicts
    ]
    return streams[0] if len(streams) == 1 else f"union(tables: [\n{', '.join(streams)}\n])"


def feature_windows(
    feature: str, tags: Mapping[str, str], by: Sequence[str], span: tuple[int, int], every_ns: int
) -> str:
    """Return the query for the number of welds that have a feature and its sum, in groups and windows."""
    keep = _columns(["_field", "_time", "_value", *by])
    streams = [
        f"{_points(span, 'weld', feature, tags)}\n"
        f"|> group(columns: {_columns(by)}) {_windows(every_ns, fn)} |> toFloat()\n"
        f'|> set(key: "_field", value: "{fn}") |> keep(columns: {keep})'
        for fn in ("count", "sum")
    ]
    return f"union(tables: [\n{', '.join(streams)}\n])"


def marks(pattern: str, tags: Mapping[str, str], by: Sequence[str], span: tuple[int, int], *, timed: bool) -> str:
    """Return the query for the (verdict, cause, body) of every weld, with its groups, and its time if `timed`."""
    # Not grouped by mark: InfluxDB makes a table of each, which took ten times as long as handing them all over.
    keep = ["_value", *(["_time"] if timed else []), *by]
    return f"{_points(span, 'weld', 'mark', tags, pattern)}\n|> keep(columns: {_columns(keep)})"


def weld_pattern(filters: Filters) -> str:
    """Return a regular expression for rows of welds, by all that they begin with; "" when nothing is asked for."""
    return _prefix([filters.verdict, filters.cause, filters.body, *(getattr(filters, name) for name in PLACE)])


def mark_pattern(filters: Filters) -> str:
    """Return a regular expression for marks, and for rows of welds, by verdict, cause and body only."""
    return _prefix([filters.verdict, filters.cause, filters.body])


def body_pattern(filters: Filters) -> str:
    """Return a regular expression for rows of bodies by verdict and body; "" when none is asked for."""
    return _prefix([filters.verdict, filters.body])


def _points(span: tuple[int, int], measurement: str, field: str, tags: Mapping[str, str], pattern: str = "") -> str:
    terms = [f'r._measurement == "{measurement}"']
    if field:
        terms.append(f'r._field == "{field}"')
    terms += [f"r.{name} == {literal(encode_tag(value))}" for name, value in tags.items() if value]
    if pattern:
        terms.append(f"r._value =~ /{pattern}/")
    return (
        f"{FROM} |> range(start: time(v: {span[0]:d}), stop: time(v: {span[1]:d}))\n"
        f"|> filter(fn: (r) => {' and '.join(terms)})"
    )


NOT_OK = r'^\["(?:defect|unjudged)",'
"""The regular expression for marks, and rows of welds, that are not ok."""


def _windows(every_ns: int, fn: str = "count") -> str:
    return f'|> aggregateWindow(every: {every_ns:d}ns, fn: {fn}, createEmpty: false, timeSrc: "_start")'


def _prefix(values: Sequence[str]) -> str:
    """Match the JSON list that begins with these strings; an empty one stands for any."""
    parts = [_exactly(msgspec.json.encode(value).decode()) if value else _ANY_STRING for value in values]
    while parts and parts[-1] is _ANY_STRING:
        parts.pop()
    return rf"^\[{','.join(parts)}[,\]]" if parts else ""


_ANY_STRING = r'"(?:[^"\\]|\\.)*"'


def _exactly(text: str) -> str:
    """Match `text`, which is JSON and so has no line feed: a backslash before whatever ends or means something."""
    return _MEANS_SOMETHING.sub(lambda hit: "\\" + hit[0], text)


def _columns(names: Sequence[str]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"


def _bytes(character: str) -> str:
    return "".join(rf"\x{byte:02x}" for byte in character.encode())
