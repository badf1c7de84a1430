"""One page in a chromium that no test tool drives, as on a plant's screen.

playwright has the browser keep what came of every request (measured: 3 kB for each answer of 100 bytes, all of longer
ones), which over hours would pass for growth.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psutil
from websockets.sync.client import ClientConnection, connect

from tests.chromium import CHROMIUM, FLAGS
from tests.running import wait_until

UP_S = 120.0
LIVE = """document.querySelector('.connection[data-state="live"]') !== null"""
COUNT = (
    "(() => { const all = document.createNodeIterator(document); let n = 0; while (all.nextNode()) n++; return n; })()"
)
HELD = ("JSHeapUsedSize", "Nodes", "JSEventListeners", "Documents")


class UndrivenPage:
    """The page, asked for figures through the DevTools protocol of a browser that runs already."""

    def __init__(self, process: psutil.Process, connection: ClientConnection) -> None:
        self._process = process
        self._connection = connection
        self._ids = count(1)
        self._session: dict[str, str] = {}
        self.complaints: list[str] = []
        """What the page threw and nobody caught."""
        [page] = [one for one in self._ask("Target.getTargets")["targetInfos"] if one["type"] == "page"]
        attached = self._ask("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self._session = {"sessionId": attached["sessionId"]}
        self._ask("Runtime.enable")
        self._ask("Performance.enable")
        wait_until(lambda: bool(self._evaluate(LIVE)), UP_S, "the page's feed")

    def processes(self) -> list[psutil.Process]:
        """Return the browser's processes."""
        return [self._process, *self._process.children(recursive=True)]

    def held(self) -> dict[str, float]:
        """Return what the page holds without its garbage: bytes of heap, nodes (all, outside the document), others."""
        self._ask("HeapProfiler.collectGarbage")
        metrics = {metric["name"]: float(metric["value"]) for metric in self._ask("Performance.getMetrics")["metrics"]}
        found = {name: metrics[name] for name in HELD}
        return found | {"DetachedNodes": found["Nodes"] - float(self._evaluate(COUNT))}

    def _evaluate(self, expression: str) -> Any:
        return self._ask("Runtime.evaluate", expression=expression)["result"].get("value")

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Return the result of a command. Raises `SystemExit` when the browser cannot do it or the page has crashed."""
        asked = next(self._ids)
        self._connection.send(json.dumps({"id": asked, "method": method, "params": parameters, **self._session}))
        while True:
            said: dict[str, Any] = json.loads(self._connection.recv(UP_S))
            if said.get("method") == "Runtime.exceptionThrown":
                thrown = said["params"]["exceptionDetails"]
                self.complaints.append(thrown.get("exception", {}).get("description") or thrown["text"])
            elif said.get("method") == "Inspector.targetCrashed" or (said.get("id") == asked and "error" in said):
                raise SystemExit(f"the browser said to {method}: {said}")
            elif said.get("id") == asked:
                return dict(said["result"])


@contextmanager
def undriven_page(url: str, folder: Path) -> Iterator[UndrivenPage]:
    """Open the page at `url` in a browser whose profile is in `folder`, and yield it when it is live."""
    command = [shutil.which("chromium") or CHROMIUM, "--headless", *FLAGS, "--window-size=1280,800"]
    command += ["--remote-debugging-port=0", f"--user-data-dir={folder}", url]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as browser:
        try:
            said = folder / "DevToolsActivePort"
            wait_until(lambda: said.exists() and "\n" in said.read_text(), UP_S, "the browser")
            port, path = said.read_text(encoding="ascii").split()
            with connect(f"ws://127.0.0.1:{port}{path}", max_size=None) as connection:
                yield UndrivenPage(psutil.Process(browser.pid), connection)
        finally:
            browser.terminate()
