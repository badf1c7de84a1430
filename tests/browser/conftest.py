"""The real thing behind the page: `lineside demo` with a short past, chromium, and a sender of one's own."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import paho.mqtt.publish
import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    WebSocket,
    expect,
    sync_playwright,
)

from services.api.web import web_root
from tests.chromium import CHROMIUM, FLAGS
from tests.running import Demo, wait_until
from tests.unit.models.welds import making

SAMPLES = 100
DT_US = 2000
WAIT_MS = 20_000
PLACE = "lineside/v1/{site}/{area}/{line}/{cell}"
S = 10**9


def need(present: object, what: str) -> None:
    """Skip when `what` is absent; fail when LINESIDE_REQUIRE_SERVICES=1."""
    if present:
        return
    if os.environ.get("LINESIDE_REQUIRE_SERVICES") == "1":
        pytest.fail(f"{what} is required (LINESIDE_REQUIRE_SERVICES=1) and absent")
    pytest.skip(f"{what} is absent")


class Plant:
    """A running demo: its address, its REST answers, and a weld controller that we play ourselves."""

    def __init__(self, demo: Demo) -> None:
        self._demo = demo
        self.url = demo.url
        found = wait_until(lambda: re.search(r"mqtt://([\d.]+):(\d+)", demo.output()), 30, "the broker's address")
        self._broker = (found[1], int(found[2]))
        plant = self.get("/plant")
        line = plant["lines"][0]
        self.spots: list[str] = [spot["spot"] for spot in plant["spots"] if spot["known"]]
        self.cell: str = line["cells"][0]["id"]
        self._topic = PLACE.format(site=plant["site"], area=plant["area"], line=line["id"], cell=self.cell) + "/weld"

    def get(self, path: str) -> Any:
        """Return the JSON of one GET under /api/v1."""
        return self._demo.get(path)

    def publish(self, payload: bytes) -> None:
        """Send bytes on the weld topic of the first cell, QoS 1."""
        host, port = self._broker
        paho.mqtt.publish.single(self._topic, payload, qos=1, hostname=host, port=port)

    def weld_without_current(self, spot: str) -> str:
        """Send a weld in which no current flowed: a defect on any spot, however little is known of it."""
        weld = {
            "id": f"browser-{spot}-{time.time_ns()}",
            "spot": spot,
            "gun": f"{self.cell}-G1",
            "body": "browser-1",
            "program": "1",
            "time": time.time_ns(),
            "dt_us": DT_US,
            "current_ka": [0.0] * SAMPLES,
            "voltage_v": [0.0] * SAMPLES,
        }
        self.publish(json.dumps(weld).encode())
        return str(weld["id"])

    def weld(self, spot: str, *faults: str) -> list[str]:
        """Send one weld per fault ("" is a good one), a second apart and the last one now; return their ids."""
        rng = np.random.default_rng(len(spot))
        now = time.time_ns()
        items = []
        for k, fault in enumerate(faults):
            made = making.curve(rng, fault=fault)
            items.append(
                {
                    "id": f"browser-{spot}-{now}-{k}",
                    "spot": spot,
                    "gun": f"gun-of-{spot}",
                    "body": f"browser-{spot}-{k}",
                    "program": f"program-of-{spot}",
                    "time": now - (len(faults) - 1 - k) * S,
                    "dt_us": made.dt_us,
                    "current_ka": made.current,
                    "voltage_v": made.voltage,
                    "force_kn": made.force,
                }
            )
        self.publish(json.dumps(items).encode())
        return [str(item["id"]) for item in items]


@pytest.fixture(scope="package")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    """A plant with minutes of past, filled in."""
    need(web_root(), "the web bundle (make web)")
    demo = Demo(tmp_path_factory.mktemp("browser") / "data", "--hours", "0.05", "--speed", "2")
    try:
        demo.start()
        running = Plant(demo)
        wait_until(lambda: running.get("/agvs") and running.get("/rate")["unjudged"] > 3000, 90, "the past")
        yield running
        demo.stop()
    finally:
        demo.kill()


@pytest.fixture
def live_url(plant: Plant) -> str:
    """The address of the page."""
    return plant.url


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """One browser for all tests; each test has a context of its own."""
    path = shutil.which("chromium") or CHROMIUM
    need(Path(path).is_file(), "chromium")
    with sync_playwright() as playwright:
        expect.set_options(timeout=WAIT_MS)
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def new_context(chromium: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """Make contexts (viewer's size, language, zone, scheme); closed at the end."""
    made: list[BrowserContext] = []

    def make(**options: Any) -> BrowserContext:
        defaults = {"viewport": {"width": 1280, "height": 800}, "locale": "en-GB", "timezone_id": "Asia/Shanghai"}
        context = chromium.new_context(**{**defaults, **options})
        context.set_default_timeout(WAIT_MS)
        made.append(context)
        return context

    yield make
    for context in made:
        context.close()


class Watched:
    """What a page asked for and complained of."""

    def __init__(self, page: Page) -> None:
        self.hosts: set[str] = set()
        self.complaints: list[str] = []
        page.on("request", self._request)
        page.on("websocket", self._websocket)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _request(self, request: Request) -> None:
        self.hosts.add(urlsplit(request.url).hostname or request.url)

    def _websocket(self, socket: WebSocket) -> None:
        self.hosts.add(urlsplit(socket.url).hostname or socket.url)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{message.text} ({message.location.get('url')})")


@pytest.fixture
def page(new_context: Callable[..., BrowserContext]) -> Iterator[Page]:
    """An English page in a light scheme; at the end it must have complained of nothing and have asked nobody else."""
    page = new_context(color_scheme="light").new_page()
    watched = Watched(page)
    yield page
    assert watched.complaints == []
    assert watched.hosts <= {"127.0.0.1"}
