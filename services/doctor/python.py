"""What runs Lineside."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator

import numpy as np
import psutil

from edge.findings import Finding

MIN_MEMORY = 2**30


def check_python() -> Iterator[Finding]:
    """Yield the versions that reports of trouble should name, and whether memory is short."""
    memory = psutil.virtual_memory()
    yield Finding(
        "fine",
        "python",
        f"Python {platform.python_version()}, numpy {np.__version__}, {os.cpu_count()} cores, "
        f"{memory.total / 2**30:.1f} GiB of memory",
    )
    if memory.available < MIN_MEMORY:
        what = f"{memory.available / 2**20:,.0f} MiB of memory are free; the judge of a large plant needs about 1 GiB"
        yield Finding("warning", "python", what, "stop what else runs here, or add memory")
