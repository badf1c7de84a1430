"""The faults: each does harm to a plant under load and, where that is not for Lineside to do, undoes it."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from edge.collector_status import read_status, status_path
from edge.journal import JournalReader
from tests.running import wait_until
from tests.system.faults.damaging import flip_bits, named_lost, truncate
from tests.system.faults.device import Device
from tests.system.faults.plant import Backend, Plant

SHORT_S = (0.3, 1.5)
LONG_S = (1.0, 4.0)


@dataclass(slots=True)
class Scene:
    """What a fault acts on."""

    plant: Plant
    device: Device
    rng: random.Random
    lost: set[int] = field(default_factory=set)
    """Numbers of messages of the load that the plant itself named as lost."""

    def wait(self, bounds_s: tuple[float, float]) -> None:
        time.sleep(self.rng.uniform(*bounds_s))


Fault = Callable[[Scene], None]


def end(role: str, sign: signal.Signals) -> Fault:
    """Return the fault that sends a signal to a role of Lineside."""

    def fault(scene: Scene) -> None:
        scene.plant.wait_for(role)
        assert scene.plant.send(role, sign)
        scene.wait(SHORT_S)
        scene.plant.keep_running()

    return fault


def kill_broker(scene: Scene) -> None:
    scene.plant.broker.kill()
    scene.device.broker_was_killed()
    scene.wait(SHORT_S)
    scene.plant.broker.start()


def stop_broker(scene: Scene) -> None:
    scene.plant.broker.stop()
    scene.wait(SHORT_S)
    scene.plant.broker.start()


def kill_influxd(scene: Scene) -> None:
    assert scene.plant.influxd is not None
    scene.plant.influxd.kill()
    scene.wait(SHORT_S)
    scene.plant.influxd.start()


def broker_unreachable(scene: Scene) -> None:
    scene.plant.to_broker.set("refused")
    scene.wait(LONG_S)
    scene.plant.to_broker.set("good")


def broker_half_open(scene: Scene) -> None:
    scene.plant.to_broker.set("silent")
    scene.wait(LONG_S)
    scene.plant.to_broker.set("good")


def broker_slow(scene: Scene) -> None:
    scene.plant.to_broker.set("slow", scene.rng.uniform(0.02, 0.3))
    scene.wait(LONG_S)
    scene.plant.to_broker.set("good")


def store_unreachable_then_slow(scene: Scene) -> None:
    assert scene.plant.to_store is not None
    scene.plant.to_store.set("refused")
    scene.wait(LONG_S)
    scene.plant.to_store.set("slow", scene.rng.uniform(0.1, 0.8))
    scene.wait(LONG_S)
    scene.plant.to_store.set("good")


def store_half_open(scene: Scene) -> None:
    assert scene.plant.to_store is not None
    scene.plant.to_store.set("silent")
    scene.wait(LONG_S)
    scene.plant.to_store.set("good")


def store_away_until_the_journal_is_full(scene: Scene) -> None:
    """Let the journal grow to its bound: the collector stops acknowledging, and the broker keeps what comes."""
    assert scene.plant.to_store is not None
    scene.plant.wait_for("collector")
    scene.plant.to_store.set("refused")
    path = status_path(scene.plant.config.data / "journal.sqlite")
    scene.device.send_on()  # its share of the messages may be too few for that
    try:
        wait_until(lambda: (status := read_status(path)) and "its bound is" in status.stopped_reason, 60, "the bound")
        scene.device.end = scene.device.position
        scene.wait(LONG_S)
    finally:
        scene.plant.to_store.set("good")


def disk_full(scene: Scene) -> None:
    """Fill the data folder's disk to the last byte."""
    ballast = scene.plant.data / "ballast"
    chunk = bytes(2**20)
    with ballast.open("wb", buffering=0) as file:
        while chunk:
            try:
                written = file.write(chunk)
            except OSError:
                written = 0
            if written < len(chunk):
                chunk = chunk[: len(chunk) // 2]
    scene.wait(LONG_S)
    ballast.unlink()


def clock_steps(scene: Scene) -> None:
    """Set the clock of Lineside's machine forward by hours or days, and back by minutes, then right again."""
    plant = scene.plant
    for step_s in (scene.rng.randint(600, 200_000), -scene.rng.randint(20, 240), 0):
        plant.clock.write_text(f"{step_s}\n", encoding="ascii")
        scene.wait((1.5, 2.5))


def journal_damaged(harm: Callable[[Path, int, random.Random], None]) -> Fault:
    """Return the fault that harms messages which the pipeline has not taken, and kills the collector."""

    def fault(scene: Scene) -> None:
        plant, device, rng, end = scene.plant, scene.device, scene.rng, scene.device.end
        judge = "server" if plant.backend == "duckdb" else "pipeline"
        for role in ("collector", judge):
            plant.wait_for(role)
        quiet(scene, device.position)
        taken = last_seq(plant)
        first = device.position
        assert plant.send(judge, signal.SIGSTOP)
        size = rng.randint(60, 160)
        try:
            device.end = first + size
            wait_until(lambda: device.acked >= first + size, 60, "the load's next stretch")
            wait_until(lambda: last_seq(plant) >= taken + size, 30, "the journal's having it")
            assert last_seq(plant) == taken + size
            # Mosquitto reads one acknowledgement in each turn and saves between: what it has not read it would deliver
            # again, and nothing would be lost.
            plant.broker.settle()
            assert plant.send("supervisor", signal.SIGSTOP)
            assert plant.send("collector", signal.SIGKILL)
            time.sleep(0.2)
            harm(plant.config.data / "journal.sqlite", taken, rng)
        finally:
            plant.send("supervisor", signal.SIGCONT)
            plant.send(judge, signal.SIGCONT)
        quiet(scene, first + size)
        named = lost_numbers(plant, taken)
        assert all(taken < seq <= taken + size for seq in named), f"named {sorted(named)}, {taken} were taken"
        scene.lost |= {first + seq - taken - 1 for seq in named}
        device.end = max(end, first + size)

    return fault


def quiet(scene: Scene, number: int) -> None:
    """Hold the load at message `number` until everything before it is stored."""
    plant, device = scene.plant, scene.device
    device.end = number
    before: list[int] = []

    def rests() -> bool:
        plant.keep_running()
        before.append(plant.resting(plant.account()))
        return device.acked >= number and before[-1] >= 0 and len(before) > 20 and len(set(before[-20:])) == 1

    wait_until(rests, 120, f"the plant's rest at message {number}")


FAULTS: dict[str, Fault] = {
    "kill collector": end("collector", signal.SIGKILL),
    "kill server": end("server", signal.SIGKILL),
    "kill pipeline": end("pipeline", signal.SIGKILL),
    "kill api": end("serve", signal.SIGKILL),
    "kill group": end("group", signal.SIGKILL),
    "kill supervisor": end("supervisor", signal.SIGKILL),
    "kill broker": kill_broker,
    "kill influxd": kill_influxd,
    "term collector": end("collector", signal.SIGTERM),
    "term server": end("server", signal.SIGTERM),
    "term pipeline": end("pipeline", signal.SIGTERM),
    "term api": end("serve", signal.SIGTERM),
    "term supervisor": end("supervisor", signal.SIGTERM),
    "term broker": stop_broker,
    "broker unreachable": broker_unreachable,
    "broker half-open": broker_half_open,
    "broker slow": broker_slow,
    "store unreachable, then slow": store_unreachable_then_slow,
    "store half-open": store_half_open,
    "store away until the journal is full": store_away_until_the_journal_is_full,
    "disk full": disk_full,
    "clock steps": clock_steps,
    "journal truncated": journal_damaged(truncate),
    "journal bit-flipped": journal_damaged(flip_bits),
}
_INFLUX_ONLY = {"kill pipeline", "kill api", "kill influxd", "term pipeline", "term api"}


def faults_of(backend: Backend, *, own_disk: bool) -> list[str]:
    """Return the faults that a plant can have."""
    return [
        name
        for name in FAULTS
        if not (backend == "duckdb" and (name in _INFLUX_ONLY or name.startswith("store ")))
        and not (backend == "influxdb" and name.endswith(" server"))
        and not (name == "disk full" and not own_disk)
    ]


def last_seq(plant: Plant) -> int:
    with JournalReader.open(plant.config.data / "journal.sqlite") as reader:
        return reader.last_seq()


def lost_numbers(plant: Plant, after: int) -> set[int]:
    """Return the numbers above `after` that Lineside itself names as lost, from the newest record in its journal."""
    return {seq for seq in named_lost(plant.config.data / "journal.sqlite") if seq > after}
