"""One round: a plant under load, faults at chosen messages, then its results against those of an undisturbed run."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from services.config import Config
from tests.running import wait_until
from tests.system.faults.device import Device
from tests.system.faults.kinds import FAULTS, Scene
from tests.system.faults.load import make_load, plant_settings
from tests.system.faults.outcome import differences
from tests.system.faults.plant import Backend, Plant, Watcher
from tests.system.faults.undisturbed import undisturbed

DISK = "400m"
MAX_JOURNAL = 2 * 2**20
"""Small, so that a store that is away fills it."""
SETTLE_S = 180.0
LOOK_S = 0.25


@dataclass(frozen=True, slots=True)
class Order:
    """What a round is to be; the same order is the same round."""

    seed: int
    backend: Backend
    faults: tuple[str, ...]
    messages: int
    start_ns: int
    """Source time of the load's beginning."""
    per_s: float = 120.0
    """Messages a second."""

    @property
    def room(self) -> int:
        """Messages for each fault; the last tenth of the load has none."""
        return int(0.9 * self.messages / max(1, len(self.faults)))


@dataclass(slots=True)
class Report:
    """What came of it."""

    order: Order
    done: list[tuple[str, int]] = field(default_factory=list)
    """Each fault and the message at which it began."""
    differences: list[str] = field(default_factory=list)
    wrong_accounts: list[str] = field(default_factory=list)
    looks: int = 0
    account: dict[str, int] = field(default_factory=dict)
    named_lost: int = 0
    sent: int = 0
    seconds: float = 0.0
    error: str = ""

    @property
    def good(self) -> bool:
        return not (self.differences or self.wrong_accounts or self.error)

    def plain(self) -> dict[str, Any]:
        return {**asdict(self), "good": self.good}


def run_round(order: Order, folder: Path, tell: Callable[[str], object] = lambda _: None) -> Report:
    """Run one round in `folder`, which keeps the logs when something is wrong; `tell` hears of each fault."""
    report = Report(order)
    began = time.monotonic()
    load = make_load(order.seed, order.messages, order.start_ns)
    with own_disk(folder / "data"):
        plant = Plant(folder, order.backend, plant_settings(order.seed), MAX_JOURNAL)
        device = Device(plant.broker.port, load, order.per_s)
        watcher = Watcher(plant)
        scene = Scene(plant, device, random.Random(f"faults {order.seed}"))
        try:
            plant.start()
            device.start()
            for name, moment in zip(order.faults, moments(order), strict=True):
                room = max(moment, device.position) + order.room  # so that the last ones are done under load, too
                device.end = min(room, len(load))
                wait_until(lambda at=moment: _watch(watcher, device.position >= at), 120, f"message {moment}")
                report.done.append((name, device.position))
                tell(f"message {device.position}: {name}")
                FAULTS[name](scene)
            device.end = len(load)
            _settle(plant, device, watcher, len(load))
            report.account = watcher.account["total"] if watcher.account else {}
            device.close()
            plant.stop()
            found = plant.outcome()
            kept = [sent for number, sent in enumerate(load) if number not in scene.lost]
            config = msgspec.structs.replace(plant.config, data_dir=str(folder / "undisturbed"), store=Config().store)
            report.differences = differences(undisturbed(kept, config), found)
        except Exception as error:  # noqa: BLE001 - a round that fails is a result, told with its seed
            report.error = f"{type(error).__name__}: {error}"
        finally:
            device.close()
            plant.close()
        if not report.good:
            shutil.copytree(folder / "data", folder / "data-kept")  # its disk goes
        report.looks, report.wrong_accounts = watcher.looks, watcher.wrong[:20]
        report.named_lost, report.sent = len(scene.lost), device.sent
    report.seconds = time.monotonic() - began
    if report.good:
        shutil.rmtree(folder)
    return report


def moments(order: Order) -> list[int]:
    """Return at which message each fault begins: spread over the load, and none in its last tenth."""
    rng = random.Random(f"moments {order.seed}")
    return [int(order.room * (k + rng.uniform(0.1, 0.9))) for k in range(len(order.faults))]


def _watch(watcher: Watcher, done: bool) -> bool:
    if not done:
        watcher.look()
    return done


def _settle(plant: Plant, device: Device, watcher: Watcher, last: int) -> None:
    """Wait until everything that was published is in the store, and nothing more comes."""
    seen: list[tuple[int, str]] = []

    def rests() -> bool:
        plant.keep_running()
        watcher.look()
        seen.append((plant.resting(watcher.account), watcher.account["at"] if watcher.account else ""))
        received, times = (set(column) for column in zip(*seen[-20:], strict=True))
        # Accounts are written each second: one that stays the same says that nobody writes any.
        return device.acked >= last and len(seen) > 20 and received != {-1} and len(received) == 1 and len(times) > 2

    wait_until(rests, SETTLE_S, f"rest ({device.acked} of {last} acknowledged, account {seen[-1:]})")


@contextlib.contextmanager
def own_disk(folder: Path) -> Iterator[bool]:
    """Give the data folder a small disk of its own, where that is permitted."""
    folder.mkdir(parents=True, exist_ok=True)
    mounted = (
        can_mount()
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)], capture_output=True, check=False
        ).returncode
    )
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def can_mount() -> bool:
    return shutil.which("mount") is not None and os.geteuid() == 0
