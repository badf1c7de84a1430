"""How far the pipeline is: what its status message says once a second."""

from __future__ import annotations

import time

import pyarrow.compute as pc

from services.intake import Outcome
from services.times import rfc3339

WINDOW_S = 2.0
"""The filling of a past shift counts as going on this long after its last weld."""


class Progress:
    """Counts welds between two reports."""

    def __init__(self) -> None:
        self._newest_ns = 0
        self._welds = 0
        self._since = time.monotonic()
        self._historical_at = -WINDOW_S

    def add(self, outcome: Outcome) -> None:
        """Take the outcome of one batch."""
        if outcome.welds.num_rows:
            self._welds += outcome.welds.num_rows
            self._newest_ns = max(self._newest_ns, pc.max(outcome.welds["time_ns"]).as_py())
        if outcome.historical:
            self._historical_at = time.monotonic()

    def report(self, now_ns: int, pending: int, oldest_received_ns: int | None) -> dict[str, object]:
        """Return the status message of kind `pipeline` (`docs/reference/live.md`) and begin the next interval."""
        now = time.monotonic()
        rate = self._welds / max(now - self._since, 1e-3)
        historical = now - self._historical_at < WINDOW_S
        self._welds, self._since = 0, now
        return {
            "kind": "pipeline",
            "judged_until": rfc3339(self._newest_ns) if self._newest_ns else None,
            "lag_s": max(0.0, (now_ns - oldest_received_ns) / 1e9) if oldest_received_ns else 0.0,
            "pending": pending,
            "welds_per_s": round(rate, 1),
            "historical": historical,
        }
