"""`make bench`: every part in turn, each in a process of its own, and one table of what all of them found."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table

from benchmarks import rows
from benchmarks.machine import describe, wide_console
from benchmarks.rows import Found, Row


@dataclass(frozen=True, slots=True)
class Part:
    """One module that measures and writes JSON."""

    command: tuple[str, ...]
    rows: Callable[[Found], Iterator[Row]]
    short: tuple[str, ...] = ()
    """Options of a run that only shows that all works."""


PARTS = {
    "path": Part(("benchmarks.path",), rows.path, ("--warm", "20000", "--curves", "10000")),
    "rate": Part(
        ("benchmarks.live", "rate"), rows.rate, ("--welds-per-s", "2000", "--minutes", "0.2", "--warm-s", "2")
    ),
    "pixel": Part(("benchmarks.live", "pixel"), rows.pixel, ("--minutes", "0.5")),
    "idle": Part(("benchmarks.live", "idle"), rows.idle, ("--seconds", "5", "--warm-s", "2")),
    "browsers": Part(
        ("benchmarks.live", "browsers"), rows.browsers, ("--seconds", "5", "--warm-s", "3", "--rounds", "1")
    ),
    "judge": Part(("benchmarks.judge",), rows.judge),
    "queries": Part(("benchmarks.queries",), rows.queries, ("--rows", "1000000", "--times", "5")),
    "influx": Part(("benchmarks.influx",), rows.influx, ("--rows", "100000", "--whole", "5000", "--times", "2")),
    "soak": Part(("benchmarks.live", "soak"), rows.soak, ("--minutes", "1")),
}
LONG = {"soak"}
"""Two hours: only when named."""


def main() -> None:
    """Run the parts, print the table, and write it as JSON where that is asked for."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=[name for name in PARTS if name not in LONG])
    parser.add_argument("--short", action="store_true", help="minutes instead of an hour: shows that it works")
    parser.add_argument("--json", type=Path, help="also write all rows here")
    options = parser.parse_args()
    console, machine = wide_console(), describe()
    found: dict[str, list[Row]] = {}
    with tempfile.TemporaryDirectory(prefix="lineside-bench-") as scratch:
        for name in options.only:
            part, file = PARTS[name], Path(scratch) / f"{name}.json"
            more = part.short if options.short else ()
            console.rule(name)
            subprocess.run([sys.executable, "-m", *part.command, *more, "--json", str(file)], check=True)
            found[name] = list(part.rows(json.loads(file.read_text(encoding="utf-8"))))
            if options.json:  # after each part: what took most of an hour outlives a part that fails
                _write(options.json, machine, found)
    console.print(", ".join(f"{name} {value}" for name, value in machine.items()))
    console.print(_table(found))


def _write(file: Path, machine: dict[str, object], found: dict[str, list[Row]]) -> None:
    rows = {name: [asdict(one) for one in part] for name, part in found.items()}
    file.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1, ensure_ascii=False), encoding="utf-8")


def _table(found: dict[str, list[Row]]) -> Table:
    made = Table("part", "what", "figure", "goal", "met")
    for name, part in found.items():
        for row in part:
            met = "" if row.met is None else "yes" if row.met else "[bold]no[/]"
            made.add_row(name, row.name, row.figure, row.goal, met)
        made.add_section()
    return made


if __name__ == "__main__":
    main()
