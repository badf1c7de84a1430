"""`python -m benchmarks.live rate | pixel | soak | idle | browsers`: Lineside as it runs, measured from outside."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.live import browsers, idle, pixel, rate, soak
from benchmarks.machine import describe, wide_console

MEASUREMENTS = {"rate": rate, "pixel": pixel, "soak": soak, "idle": idle, "browsers": browsers}
SERIES = ("looks", "memory")
"""Lists of samples: only in the file."""


def main() -> None:
    """Measure, print, and write JSON where that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, module in MEASUREMENTS.items():
        command = commands.add_parser(name, help=(module.__doc__ or "").splitlines()[0])
        module.add_options(command)
        command.add_argument("--json", type=Path, help="also write everything here, samples included")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # so that what was started here is ended
    console = wide_console()
    machine = describe()
    with tempfile.TemporaryDirectory(prefix="lineside-live-") as scratch:
        found = {"measurement": options.command, "machine": machine}
        found |= MEASUREMENTS[options.command].measure(options, Path(scratch))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
    figures = found.pop("figures", None)
    console.print(_table(found))
    if figures:
        console.print(_figures(figures))


def _table(found: dict[str, Any]) -> Table:
    made = Table("figure", "value")
    for name, value in _flat("", found):
        made.add_row(name, value)
    return made


def _figures(figures: dict[str, dict[str, Any]]) -> Table:
    """Return one row per figure that was followed over time."""
    columns = ("first", "last", "most", "median", "per_hour", "low", "high", "limit", "unit", "verdict")
    made = Table("figure", *columns)
    for name, figure in figures.items():
        made.add_row(name, *(str(figure.get(column, "")) for column in columns))
    return made


def _flat(name: str, value: Any) -> list[tuple[str, str]]:
    """Return rows; a record of plain values is one row."""
    if isinstance(value, dict) and any(isinstance(one, dict | list) for one in value.values()):
        parts = [(f"{name} {key}".strip(), one) for key, one in value.items() if key not in SERIES]
        return [row for key, one in parts for row in _flat(key, one)]
    if isinstance(value, list) and any(isinstance(one, dict) for one in value):
        return [row for k, one in enumerate(value, 1) for row in _flat(f"{name} {k}", one)]
    if isinstance(value, dict):
        return [(name, "  ".join(f"{key} {one}" for key, one in value.items()))]
    return [(name, str(value))]


if __name__ == "__main__":
    main()
