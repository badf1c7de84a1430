"""What tests of every kind share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.influxd import Influxd, find_influxd
from tests.system.conftest import need

# The same examples in every run, and no clock: on a busy machine a quick strategy is "slow" by the wall.
settings.register_profile(
    "tests", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("tests")


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


SIDE_BY_SIDE = ("unit/", "system/faults/", "system/store/", "system/test_backup.py", "system/test_learning.py")
"""What bears company: it needs the processor, or waits for what must come, however late."""
SERVICES = "services"


class _Sides(LoadScopeScheduling):
    """All services but those of `SIDE_BY_SIDE` are one after the other; of the rest each file is.

    They mostly wait, and two browsers or two demos at once on two cores see what no user would. Groups of xdist's own
    (`--dist loadgroup`) do nothing with pytest 9.2: version 3.8 looks for an attribute that there is no more.
    """

    def _split_scope(self, nodeid: str) -> str:
        return _side(nodeid.partition("::")[0])


def _side(file: str) -> str:
    return file if file.removeprefix("tests/").startswith(SIDE_BY_SIDE) else SERVICES


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    config.option.loadscopereorder = False
    return _Sides(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the quick tests first, and those in the browser last; with several workers the longest work first."""
    several = "PYTEST_XDIST_WORKER" in os.environ

    def place(item: pytest.Item) -> tuple[bool, int]:
        file = item.path.relative_to(Path(__file__).parents[1]).as_posix()
        kind = ("unit", "system", "browser").index(file.split("/")[1])
        alone = _side(file) == SERVICES
        return (several and not alone), (-kind if several and not alone else kind)

    items.sort(key=place)
