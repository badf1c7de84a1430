"""Arrow columns to InfluxDB line protocol, whole columns at a time.

Tags and measurements cannot hold every string: a line feed ends the line, and a backslash at the end eats the comma.
`encode_tag` therefore percent-encodes what they cannot hold; `decode_tag` gives it back. String fields hold anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from urllib.parse import unquote

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

MAX_LINES = 5000
MAX_BYTES = 4 * 2**20
"""Bounds on one write request."""

_NOT_IN_TAGS = re.compile(r"[%\\\x00-\x1f\x7f]")
_ESCAPED = re.compile(r"[,= ]")


def encode_tag(value: str) -> str:
    """Return `value` as a tag can hold it: percent, backslash and control characters become %XX."""
    return _NOT_IN_TAGS.sub(lambda hit: f"%{ord(hit[0]):02X}", value)


def decode_tag(value: str) -> str:
    """Undo `encode_tag`."""
    return unquote(value)


def lines(
    measurement: str, tags: Mapping[str, pa.Array], fields: Mapping[str, pa.Array], time_ns: pa.Array
) -> list[str]:
    """Return one line per row.

    A null or non-finite field and an empty tag are left out, as InfluxDB has neither; every row must have a field left.
    Floats are written so that they read back to the same bits. int64 become integers, strings and booleans themselves.
    """
    head = [pa.scalar(escape_key(measurement))]
    for name, column in sorted(tags.items()):
        head.append(per_value(column, partial(_tag, name)))
    parts = [_field(name, column) for name, column in fields.items()]
    body = pc.binary_join_element_wise(*parts, ",", null_handling="skip")
    joined = pc.binary_join_element_wise(*head, ",", null_handling="skip")
    text = pc.binary_join_element_wise(joined, body, time_ns.cast(pa.string()), " ")
    return _strings(text)


def json_rows(columns: Sequence[pa.Array]) -> pa.Array:
    """Return each row as the text of one JSON list; null and non-finite numbers become null."""
    texts = [
        per_value(column, _json) if pa.types.is_string(column.type) else _number(column).cast(pa.string())
        for column in columns
    ]
    joined = pc.binary_join_element_wise(*texts, ",", null_handling="replace", null_replacement="null")
    return pc.binary_join_element_wise("[", joined, "]", "")


def chunks(written: Iterable[str]) -> Iterator[bytes]:
    """Join lines to request bodies of at most `MAX_LINES` lines and, unless one line is longer, `MAX_BYTES` bytes."""
    body: list[bytes] = []
    size = 0
    for line in written:
        encoded = line.encode()
        if body and (len(body) == MAX_LINES or size + len(encoded) > MAX_BYTES):
            yield b"\n".join(body)
            body, size = [], 0
        body.append(encoded)
        size += len(encoded) + 1
    if body:
        yield b"\n".join(body)


def escape_key(value: str) -> str:
    """Escape a measurement, tag or field name, or a tag value that `encode_tag` made."""
    return _ESCAPED.sub(lambda hit: "\\" + hit[0], value)


def _tag(name: str, value: str) -> str | None:
    return f"{escape_key(name)}={escape_key(encode_tag(value))}" if value else None


def _field(name: str, column: pa.Array) -> pa.Array:
    key = escape_key(name) + "="
    if pa.types.is_string(column.type):
        text = pc.replace_substring(pc.replace_substring(column, "\\", "\\\\"), '"', '\\"')
        return pc.binary_join_element_wise(key + '"', text, '"', "")
    suffix = "i" if pa.types.is_integer(column.type) else ""
    return pc.binary_join_element_wise(key, _number(column).cast(pa.string()), suffix, "")


def _number(column: pa.Array) -> pa.Array:
    if pa.types.is_floating(column.type):
        return pc.if_else(pc.is_finite(column), column, pa.scalar(None, column.type))
    return column


def per_value(column: pa.Array, text: Callable[[str], str | None]) -> pa.Array:
    """Apply `text` once to each distinct value."""
    coded = column.dictionary_encode()
    return pa.array([text(value) for value in coded.dictionary.to_pylist()], pa.string()).take(coded.indices)


def _json(value: str) -> str:
    return msgspec.json.encode(value).decode()


def _strings(column: pa.Array) -> list[str]:
    values: list[str] = column.to_pylist()
    return values
