"""The store: reachable, of our layout, kept long enough, and one row in and out again that leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb

from edge.findings import Finding
from services.config import Config
from services.errors import OperatorError
from services.layout import DataLayout
from services.locks import in_use

ABOUT = "store"


def check_store(config: Config) -> Iterator[Finding]:
    """Yield what is to be said of the store of the settings."""
    if config.store.backend == "influxdb":
        from services.doctor.influx import check_influx  # noqa: PLC0415 - its client takes half a second to load

        yield from check_influx(config.store)
    else:
        yield from _check_duckdb(config)


def _check_duckdb(config: Config) -> Iterator[Finding]:
    path = DataLayout(config.data).store
    if not path.exists():
        yield Finding("fine", ABOUT, f"{path} is not there yet: a first start makes it")
        return
    if in_use(config.data):
        yield Finding("fine", ABOUT, f"{path} is held by the Lineside that works there; its page says how it is")
        return
    from services.store.duck.store import DuckStore  # noqa: PLC0415 - half a second to load

    try:
        store = DuckStore(path, read_only=True)
        try:
            cursor = store.cursor()
        finally:
            store.close()
    except OperatorError as error:
        yield Finding("wrong", ABOUT, str(error), "restore it from a backup, or let it be made anew from the journal")
        return
    try:
        with duckdb.connect(str(path)) as connection:
            connection.begin()
            connection.execute("CREATE TABLE doctor AS SELECT 42 AS probe")
            read = connection.execute("SELECT probe FROM doctor").fetchone()
            connection.rollback()
    except duckdb.Error as error:
        yield Finding("wrong", ABOUT, f"{path} cannot be written: {str(error).splitlines()[0]}", "check owner and disk")
        return
    if read != (42,):
        yield Finding("wrong", ABOUT, f"{path} gave back {read} for 42", "check the disk")
    yield Finding("fine", ABOUT, f"{path} takes a row and gives it back; it stands at message {cursor:,}")
