"""`lineside backup` of real processes under load; then the machine is gone, and `lineside restore` makes it whole."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge.journal import JournalReader
from services.config import Config
from services.layout import DataLayout
from services.locks import in_use
from services.state import snapshot_cursor
from services.store import open_store
from services.store.influx.store import InfluxStore
from services.store.protocol import Filters
from tests.influxd import find_influxd
from tests.running import wait_until
from tests.system.conftest import need
from tests.system.faults.device import Device
from tests.system.faults.load import Sent, make_load, plant_settings
from tests.system.faults.outcome import differences, outcome
from tests.system.faults.plant import Backend, Plant, Watcher
from tests.system.faults.undisturbed import undisturbed
from tests.system.mosquitto import find_mosquitto

pytestmark = pytest.mark.system
SEED = 27
MESSAGES, BACKED_UP_AT, LOST_AT = 800, 300, 550
PER_S = 250.0


@pytest.fixture(autouse=True)
def broker_installed() -> None:
    need(find_mosquitto(), "mosquitto")


@pytest.fixture(scope="module")
def load() -> list[Sent]:
    return make_load(SEED, MESSAGES, time.time_ns() - 6 * 3600 * 10**9)


def lineside(*arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "services.cli", *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def answer(running: subprocess.Popen[bytes]) -> dict[str, Any]:
    out, err = running.communicate(timeout=90)
    assert running.returncode == 0, err.decode()
    found: dict[str, Any] = json.loads(out)
    return found


def started(folder: Path, backend: Backend) -> Iterator[Plant]:
    plant = Plant(folder, backend, plant_settings(SEED), 2**28)
    try:
        plant.start()
        yield plant
    finally:
        plant.close()


def settings_of(plant: Plant) -> str:
    return str(plant.folder / "lineside.toml")


def publish(plant: Plant, load: list[Sent], per_s: float = PER_S) -> Device:
    device = Device(plant.broker.port, load, per_s)
    device.start()
    return device


def test_backed_up_under_load_killed_deleted_restored_it_ends_as_if_nothing_had_happened(
    tmp_path: Path, load: list[Sent]
) -> None:
    backups = tmp_path / "backups"
    backups.mkdir()
    for plant in started(tmp_path / "first", "duckdb"):
        device = publish(plant, load)
        wait_until(lambda device=device: device.position >= BACKED_UP_AT, 60, "the load")
        running = lineside("backup", str(backups), "--config", settings_of(plant), "--json")
        made = answer(running)
        wait_until(lambda device=device: device.position >= LOST_AT, 60, "more of the load")
        device.close()
        plant.send("group", signal.SIGKILL)
        shutil.rmtree(plant.data)
    file = Path(made["file"])
    assert file.stat().st_mode & 0o777 == 0o600
    assert made["cursor"] > 0

    second = tmp_path / "second"
    restored = answer(lineside("restore", str(file), "--into", str(second / "data"), "--json"))
    assert restored["cursor"] == made["cursor"]
    assert {path.name for path in (second / "data/settings").rglob("*")} == {
        "lineside.toml", "plant", "plant.toml", "spots.csv",
    }  # fmt: skip
    kept = DataLayout(second / "data")
    with closing(open_store(Config().store, kept.root)) as store:
        before = outcome(store, kept.root)
        assert store.cursor() == snapshot_cursor(kept.state) == made["cursor"]
    assert 100 < len(before["weld"]) < MESSAGES
    for plant in started(second, "duckdb"):
        watcher = Watcher(plant)
        device = publish(plant, load)  # a device that knows nothing of it sends everything again

        def rests(plant: Plant = plant, device: Device = device, watcher: Watcher = watcher) -> bool:
            watcher.look()
            return device.acked >= MESSAGES and plant.resting(watcher.account) >= MESSAGES

        wait_until(rests, 90, "rest")
        time.sleep(1.5)
        wait_until(rests, 30, "rest")
        device.close()
        assert watcher.wrong == []
        assert watcher.account is not None
        total = watcher.account["total"]
        plant.stop()
        found = plant.outcome()
        config = msgspec.structs.replace(plant.config, data_dir=str(tmp_path / "undisturbed"))
    expected = undisturbed(load, config)
    assert differences(expected, found) == []
    assert total["stored"] == sum(expected["account"]["stored"].to_pylist())
    assert total["duplicate"] > 100
    old = before["weld"].to_pylist()
    rows = {(row["spot"], row["program"], row["time_ns"]): row for row in found["weld"].to_pylist()}
    assert all(repr(rows[row["spot"], row["program"], row["time_ns"]]) == repr(row) for row in old)


def test_what_stands_in_influxdb_when_it_is_backed_up_in_the_pause_follows_from_the_backup(
    tmp_path: Path, load: list[Sent]
) -> None:
    need(find_influxd(), "influxd")
    file = tmp_path / "backup.tar.zst"
    for plant in started(tmp_path / "plant", "influxdb"):
        device = publish(plant, load, 40.0)
        wait_until(lambda device=device: device.position >= 80, 60, "the load")
        running = lineside("backup", str(file), "--config", settings_of(plant), "--json", "--pause")
        assert running.stderr is not None
        os.set_blocking(running.stderr.fileno(), False)
        wait_until(lambda running=running: b"press Enter" in (running.stderr.read() or b""), 60, "the pause")
        position = device.position
        wait_until(lambda device=device, position=position: device.position > position + 40, 60, "the line going on")
        with closing(InfluxStore(plant.config.store)) as store:  # this is what `influx backup` would keep
            copied, welds = store.cursor(), len(store.welds(Filters(), 10_000))
        assert running.stdin is not None
        running.stdin.write(b"\n")
        made = answer(running)
        device.close()
    assert made["left_out"] == [
        f"accounts: there are none in {plant.data / 'accounts'}",
        "InfluxDB, bucket 'faults': back it up with `influx backup`",
    ]
    answer(lineside("restore", str(file), "--into", str(tmp_path / "again"), "--json"))
    layout = DataLayout(tmp_path / "again")
    with JournalReader.open(layout.journal) as reader:
        assert made["cursor"] == snapshot_cursor(layout.state) < copied <= reader.last_seq()
        assert reader.read(made["cursor"], 1, 1)[0].seq == made["cursor"] + 1
    assert welds > 0


def test_one_backup_at_a_time_a_killed_one_holds_up_nothing_and_accounts_are_in_it(tmp_path: Path) -> None:
    for plant in started(tmp_path / "plant", "duckdb"):
        adding = lineside("user", "add", "anna", "--role", "viewer", "--config", settings_of(plant))
        adding.communicate(b"a long pass phrase, quite hard to guess\n", timeout=60)
        assert adding.returncode == 0
        request = urllib.request.Request(
            f"http://127.0.0.1:{plant.port}/api/v1/session",
            json.dumps({"name": "anna", "password": "a long pass phrase, quite hard to guess"}).encode(),
            {"Content-Type": "application/json", "Origin": f"http://127.0.0.1:{plant.port}"},
        )
        urllib.request.urlopen(request, timeout=20).close()
        held = plant.data / "backup.held"
        first = lineside("backup", str(tmp_path / "first.tar.zst"), "--config", settings_of(plant), "--pause")
        wait_until(held.exists, 60, "a hold")
        second = lineside("backup", str(tmp_path / "second.tar.zst"), "--config", settings_of(plant))
        assert b"another backup of this folder is being made" in second.communicate(timeout=60)[1]
        assert second.returncode == 1
        first.kill()
        first.communicate()
        wait_until(lambda held=held: not held.exists(), 10, "letting go")
        plant.send("group", signal.SIGKILL)
        wait_until(lambda plant=plant: not in_use(plant.data), 10, "the end")
        cold = answer(lineside("backup", str(tmp_path / "cold.tar.zst"), "--config", settings_of(plant), "--json"))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "cold.tar.zst", "first.tar.zst.part", "first.tar.zst.scratch", "plant",
    ]  # fmt: skip
    again = tmp_path / "again"
    answer(lineside("restore", str(tmp_path / "cold.tar.zst"), "--into", str(again), "--json"))
    assert cold["cursor"] == snapshot_cursor(DataLayout(again).state)
    assert (again / "accounts/accounts.sqlite").stat().st_mode & 0o777 == 0o600
    users = json.loads(lineside("user", "list", "--data", str(again), "--json").communicate(timeout=60)[0])
    assert [(user["name"], user["sessions"]) for user in users] == [("anna", 0)]
