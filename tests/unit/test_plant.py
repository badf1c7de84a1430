"""The plant model: what a person writes becomes a frozen plant, or one line that says where and what is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.plant import EMPTY, WEEKDAYS, Plant, Shift, load_plant
from edge.settings import SettingsError
from edge.topics import Place

HOUR_NS = 3600 * 10**9
PLANT = """
site = "SZ1"
area = "body"
name = "Body shop 焊装"
timezone = "Europe/Berlin"
spots = "spots.csv"

[[lines]]
id = "FR1"
cells = [
  { id = "C01", guns = ["G1", "G2"], floor = { x_m = 0, y_m = 1.5, width_m = 6, depth_m = 4 } },
  { id = "C02", guns = ["G3"] },
]

[[shifts]]
name = "early"
start = 06:00:00
end = 14:00:00
days = ["mon", "tue", "wed", "thu", "fri"]

[[shifts]]
name = "night"
start = 22:00:00
end = 06:00:00
"""
SPOTS = """spot,cell,gun,program,x_mm,y_mm,z_mm,stack
S-1,C01,G1,P1,100,-20.5,3e2,DP600:1.2+DC04:0.8
焊点2,C01,G2,P1,0,0,0,DC04:0.8+DC04:0.8
S-3,C02,G3,7,1,2,3,DC04:0.7+DC04:0.7+DP600:1.5
"""


def written(folder: Path, plant: str = PLANT, spots: str | bytes = SPOTS) -> Path:
    path = folder / "plant.toml"
    path.write_text(plant, encoding="utf-8")
    (folder / "spots.csv").write_bytes(spots if isinstance(spots, bytes) else spots.encode())
    return path


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 10**9


def test_a_plant_is_read_as_written(tmp_path: Path) -> None:
    plant = load_plant(written(tmp_path))
    assert (plant.site, plant.area, plant.name) == ("SZ1", "body", "Body shop 焊装")
    assert list(plant.spots) == ["S-1", "焊点2", "S-3"]
    spot = plant.spots["S-1"]
    assert (spot.x_mm, spot.y_mm, spot.z_mm, spot.stack) == (100.0, -20.5, 300.0, "DP600:1.2+DC04:0.8")
    assert plant.spots["S-3"].program == "7"
    assert plant.place_of_cell == {
        "C01": Place("SZ1", "body", "FR1", "C01"),
        "C02": Place("SZ1", "body", "FR1", "C02"),
    }
    floor = plant.lines[0].cells[0].floor
    assert floor is not None
    assert (floor.y_m, floor.width_m) == (1.5, 6.0)
    assert plant.lines[0].cells[1].floor is None


def test_the_csv_of_a_spreadsheet_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    assert list(load_plant(written(tmp_path, spots="\ufeff" + SPOTS)).spots) == ["S-1", "焊点2", "S-3"]


def test_a_plant_may_be_almost_empty(tmp_path: Path) -> None:
    plant = load_plant(written(tmp_path, 'site = "s"\narea = "a"\n'))
    assert (plant.lines, plant.shifts, dict(plant.spots), plant.timezone) == ((), (), {}, "UTC")
    assert plant.shift_windows(0, 10**18) == []
    assert dict(EMPTY.spots) == {}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('site = "SZ1"\n', "", ["site"]),
        ('site = "SZ1"', "site = 3", ["site", "it is 3"]),
        ('name = "Body', 'nmae = "Body', ["unknown key 'nmae'", "did you mean 'name'?"]),
        ("x_m = 0", 'x_m = "left"', ["lines[0].cells[0].floor.x_m", "'left'"]),
        ("Europe/Berlin", "Berlin", ["timezone", "'Berlin'", "IANA"]),
        ("Europe/Berlin", "../../etc/passwd", ["timezone", "IANA"]),
        ('"wed"', '"Wednesday"', ["'early'", "'Wednesday'", "mon, tue"]),
        ("start = 06:00:00", 'start = "six"', ["shifts[0].start", "'six'"]),
        ('"C02", guns', '"C01", guns', ["cell 'C01'", "twice"]),
        ('["G3"]', '["G1"]', ["gun 'G1'", "'C01' and 'C02'"]),
        ('id = "FR1"', 'id = "FR/1"', ["line", "'FR/1'", "topic"]),
        ('id = "C02"', 'id = "C+2"', ["cell", "'C+2'", "topic"]),
        ('site = "SZ1"', 'site = ""', ["site", "''", "topic"]),
        ("[[shifts]]", "[[lines]]\nid = 'FR1'\ncells = []\n[[shifts]]", ["line 'FR1'", "twice"]),
        ("[[lines]]", "body_complete_min = 0\n[[lines]]", ["body_complete_min", "it is 0"]),
        ('spots = "spots.csv"', 'spots = "absent.csv"', ["absent.csv"]),
    ],
)
def test_a_wrong_plant_file_says_what_is_wrong(tmp_path: Path, old: str, new: str, says: list[str]) -> None:
    assert PLANT.count(old) >= 1
    with pytest.raises(SettingsError) as caught:
        load_plant(written(tmp_path, PLANT.replace(old, new, 1)))
    for part in [str(tmp_path), *says]:
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("x_mm", "x", ["columns", "x_mm"]),
        ("100,-20.5", "100,left", ["spots.csv:2", "y_mm", "'left'"]),
        ("100,-20.5", "100,nan", ["spots.csv:2", "y_mm", "nan"]),
        ("0,0,0", "0,0,inf", ["spots.csv:3", "z_mm", "inf"]),
        ("S-3", "S-1", ["spots.csv:4", "'S-1'", "twice"]),
        ("S-3", "", ["spots.csv:4", "spot is empty"]),
        ("S-3,C02", "S-3,C09", ["spots.csv:4", "'C09'"]),
        ("S-3,C02,G3", "S-3,C02,G1", ["spots.csv:4", "gun is 'G1'", "'C02'"]),
        (",DC04:0.7+DC04:0.7+DP600:1.5", "", ["spots.csv:4", "stack"]),
        ("DP600:1.5", "DP600:1.5,more", ["spots.csv:4", "columns"]),
    ],
)
def test_a_wrong_spot_says_the_line_of_the_file(tmp_path: Path, old: str, new: str, says: list[str]) -> None:
    assert old in SPOTS
    with pytest.raises(SettingsError) as caught:
        load_plant(written(tmp_path, spots=SPOTS.replace(old, new, 1)))
    for part in [str(tmp_path), *says]:
        assert part in str(caught.value)


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", SPOTS.encode("gb18030"), SPOTS.encode() + b'"' + b"x" * 200_000])
def test_bytes_that_are_no_csv_are_an_error_of_the_file(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(SettingsError, match=r"spots\.csv"):
        load_plant(written(tmp_path, spots=data))


def test_shifts_cross_midnight_and_keep_the_day_on_which_they_began(tmp_path: Path) -> None:
    plant = load_plant(written(tmp_path))
    # Tuesday 2026-11-24 21:00 to Wednesday 15:00 in Berlin (+01:00).
    windows = plant.shift_windows(ns("2026-11-24T21:00+01:00"), ns("2026-11-25T15:00+01:00"))
    assert [(w.name, w.date, w.start_ns, w.end_ns) for w in windows] == [
        ("night", "2026-11-24", ns("2026-11-24T22:00+01:00"), ns("2026-11-25T06:00+01:00")),
        ("early", "2026-11-25", ns("2026-11-25T06:00+01:00"), ns("2026-11-25T14:00+01:00")),
    ]


def test_days_without_a_shift_have_none(tmp_path: Path) -> None:
    plant = load_plant(written(tmp_path))
    saturday = plant.shift_windows(ns("2026-11-28T07:00+01:00"), ns("2026-11-28T21:00+01:00"))
    assert saturday == []


def test_the_window_is_half_open(tmp_path: Path) -> None:
    plant = load_plant(written(tmp_path))
    end = ns("2026-11-25T14:00+01:00")
    assert plant.shift_windows(end, end + 1) == []
    assert [w.name for w in plant.shift_windows(end - 1, end)] == ["early"]
    start = ns("2026-11-25T22:00+01:00")
    assert plant.shift_windows(start - 1, start) == []
    assert [w.name for w in plant.shift_windows(start, start + 1)] == ["night"]


@pytest.mark.parametrize(("day", "hours"), [("2026-03-28", 7), ("2026-10-24", 9), ("2026-11-24", 8)])
def test_a_night_in_which_the_clocks_change_is_as_long_as_it_is(tmp_path: Path, day: str, hours: int) -> None:
    plant = load_plant(written(tmp_path))
    midday = int(datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=UTC).timestamp()) * 10**9
    night = next(w for w in plant.shift_windows(midday, midday + 12 * HOUR_NS) if w.name == "night")
    assert night.date == day
    assert night.end_ns - night.start_ns == hours * HOUR_NS


SHIFTS = (Shift("A", time(6), time(14)), Shift("B", time(14), time(22)), Shift("C", time(22), time(6)))
ROUND = Plant("s", "a", "", "Asia/Shanghai", 30.0, (), SHIFTS, {})


@given(since_s=st.integers(0, 2_000_000_000), span_s=st.integers(1, 5 * 86_400))
def test_three_shifts_cover_every_moment_once_and_splitting_a_range_finds_the_same(since_s: int, span_s: int) -> None:
    since, until = since_s * 10**9, (since_s + span_s) * 10**9
    windows = ROUND.shift_windows(since, until)
    assert windows[0].start_ns <= since
    assert windows[-1].end_ns >= until
    assert all(a.end_ns == b.start_ns for a, b in pairwise(windows))
    middle = (since + until) // 2
    halves = {*ROUND.shift_windows(since, middle), *ROUND.shift_windows(middle, until)}
    assert halves == set(windows)


def test_weekdays_are_in_the_order_of_pythons_calendar() -> None:
    assert WEEKDAYS[datetime(2026, 11, 25, tzinfo=UTC).weekday()] == "wed"
