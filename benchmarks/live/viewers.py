"""Browsers without a screen: clients that ask the server for what the overview page asks, as often, and listen to it.

python -m benchmarks.live.viewers URL N

Says READY when all have loaded everything and listen; works until standard input ends; then prints one JSON object.

Each has connections of its own. The files of the page are loaded once by each, as by a browser that was never here;
the messages of the live feed are read and not drawn.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import msgspec
from websockets.asyncio.client import connect
from websockets.typing import Origin

from benchmarks.live.probe import PROBE

TREND_S, CHANGES_S, RETRY_S = 20.0, 60.0, 3.0
"""As in `headline.js`, `overview.js` and `live.js`."""
IDLE_S = 2.0
"""A connection that was idle for longer is not used again: after 5 s the server closes it, and a browser notices."""
SIGNAL_KINDS = ("defect_burst", "drift", "wear_warning", "dress_ineffective")
READY = "ready"
KEPT = {"defects": 50, "signals": 100}
ASSET = re.compile(r'(?:src|href)="(/[^"]+)"')


@dataclass(slots=True)
class Seen:
    """What one viewer got."""

    messages: int = 0
    characters: int = 0
    requests: int = 0
    failures: int = 0
    """Requests that had to be made again."""
    missed: int = 0
    probes: dict[str, int] = field(default_factory=dict)
    """Probe -> when the message with it came, ns since 1970 UTC."""


class Viewer:
    """One browser on the overview page."""

    def __init__(self, url: str) -> None:
        self._url, self.seen = url, Seen()
        self.asked: set[str] = set()
        """What was asked for, as `asked_for` writes it."""
        self._client = httpx.AsyncClient(
            base_url=url,
            timeout=30,
            headers={"accept": "application/json"},
            limits=httpx.Limits(keepalive_expiry=IDLE_S),
        )
        self._since = "-8h"
        self._hears, self._loaded = asyncio.Event(), asyncio.Event()

    async def ready(self) -> None:
        """Return when everything is loaded and the feed speaks."""
        await self._hears.wait()
        await self._loaded.wait()

    async def run(self) -> None:
        """Work until cancelled."""
        async with self._client:
            page = await self._get("/")
            for path in ASSET.findall(page.text):
                await self._get(path)
            await self._api("/session")
            async with asyncio.TaskGroup() as group:
                for job in (self._listen(), self._load(), self._again("/trend", TREND_S)):
                    group.create_task(job)
                group.create_task(self._again("/changes", CHANGES_S))

    async def _listen(self) -> None:
        address = self._url.replace("http", "ws", 1) + "/api/v1/live"
        async with connect(address, origin=Origin(self._url), max_size=None) as socket:
            while True:  # a connection that is lost ends the measurement
                text = await socket.recv()
                now_ns = time.time_ns()
                assert isinstance(text, str)
                self._hears.set()
                self.seen.messages += 1
                self.seen.characters += len(text)
                for found in PROBE.finditer(text):
                    self.seen.probes.setdefault(found[0], now_ns)
                if text.startswith('{"type":"missed"'):
                    self.seen.missed += msgspec.json.decode(text)["welds"]
                    await self._load()

    async def _load(self) -> None:
        plant = (await self._api("/plant")).json()
        self._since = (plant.get("shift") or {}).get("start") or self._since
        window = {"since": self._since}
        asked = [("/rate", window), ("/rate", {**window, "by": "line"}), ("/rate", {**window, "level": "body"})]
        asked += [("/agvs", {}), ("/sources", {}), ("/accounting", {})]
        asked += [("/welds", {"verdict": "defect", "limit": str(KEPT["defects"])})]
        asked += [("/events", {"kind": kind, "limit": str(KEPT["signals"])}) for kind in SIGNAL_KINDS]
        await asyncio.gather(*(self._api(path, query) for path, query in asked))
        self._loaded.set()

    async def _again(self, path: str, every_s: float) -> None:
        while True:
            await self._api(path, {"since": self._since})
            await asyncio.sleep(every_s)

    async def _api(self, path: str, query: dict[str, str] | None = None) -> httpx.Response:
        return await self._get(f"/api/v1{path}", query)

    async def _get(self, path: str, query: dict[str, str] | None = None) -> httpx.Response:
        while True:
            self.seen.requests += 1
            try:
                answer = await self._client.get(path, params=query)
                self.asked.add(asked_for(str(answer.url)))
                answer.raise_for_status()
            except httpx.HTTPError as error:
                self.seen.failures += 1
                print(f"{path}: {error!r}", file=sys.stderr)
                await asyncio.sleep(RETRY_S)
            else:
                return answer


def asked_for(url: str) -> str:
    """Return path and query of a request, without the time since which is asked: that depends on the moment."""
    parts = urlsplit(url)
    query = sorted(pair for pair in parse_qsl(parts.query) if pair[0] != "since")
    return f"{parts.path}?{urlencode(query)}"


async def _all_ready(viewers: list[Viewer]) -> None:
    for viewer in viewers:
        await viewer.ready()


async def main(url: str, n: int) -> None:
    """Run `n` viewers, and print what they have seen."""
    viewers = [Viewer(url) for _ in range(n)]
    tasks = [asyncio.create_task(viewer.run()) for viewer in viewers]
    ready = asyncio.create_task(_all_ready(viewers))
    await asyncio.wait([ready, *tasks], return_when=asyncio.FIRST_COMPLETED)
    if ready.done():
        print(READY, flush=True)
        end = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
        await asyncio.wait([end, *tasks], return_when=asyncio.FIRST_COMPLETED)
    ended = [task for task in tasks if task.done()]
    for task in (ready, *tasks):
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    if ended:
        ended[0].result()
    seen = [viewer.seen for viewer in viewers]
    totals = {name: sum(getattr(one, name) for one in seen) for name in Seen.__slots__ if name != "probes"}
    print(json.dumps({"viewers": n, **totals, "probes": [one.probes for one in seen]}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
