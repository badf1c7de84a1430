from pathlib import Path

import numpy as np
import pytest

from edge.plant import load_plant
from edge.settings import SettingsError
from edge.simulator.bodywork import REGIONS
from edge.simulator.layout import build_layout
from edge.simulator.materials import SCHEDULES
from edge.simulator.plant import write_plant
from edge.simulator.settings import SimulatorSettings, load_settings

DEFAULT = SimulatorSettings()


def test_the_default_plant_is_the_one_that_is_promised(tmp_path: Path) -> None:
    plant = load_plant(write_plant(DEFAULT, tmp_path / "new"))
    cells = [cell for line in plant.lines for cell in line.cells]
    guns = [gun for cell in cells for gun in cell.guns]
    assert (len(plant.spots), len(guns), len(cells), len(plant.lines)) == (3000, 40, 12, 2)
    assert len(set(guns)) == 40
    assert 6 <= len({spot.program for spot in plant.spots.values()}) <= 10
    assert {spot.stack.count("+") for spot in plant.spots.values()} == {1, 2}
    assert {spot.gun for spot in plant.spots.values()} == set(guns)
    assert all(cell.floor is not None for cell in cells)
    day = plant.shift_windows(1_764_000_000 * 10**9, 1_764_086_400 * 10**9)
    assert {window.name for window in day} == {"A", "B", "C"}


def test_the_same_settings_write_the_same_files(tmp_path: Path) -> None:
    one, other = write_plant(DEFAULT, tmp_path / "a"), write_plant(DEFAULT, tmp_path / "b")
    assert one.read_bytes() == other.read_bytes()
    assert (tmp_path / "a/spots.csv").read_bytes() == (tmp_path / "b/spots.csv").read_bytes()


def test_spots_lie_on_a_car_body_and_neighbours_of_a_gun_lie_together() -> None:
    layout = build_layout(DEFAULT)
    low, high = layout.position_mm.min(axis=0), layout.position_mm.max(axis=0)
    assert (low >= [0, -850, 0]).all()
    assert (high <= [4600, 850, 1400]).all()
    assert len(np.unique(layout.position_mm, axis=0)) > 0.99 * len(layout.spot)
    steps = np.linalg.norm(np.diff(layout.position_mm, axis=0), axis=1)
    within = np.diff(layout.gun_of_spot) == 0
    assert np.median(steps[within]) < 80
    for cell in range(12):  # a cell welds one region, both sides of it
        mine = layout.position_mm[layout.cell_of_spot == cell]
        assert np.ptp(mine[:, 0]) < 3500
        assert abs(mine[:, 1].mean()) < 60


def test_spots_that_no_plant_model_has_are_welded_but_not_written(tmp_path: Path) -> None:
    settings = SimulatorSettings(spots=100, guns=4, cells=2, unlisted_spots=3)
    layout = build_layout(settings)
    plant = load_plant(write_plant(settings, tmp_path))
    unlisted = {spot for spot, listed in zip(layout.spot, layout.listed, strict=True) if not listed}
    assert (len(layout.spot), len(unlisted), len(plant.spots)) == (103, 3, 100)
    assert not unlisted & set(plant.spots)


@pytest.mark.parametrize(
    ("lines", "cells", "guns", "spots"), [(1, 1, 1, 1), (2, 3, 5, 7), (3, 30, 31, 100), (8, 8, 40, 50)]
)
def test_any_plant_can_be_written_and_read(tmp_path: Path, lines: int, cells: int, guns: int, spots: int) -> None:
    plant = load_plant(write_plant(SimulatorSettings(lines=lines, cells=cells, guns=guns, spots=spots), tmp_path))
    assert len(plant.spots) == spots
    assert sum(len(line.cells) for line in plant.lines) == cells


def test_every_flange_names_a_programme() -> None:
    used = {flange.program for _, flanges in REGIONS for flange in flanges}
    assert used == {schedule.name for schedule in SCHEDULES}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("spot = 5", "did you mean 'spots'"),
        ("lines = 3\ncells = 2", "cells is 2; expected at least one per line, 3"),
        ("guns = 5", "guns is 5; expected at least one per cell, 12"),
        ("spots = 39", "spots is 39; expected at least one per gun, 40"),
        ("speed = 61.0", "<= 60"),
        ("speed = 0.0", "> 0"),
        ("bodies_per_hour = 100.0\nspeed = 40.0", "expected at most 3600"),
        ("[faults]\nlow_force = 1.5", "<= 1"),
        ("[agv_mix]\nv2_0 = 0\nv2_1 = 0\nv3_0 = 0", "no weight above 0"),
        ("[spells]\nmin_h = 4.0", "expected at most max_h"),
        ("seed = ", "Invalid value"),
    ],
)
def test_wrong_settings_say_what_is_wrong(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "shop.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)


def test_settings_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "shop.toml"
    path.write_text("seed = 9\nspeed = 4\n[faults]\nfit_up = 0.01\n", encoding="utf-8")
    settings = load_settings(path)
    assert (settings.seed, settings.speed, settings.faults.fit_up) == (9, 4.0, 0.01)
    assert settings.faults.low_force == DEFAULT.faults.low_force
    with pytest.raises(SettingsError, match="absent"):
        load_settings(tmp_path / "absent.toml")
