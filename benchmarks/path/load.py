"""The welds of a simulated plant as MQTT payloads, packed or JSON, one by one or by the hundred."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice

import msgspec
import numpy as np

from edge.simulator.settings import SimulatorSettings
from edge.simulator.shop import generate
from models.welds.batch import WeldBatch

TOPIC = "lineside/v1/bench/bodyshop/line/cell/weld"
MIN_NS = 60 * 10**9
HOUR_AGO_NS = 3600 * 10**9
BATCHED = 100
SOUND_KA, SOUND_SAMPLES = 2.0, 20
"""Welds without such a current, or not for so long, are left out: not every contender could read them."""
SHARE_ON = 0.15
"""Of its largest, what counts as current for all of them."""
CHANNELS = ("current_ka", "voltage_v", "force_kn")


def items(packed: bool) -> Iterator[dict[str, object]]:
    """Yield welds without end, in the order of time, as a controller sends them; they began an hour ago."""
    now = time.time_ns() - HOUR_AGO_NS
    settings = SimulatorSettings()
    while True:
        for batch, _ in generate(settings, now, now + MIN_NS):
            for k in range(len(batch)):
                current = batch.current_ka[batch.offsets[k] : batch.offsets[k + 1]]
                on = current > max(SOUND_KA, SHARE_ON * current.max())
                if np.isfinite(current).all() and np.count_nonzero(on) > SOUND_SAMPLES:
                    yield _item(batch, k, packed=packed)
        now += MIN_NS


def _item(batch: WeldBatch, k: int, *, packed: bool) -> dict[str, object]:
    at = slice(batch.offsets[k], batch.offsets[k + 1])
    curves = {name: getattr(batch, name)[at] for name in CHANNELS}
    there = {name: curve for name, curve in curves.items() if np.isfinite(curve).all()}
    values = {n: c.tobytes() if packed else [round(float(x), 4) for x in c] for n, c in there.items()}
    names = {name: getattr(batch, name)[k] for name in ("id", "spot", "gun", "body", "program")}
    return {**names, "time": int(batch.time_ns[k]), "dt_us": int(batch.dt_us[k]), **values}


def payloads(source: Iterator[dict[str, object]], welds: int, size: int, *, packed: bool) -> list[bytes]:
    """Return the next `welds` of a source as messages of `size` each; a message of one is no list."""
    encode = msgspec.msgpack.encode if packed else msgspec.json.encode
    made = []
    while welds:
        part = list(islice(source, min(size, welds)))
        welds -= len(part)
        made.append(encode(part[0] if size == 1 else part))
    return made
