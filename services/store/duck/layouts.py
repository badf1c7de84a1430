"""Versions of the embedded store's file, and how an older one becomes one of today.

    1  Lineside's first release: no table `layout`; welds without risk, shape, channels and nine of the features
    2  welds as now; files of before the table `layout` are of this or the first
    3  the table `layout`
    4  the tables of `counted`: welds per hour, made from the welds when there are none

A file of layout 1 is built anew beside its place, the old one stays as `….layout-1`. What rows of it never had is null,
or empty. A crash on the way leaves the old file in its place, and the next start begins again.
"""

# ruff: noqa: S608  (names come from the schemas; paths are bound)

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import duckdb

from services.files import replace_durably
from services.store.duck import sql
from services.store.protocol import StoreError

LAYOUT = 4
_NEW_VALUE = {"VARCHAR": "''", "BIGINT": "0"}
"""Of columns that an older row has not and that may not be null."""


def layout_of(connection: duckdb.DuckDBPyConnection, path: Path) -> int:
    """Return a file's layout, 0 when there is nothing in it. Raises `StoreError` for a newer one."""
    if _columns(connection, "layout"):
        [(layout,)] = connection.execute(sql.GET_LAYOUT).fetchall()
        if layout > LAYOUT:
            raise StoreError(
                f"{path} has layout {layout}; this Lineside reads up to {LAYOUT}: install the newer one again"
            )
        return int(layout)
    welds = _columns(connection, sql.WELD.name)
    return (2 if "risk" in welds else 1) if welds else 0


def cursor_in(path: Path) -> int:
    """Return the cursor of a file of any layout, which nobody has open. Raises `StoreError`."""
    try:
        with closing(duckdb.connect(path, read_only=True)) as connection:
            if not layout_of(connection, path):
                return 0
            [(cursor, _)] = connection.execute(sql.GET_PROGRESS).fetchall()
    except duckdb.Error as error:
        raise StoreError(f"{path}: {error}") from error
    return int(cursor)


def rebuild(path: Path, layout: int) -> Path:
    """Put a file of today in the place of an older one, which nobody has open; return where the old one is now."""
    fresh, old = path.with_name(f"{path.name}.migrating"), path.with_name(f"{path.name}.layout-{layout}")
    for leftover in (fresh, fresh.with_name(f"{fresh.name}.wal")):
        leftover.unlink(missing_ok=True)
    with closing(duckdb.connect(fresh)) as database:
        for statement in sql.CREATE:
            database.execute(statement)
        database.execute(f"ATTACH '{str(path).replace(chr(39), chr(39) * 2)}' AS old (READ_ONLY)")
        database.begin()
        for target in sql.TARGETS:
            have = {name for (name,) in database.execute(sql.OLD_COLUMNS, [target.name]).fetchall()}
            if have:
                database.execute(f"INSERT INTO {target.name} SELECT {_values(target, have)} FROM old.{target.name}")
        database.execute("DELETE FROM progress")
        database.execute("INSERT INTO progress SELECT cursor, sources_at_ns FROM old.progress")
        database.commit()
        database.execute("DETACH old")
        database.execute("CHECKPOINT")
    old.unlink(missing_ok=True)
    os.link(path, old)
    replace_durably(fresh, path)
    return old


def _values(target: sql.Target, have: set[str]) -> str:
    values = []
    for name, kind in target.columns:
        new = _NEW_VALUE.get(kind.split()[0], "false" if kind == "BOOLEAN" else "NULL")
        values.append(f'"{name}"' if name in have else new)
    return ", ".join(values)


def _columns(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    return [name for (name,) in connection.execute(sql.COLUMNS, [table]).fetchall()]
