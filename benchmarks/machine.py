"""What machine a benchmark ran on, and how busy it was with other things."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

import psutil
from rich.console import Console

PROCESSOR = "model name"
WIDTH = 140
"""Of what does not go to a terminal: a table in a file or a log is not to be cut to 80 columns."""


def wide_console() -> Console:
    """Return where tables are printed."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


def describe() -> dict[str, object]:
    """Return processor, cores that may be used, memory, versions, and the load average before the benchmark began.

    A load average near or above the number of cores says that other work ran too.
    """
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load_average_before": [round(load, 2) for load in os.getloadavg()],
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(PROCESSOR)), platform.processor())
