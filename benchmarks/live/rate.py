"""End to end at a steady rate: does the lag grow, and what does it take? Also: the highest rate that is held."""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.live.children import Child, pacer
from benchmarks.live.load import WELDS, make_patterns, write_patterns
from benchmarks.live.plant import SETTINGS, LivePlant
from benchmarks.live.probe import PROGRAM, Probe, published_ns
from benchmarks.live.processes import cpu_s, usage
from benchmarks.live.trends import quantiles, slope
from tests.running import wait_until

LOOK_S = 1.0
MEMORY_EVERY_S = 10.0
GROWTH_LIMIT = 1e-3
"""Lag that grows by less than 1 ms a second is not told from none."""
LATE_S = 2.0
"""A rate counts as held only when all is stored so soon after the last message was sent."""
SENT_SHARE = 0.99
"""... and when the pacer could send so much of it in time."""
DRAIN_S = 900.0
CLIMB, HALVINGS = 1.25, 2


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this measurement's options."""
    parser.add_argument("--welds-per-s", type=float, default=10_000, help="the rate, or with --find the first one")
    parser.add_argument("--minutes", type=float, default=10.0, help="of each rate, after the warm-up")
    parser.add_argument("--warm-s", type=float, default=30.0, help="at the same rate, before anything is measured")
    parser.add_argument("--size", type=int, default=100, help="welds of one cell in a message")
    parser.add_argument("--distinct", type=int, default=WELDS, help="welds made beforehand, sent again as new ones")
    parser.add_argument("--find", action="store_true", help="climb by a quarter until a rate is not held, then bisect")


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Return one entry per rate under `rates`, and the highest that was held."""
    file = folder / "patterns.msgpack"
    write_patterns(file, make_patterns(SETTINGS, options.size, options.distinct))
    with LivePlant(folder) as plant, Probe(plant.broker.port, LOOK_S) as probe:
        load = _Load(plant, probe, file, options)
        found = [load.run(options.welds_per_s)]
        if options.find:
            low, high = (options.welds_per_s, None) if found[0]["held"] else (0.0, options.welds_per_s)
            while high is None or len(found) < 2 or _bisections(found) < HALVINGS:
                rate = low * CLIMB if high is None else (low + high) / 2
                found.append(load.run(rate) | {"bisecting": high is not None})
                low, high = (rate, high) if found[-1]["held"] else (low, rate)
        held = [entry["welds_per_s"] for entry in found if entry["held"]]
        return {"size": options.size, "spots": SETTINGS.spots, "rates": found, "highest_held": max(held, default=None)}


def _bisections(found: list[dict[str, Any]]) -> int:
    return sum(bool(entry.get("bisecting")) for entry in found)


class _Load:
    def __init__(self, plant: LivePlant, probe: Probe, file: Path, options: argparse.Namespace) -> None:
        self._plant, self._probe, self._file, self._options = plant, probe, file, options
        self._next = 0
        self._account = plant.account()

    def run(self, welds_per_s: float) -> dict[str, Any]:
        """Publish at a rate, look every second, and wait until all is stored."""
        plant, probe, options = self._plant, self._probe, self._options
        probes_before = len(probe.sent)
        with pacer(
            plant.broker.port, self._file, welds_per_s, options.warm_s + 60 * options.minutes, self._next
        ) as child:
            named = plant.named()
            _watch(child, options.warm_s, lambda: None)
            before, started = cpu_s(named), time.monotonic()
            looks: list[dict[str, float]] = []
            memory: list[dict[str, float]] = []

            def look() -> None:
                at_s = time.monotonic() - started
                status, collector = probe.status, plant.collector()
                looks.append(
                    {
                        "at_s": round(at_s, 2),
                        "lag_s": float(str(status.get("lag_s", 0.0))),
                        "pending": float(str(status.get("pending", 0))),
                        "waiting": float(collector.waiting) if collector else 0.0,
                    }
                )
                if len(memory) * MEMORY_EVERY_S <= at_s:
                    found = usage(named)
                    memory.append({"at_s": round(at_s, 2)} | {name: one.pss_bytes for name, one in found.items()})

            _watch(child, float("inf"), look)
            after, seconds = cpu_s(named), time.monotonic() - started
            sent = child.result()
        self._next = int(sent["next"])
        ended, before_account = time.monotonic(), self._account
        wait_until(lambda: plant.account()["pending"] < options.size, DRAIN_S, "the last verdict")
        drained_s = time.monotonic() - ended
        self._account = plant.account()
        wrong = {name: self._account[name] - before_account[name] for name in ("rejected", "duplicate")}
        if any(wrong.values()):
            raise SystemExit(f"the load is not taken as it should be: {wrong}")
        lag = slope([look["at_s"] for look in looks], [look["lag_s"] for look in looks])
        in_time = sent["welds"] / sent["seconds"] >= SENT_SHARE * welds_per_s
        grows = lag.verdict(GROWTH_LIMIT) if lag else "undecided"
        return {
            "welds_per_s": welds_per_s,
            "sent": sent,
            "measured_s": round(seconds, 1),
            "in_time": in_time,
            "lag_s": quantiles([look["lag_s"] for look in looks], 3),
            "lag_slope_s_per_s": asdict(lag) if lag else None,
            "lag_growth": grows,
            "drained_s": round(drained_s, 2),
            "held": in_time and grows != "grows" and drained_s < LATE_S,
            "cpu_share": {name: round((after[name] - before[name]) / seconds, 3) for name in before},
            "pss_mib": {name: round(memory[-1][name] / 2**20, 1) for name in before} if memory else {},
            "verdict_ms": _verdicts(plant, probe, probes_before),
            "looks": looks,
            "memory": memory,
        }


def _watch(child: Child, seconds: float, look: Any) -> None:
    started = time.monotonic()
    while child.running and time.monotonic() - started < seconds:
        look()
        time.sleep(LOOK_S)


def _verdicts(plant: LivePlant, probe: Probe, first: int) -> dict[str, Any]:
    """Return quantiles in ms of single welds sent beside the load, one a second."""
    received = plant.received_ns(PROGRAM)
    heard = [name for name in probe.sent[first:] if name in probe.verdicts and name in received]
    return {
        "published_to_received": quantiles([(received[name] - published_ns(name)) / 1e6 for name in heard]),
        "received_to_verdict": quantiles([(probe.verdicts[name] - received[name]) / 1e6 for name in heard]),
    }
