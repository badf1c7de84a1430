"""Rows for stores, and the plain way to count them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from models.welds.causes import DEFECT_CAUSES, UNJUDGED_CAUSES
from services.store import schema
from services.store.protocol import Filters

T0 = 1_760_000_000_000_000_000
SECOND = 1_000_000_000
NASTY = (
    "左前门焊点",
    'a "quoted" name',
    "comma, space = equals",
    "back\\slash",
    "ends with a backslash\\",
    "two\nlines",
    "carriage\r\nreturn\ttab",
    " leading and trailing ",
    "100%41",
    "${interpolated}",
    "/regex.*/",
    "'; DROP TABLE weld; --",
    '"]) |> drop(columns: ["_value"]) //',
    "]",
    "\\/",
    "\\u0041",
    "null\x00byte",
    "\u2028",
    "😀",
    "true",
    "1",
)
VERDICT_OF = {"": "ok", **dict.fromkeys(DEFECT_CAUSES, "defect"), **dict.fromkeys(UNJUDGED_CAUSES, "unjudged")}


def table(rows: Iterable[dict[str, Any]], columns: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=columns)


def filled(columns: pa.Schema, seed: int, **given: Any) -> dict[str, Any]:
    """One row with a different value in every column, and a null in some that may be null."""
    rng = np.random.default_rng(seed)
    row: dict[str, Any] = {}
    for field in columns:
        if pa.types.is_string(field.type):
            row[field.name] = f"{field.name}-{seed}"
        elif pa.types.is_integer(field.type):
            row[field.name] = int(rng.integers(-(2**62), 2**62))
        elif pa.types.is_boolean(field.type):
            row[field.name] = bool(rng.integers(2))
        elif rng.random() < 0.3:
            row[field.name] = None
        else:
            value = rng.normal() * 10.0 ** rng.integers(-30, 30)
            row[field.name] = float(np.float32(value)) if field.type == pa.float32() else float(value)
    return row | given


def weld(number: int, **given: Any) -> dict[str, Any]:
    """One weld: the second `number`, of spot SP0 unless said otherwise."""
    usual = {
        "ordinal": number,
        "weld_id": f"W{number}",
        "time_ns": T0 + number * SECOND,
        "received_ns": T0 + number * SECOND + 1,
        "site": "S1",
        "area": "body",
        "line": "L1",
        "cell": "C1",
        "gun": "G1",
        "spot": "SP0",
        "program": "P1",
        "body": f"B{number // 3}",
        "wear_count": number,
        "cause": "",
    }
    row = filled(schema.WELD, number, **(usual | given))
    return row | {"verdict": VERDICT_OF[row["cause"]]}


def welds(rows: Iterable[dict[str, Any]]) -> pa.Table:
    return table(rows, schema.WELD)


def body(name: str, first_ns: int, **given: Any) -> dict[str, Any]:
    usual = {"last_ns": first_ns + SECOND, "ok": 3, "defect": 0, "unjudged": 0, "spots": 3, "missing": 0}
    return {"body": name, "first_ns": first_ns, **usual, "complete": True, "verdict": "ok"} | given


def source(name: str, received: int, **given: Any) -> dict[str, Any]:
    usual = {
        "stored": received,
        "rejected": 0,
        "duplicate": 0,
        "pending": 0,
        "last_received_ns": T0,
        "last_time_ns": T0,
    }
    return {"source": name, "received": received, **usual, "clock_offset_ms": None} | given


def keeps(filters: Filters, row: dict[str, Any], time: str = "time_ns") -> bool:
    """Whether a row passes the filters, the plain way."""
    names = ("site", "area", "line", "cell", "gun", "spot", "program", "cause", "verdict", "body")
    if any(getattr(filters, name) not in {"", row.get(name)} for name in names):
        return False
    if filters.since_ns is not None and row[time] < filters.since_ns:
        return False
    return filters.until_ns is None or row[time] < filters.until_ns


def counted(
    rows: Iterable[dict[str, Any]], filters: Filters, by: Sequence[str], bucket_ns: int
) -> list[dict[str, str | int]]:
    """What `tally` should say, one weld after the other."""
    counts: Counter[tuple[Any, ...]] = Counter()
    for row in rows:
        if keeps(filters, row):
            bucket = row["time_ns"] // bucket_ns * bucket_ns if bucket_ns else 0
            counts[bucket, tuple(row[name] for name in by), row["verdict"]] += 1
    groups = sorted({(bucket, values) for bucket, values, _ in counts})
    if not by and not bucket_ns:
        groups = [(0, ())]
    answer = []
    for bucket, values in groups:
        said: dict[str, str | int] = dict(zip(by, values, strict=True))
        if bucket_ns:
            said["bucket_ns"] = bucket
        for verdict in schema.VERDICTS:
            said[verdict] = counts[bucket, values, verdict]
        answer.append(said)
    return answer


_NAMES = st.sampled_from(["A", "B", "左", NASTY[1], NASTY[4]])
_MAYBE_NAMES = st.sampled_from(["", "A", "B", "左"])
_MOMENTS = st.integers(0, 40).map(lambda k: T0 + k * SECOND // 4)


@st.composite
def some_welds(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Welds over ten seconds; no two have one key."""
    keys = draw(st.lists(st.tuples(_NAMES, _NAMES, _MOMENTS), max_size=30, unique=True))
    rows = []
    for number, (spot, program, time_ns) in enumerate(keys):
        place = {name: draw(_MAYBE_NAMES) for name in ("line", "cell", "body")}
        cause = draw(st.sampled_from(["", "", "expulsion", "low_heat", "learning"]))
        rows.append(weld(number, spot=spot, program=program, time_ns=time_ns, cause=cause, **place))
    return rows


some_filters = st.builds(
    Filters,
    line=_MAYBE_NAMES,
    cell=_MAYBE_NAMES,
    spot=st.one_of(st.just(""), _NAMES),
    cause=st.sampled_from(["", "", "", "expulsion", "learning", "no such cause"]),
    verdict=st.sampled_from(["", "", "ok", "defect", "unjudged", "no such verdict"]),
    body=st.one_of(st.just(""), _MAYBE_NAMES),
    since_ns=st.one_of(st.none(), _MOMENTS),
    until_ns=st.one_of(st.none(), _MOMENTS),
)
some_by = st.lists(st.sampled_from(schema.TALLY_GROUPS), max_size=3, unique=True).map(tuple)
some_mean_by = st.lists(st.sampled_from(schema.MEAN_GROUPS), max_size=3, unique=True).map(tuple)
some_bucket = st.sampled_from([0, 0, SECOND, 3 * SECOND, 3600 * SECOND])
