"""Hours at a steady load: does anything grow? Samples go to a file as they are taken; the summary is made from it."""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.live.children import viewers
from benchmarks.live.plant import SETTINGS, LivePlant
from benchmarks.live.processes import usage
from benchmarks.live.trends import slope
from benchmarks.live.undriven import UndrivenPage, undriven_page
from benchmarks.machine import describe

EVERY_S = 7.3
"""No multiple nor part of the seconds in which pages ask: else their connections are met in one phase for minutes, then
in another, and pass for growth."""
PAST_HOURS = 1.5
"""At 200 welds a second more than the million ids that the pipeline remembers (`judge.remember_ids`): until these are
full its memory grows, by some 180 bytes a weld, as it should."""
WARM_SHARE = 0.25
"""The first quarter is left out: caches fill, references are learnt, the allocator finds its size."""
HELD_S = 60.0
"""What is followed is the least of each figure within so long: what a search or an answer takes for some seconds and
gives back is told as the largest value, and is no growth."""
LIMIT_SHARE_PER_H = 0.02
"""Flat: the whole 95 % interval of the slope is below so much of the median per hour ..."""
LEAST_LIMIT_PER_H = {"bytes": 2 * 2**20, "count": 2.0}
"""... or below this, of whatever is small."""
OWN = "beside_store_bytes"
"""The server's anonymous memory without what its store holds, which fills up to `store.memory_mb` in hours."""
BYTES = ("rss_bytes", "pss_bytes", "anonymous_bytes", "store_bytes", OWN, "JSHeapUsedSize")
COUNTS = ("files", "threads", "Nodes", "DetachedNodes", "JSEventListeners", "Documents")
JUDGED = (
    "anonymous_bytes",
    OWN,
    "files",
    "threads",
    "JSHeapUsedSize",
    "DetachedNodes",
    "JSEventListeners",
    "Documents",
)
"""What gets a verdict; the rest is only told. `Nodes` grow until the page's lists are as long as they may be."""
PAGE = "page"
TOLD = frozenset({"simulator", "viewers"})
"""What makes the load or measures: told without a verdict, for it is no part of Lineside."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this measurement's options."""
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--welds-per-s", type=float, default=200.0)
    parser.add_argument("--past-hours", type=float, default=PAST_HOURS, help="of the same rate, before it begins")
    parser.add_argument("--viewers", type=int, default=19, help="clients that act as a page does, beside a real one")
    parser.add_argument("--every-s", type=float, default=EVERY_S, help="between two samples")
    parser.add_argument("--samples", type=Path, default=Path("soak.jsonl"), help="written line by line; made anew")
    parser.add_argument("--summary", action="store_true", help="only summarise the samples, also of a run under way")


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Run, or with `--summary` only read, and return the summary."""
    if not options.summary:
        _run(options, folder)
    return summarise([json.loads(line) for line in options.samples.read_text(encoding="utf-8").splitlines()])


def _run(options: argparse.Namespace, folder: Path) -> None:
    with ExitStack() as stack:
        stream = stack.enter_context(options.samples.open("w", encoding="utf-8", buffering=1))
        load = {"welds_per_s": options.welds_per_s, "pages": 1, "viewers": options.viewers}
        stream.write(
            json.dumps({"machine": describe(), "spots": SETTINGS.spots, "vehicles": SETTINGS.agvs, **load}) + "\n"
        )
        plant = stack.enter_context(LivePlant(folder))
        plant.simulate(options.welds_per_s, options.past_hours)
        crowd = stack.enter_context(viewers(plant.url, options.viewers))
        page = stack.enter_context(undriven_page(plant.url, folder / "browser"))
        started = time.monotonic()
        due_s = 0.0
        while (at_s := time.monotonic() - started) < 60 * options.minutes:
            if not crowd.running:
                raise SystemExit("the viewers have ended")
            named = plant.named() | {"viewers": [crowd.process], "chromium": page.processes()}
            stream.write(json.dumps(_sample(at_s, plant, named, page)) + "\n")
            due_s += options.every_s
            time.sleep(max(0.1, due_s - (time.monotonic() - started)))
        if page.complaints:
            raise SystemExit(f"the page complained: {page.complaints[0]}")


def _sample(at_s: float, plant: LivePlant, named: Any, page: UndrivenPage) -> dict[str, Any]:
    account, held = plant.account(), plant.store_bytes()
    processes: dict[str, dict[str, Any]] = {name: asdict(one) for name, one in usage(named).items()}
    server = processes["server"]
    server |= {"store_bytes": held, OWN: server["anonymous_bytes"] - held}
    return {
        "at_s": round(at_s, 1),
        "processes": processes | {PAGE: page.held()},
        "disk_bytes": plant.disk_bytes(),
        "stored": account["stored"],
        "pending": account["pending"],
        "balanced": account["received"]
        == sum(account[name] for name in ("stored", "rejected", "duplicate", "pending")),
    }


def summarise(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """Return for each figure the median of what was held, its slope per hour with the interval, and the verdict."""
    about, samples = lines[0], lines[1:]
    if not samples:
        raise SystemExit("there is no sample yet")
    warm_s = WARM_SHARE * samples[-1]["at_s"]
    series: dict[tuple[str, str], dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for sample in samples:
        if sample["at_s"] < warm_s:
            continue
        for process, figures in sample["processes"].items():
            for figure in (*BYTES, *COUNTS):
                if figure in figures:
                    series[process, figure][int(sample["at_s"] // HELD_S)].append(figures[figure])
    figures = {f"{key[0]} {key[1]}": _figure(*key, values) for key, values in series.items()}
    for process in {process for process, figure in series if figure == OWN}:
        figures[f"{process} anonymous_bytes"].pop("verdict", None)
    judged = [figure["verdict"] for figure in figures.values() if "verdict" in figure]
    verdict = "grows" if "grows" in judged else "undecided" if "undecided" in judged else "flat"
    seconds = samples[-1]["at_s"] - samples[0]["at_s"]
    return about | {
        "minutes": round(seconds / 60, 1),
        "left_out_minutes": round(warm_s / 60, 1),
        "samples": len(samples),
        "stored_per_s": round((samples[-1]["stored"] - samples[0]["stored"]) / seconds, 1) if seconds else None,
        "most_pending": max(sample["pending"] for sample in samples),
        "always_balanced": all(sample["balanced"] for sample in samples),
        "disk_bytes": {"first": samples[0]["disk_bytes"], "last": samples[-1]["disk_bytes"]},
        "figures": figures,
        "verdict": verdict,
    }


def _figure(process: str, figure: str, sampled: dict[int, list[float]]) -> dict[str, Any]:
    values = [min(within) for within in sampled.values()]
    found = slope([HELD_S * k for k in sampled], values)
    is_judged = figure in JUDGED and process not in TOLD
    unit = "bytes" if figure in BYTES else "count"
    scale = 2**20 if unit == "bytes" else 1
    told: dict[str, Any] = {
        "unit": "MiB" if unit == "bytes" else unit,
        "first": round(values[0] / scale, 1),
        "last": round(values[-1] / scale, 1),
        "most": round(max(max(within) for within in sampled.values()) / scale, 1),
    }
    if found is None:
        return told | ({"verdict": "undecided"} if is_judged else {})
    limit = max(LIMIT_SHARE_PER_H * abs(found.median), LEAST_LIMIT_PER_H[unit])
    told |= {
        "median": round(found.median / scale, 1),
        "per_hour": round(3600 * found.per_s / scale, 2),
        "low": round(3600 * found.low / scale, 2),
        "high": round(3600 * found.high / scale, 2),
        "limit": round(limit / scale, 2),
    }
    return told | ({"verdict": found.verdict(limit / 3600)} if is_judged else {})
