"""Real pages in chromium: when each probe came over the socket, stood in the document, was painted."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import BrowserContext, Page, ViewportSize, sync_playwright

from benchmarks.live.viewers import asked_for
from tests.chromium import CHROMIUM, FLAGS

SIZE: ViewportSize = {"width": 1280, "height": 800}
UP_MS = 120_000

WATCH = """
(() => {
  const seen = new Map();
  const now = () => performance.timeOrigin + performance.now();
  const note = (id, part) => {
    const times = seen.get(id) ?? {};
    times[part] ??= now();
    seen.set(id, times);
  };
  const Plain = WebSocket;
  window.WebSocket = class extends Plain {
    constructor(...args) {
      super(...args);
      this.addEventListener('message', ({ data }) => {
        for (const [, id] of data.matchAll(/"id":"(probe-[0-9]+-[0-9]+)"/g)) note(id, 'socket');
      });
    }
  };
  new MutationObserver((changes) => {
    for (const { addedNodes } of changes) {
      for (const { dataset } of addedNodes) {
        const id = dataset?.weld;
        if (!id?.startsWith('probe-')) continue;
        note(id, 'document');
        requestAnimationFrame(() => note(id, 'painted')); // the frame that shows it has gone out when the next begins
      }
    }
  }).observe(document, { childList: true, subtree: true });
  window.takeProbes = () => {
    const found = Object.fromEntries([...seen].filter(([, { painted }]) => painted));
    for (const id of Object.keys(found)) seen.delete(id);
    return found;
  };
})();
"""


class Pages:
    """Overview pages, each with a session of its own as on a computer of its own. Used in one thread."""

    def __init__(self, contexts: list[BrowserContext], url: str) -> None:
        self._pages: list[Page] = []
        self.asked: set[str] = set()
        """What the first page asked for, as `asked_for` writes it."""
        self.complaints: list[str] = []
        self.probes: list[dict[str, dict[str, float]]] = [{} for _ in contexts]
        """By page: probe -> `socket`, `document`, `painted`, each ms since 1970 UTC."""
        for context in contexts:
            page = context.new_page()
            if not self._pages:
                page.on("request", lambda request: self.asked.add(asked_for(request.url)))
            page.on("pageerror", lambda error: self.complaints.append(str(error)))
            page.add_init_script(WATCH)
            page.goto(url, timeout=UP_MS)
            page.wait_for_selector('.connection[data-state="live"]', timeout=UP_MS)
            self._pages.append(page)

    def wait(self, seconds: float) -> None:
        """Let time pass; what the browser has to say is taken meanwhile."""
        self._pages[0].wait_for_timeout(1000 * seconds)

    def collect(self) -> None:
        """Take what was seen since the last time."""
        for page, found in zip(self._pages, self.probes, strict=True):
            found.update(page.evaluate("takeProbes()"))


@contextmanager
def pages(url: str, n: int) -> Iterator[Pages]:
    """Open `n` overview pages, each the live page of one browser profile."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium") or CHROMIUM, args=FLAGS)
        try:
            yield Pages([browser.new_context(viewport=SIZE) for _ in range(n)], url)
        finally:
            browser.close()
