"""How a reader tells the one writer that the journal is damaged: a small file beside it, as the cursor is.

A request names the very file that it is about, by device and inode: one that comes too late concerns no new journal.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

REASON_BYTES = 1000


def request_salvage(path: Path, identity: tuple[int, int] | None, reason: str) -> None:
    """Ask for the journal at `path` to be salvaged, if it still is the file with that device and inode."""
    if identity is not None:
        # On a full disk nothing is asked; the reader meets the damage again, and asks again.
        with contextlib.suppress(OSError):
            _request(path).write_text(f"{identity[0]} {identity[1]} {reason[:REASON_BYTES]}", encoding="utf-8")


def requested_salvage(path: Path) -> str:
    """Return why a reader asks for the journal at `path` to be salvaged; empty when none does."""
    try:
        device, inode, reason = _request(path).read_text(encoding="utf-8").split(" ", 2)
        found = path.stat()
    except (OSError, ValueError):
        return ""
    return reason if (device, inode) == (str(found.st_dev), str(found.st_ino)) else ""


def withdraw_request(path: Path) -> None:
    """Remove the request: what it asked for is done."""
    _request(path).unlink(missing_ok=True)


def _request(path: Path) -> Path:
    return path.with_name(f"{path.name}.damage")
