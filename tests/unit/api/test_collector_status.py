"""How the collector is, as the page is told."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from edge.collector_status import CollectorStatus, read_status, status_path, write_status
from services.api.collector import collector_out

S = 10**9
NOW = 1_790_000_000 * S
GOOD = CollectorStatus(
    at_ns=NOW - S, pid=1, started_ns=NOW - 900 * S, connected_since_ns=NOW - 800 * S, last_error="no broker at x",
    stopped_since_ns=None, stopped_reason="", received=5, journaled=5, groups=1, largest_group=5, longest_commit_ms=2.0,
    waiting=0, waiting_bytes=0, dropped_qos0=3, last_seq=5, trimmed=0, journal_bytes=4096,
)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "state", "reason"),
    [
        ({}, "receiving", ""),
        ({"connected_since_ns": None}, "disconnected", "no broker at x"),
        ({"stopped_since_ns": NOW - 60 * S, "stopped_reason": "it is full"}, "stopped", "it is full"),
        (
            {"stopped_since_ns": NOW, "stopped_reason": "full", "at_ns": NOW - 11 * S},
            "gone",
            "the collector has not said how it is since then",
        ),
    ],
)
def test_the_gravest_thing_is_said(tmp_path: Path, change: dict[str, object], state: str, reason: str) -> None:
    path = status_path(tmp_path / "journal.sqlite")
    write_status(path, msgspec.structs.replace(GOOD, **change))
    told = collector_out(read_status(path), NOW)
    assert told is not None
    assert (told.state, told.reason, told.dropped_qos0, told.journal_bytes) == (state, reason, 3, 4096)


def test_a_collector_that_never_was_says_nothing() -> None:
    assert collector_out(None, NOW) is None
