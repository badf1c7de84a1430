"""Welds made for tests: a plain curve, its faults, and batches of them."""

from __future__ import annotations

import numpy as np

from models.welds.batch import ABSENT_WEAR, WeldBatch
from tests.unit.models.welds.oracle import Weld

LEVEL = {"low_heat": 0.8, "excess_heat": 1.15}
RESISTANCE = {"missing_sheet": 0.55}


def curve(
    rng: np.random.Generator,
    *,
    fault: str = "",
    samples: int = 150,
    dt_us: int = 2000,
    force: bool = True,
    spot: str = "S1",
    program: str = "7",
    time_ns: int = 0,
    gun: str = "G1",
) -> Weld:
    """Return a weld with preheat, gap and main pulse, α, β and a falling end; `fault` changes the signal."""
    t = np.arange(samples) * dt_us / 1000
    gap = (t >= 60) & (t < 76)
    level = np.where(t < 60, 6.0, 9.0) * (1 + 0.004 * rng.standard_normal())
    resistance = (110 + 90 * np.exp(-t / 6) + 60 * np.exp(-(((t - 130) / 50) ** 2)) - 0.05 * t) * (
        1 + 0.015 * rng.standard_normal()
    )
    level = level * LEVEL.get(fault, 1.0)
    resistance = resistance * RESISTANCE.get(fault, 1.0)
    if fault == "expulsion":
        resistance = np.where(t > 200, resistance - 30, resistance)
    current = level * (1 + 0.004 * rng.standard_normal(samples))
    current[gap] = 0.02 * rng.standard_normal(gap.sum())
    current[-3:] = [5.0, 1.0, 0.1]
    voltage = np.abs(current) * resistance / 1000 + 0.004 * rng.standard_normal(samples)
    _break_sensor(fault, current, voltage, rng)
    kilonewton = 3.0 + 0.05 * rng.standard_normal() + 0.01 * rng.standard_normal(samples)
    as_float32 = [np.asarray(x, dtype=np.float32).astype(float).tolist() for x in (current, voltage, kilonewton)]
    return Weld(
        spot=spot,
        program=program,
        time_ns=time_ns,
        dt_us=dt_us,
        current=as_float32[0],
        voltage=as_float32[1],
        force=as_float32[2] if force else None,
        gun=gun,
    )


def _break_sensor(fault: str, current: np.ndarray, voltage: np.ndarray, rng: np.random.Generator) -> None:
    half = len(current) // 2
    match fault:
        case "no_current":
            current[:] = 0.02 * rng.standard_normal(len(current))
            voltage[:] = 0.004 * rng.standard_normal(len(current))
        case "dead_current":
            current[:] = 0.02 * rng.standard_normal(len(current))
        case "dead_voltage":
            voltage[:] = 0.004 * rng.standard_normal(len(current))
        case "clipped":
            np.minimum(voltage, 0.9, out=voltage)
        case "gap":
            voltage[half] = np.nan
        case "infinite":
            current[half] = np.inf
        case "too_short":
            current[5:] = 0.0


def batch(welds: list[Weld]) -> WeldBatch:
    """Put welds into one struct of arrays, in their order."""
    lengths = [len(w.current) for w in welds]
    flat = lambda curves: np.array([x for c in curves for x in c], dtype=np.float32)  # noqa: E731 - three uses, one line
    nan = [[float("nan")] * k for k in lengths]
    return WeldBatch(
        id=[f"w{k}" for k in range(len(welds))],
        spot=[w.spot for w in welds],
        gun=[w.gun for w in welds],
        body=[""] * len(welds),
        program=[w.program for w in welds],
        time_ns=np.array([w.time_ns for w in welds], dtype=np.int64),
        dt_us=np.array([w.dt_us for w in welds], dtype=np.int64),
        wear_count=np.full(len(welds), ABSENT_WEAR, dtype=np.int64),
        historical=np.zeros(len(welds), dtype=np.bool_),
        offsets=np.concatenate(([0], np.cumsum(lengths))).astype(np.int64),
        current_ka=flat(w.current for w in welds),
        voltage_v=flat(w.voltage for w in welds),
        force_kn=flat(w.force or blank for w, blank in zip(welds, nan, strict=True)),
        displacement_mm=flat(nan),
    )
