"""Writing the simulated plant's description in the format that `edge.plant.load_plant` reads."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from edge.plant import SPOT_COLUMNS
from edge.simulator.layout import Layout, build_layout
from edge.simulator.materials import SCHEDULES
from edge.simulator.roads import cell_floors
from edge.simulator.settings import SimulatorSettings

LINE_TITLES = {"UB": "Underbody", "FR": "Framing", "RS": "Respot", "CL": "Closures"}
SHIFTS = (("A", "06:00:00", "14:00:00"), ("B", "14:00:00", "22:00:00"), ("C", "22:00:00", "06:00:00"))


def write_plant(settings: SimulatorSettings, folder: Path) -> Path:
    """Write `plant.toml` and `spots.csv` into `folder`, made if missing; return the path of `plant.toml`."""
    layout = build_layout(settings)
    folder.mkdir(parents=True, exist_ok=True)
    _write_spots(layout, folder / "spots.csv")
    path = folder / "plant.toml"
    path.write_text(_plant_toml(settings, layout), encoding="utf-8")
    return path


def _write_spots(layout: Layout, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(SPOT_COLUMNS)
        for k, spot in enumerate(layout.spot):
            if not layout.listed[k]:
                continue
            gun = layout.gun_of_spot[k]
            schedule = SCHEDULES[layout.program[k]]
            x, y, z = layout.position_mm[k]
            writer.writerow(
                (
                    spot, layout.cell[layout.cell_of_gun[gun]], layout.gun[gun], schedule.name,
                    f"{x:.1f}", f"{y:.1f}", f"{z:.1f}", str(schedule.stack),
                )
            )  # fmt: skip


def _plant_toml(settings: SimulatorSettings, layout: Layout) -> str:
    quote = json.dumps  # a JSON string is a TOML basic string
    lines = [
        "# A simulated body shop, written by the simulator.",
        f"site = {quote(settings.site)}",
        f"area = {quote(settings.area)}",
        f"name = {quote(settings.name)}",
        f"timezone = {quote(settings.timezone)}",
        'spots = "spots.csv"',
    ]
    floors = cell_floors(layout)
    for line in dict.fromkeys(layout.cell_line):
        lines += ["", "[[lines]]", f"id = {quote(line)}", f"name = {quote(LINE_TITLES[line[:2]])}"]
        for k, cell in enumerate(layout.cell):
            if layout.cell_line[k] != line:
                continue
            guns = [gun for gun, of in zip(layout.gun, layout.cell_of_gun, strict=True) if of == k]
            x, y, width, depth = floors[k]
            lines += [
                "",
                "[[lines.cells]]",
                f"id = {quote(cell)}",
                f"guns = {json.dumps(guns)}",
                f"floor = {{ x_m = {x:.1f}, y_m = {y:.1f}, width_m = {width:.1f}, depth_m = {depth:.1f} }}",
            ]
    for name, start, end in SHIFTS:
        lines += ["", "[[shifts]]", f"name = {quote(name)}", f"start = {start}", f"end = {end}"]
    return "\n".join(lines) + "\n"
