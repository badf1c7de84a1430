"""Where results live: one `Store` protocol (`protocol`), its row schemas (`schema`), and two backends behind it.

`duck` keeps everything in one file beside the pipeline; `influx` writes to InfluxDB 2 and is read by servers elsewhere.
"""

from __future__ import annotations

from pathlib import Path

from services.config import StoreSettings
from services.layout import DataLayout
from services.store.protocol import Store


def open_store(settings: StoreSettings, data: Path, *, read_only: bool = False) -> Store:
    """Open the store of the settings; the embedded one lies in the `data` folder, which is made when missing.

    Raises `StoreError` when the file cannot be had. InfluxDB is first talked to by the first call.
    """
    if settings.backend == "influxdb":
        from services.store.influx.store import InfluxStore  # noqa: PLC0415 - each client takes half a second to load

        return InfluxStore(settings)
    from services.store.duck.store import DuckStore  # noqa: PLC0415

    if not read_only:
        data.mkdir(parents=True, exist_ok=True)
    return DuckStore(DataLayout(data).store, read_only=read_only, memory_mb=settings.memory_mb)
