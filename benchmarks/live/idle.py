"""What Lineside takes when there is nothing to do, when one looks, and at the plant's own rate."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.live.pages import pages
from benchmarks.live.plant import WELDS_PER_S, LivePlant
from benchmarks.live.processes import OWN, browser_processes, busy


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this measurement's options."""
    parser.add_argument("--seconds", type=float, default=60.0, help="of each of the four phases")
    parser.add_argument("--warm-s", type=float, default=10.0, help="before each")
    parser.add_argument("--welds-per-s", type=float, default=WELDS_PER_S, help="of the simulator, in the last two")


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Return per phase the share of one core that each process takes, and that of all of Lineside."""
    found: dict[str, Any] = {}
    with LivePlant(folder) as plant:
        for welds_per_s in (0.0, options.welds_per_s):
            if welds_per_s:
                plant.simulate(welds_per_s)
            for n in (0, 1):
                with ExitStack() as stack:
                    named = plant.named()
                    if n:
                        stack.enter_context(pages(plant.url, n))
                        named |= browser_processes()
                    shares = busy(named, options.warm_s, options.seconds)
                lineside = sum(shares[name] for name in OWN)
                name = f"{welds_per_s:.0f} welds/s, {n} browser(s)"
                found[name] = {"lineside": round(lineside, 4)} | {key: round(one, 4) for key, one in shares.items()}
    return {"cores_taken": found}
