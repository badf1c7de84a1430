"""Each live measurement, for a few seconds against real processes: its output is complete and adds up."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.live.pages import pages
from benchmarks.live.plant import LivePlant
from benchmarks.live.viewers import Viewer
from services.api.web import web_root
from services.brokers import find_mosquitto
from tests.chromium import CHROMIUM
from tests.system.conftest import need

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.system


def measured(folder: Path, *arguments: object) -> dict[str, Any]:
    """Run one measurement as a user does, and return what it wrote."""
    need(find_mosquitto(), "mosquitto")
    need(web_root(), "the web bundle (make web)")
    need(Path(CHROMIUM).is_file(), "chromium")
    command = [sys.executable, "-m", "benchmarks.live", *(str(argument) for argument in arguments)]
    subprocess.run([*command, "--json", folder / "found.json"], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    found: dict[str, Any] = json.loads((folder / "found.json").read_text(encoding="utf-8"))
    assert found["machine"]["cores"] > 0
    return found


def test_rate(tmp_path: Path) -> None:
    found = measured(
        tmp_path, "rate", "--welds-per-s", 400, "--minutes", 0.05, "--warm-s", 1, "--size", 50, "--distinct", 2000
    )
    (rate,) = found["rates"]
    assert rate["sent"]["welds"] >= 400 * (1 + 60 * 0.05)
    assert rate["looks"]
    assert {"supervisor", "collector", "server", "mosquitto"} <= rate["cpu_share"].keys()
    assert rate["pss_mib"]["server"] > 0
    assert rate["drained_s"] >= 0


def test_pixel(tmp_path: Path) -> None:
    found = measured(
        tmp_path, "pixel", "--minutes", 0.05, "--warm-s", 1, "--past-hours", 0, "--viewers", 2, "--every-s", 0.2
    )
    assert found["probes"] > 0
    assert found["not_shown"] == 0
    assert found["page_errors"] == []
    assert found["published_to_painted_ms"]["n"] == found["probes"]
    assert found["published_to_viewer_ms"]["n"] == 2 * found["probes"]
    legs = found["legs_ms"].values()
    assert all(leg["n"] == found["probes"] for leg in legs)
    assert {"viewers", "chromium", "simulator"} <= found["cpu_share"].keys()


def test_soak(tmp_path: Path) -> None:
    samples = tmp_path / "samples.jsonl"
    arguments = ("--minutes", 0.07, "--every-s", 0.4, "--past-hours", 0, "--viewers", 2, "--samples", samples)
    found = measured(tmp_path, "soak", *arguments)
    lines = samples.read_text(encoding="utf-8").splitlines()
    assert found["samples"] == len(lines) - 1 > 3
    assert found["always_balanced"]
    assert {"server anonymous_bytes", "page JSHeapUsedSize", "page DetachedNodes"} <= found["figures"].keys()
    assert found["verdict"] in {"flat", "grows", "undecided"}
    again = measured(tmp_path, "soak", "--summary", "--samples", samples)
    assert again["figures"] == found["figures"]


def test_idle(tmp_path: Path) -> None:
    found = measured(tmp_path, "idle", "--seconds", 1, "--warm-s", 0)["cores_taken"]
    assert list(found) == [
        "0 welds/s, 0 browser(s)",
        "0 welds/s, 1 browser(s)",
        "50 welds/s, 0 browser(s)",
        "50 welds/s, 1 browser(s)",
    ]
    assert all(phase["lineside"] >= 0 for phase in found.values())
    assert "chromium" in found["50 welds/s, 1 browser(s)"]


def test_browsers(tmp_path: Path) -> None:
    arguments = ("--numbers", 0, 3, "--rounds", 1, "--seconds", 2, "--warm-s", 2, "--past-hours", 0)
    found = measured(tmp_path, "browsers", *arguments)
    assert [look["browsers"] for look in found["looks"]] == [0, 3]
    assert found["looks"][1]["messages"] > 0
    assert found["looks"][1]["failures"] == 0
    assert found["per_browser"].keys() == {"3"}


def test_viewers_ask_for_what_the_page_asks(tmp_path: Path) -> None:
    need(find_mosquitto(), "mosquitto")
    need(web_root(), "the web bundle (make web)")
    need(Path(CHROMIUM).is_file(), "chromium")

    async def followed(url: str) -> set[str]:
        viewer = Viewer(url)
        task = asyncio.create_task(viewer.run())
        await viewer.ready()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return viewer.asked

    with LivePlant(tmp_path) as plant:
        asked = asyncio.run(asyncio.wait_for(followed(plant.url), 30))
        with pages(plant.url, 1) as shown:
            shown.wait(1)
            assert shown.asked == asked
