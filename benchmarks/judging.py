"""The judge as a large plant would load it: 10,000 streams, 300 samples a curve, all checks on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from models.welds.batch import WeldBatch
from models.welds.features import extract
from models.welds.judge import JudgeSettings, WeldJudge

STREAMS, PROGRAMMES, GUNS = 10_000, 9, 120
BATCH, SAMPLES = 4096, 300
WARM_WELDS = 30
"""Of each stream, before anything is measured: references, bands, directions, noise and limits are then in use."""


def batches(seed: int = 1) -> Iterator[WeldBatch]:
    """Yield batches without end; every stream in turn, the same curves in another order each time."""
    rng = np.random.default_rng(seed)
    base = _curves(rng)
    spots = [f"S{k:05d}" for k in range(STREAMS)]
    at = 0
    while True:
        stream = (at + np.arange(BATCH)) % STREAMS
        chosen = base.select(np.ones(BATCH, dtype=np.bool_))
        yield replace(
            chosen,
            id=[f"{at + k:x}" for k in range(BATCH)],
            spot=[spots[k] for k in stream],
            gun=[f"G{k % GUNS}" for k in stream],
            program=[f"P{k % PROGRAMMES}" for k in stream],
            time_ns=at * 10**7 + np.arange(BATCH) * 10**7,
            wear_count=(at // STREAMS + stream) % 200,
        )
        at += BATCH


def _curves(rng: np.random.Generator) -> WeldBatch:
    """Return welds of direct current with force, no displacement: contact, β, a falling end, noise of real sensors."""
    t = np.arange(SAMPLES, dtype=np.float64)[None]
    level = 1 + 0.015 * rng.standard_normal((BATCH, 1))
    film = 90 * np.exp(0.12 * rng.standard_normal((BATCH, 1)))
    resistance = (110 + film * np.exp(-t / 6) + 60 * np.exp(-(((t - 130) / 50) ** 2)) - 0.05 * t) * level
    on = (t > 4) & (t < SAMPLES - 10)
    current = np.where(on, 9.0, 0.0) * (1 + 0.004 * rng.standard_normal((BATCH, 1)))
    current = current * (1 + 0.0025 * rng.standard_normal((BATCH, SAMPLES)))
    voltage = current * resistance / 1000 + 0.005 * rng.standard_normal((BATCH, SAMPLES))
    current += 0.008 * rng.standard_normal((BATCH, SAMPLES))
    force = 3 + 0.02 * rng.standard_normal((BATCH, 1)) + 0.012 * rng.standard_normal((BATCH, SAMPLES))

    def flat(curve: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(curve, dtype=np.float32).ravel()

    names = [""] * BATCH
    return WeldBatch(
        id=names,
        spot=names,
        gun=names,
        body=["B1"] * BATCH,
        program=names,
        time_ns=np.zeros(BATCH, dtype=np.int64),
        dt_us=np.full(BATCH, 1000, dtype=np.int64),
        wear_count=np.zeros(BATCH, dtype=np.int64),
        historical=np.zeros(BATCH, dtype=np.bool_),
        offsets=np.arange(BATCH + 1, dtype=np.int64) * SAMPLES,
        current_ka=flat(current),
        voltage_v=flat(voltage),
        force_kn=flat(force),
        displacement_mm=np.full(BATCH * SAMPLES, np.nan, dtype=np.float32),
    )


@dataclass(frozen=True, slots=True)
class Speed:
    """Of one batch."""

    judged_per_s: float
    """Welds per second of processor time, the judge."""
    read_per_s: float
    """The same of plain feature extraction, right after it."""


def measure(rounds: int) -> tuple[list[Speed], WeldBatch]:
    """Warm a judge up, then measure batch after batch; return the speeds and the last batch."""
    judge, source = WeldJudge(JudgeSettings()), batches()
    for _ in range(-(-WARM_WELDS * STREAMS // BATCH)):
        batch = next(source)
        judge.judge(batch)
    found = []
    for _ in range(rounds):
        batch = next(source)
        start = time.process_time()
        verdicts = judge.judge(batch)
        middle = time.process_time()
        extract(batch)
        found.append(Speed(BATCH / (middle - start), BATCH / (time.process_time() - middle)))
        if np.isnan(verdicts.score).any() or np.isnan(verdicts.shape).any():
            raise SystemExit("not every check was on: the judge was not warm")
    return found, batch
