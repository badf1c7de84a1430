"""`lineside inspections`: a CSV of what tests found, sent to a running plant in pieces that it takes at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from services.errors import OperatorError
from services.plant_client import PlantClient, PlantError

LINES = 1000
"""Lines of one request: as many as the API takes at once."""


class ImportFileError(OperatorError):
    """The file cannot be read."""


def run_import(file: Path, url: str, *, as_json: bool) -> bool:
    """Send `file` and print what became of each line; return whether all were taken. Raises `OperatorError`."""
    plant = PlantClient(url)
    accepted, refused = 0, []
    for first, body in pieces(file):
        taken = _send(plant, body)
        accepted += taken["accepted"]
        refused += [{**item, "row": item["row"] + first} for item in taken["items"] if item["problem"]]
    if as_json:
        problems = [{"line": item["row"], "weld": item["weld"], **item["problem"]} for item in refused]
        print(json.dumps({"accepted": accepted, "refused": len(refused), "problems": problems}))  # noqa: T201
        return not refused
    console = Console(soft_wrap=True)
    for item in refused:
        console.print(f"{file}:{item['row']}: {item['problem']['detail']}", style="red", highlight=False, markup=False)
    console.print(f"{accepted} inspections taken, {len(refused)} refused", highlight=False)
    return not refused


def pieces(file: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the file in CSVs of at most `LINES` lines with the header each, and how many lines went before.

    Raises `ImportFileError`.
    """
    try:
        lines = file.read_bytes().splitlines(keepends=True)
    except OSError as error:
        raise ImportFileError(f"{file}: {error}") from None
    if len(lines) < 2:
        raise ImportFileError(f"{file} has no line after the header; expected weld,result and at least one inspection")
    for start in range(1, len(lines), LINES):
        yield start - 1, b"".join((lines[0], *lines[start : start + LINES]))


def _send(plant: PlantClient, body: bytes) -> dict[str, Any]:
    try:
        taken: dict[str, Any] = plant.post("/inspections", body, "text/csv")
    except PlantError as error:
        if "items" not in error.problem:
            raise
        taken = error.problem  # all of it was refused, line by line
    return taken
