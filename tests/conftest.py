"""What tests of every kind share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.influxd import Influxd, find_influxd
from tests.system.conftest import need


@pytest.fixture(scope="session")
def influxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd]:
    """A running InfluxDB, one for all tests; each takes a bucket of its own by `influxd.settings()`."""
    need(find_influxd(), "influxd")
    server = Influxd(tmp_path_factory.mktemp("influxd"))
    try:
        server.start()
        yield server
    finally:
        server.kill()


ORDER = ("unit", "system", "browser")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the quick tests first, and those in the browser last: playwright keeps an event loop until the very end."""
    here = Path(__file__).parent
    items.sort(key=lambda item: ORDER.index(item.path.relative_to(here).parts[0]))
