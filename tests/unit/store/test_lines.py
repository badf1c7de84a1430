from __future__ import annotations

import json
import math
import re
import warnings
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from influxdb_client.client.write.point import Point

from services.store.influx.lines import MAX_BYTES, MAX_LINES, chunks, decode_tag, encode_tag, json_rows, lines
from services.store.influx.queries import body_pattern, literal, mark_pattern
from services.store.protocol import Filters
from tests.unit.store.rows import NASTY

ANY = st.text(st.characters(exclude_categories=["Cs"]))
INT64 = st.integers(-(2**63), 2**63 - 1)


def one(tags: dict[str, str], fields: dict[str, Any], time_ns: int) -> str:
    kinds = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}
    columns = {name: pa.array([value], kinds[type(value)]) for name, value in fields.items()}
    [line] = lines("m", {k: pa.array([v]) for k, v in tags.items()}, columns, pa.array([time_ns], pa.int64()))
    return line


def fields_of(line: str) -> str:
    return line.partition(" ")[2]


@given(spot=ANY, body=ANY, number=INT64, flag=st.booleans(), time_ns=INT64)
def test_lines_are_those_of_the_official_client(spot: str, body: str, number: int, flag: bool, time_ns: int) -> None:
    tags = {"spot": spot, "line": "L1"}
    point = Point("m").tag("line", "L1").tag("spot", encode_tag(spot)).time(time_ns)
    point.field("a", body).field("b", number).field("c", flag)
    assert one(tags, {"a": body, "b": number, "c": flag}, time_ns) == point.to_line_protocol()


@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_floats_keep_every_bit(value: float) -> None:
    text = re.fullmatch(r"m a=(\S+) 1", one({}, {"a": value}, 1))
    assert text is not None
    assert float(text[1]) == value
    assert math.copysign(1, float(text[1])) == math.copysign(1, value)


@given(value=st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_single_precision_floats_keep_every_bit(value: float) -> None:
    [row] = json_rows([pa.array([value], pa.float32())]).to_pylist()
    assert np.float32(json.loads(row)[0]) == np.float32(value)


@given(value=ANY)
def test_tags_come_back(value: str) -> None:
    encoded = encode_tag(value)
    assert decode_tag(encoded) == value
    assert not re.search(r"[\x00-\x1f\\]", encoded)


@given(row=st.tuples(ANY, INT64, st.none() | st.floats(), st.booleans()))
def test_json_rows_are_json_on_one_line(row: tuple[str, int, float | None, bool]) -> None:
    text, number, real, flag = row
    columns = [pa.array([text]), pa.array([number]), pa.array([real], pa.float64()), pa.array([flag])]
    [written] = json_rows(columns).to_pylist()
    finite = real if real is not None and math.isfinite(real) else None
    assert json.loads(written) == [text, number, finite, flag]
    assert "\n" not in written


def test_what_influxdb_has_no_value_for_is_left_out() -> None:
    real = pa.array([1.5, None, math.nan, math.inf])
    tags = {"line": pa.array(["L1", "", "L1", ""])}
    made = lines("m", tags, {"a": real, "n": pa.array([1, 2, 3, 4])}, pa.array([1, 2, 3, 4]))
    assert made == ["m,line=L1 a=1.5,n=1i 1", "m n=2i 2", "m,line=L1 n=3i 3", "m n=4i 4"]


def test_requests_are_bounded() -> None:
    short = [f"m a={k}i {k}" for k in range(2 * MAX_LINES + 1)]
    bodies = list(chunks(short))
    assert [body.count(b"\n") + 1 for body in bodies] == [MAX_LINES, MAX_LINES, 1]
    assert b"\n".join(bodies).decode().split("\n") == short
    long = ["x" * (MAX_BYTES // 2 - 1)] * 5
    assert [len(body) for body in chunks(long)] == [MAX_BYTES - 1, MAX_BYTES - 1, MAX_BYTES // 2 - 1]
    assert list(chunks([])) == []


@pytest.mark.parametrize("value", NASTY)
def test_flux_literals_hold_nothing_that_could_end_them(value: str) -> None:
    inside = literal(value)[1:-1]
    assert not re.search(r'["$\n{}]', inside)
    assert not re.search(r"\\(?!x[0-9a-f]{2})", inside)
    decoded = re.sub(rb"\\x(..)", lambda hit: bytes.fromhex(hit[1].decode()), inside.encode())
    assert decoded.decode() == value


@given(verdict=ANY, cause=ANY, body=ANY, other=st.tuples(ANY, ANY, ANY))
def test_patterns_match_the_rows_asked_for_and_no_others(
    verdict: str, cause: str, body: str, other: tuple[str, str, str]
) -> None:
    pattern = mark_pattern(Filters(verdict=verdict, cause=cause, body=body)).replace("\\/", "/")
    asked = (verdict, cause, body)
    for values in (asked, other, (cause, verdict, body)):
        [mark] = json_rows([pa.array([value]) for value in values]).to_pylist()
        [row] = json_rows([pa.array([value]) for value in (*values, "more")]).to_pylist()
        wanted = all(have == want for have, want in zip(values, asked, strict=True) if want)
        with warnings.catch_warnings(action="ignore"):  # Python's re remarks on "[[", which Go's takes as it is
            assert bool(re.match(pattern, mark)) == bool(re.match(pattern, row)) == wanted


@given(verdict=ANY, body=ANY)
def test_patterns_cannot_end_the_flux_text_around_them(verdict: str, body: str) -> None:
    pattern = body_pattern(Filters(verdict=verdict, body=body))
    assert not re.search(r"(?<!\\)(?:\\\\)*/", pattern)
    assert "\n" not in pattern
