"""A small shop for tests: the same physics, fewer spots."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np

from edge.simulator.joint import Setup
from edge.simulator.lobe import main_currents_ka, nominal_setup
from edge.simulator.materials import SCHEDULES
from edge.simulator.settings import SimulatorSettings
from edge.simulator.weld import Traces, simulate
from models.welds.batch import WeldBatch

S = 10**9
NOON_NS = 1_764_064_800 * S  # 2025-11-25 10:00 UTC
SMALL = SimulatorSettings(seed=7, cells=4, guns=9, spots=180, agvs=24)
CURVES = ("offsets", "current_ka", "voltage_v", "force_kn", "displacement_mm")
COLUMNS = ("time_ns", "dt_us", "wear_count", "historical", *CURVES)
NAMES = ("id", "spot", "gun", "body", "program")


def nominal(program: str = "21", n: int = 1, **changes: object) -> Setup:
    """Return `n` welds of one programme under nominal conditions, some fields changed (scalars or (n,) arrays)."""
    index = next(k for k, schedule in enumerate(SCHEDULES) if schedule.name == program)
    setup = nominal_setup([SCHEDULES[index]] * n, np.full(n, main_currents_ka()[index], dtype=np.float32))
    arrays = {name: np.broadcast_to(np.float32(value), (n,)).astype(np.float32) for name, value in changes.items()}
    return replace(setup, **arrays)


def scaled(program: str = "21", **factors: float) -> Setup:
    """Return one nominal weld with some fields multiplied."""
    setup = nominal(program)
    return replace(setup, **{name: getattr(setup, name) * np.float32(factor) for name, factor in factors.items()})


def curve(traces: Traces, weld: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return current (kA), voltage (V) and resistance (µΩ, NaN below 1 kA) of one weld."""
    column, rows = traces.column[weld], traces.samples[weld]
    current, voltage = traces.current_ka[:rows, column], traces.voltage_v[:rows, column]
    resistance = np.full(rows, np.nan)
    np.divide(1000 * voltage, current, out=resistance, where=current > 1)
    return current, voltage, resistance


def weld(setup: Setup, sample_us: int = 1000) -> Traces:
    return simulate(setup, sample_us)


def joined(setups: list[Setup]) -> Setup:
    """Return several setups as one."""
    return Setup(*(np.concatenate([getattr(setup, f.name) for setup in setups]) for f in fields(Setup)))


def same_bits(one: WeldBatch, other: WeldBatch) -> None:
    """Assert that two batches are the same to the bit, NaN included."""
    for name in NAMES:
        assert getattr(one, name) == getattr(other, name), name
    for name in COLUMNS:
        a, b = getattr(one, name), getattr(other, name)
        assert a.dtype == b.dtype
        assert a.tobytes() == b.tobytes(), name


def chain(batches: list[WeldBatch]) -> WeldBatch:
    """Return batches one after the other as one."""
    lengths = np.concatenate([batch.samples for batch in batches])
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    parts = {name: [item for batch in batches for item in getattr(batch, name)] for name in NAMES}
    parts |= {name: np.concatenate([getattr(batch, name) for batch in batches]) for name in COLUMNS[:4] + CURVES[1:]}
    return WeldBatch(offsets=offsets, **parts)
