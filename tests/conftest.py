"""What tests of every kind share."""

from __future__ import annotations

from collections.abc import Iterator

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
