"""`python -m benchmarks.judge`: the judge alone, and decoding, as ratios of two things measured in turn."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import msgspec
import numpy as np
from rich.table import Table

from benchmarks.judging import measure
from benchmarks.machine import describe, wide_console
from edge.simulator.settings import SimulatorSettings
from edge.simulator.shop import generate
from edge.sources import Limits, Message, decode
from models.welds.batch import WeldBatch
from models.welds.features import extract
from models.welds.judge import JudgeSettings, WeldJudge
from tests.unit.models.welds.oracle import Oracle, Weld

START_NS = 1_790_000_000 * 10**9
MIN_NS = 60 * 10**9
ROUNDS = 7
NAIVE_WELDS = 300
LARGE = "10,000 streams of 300 samples"
LIMITS = Limits(max_age_days=366, max_ahead_s=300, max_payload_bytes=2**26, max_samples=20_000)


def welds(minutes: int) -> WeldBatch:
    """Return so many minutes of the default plant, about 3,000 welds each, as one batch in the order of time."""
    parts = [batch for batch, _ in generate(SimulatorSettings(), START_NS, START_NS + minutes * MIN_NS)]
    sizes = np.cumsum([0, *(part.offsets[-1] for part in parts)])
    join = {
        name: list(chain.from_iterable(getattr(part, name) for part in parts))
        if isinstance(getattr(parts[0], name), list)
        else np.concatenate([getattr(part, name) for part in parts])
        for name in WeldBatch.__slots__
        if name != "offsets"
    }
    offsets = np.concatenate([[0], *(part.offsets[1:] + base for part, base in zip(parts, sizes, strict=False))])
    return WeldBatch(**join, offsets=offsets.astype(np.int64))


def seconds(work: Callable[[], object]) -> float:
    """Return the processor time that it took: other work on the machine is not in it."""
    start = time.process_time()
    work()
    return time.process_time() - start


def ratios(one: Callable[[], float], other: Callable[[], float]) -> list[float]:
    """Return one / other, measured in turn."""
    return [one() / other() for _ in range(ROUNDS)]


def judge_in_batches(batch: WeldBatch, size: int) -> float:
    """Return welds per second."""
    parts = [batch.take(k, min(k + size, len(batch))) for k in range(0, len(batch), size)]
    judge = WeldJudge(JudgeSettings(learn_n=8))

    def work() -> None:
        for part in parts:
            judge.judge(part)

    return len(batch) / seconds(work)


def judge_naively(batch: WeldBatch) -> float:
    """Return welds per second of the oracle."""
    made = [as_weld(batch, k) for k in range(min(NAIVE_WELDS, len(batch)))]
    oracle = Oracle(learn_n=8)
    return len(made) / seconds(lambda: [oracle.judge(weld) for weld in made])


def as_weld(batch: WeldBatch, k: int) -> Weld:
    at = slice(batch.offsets[k], batch.offsets[k + 1])
    return Weld(
        spot=batch.spot[k],
        program=batch.program[k],
        time_ns=int(batch.time_ns[k]),
        dt_us=int(batch.dt_us[k]),
        current=batch.current_ka[at].tolist(),
        voltage=batch.voltage_v[at].tolist(),
        force=batch.force_kn[at].tolist(),
        gun=batch.gun[k],
    )


def messages(batch: WeldBatch, *, packed: bool) -> list[Message]:
    """Return welds as messages of a hundred."""
    items = []
    for k in range(len(batch)):
        at = slice(batch.offsets[k], batch.offsets[k + 1])
        curves = {"current_ka": batch.current_ka[at], "voltage_v": batch.voltage_v[at], "force_kn": batch.force_kn[at]}
        sound = {name: curve for name, curve in curves.items() if np.isfinite(curve).all()}  # not every gun has force
        values = {n: c.tobytes() if packed else [round(float(x), 4) for x in c] for n, c in sound.items()}
        names = {n: getattr(batch, n)[k] for n in ("id", "spot", "gun", "body", "program")}
        items.append({**names, "time": int(batch.time_ns[k]), "dt_us": int(batch.dt_us[k]), **values})
    encode = msgspec.msgpack.encode if packed else msgspec.json.encode
    topic = "lineside/v1/site/area/line/cell/weld"
    lists = [items[k : k + 100] for k in range(0, len(items), 100)]
    received_ns = int(batch.time_ns.max())
    return [Message(k + 1, topic, encode(part), received_ns, len(part)) for k, part in enumerate(lists)]


def rows() -> dict[str, list[float]]:
    """Measure, and return what was found by the name of its row."""
    batch = welds(24)
    finite = np.isfinite(batch.voltage_v) & np.isfinite(batch.current_ka)
    sound = batch.select(np.logical_and.reduceat(finite, batch.offsets[:-1]))
    some, small = sound.take(0, 12_000), sound.take(0, 2000)
    found = {}
    for size, of in ((1, small), (16, small), (256, some), (4096, some), (65_536, sound)):
        name = f"judge over the naive judge, batches of {size:,}"
        found[name] = ratios(lambda size=size, of=of: judge_in_batches(of, size), lambda: judge_naively(sound))
    judge = WeldJudge(JudgeSettings(learn_n=8))
    found["judge over features, time"] = ratios(
        lambda: seconds(lambda: judge.judge(some)), lambda: seconds(lambda: extract(some))
    )
    speeds, large = measure(ROUNDS)
    found[f"judge over features, time, {LARGE}"] = [one.read_per_s / one.judged_per_s for one in speeds]
    found[f"judge over the naive judge, {LARGE}"] = [one.judged_per_s / judge_naively(large) for one in speeds]
    found[f"thousand welds per second of one core, {LARGE}"] = [one.judged_per_s / 1000 for one in speeds]
    packed, text = (messages(small, packed=packed) for packed in (True, False))
    if any(decode(part, LIMITS).rejects for part in (packed, text)):
        raise SystemExit("the benchmark's own messages were rejected")
    found["decode, packed over JSON, welds per second"] = ratios(
        lambda: 1 / seconds(lambda: decode(packed, LIMITS)), lambda: 1 / seconds(lambda: decode(text, LIMITS))
    )
    return found


def main() -> None:
    """Measure, print, and write JSON where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    machine, table = describe(), Table("row", "median", "smallest", "largest")
    found = {
        name: {"median": statistics.median(x), "smallest": min(x), "largest": max(x)} for name, x in rows().items()
    }
    for name, figures in found.items():
        table.add_row(name, *(f"{x:,.2f}" for x in figures.values()))
    wide_console().print(table)
    if options.json:
        options.json.write_text(json.dumps({"machine": machine, "rows": found}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
