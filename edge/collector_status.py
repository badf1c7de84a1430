"""How the collector is, in a small file beside the journal: rewritten every second, for the pipeline to publish."""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec


class CollectorStatus(msgspec.Struct, frozen=True):
    """One look at the collector. Counts are of messages, since it started."""

    at_ns: int
    """When this was written; a collector that is gone leaves its last one."""
    pid: int
    started_ns: int
    connected_since_ns: int | None
    """None: not connected."""
    last_error: str
    """The newest trouble with the broker, also when it is over; empty when there was none."""
    stopped_since_ns: int | None
    """Since when nothing is acknowledged; None: all is well."""
    stopped_reason: str
    """Why, with numbers; empty when all is well."""
    received: int
    """Came from the broker: those delivered again and our own outputs included."""
    journaled: int
    groups: int
    """Transactions: `journaled / groups` is the mean size of a group."""
    largest_group: int
    longest_commit_ms: float
    """The longest that a group took to disk."""
    waiting: int
    """In memory, not on disk yet."""
    waiting_bytes: int
    dropped_qos0: int
    """Dropped because the journal took nothing; QoS 0 cannot be asked for again."""
    last_seq: int
    trimmed: int
    """Journal sequence number up to which messages are trimmed."""
    journal_bytes: int
    """Counts against the bound of the journal."""


def status_path(journal_path: Path) -> Path:
    """Return where the collector of a journal leaves its status."""
    return journal_path.with_name("collector.json")


def write_status(path: Path, status: CollectorStatus) -> None:
    """Replace the status. On a full disk the old one stays, and tells its age by `at_ns`."""
    fresh = path.with_name(f"{path.name}.new")
    with contextlib.suppress(OSError):
        fresh.write_bytes(msgspec.json.encode(status))
        fresh.replace(path)


def read_status(path: Path) -> CollectorStatus | None:
    """Return the status, None when there is none that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=CollectorStatus)
    except (OSError, msgspec.MsgspecError):
        return None
