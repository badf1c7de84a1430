"""Empty stores of both kinds: DuckDB always, and a real InfluxDB where there is one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.config import StoreSettings
from services.store import open_store
from services.store.protocol import Store
from tests.influxd import Influxd

MakeStore = Callable[[], Store]


@pytest.fixture(params=["duckdb", pytest.param("influxdb", marks=pytest.mark.system)])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make_store(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[MakeStore]:
    """Makes empty stores; all are closed at the end."""
    made: list[Store] = []
    influxd: Influxd | None = request.getfixturevalue("influxd") if backend == "influxdb" else None

    def make() -> Store:
        folder = tmp_path / f"store-{len(made)}"
        made.append(open_store(influxd.settings() if influxd else StoreSettings(), folder))
        return made[-1]

    yield make
    for store in made:
        store.close()


@pytest.fixture
def store(make_store: MakeStore) -> Store:
    return make_store()
