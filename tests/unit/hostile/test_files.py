"""Files from elsewhere: recorded welds, models and snapshots that are not what they seem."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import skops.io

from edge.plant import EMPTY
from models.welds.judge import JudgeSettings
from services import backtest, model_files
from services.backtest import BacktestError, judge_table, read_welds
from services.config import Config
from services.models_registry import ModelFileError
from services.state import PipelineState, StateError, load_for_reading
from tests.fuzz.properties import recorded

FLOATS = pa.list_(pa.float32())
NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"spot": None}, "column 'spot' is missing"),
        ({"spot": ["s", None, "s"]}, "column 'spot' has 1 nulls"),
        ({"spot": [["s"]] * 3}, "column 'spot' is list"),
        ({"time_ns": ["x", "1", "2"]}, "column 'time_ns'"),
        ({"time_ns": pa.array([1.5, 2, 3])}, "column 'time_ns'"),
        ({"time_ns": pa.array([2**63, 1, 2], pa.uint64())}, "column 'time_ns'"),
        ({"dt_us": pa.array([1000, 0, 1000])}, "'dt_us' has values of 0 or less"),
        ({"voltage_v": pa.array([[1.0], [], [1.0]], FLOATS)}, "different lengths, or an empty voltage"),
        ({"voltage_v": pa.array([[1.0] * 3, None, [1.0] * 3], FLOATS)}, "column 'voltage_v' has 1 nulls"),
        ({"current_ka": pa.array([[1.0] * 2] * 3, FLOATS)}, "different lengths"),
        ({"current_ka": ["x"] * 3}, "column 'current_ka'"),
        ({"wear_count": pa.array([1.5, 2, 3])}, "column 'wear_count'"),
    ],
)
def test_recorded_welds_that_cannot_be_judged_say_why(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    pq.write_table(recorded(**changes), tmp_path / "w.parquet")
    with pytest.raises(BacktestError, match=said) as caught:
        read_welds(tmp_path / "w.parquet")
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"voltage_v": pa.array([[NAN, INF, -INF], [1e38, -1e38, -0.0], [1e-45, 0.0, None]], FLOATS)},
        {"current_ka": pa.array([None, [], [1.0, None, 3.0]], FLOATS)},
        {"time_ns": pa.array([-(2**63), 2**63 - 1, 0])},
        {"dt_us": pa.array([1, 2**62, 2**31])},
        {"wear_count": pa.array([2**63 - 1, -(2**63), None])},
        {"spot": ["", "\0", "x" * 10_000]},
        {"weld_id": ["same"] * 3},
    ],
)
def test_odd_values_in_recorded_welds_are_judged(changes: dict[str, Any], tmp_path: Path) -> None:
    pq.write_table(recorded(**changes), tmp_path / "w.parquet")
    assert len(judge_table(read_welds(tmp_path / "w.parquet"), JudgeSettings(learn_n=8))) == 3


def test_a_column_that_stands_twice_is_refused(tmp_path: Path) -> None:
    table = recorded()
    pq.write_table(table.append_column("spot", table["spot"]), tmp_path / "w.parquet")
    with pytest.raises(BacktestError, match="column 'spot' stands twice"):
        read_welds(tmp_path / "w.parquet")


def test_text_that_is_none_is_refused(tmp_path: Path) -> None:
    broken = pa.array([b"\xff\xfe", b"b", b"c"]).view(pa.string())
    pq.write_table(recorded(spot=broken), tmp_path / "w.parquet")
    with pytest.raises(BacktestError, match="UTF8"):
        read_welds(tmp_path / "w.parquet")


def test_a_small_file_of_endless_curves_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zeros = pa.array([np.zeros(1_000_000, dtype=np.float32)] * 3, FLOATS)
    pq.write_table(recorded(voltage_v=zeros, current_ka=None), tmp_path / "w.parquet", compression="zstd")
    assert (tmp_path / "w.parquet").stat().st_size < 30_000
    monkeypatch.setattr(backtest, "MAX_VALUES", 2_000_000)
    with pytest.raises(BacktestError, match=r"has 3000000 values .* expected at most 2000000 values"):
        read_welds(tmp_path / "w.parquet")


def test_damaged_levels_are_told_and_do_not_end_the_process() -> None:
    """Found by fuzzing: Arrow aborts when the metadata of such a column is asked for before it was read."""
    damaged = Path(__file__).parents[2] / "data/hostile/levels.parquet"
    read = f"from pathlib import Path; from services.backtest import read_welds; read_welds(Path({str(damaged)!r}))"
    found = subprocess.run([sys.executable, "-c", read], capture_output=True, text=True, check=False)
    assert found.returncode == 1
    assert "BacktestError" in found.stderr.splitlines()[-1]


def test_a_file_that_claims_billions_of_rows_is_refused() -> None:
    """Found by fuzzing: two kilobytes, and Arrow read on without end."""
    with pytest.raises(BacktestError, match="claims 2929653369 rows"):
        read_welds(Path(__file__).parents[2] / "data/hostile/rows.parquet")


def test_a_model_that_unpacks_to_too_much_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.skops"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("x.npy", bytes(2**24 + 1))
    assert path.stat().st_size < 2**16
    monkeypatch.setattr(model_files, "MAX_BYTES", 2**24)
    with pytest.raises(ModelFileError, match=r"unpacks to .* expected at most"):
        model_files.load_model(path)


def test_a_model_whose_array_claims_to_be_endless_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.skops"
    skops.io.dump({"format": model_files.FORMAT, "layout": 1, "x": np.arange(3)}, path)
    with zipfile.ZipFile(path) as packed:
        files = {name: packed.read(name) for name in packed.namelist()}
    array = io.BytesIO()
    header = {"descr": "<i8", "fortran_order": False, "shape": (2**45,)}
    np.lib.format.write_array_header_1_0(array, header)
    with zipfile.ZipFile(path, "w") as packed:
        for name, content in files.items():
            packed.writestr(name, array.getvalue() if name.endswith(".npy") else content)
    with pytest.raises(ModelFileError, match="is no model"):
        model_files.load_model(path)


def save(path: Path) -> None:
    PipelineState.new(Config(), EMPTY).save(path)


def test_a_snapshot_that_would_swell_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    np.savez_compressed(path, meta=np.zeros(10_000_000, dtype=np.uint8))
    with pytest.raises(StateError, match="claims to hold"):
        load_for_reading(path)


def test_a_snapshot_holds_no_objects(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    np.savez(path, meta=np.array([{"a": 1}], dtype=object))
    with pytest.raises(StateError, match="not a readable snapshot"):
        load_for_reading(path)


@pytest.mark.parametrize("lacks", ["judge.keys", "wear.keys", "judge.first"])
def test_a_snapshot_that_lacks_a_part_is_refused(lacks: str, tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    save(path)
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files if name != lacks}
    np.savez(path, **arrays)
    with pytest.raises(StateError, match="not a readable snapshot"):
        load_for_reading(path)
    with pytest.raises(StateError, match="not a readable snapshot"):
        PipelineState.load(path, Config(), EMPTY)
