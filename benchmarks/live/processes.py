"""What each process takes: processor time, memory, files and threads, as the system counts them."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

Named = Mapping[str, list[psutil.Process]]
"""Processes by what they are called in a report; several are reckoned together."""


KIB = 1024
OWN = ("supervisor", "collector", "server")
"""The processes of `lineside run`."""


@dataclass(frozen=True, slots=True)
class Usage:
    """One look at one name's processes, summed."""

    cpu_s: float
    """Processor time since they started, user and system, s."""
    rss_bytes: int
    pss_bytes: int
    """As `rss_bytes`, but memory shared with others is shared out."""
    anonymous_bytes: int
    """Of `rss_bytes` what no file stands behind: it does not change when another process maps the same libraries."""
    files: int
    threads: int


def usage(named: Named) -> dict[str, Usage]:
    """Return what each name's processes have taken; those that have ended meanwhile count nothing."""
    return {name: _sum(processes) for name, processes in named.items()}


def cpu_s(named: Named) -> dict[str, float]:
    """Return the processor time of each name's processes, s: quicker than `usage`."""
    return {name: sum(_cpu_s(process) for process in processes) for name, processes in named.items()}


def browser_processes() -> dict[str, list[psutil.Process]]:
    """Return chromium's processes that this process has started, and what drives them."""
    found: dict[str, list[psutil.Process]] = {"chromium": [], "browser driver": []}
    for child in psutil.Process(os.getpid()).children(recursive=True):
        try:
            name = child.name()
        except psutil.Error:
            continue
        if "chrom" in name:
            found["chromium"].append(child)
        elif name.startswith(("node", "MainThread")):
            found["browser driver"].append(child)
    return found


def _sum(processes: list[psutil.Process]) -> Usage:
    total = Usage(0.0, 0, 0, 0, 0, 0)
    for process in processes:
        try:
            with process.oneshot():
                times, memory = process.cpu_times(), _memory_bytes(process.pid)
                total = Usage(
                    total.cpu_s + times.user + times.system,
                    total.rss_bytes + memory["Rss"],
                    total.pss_bytes + memory["Pss"],
                    total.anonymous_bytes + memory["Anonymous"],
                    total.files + process.num_fds(),
                    total.threads + process.num_threads(),
                )
        except (psutil.Error, OSError):
            continue
    return total


def _memory_bytes(pid: int) -> dict[str, int]:
    """Return the sums over all mappings of a process. Raises `OSError` when it has ended."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    found = (line.split() for line in lines)
    return {name.rstrip(":"): KIB * int(value) for name, value, _ in found}


def _cpu_s(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


def busy(named: Named, warm_s: float, seconds: float) -> dict[str, float]:
    """Return the share of one core that each name's processes take over `seconds`, after a pause of `warm_s`."""
    time.sleep(warm_s)
    before, started = cpu_s(named), time.monotonic()
    time.sleep(seconds)
    after, took_s = cpu_s(named), time.monotonic() - started
    return {name: (after[name] - before[name]) / took_s for name in before}
