"""The curve archive: the curves of all defects and unjudged welds and of a share of the good ones, in Parquet.

Welds are numbered (`ordinal`) in the order in which they were accepted. A file holds a fixed range of ordinals, so a
replay after a crash rewrites the same files with the same content, and a curve is found by its number alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from models.welds.batch import WeldBatch
from services.errors import OperatorError
from services.evidence import Curve
from services.files import replace_file

BLOCK = 4096
"""Welds per file."""
DAY_S = 86_400
LAYOUT = 1
"""Version of a file's columns. Files of the first releases do not say theirs; it is this one."""
LAYOUT_KEY = "lineside.layout"
_CURVE = pa.list_(pa.float32())
SCHEMA = pa.schema(
    [
        ("ordinal", pa.int64()),
        ("weld_id", pa.string()),
        ("spot", pa.string()),
        ("program", pa.string()),
        ("time_ns", pa.int64()),
        ("dt_us", pa.int64()),
        ("current_ka", _CURVE),
        ("voltage_v", _CURVE),
        ("force_kn", _CURVE),  # null when the weld has none
        ("displacement_mm", _CURVE),
    ],
    metadata={LAYOUT_KEY: str(LAYOUT)},
)


class ArchiveError(OperatorError):
    """A file of the archive cannot be used; the message names it and says why."""


def keeps_good(ordinals: NDArray[np.int64], share: float) -> NDArray[np.bool_]:
    """Tell which good welds are kept: a pseudo-random `share` (0..1) of the ordinals, the same at every replay."""
    mixed = ordinals.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(31)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    result: NDArray[np.bool_] = (mixed >> np.uint64(11)).astype(np.float64) < share * 2.0**53
    return result


def block_path(folder: Path, block: int) -> Path:
    """Return the file of one block; a thousand to a folder."""
    return folder / f"{block // 1000:06d}" / f"{block:09d}.parquet"


class CurveArchive:
    """Writes curves, and reads them back, those of the block still open included."""

    def __init__(self, folder: Path, next_ordinal: int) -> None:
        """`next_ordinal` is the first that will be added; what a crashed run wrote beyond it is written again."""
        self._folder = folder
        self._lock = threading.Lock()
        self._open: dict[int, list[pa.Table]] = {}
        self._dirty: set[int] = set()
        block = next_ordinal // BLOCK
        path = block_path(folder, block)
        if path.exists():
            table = _checked(pq.read_table(path), path)
            self._open[block] = [table.filter(pc.less(table["ordinal"], next_ordinal))]

    def add(self, ordinals: NDArray[np.int64], welds: WeldBatch) -> None:
        """Keep these welds' curves; `ordinals` (n,) rise from call to call. `flush` puts them on disk."""
        if not len(ordinals):
            return
        table = _table(ordinals, welds)
        blocks = ordinals // BLOCK
        with self._lock:
            for block in np.unique(blocks).tolist():
                start, stop = np.searchsorted(blocks, [block, block + 1])
                self._open.setdefault(block, []).append(table.slice(start, stop - start))
                self._dirty.add(block)

    def flush(self, next_ordinal: int) -> None:
        """Put everything added on disk and let go of blocks that no ordinal from `next_ordinal` on can reach."""
        for block in sorted(self._dirty):
            table = pa.concat_tables(self._open[block])
            replace_file(block_path(self._folder, block), partial(pq.write_table, table))
            with self._lock:
                self._open[block] = [table]
        self._dirty.clear()
        with self._lock:
            for block in [block for block in self._open if block < next_ordinal // BLOCK]:
                del self._open[block]

    def block(self, block: int) -> pa.Table | None:
        """Return what an open block holds in memory, or None."""
        with self._lock:
            parts = self._open.get(block)
            return pa.concat_tables(parts) if parts else None

    def expire(self, keep_days: int) -> int:
        """Delete files not written for `keep_days`; return how many."""
        limit = time.time() - keep_days * DAY_S
        old = [path for path in self._folder.glob("*/*.parquet") if path.stat().st_mtime < limit]
        for path in old:
            path.unlink()
        return len(old)


class CurveReader:
    """Finds curves by ordinal, in the files and, beside a pipeline, in its open blocks. Safe from any thread."""

    def __init__(self, folder: Path, archive: CurveArchive | None = None) -> None:
        self._folder = folder
        self._archive = archive

    def curve(self, ordinal: int) -> Curve | None:
        """Return the curves of one weld, or None when they were not kept."""
        table = self._block(ordinal // BLOCK)
        if table is None:
            return None
        row = pc.index(table["ordinal"], pa.scalar(ordinal, pa.int64())).as_py()
        if row < 0:
            return None

        def column(name: str) -> NDArray[np.float32] | None:
            value = table[name][row]
            return np.asarray(value.values.to_numpy(zero_copy_only=False)) if value.is_valid else None

        current, voltage = column("current_ka"), column("voltage_v")
        if voltage is None:
            return None
        if current is None:
            current = np.full(len(voltage), np.nan, dtype=np.float32)
        dt_us = int(table["dt_us"][row].as_py())
        return Curve(dt_us, current, voltage, column("force_kn"), column("displacement_mm"))

    def kept(self, ordinals: Sequence[int]) -> set[int]:
        """Return those of `ordinals` whose curves are kept."""
        found: set[int] = set()
        for block in {ordinal // BLOCK for ordinal in ordinals}:
            found.update(self._ordinals(block).intersection(ordinals))
        return found

    def _ordinals(self, block: int) -> frozenset[int]:
        table = self._archive.block(block) if self._archive else None
        if table is not None:
            return frozenset(table["ordinal"].to_pylist())
        path = block_path(self._folder, block)
        try:
            return _read_ordinals(path, path.stat().st_mtime_ns)
        except FileNotFoundError:
            return frozenset()

    def _block(self, block: int) -> pa.Table | None:
        table = self._archive.block(block) if self._archive else None
        if table is not None:
            return table
        path = block_path(self._folder, block)
        try:
            return _read(path, path.stat().st_mtime_ns)
        except FileNotFoundError:
            return None


@lru_cache(maxsize=512)
def _read_ordinals(path: Path, _mtime_ns: int) -> frozenset[int]:
    return frozenset(_checked(pq.read_table(path, columns=["ordinal"]), path)["ordinal"].to_pylist())


@lru_cache(maxsize=16)
def _read(path: Path, _mtime_ns: int) -> pa.Table:
    return _checked(pq.read_table(path), path)


def _checked(table: pa.Table, path: Path) -> pa.Table:
    """Return what was read of a file, with today's metadata. Raises `ArchiveError` for a newer layout."""
    layout = int((table.schema.metadata or {}).get(LAYOUT_KEY.encode(), LAYOUT))
    if layout > LAYOUT:
        raise ArchiveError(
            f"{path} has layout {layout}; this version of Lineside reads up to {LAYOUT}: install the newer one again"
        )
    return table.replace_schema_metadata(SCHEMA.metadata)


def _table(ordinals: NDArray[np.int64], welds: WeldBatch) -> pa.Table:
    def curves(flat: NDArray[np.float32], *, optional: bool) -> pa.Array:
        mask = None
        if optional:
            missing = np.logical_and.reduceat(np.isnan(flat), welds.offsets[:-1])
            mask = pa.array(missing)
        offsets = pa.array(welds.offsets.astype(np.int32))
        return pa.ListArray.from_arrays(offsets, pa.array(flat), mask=mask)

    return pa.table(
        [
            pa.array(ordinals),
            pa.array(welds.id, pa.string()),
            pa.array(welds.spot, pa.string()),
            pa.array(welds.program, pa.string()),
            pa.array(welds.time_ns),
            pa.array(welds.dt_us),
            curves(welds.current_ka, optional=True),
            curves(welds.voltage_v, optional=False),
            curves(welds.force_kn, optional=True),
            curves(welds.displacement_mm, optional=True),
        ],
        schema=SCHEMA,
    )
