"""What `lineside simulate` does."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec
from rich.console import Console

from edge.mqtt import BrokerSettings
from edge.simulator.plant import write_plant
from edge.simulator.publisher import run_simulator
from edge.simulator.settings import SimulatorSettings, load_settings

HOUR_NS = 3600 * 10**9


@dataclass(frozen=True, slots=True)
class SimulateOptions:
    """What was asked for on the command line."""

    broker: BrokerSettings
    settings: Path | None
    hours: float
    speed: float | None
    seed: int | None
    write_plant: Path | None


def run_simulate(options: SimulateOptions, stop: threading.Event, console: Console) -> None:
    """Publish until `stop` is set, or only write the plant. Raises `SettingsError`."""
    settings = load_settings(options.settings) if options.settings else SimulatorSettings()
    changes = {"speed": options.speed, "seed": options.seed}
    settings = msgspec.structs.replace(settings, **{k: v for k, v in changes.items() if v is not None})
    if options.write_plant is not None:
        write_plant(settings, options.write_plant)
        console.print(f"wrote {options.write_plant / 'plant.toml'} and spots.csv", highlight=False)
        return
    since_ns = time.time_ns() - int(options.hours * HOUR_NS) if options.hours else None
    asyncio.run(
        run_simulator(
            settings,
            options.broker,
            since_ns=since_ns,
            stop=stop,
            progress=lambda _: None,
            log=logging.getLogger("lineside.simulator"),
        )
    )
