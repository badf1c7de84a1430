"""What a run ended with, and how two runs differ: row by row, bit by bit.

Left out of the comparison, and why:

- `received_ns` of welds, events and rejects: when the collector received them, by its clock.
- `seq` of rejects: a message that was delivered twice has two numbers. Each reject is compared once.
- of the account `received`, `duplicate`, `rejected`, `pending`, `last_received_ns`, `clock_offset_ms`: how often
  messages came, and when. What is compared is `stored` and `last_time_ns` per source; that the account adds up is
  checked at every look at it.
- events of kind `journal_damaged` and the source `(journal)`: they are about the faults.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from edge.topics import JOURNAL
from services.layout import DataLayout
from services.reconciling import KIND
from services.store.counting import HOUR_NS
from services.store.protocol import Filters, Store

ALL = 10_000_000
Tables = dict[str, pa.Table]
KEYS = {
    "weld": ("spot", "program", "time_ns"),
    "body": ("body", "first_ns"),
    "spot": ("spot", "program"),
    "agv": ("agv",),
    "event": ("event_id", "time_ns"),
    "reject": ("topic", "item", "path", "came", "expected", "bytes"),
    "account": ("source",),
    "curve": ("ordinal",),
    "rate of cells": ("bucket_ns", "cell", "cause"),
    "rate of spots": ("bucket_ns", "spot", "program"),
}
SHOWN = 5


def outcome(store: Store, data: Path) -> Tables:
    """Return everything that is compared, sorted by its key."""
    _, sources = store.sources()
    tables = {
        "weld": store.welds(Filters(), ALL).drop_columns(["received_ns"]),
        "body": store.bodies(Filters(), ALL),
        "spot": store.spots(Filters()),
        "agv": store.agvs(),
        "event": store.events(Filters(), ALL).drop_columns(["received_ns"]),
        "reject": store.rejects("", ALL).drop_columns(["received_ns", "seq"]),
        "account": sources.select(["source", "stored", "last_time_ns"]),
        "curve": _curves(DataLayout(data).curves),
        # From the counts of closed hours, where the load is long enough that there are any, else from the welds.
        "rate of cells": store.tally(Filters(), ("cell", "cause"), HOUR_NS),
        "rate of spots": store.tally(Filters(), ("spot", "program"), HOUR_NS),
    }
    kinds, names = tables["event"]["kind"].to_pylist(), tables["account"]["source"].to_pylist()
    tables["event"] = tables["event"].filter(pa.array([kind != KIND for kind in kinds], pa.bool_()))
    tables["account"] = tables["account"].filter(pa.array([name != JOURNAL for name in names], pa.bool_()))
    topics = tables["reject"]["topic"].to_pylist()
    rejects = tables["reject"].filter(pa.array([topic != JOURNAL for topic in topics], pa.bool_()))
    tables["reject"] = rejects.group_by(rejects.column_names).aggregate([])
    return {name: table.sort_by([(key, "ascending") for key in KEYS[name]]) for name, table in tables.items()}


def differences(expected: Tables, found: Tables) -> list[str]:
    """Return what differs, in words: nothing when the two runs are equal to the bit."""
    told: list[str] = []
    for name, table in expected.items():
        other = found[name]
        keys = [tuple(row.values()) for row in table.select(list(KEYS[name])).to_pylist()]
        others = [tuple(row.values()) for row in other.select(list(KEYS[name])).to_pylist()]
        if keys != others:
            missing, surplus = sorted(set(keys) - set(others)), sorted(set(others) - set(keys))
            told.append(
                f"{name}: {len(others)} rows, expected {len(keys)}; {len(missing)} missing: {missing[:SHOWN]}; "
                f"{len(surplus)} too many: {surplus[:SHOWN]}"
            )
            continue
        for column in table.column_names:
            rows = _unequal(table[column], other[column])
            if rows:
                shown = [(keys[k], table[column][k].as_py(), other[column][k].as_py()) for k in rows[:SHOWN]]
                told.append(f"{name}.{column}: {len(rows)} rows differ: {shown}")
    return told


def _unequal(one: pa.ChunkedArray, two: pa.ChunkedArray) -> list[int]:
    if pa.types.is_floating(one.type):
        mine, its = (_bits(column) for column in (one, two))
        return np.flatnonzero(mine != its).tolist()
    return [k for k, (a, b) in enumerate(zip(one.to_pylist(), two.to_pylist(), strict=True)) if a != b]


def _bits(column: pa.ChunkedArray) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return numbers that differ whenever the floats differ in a bit; null has one of its own."""
    floats = column.to_numpy(zero_copy_only=False)
    bits = np.ascontiguousarray(floats).view(np.int32 if floats.dtype == np.float32 else np.int64).astype(np.int64)
    return np.where(column.is_valid().to_numpy(zero_copy_only=False), bits, np.iinfo(np.int64).max)


def _curves(folder: Path) -> pa.Table:
    """Return the curve archive; curves as bytes, so that they are compared bit by bit."""
    parts = [pq.read_table(path) for path in sorted(folder.glob("*/*.parquet"))]
    table = pa.concat_tables(parts)
    for k, field in enumerate(table.schema):
        if pa.types.is_list(field.type):
            texts = [
                None if item is None else np.asarray(item, "<f4").tobytes() for item in table[field.name].to_pylist()
            ]
            table = table.set_column(k, field.name, pa.array(texts, pa.binary()))
    return table
