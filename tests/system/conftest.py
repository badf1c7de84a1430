"""Real services for system tests. Where one is not installed its tests are skipped, unless CI requires it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.system.mosquitto import Mosquitto, Publisher, find_mosquitto


def need(present: object, what: str) -> None:
    """Skip the test when `what` is absent; fail it when LINESIDE_REQUIRE_SERVICES=1."""
    if present:
        return
    if os.environ.get("LINESIDE_REQUIRE_SERVICES") == "1":
        pytest.fail(f"{what} is required (LINESIDE_REQUIRE_SERVICES=1) and not installed")
    pytest.skip(f"{what} is not installed")


@pytest.fixture
def make_mosquitto(tmp_path: Path) -> Iterator[Callable[[str], Mosquitto]]:
    """Make brokers, not started yet, with lines of configuration of one's own; all are stopped at the end."""
    need(find_mosquitto(), "mosquitto")
    made: list[Mosquitto] = []

    def make(extra: str = "") -> Mosquitto:
        made.append(Mosquitto(tmp_path / f"mosquitto-{len(made)}", extra))
        return made[-1]

    yield make
    for broker in made:
        broker.stop()


@pytest.fixture
def mosquitto(make_mosquitto: Callable[[str], Mosquitto]) -> Mosquitto:
    """A running broker."""
    broker = make_mosquitto("")
    broker.start()
    return broker


@pytest.fixture
def make_publisher() -> Iterator[Callable[[int], Publisher]]:
    """Make connected publishers; all are disconnected at the end."""
    made: list[Publisher] = []

    def make(port: int) -> Publisher:
        made.append(Publisher(port))
        return made[-1]

    yield make
    for publisher in made:
        publisher.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 6 MiB of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk is not permitted here")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)
