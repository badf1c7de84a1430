"""The command line as people and scripts use it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.unit.services.test_backtest import recorded

COMMANDS = ["demo", "run", "edge", "serve", "simulate", "backtest", "check", "doctor"]


def run(*arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    root = str(Path(__file__).resolve().parents[3])
    return subprocess.run(
        [sys.executable, "-m", "services.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": root, "COLUMNS": "100"} | environment,
    )


def test_help_names_every_command() -> None:
    done = run("--help")
    assert done.returncode == 0
    for command in COMMANDS:
        assert f" {command} " in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(command: str) -> None:
    done = run(command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["demo", "--port", "0"],
        ["demo", "--speed", "x"],
        ["backtest"],
        ["backtest", "absent.parquet"],
        ["check"],
    ],
)
def test_bad_usage_is_status_2_without_a_traceback(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "Usage" in done.stderr


def test_an_unknown_key_suggests_the_right_one(tmp_path: Path) -> None:
    (tmp_path / "lineside.toml").write_text("[broker]\nhots = 'x'\n")
    done = run("run", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (
        1,
        "lineside: lineside.toml: unknown key 'broker.hots'; did you mean 'host'?\n",
    )


@pytest.mark.parametrize("command", ["edge", "serve"])
def test_an_embedded_store_is_not_for_several_processes(command: str, tmp_path: Path) -> None:
    done = run(command, cwd=tmp_path)
    assert done.returncode == 1
    assert "lineside run" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_run_needs_the_embedded_store(tmp_path: Path) -> None:
    done = run("run", cwd=tmp_path, LINESIDE_STORE_BACKEND="influxdb")
    assert done.returncode == 1
    assert "lineside edge" in done.stderr


def test_backtest_prints_for_people_and_for_machines(tmp_path: Path) -> None:
    recorded(tmp_path / "w.parquet")
    people = run("backtest", str(tmp_path / "w.parquet"), "--labels", "truth", "--out", str(tmp_path / "out.parquet"))
    assert people.returncode == 0, people.stderr
    assert "400 welds" in people.stdout
    assert "expulsion" in people.stdout
    out = pq.read_table(tmp_path / "out.parquet")
    assert (len(out), out.column_names) == (400, ["id", "verdict", "cause", "risk"])
    machines = run("backtest", str(tmp_path / "w.parquet"), "--json")
    assert json.loads(machines.stdout)["welds"] == 400


def test_backtest_with_a_label_column_that_is_not_there(tmp_path: Path) -> None:
    recorded(tmp_path / "w.parquet")
    done = run("backtest", str(tmp_path / "w.parquet"), "--labels", "lable")
    assert done.returncode == 1
    assert "no column 'lable' for --labels; there are weld_id, " in done.stderr


def test_check_says_which_item_and_which_field(tmp_path: Path) -> None:
    payload = [
        {"id": "1", "spot": "S", "gun": "G", "body": "B", "program": "7", "time": "2026-01-01T00:00:00Z"}
        | {"dt_us": dt, "current_ka": [1, 2, 3], "voltage_v": [1, 2, 3]}
        for dt in (1000, 0)
    ]
    (tmp_path / "p.json").write_text(json.dumps(payload))
    topic = "lineside/v1/s/a/l/c/weld"
    done = run("check", topic, "--file", str(tmp_path / "p.json"))
    assert done.returncode == 1
    assert "2 item(s), 1 accepted, 1 rejected" in done.stdout
    assert "item 1: $.dt_us is 0; expected" in done.stdout
    machines = run("check", topic, "--file", str(tmp_path / "p.json"), "--json")
    assert [r["item"] for r in json.loads(machines.stdout)["rejects"]] == [1]
