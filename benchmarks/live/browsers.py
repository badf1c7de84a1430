"""What each connected browser costs the server: processor time and memory, over numbers of viewers within one run."""

from __future__ import annotations

import argparse
import statistics
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.live.children import viewers
from benchmarks.live.plant import WELDS_PER_S, LivePlant
from benchmarks.live.processes import busy, usage

NUMBERS = (0, 1, 20, 100)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this measurement's options."""
    parser.add_argument("--seconds", type=float, default=60.0, help="of each number of viewers")
    parser.add_argument("--warm-s", type=float, default=15.0, help="before each: their first load is not counted")
    parser.add_argument("--rounds", type=int, default=3, help="up, down, up again: what drifts cancels out")
    parser.add_argument("--welds-per-s", type=float, default=WELDS_PER_S, help="of the simulator")
    parser.add_argument("--past-hours", type=float, default=0.2)
    parser.add_argument(
        "--numbers", type=int, nargs="+", default=list(NUMBERS), help="the first is what others are above"
    )


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Return the server's share of a core and its memory for each number, and per browser."""
    looks: list[dict[str, Any]] = []
    with LivePlant(folder) as plant:
        plant.simulate(options.welds_per_s, options.past_hours)
        for turn in range(options.rounds):
            for n in options.numbers if turn % 2 == 0 else reversed(options.numbers):
                with ExitStack() as stack:
                    named = plant.named()
                    if n:
                        child = stack.enter_context(viewers(plant.url, n))
                        named["viewers"] = [child.process]
                    shares = busy(named, options.warm_s, options.seconds)
                    pss = usage({"server": named["server"]})["server"].pss_bytes
                    seen = child.result() if n else {}
                looks.append(
                    {"browsers": n, "server_cpu_share": round(shares["server"], 4), "server_pss_mib": pss / 2**20}
                    | {name: seen[name] for name in ("messages", "characters", "requests", "failures") if n}
                )
    kept = looks[-1]["server_pss_mib"] - looks[0]["server_pss_mib"]
    return {"looks": looks, "per_browser": _per_browser(looks, options.numbers), "mib_kept_by_the_server": round(kept)}


def _per_browser(looks: list[dict[str, Any]], numbers: list[int]) -> dict[str, Any]:
    """Return the medians over the rounds, and what is above that of the first number, divided by the browsers.

    Memory is compared after the first round: what many first loads at once took for a moment, the allocator keeps, and
    it would else look like the price of being connected.
    """
    shares, memory = defaultdict(list), defaultdict(list)
    later = looks[len(numbers) :] or looks
    for look in looks:
        shares[look["browsers"]].append(look["server_cpu_share"])
    for look in later:
        memory[look["browsers"]].append(look["server_pss_mib"])
    none = numbers[0]
    base_share, base_mib = statistics.median(shares[none]), statistics.median(memory[none])
    return {
        str(n): {
            "server_cpu_share": round(statistics.median(shares[n]), 4),
            "cpu_share_per_browser": round((statistics.median(shares[n]) - base_share) / (n - none), 5),
            "mib_per_browser": round((statistics.median(memory[n]) - base_mib) / (n - none), 3),
        }
        for n in numbers
        if n != none
    }
