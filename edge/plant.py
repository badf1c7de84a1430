"""What stands in the body shop: site, lines, cells, guns, spots and the shift calendar.

Read from `plant.toml` and the CSV of spots that it names, checked once, then frozen. A plant may be empty: spots that
only show up on the wire are accepted and shown as new.
"""

from __future__ import annotations

import csv
import math
import tomllib
from collections.abc import Mapping
from datetime import datetime, time, timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec

from edge.settings import SettingsError, convert
from edge.topics import Place

SPOT_COLUMNS = ("spot", "cell", "gun", "program", "x_mm", "y_mm", "z_mm", "stack")
TOPIC_SIGNS = frozenset("/+#\0")
"""Not allowed inside one level of a topic."""
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Floor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rectangle on the floor plan, m."""

    x_m: float
    y_m: float
    width_m: float
    depth_m: float


class Cell(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One welding cell of a line."""

    id: str
    guns: tuple[str, ...] = ()
    floor: Floor | None = None


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line: cells in the order in which a body passes them."""

    id: str
    cells: tuple[Cell, ...]
    name: str = ""


class Shift(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One shift of the calendar, in the plant's own time; an end at or before the start is on the next day."""

    name: str
    start: time
    end: time
    days: tuple[str, ...] = WEEKDAYS


class Spot(msgspec.Struct, frozen=True):
    """One weld spot on the body."""

    spot: str
    cell: str
    gun: str
    program: str
    x_mm: float
    """Along the body, front to rear."""
    y_mm: float
    """Across the body, left positive."""
    z_mm: float
    """Up."""
    stack: str
    """Sheets from one electrode to the other, `<material>:<thickness mm>` joined by `+`."""


class ShiftWindow(msgspec.Struct, frozen=True):
    """One shift on one day."""

    name: str
    date: str
    """The day on which the shift began, ISO, in the plant's time."""
    start_ns: int
    end_ns: int


class _PlantFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`plant.toml` as written."""

    site: str
    area: str
    name: str = ""
    timezone: str = "UTC"
    spots: str = ""
    body_complete_min: Annotated[float, msgspec.Meta(gt=0)] = 30.0
    lines: tuple[Line, ...] = ()
    shifts: tuple[Shift, ...] = ()


class Plant(msgspec.Struct, frozen=True, dict=True):
    """The whole plant."""

    site: str
    area: str
    name: str
    timezone: str
    body_complete_min: float
    """A body that has had no weld for this long has left the shop; what it lacks by then is missing."""
    lines: tuple[Line, ...]
    shifts: tuple[Shift, ...]
    spots: Mapping[str, Spot]
    """By spot id, in the order of the file."""

    @cached_property
    def place_of_cell(self) -> Mapping[str, Place]:
        """Each cell's ISA-95 place."""
        return {cell.id: Place(self.site, self.area, line.id, cell.id) for line in self.lines for cell in line.cells}

    @cached_property
    def cell_of_gun(self) -> Mapping[str, str]:
        """The cell that each gun stands in."""
        return {gun: cell.id for line in self.lines for cell in line.cells for gun in cell.guns}

    def shift_windows(self, since_ns: int, until_ns: int) -> list[ShiftWindow]:
        """Return every shift that overlaps `since_ns .. until_ns`, in order of time."""
        zone = ZoneInfo(self.timezone)
        day = datetime.fromtimestamp(since_ns / 1e9, zone).date() - timedelta(days=1)
        last = datetime.fromtimestamp(until_ns / 1e9, zone).date()
        found = []
        while day <= last:
            for shift in self.shifts:
                if WEEKDAYS[day.weekday()] not in shift.days:
                    continue
                start = datetime.combine(day, shift.start, zone)
                end = datetime.combine(day, shift.end, zone)
                if end <= start:
                    end += timedelta(days=1)
                start_ns, end_ns = int(start.timestamp()) * 10**9, int(end.timestamp()) * 10**9
                if start_ns < until_ns and end_ns > since_ns:
                    found.append(ShiftWindow(shift.name, day.isoformat(), start_ns, end_ns))
            day += timedelta(days=1)
        return sorted(found, key=lambda window: window.start_ns)


EMPTY = Plant("site", "area", "", "UTC", 30.0, (), (), {})
"""The plant of an integrator who has not described one yet."""


def load_plant(path: Path) -> Plant:
    """Read `plant.toml` and its CSV of spots.

    Raises `SettingsError`, naming the file, the field or line, what came and what was expected.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path}: {error}") from None
    file = convert(raw, _PlantFile, str(path))
    try:
        ZoneInfo(file.timezone)
    except (KeyError, ValueError, OSError):
        raise SettingsError(f"{path}: timezone is {file.timezone!r}; expected an IANA name, as Asia/Shanghai") from None
    guns = _check_names(file, path)
    cells = {cell.id for line in file.lines for cell in line.cells}
    spots = _load_spots(path.parent / file.spots, cells, guns) if file.spots else {}
    return Plant(file.site, file.area, file.name, file.timezone, file.body_complete_min, file.lines, file.shifts, spots)


def _check_names(file: _PlantFile, path: Path) -> dict[str, str]:
    """Return the cell of each gun. Raises `SettingsError` for a name that is wrong or stands twice."""
    for shift in file.shifts:
        for day in shift.days:
            if day not in WEEKDAYS:
                raise SettingsError(
                    f"{path}: shift {shift.name!r} has the day {day!r}; expected one of {', '.join(WEEKDAYS)}"
                )
    cells = [cell for line in file.lines for cell in line.cells]
    named = [("site", file.site), ("area", file.area)]
    named += [("line", line.id) for line in file.lines] + [("cell", cell.id) for cell in cells]
    for place, (what, name) in enumerate(named):
        if not name or set(name) & TOPIC_SIGNS:
            raise SettingsError(f"{path}: {what} is {name!r}; expected a level of an MQTT topic, without / + #")
        if (what, name) in named[:place]:
            raise SettingsError(f"{path}: {what} {name!r} stands twice; expected each {what} once")
    guns: dict[str, str] = {}
    for cell in cells:
        for gun in cell.guns:
            if gun in guns:
                raise SettingsError(f"{path}: gun {gun!r} stands in {guns[gun]!r} and {cell.id!r}; expected one cell")
            guns[gun] = cell.id
    return guns


def _load_spots(path: Path, cells: set[str], guns: Mapping[str, str]) -> dict[str, Spot]:
    spots: dict[str, Spot] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:  # spreadsheets write a byte order mark
            reader = csv.DictReader(stream)
            if tuple(reader.fieldnames or ()) != SPOT_COLUMNS:
                raise SettingsError(f"{path}: columns are {reader.fieldnames}; expected {', '.join(SPOT_COLUMNS)}")
            for row in reader:
                spot = _spot(row, f"{path}:{reader.line_num}", cells, guns)
                if spot.spot in spots:
                    raise SettingsError(f"{path}:{reader.line_num}: spot {spot.spot!r} stands twice; expected it once")
                spots[spot.spot] = spot
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SettingsError(f"{path}: {error}") from None
    return spots


def _spot(row: dict[str, str], where: str, cells: set[str], guns: Mapping[str, str]) -> Spot:
    if len(row) != len(SPOT_COLUMNS):  # DictReader puts what is beyond the last column under a key of its own
        raise SettingsError(f"{where}: more than {len(SPOT_COLUMNS)} columns; expected {', '.join(SPOT_COLUMNS)}")
    spot = convert(row, Spot, where, strict=False)
    if not spot.spot:
        raise SettingsError(f"{where}: spot is empty; expected its name")
    for name in ("x_mm", "y_mm", "z_mm"):
        if not math.isfinite(getattr(spot, name)):
            raise SettingsError(f"{where}: {name} is {getattr(spot, name)}; expected a number of mm")
    if spot.cell not in cells:
        raise SettingsError(f"{where}: cell is {spot.cell!r}; expected one of plant.toml's cells")
    if guns.get(spot.gun) != spot.cell:
        raise SettingsError(f"{where}: gun is {spot.gun!r}; expected a gun of cell {spot.cell!r}")
    return spot
