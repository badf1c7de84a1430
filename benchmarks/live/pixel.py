"""Weld published to pixel: how long, and which part of the way takes it."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.live.children import viewers
from benchmarks.live.pages import pages
from benchmarks.live.plant import SETTINGS, WELDS_PER_S, LivePlant
from benchmarks.live.probe import PROGRAM, Probe, published_ns
from benchmarks.live.processes import browser_processes, cpu_s
from benchmarks.live.trends import quantiles

COLLECT_S = 5.0
"""How often what was seen is taken from the pages: while it is, nothing is drawn."""
TAIL_S = 3.0
"""For the last probe to arrive."""
LEGS = ("received", "verdict", "socket", "document", "painted")
"""From the publishing on: the collector has it; its verdict is on the broker; the page's socket has it; it is in the
document; the frame that shows it has gone out."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this measurement's options."""
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--warm-s", type=float, default=30.0, help="after the pages stand")
    parser.add_argument("--welds-per-s", type=float, default=WELDS_PER_S, help="of the simulator")
    parser.add_argument("--past-hours", type=float, default=0.5, help="production before the pages are opened")
    parser.add_argument("--pages", type=int, default=1, help="real pages in chromium")
    parser.add_argument("--viewers", type=int, default=19, help="clients that ask and listen as a page does")
    parser.add_argument("--every-s", type=float, default=0.5, help="between two probes, mean")


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Return quantiles of the whole way and of each leg, ms, and the processor time of everything."""
    with ExitStack() as stack:
        plant = stack.enter_context(LivePlant(folder))
        plant.simulate(options.welds_per_s, options.past_hours)
        crowd = stack.enter_context(viewers(plant.url, options.viewers))
        shown = stack.enter_context(pages(plant.url, options.pages))
        probe = stack.enter_context(Probe(plant.broker.port, options.every_s))
        shown.wait(options.warm_s)
        shown.collect()
        named = plant.named() | {"viewers": [crowd.process]} | browser_processes()
        first, steps, before = len(probe.sent), plant.means_s(), cpu_s(named)
        started = time.monotonic()
        while (left_s := started + 60 * options.minutes - time.monotonic()) > 0:
            shown.wait(min(COLLECT_S, left_s))
            shown.collect()
        seconds = time.monotonic() - started
        after, steps_after = cpu_s(named), plant.means_s()
        probe.stop()
        shown.wait(TAIL_S)
        shown.collect()
        seen = crowd.result()
        received = plant.received_ns(PROGRAM)
        sent = probe.sent[first:]
        ways = [
            {"received": received[name] / 1e6, "verdict": probe.verdicts[name] / 1e6, **page[name]}
            | {"published": published_ns(name) / 1e6}
            for page in shown.probes
            for name in sent
            if name in page and name in probe.verdicts and name in received
        ]
        return {
            "welds_per_s": options.welds_per_s,
            "spots": SETTINGS.spots,
            "vehicles": SETTINGS.agvs,
            "pages": options.pages,
            "viewers": options.viewers,
            "measured_s": round(seconds, 1),
            "probes": len(sent),
            "not_shown": len(sent) * options.pages - len(ways),
            "published_to_painted_ms": quantiles([way["painted"] - way["published"] for way in ways]),
            "published_to_viewer_ms": quantiles(_at_viewers(seen["probes"], sent)),
            "legs_ms": _legs(ways),
            "pipeline_means_ms": _means_ms(steps, steps_after),
            "cpu_share": {name: round((after[name] - before[name]) / seconds, 3) for name in before},
            "viewers_saw": {name: value for name, value in seen.items() if name != "probes"},
            "page_errors": shown.complaints,
        }


def _legs(ways: list[dict[str, float]]) -> dict[str, Any]:
    start = ("published", *LEGS[:-1])
    return {
        f"{one} to {other}": quantiles([way[other] - way[one] for way in ways])
        for one, other in zip(start, LEGS, strict=True)
    }


def _at_viewers(seen: list[dict[str, int]], sent: list[str]) -> list[float]:
    return [(one[name] - published_ns(name)) / 1e6 for one in seen for name in sent if name in one]


def _means_ms(before: Mapping[str, tuple[float, float]], after: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    """Return the mean of each step of collector and pipeline between two looks, ms."""
    found = {}
    for name, (total, count) in after.items():
        total_before, count_before = before.get(name, (0.0, 0.0))
        if count > count_before:
            found[name] = round(1000 * (total - total_before) / (count - count_before), 2)
    return found
