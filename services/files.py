"""Files that are either old or new, never half."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a new file, put it on disk, and only then let it take the place of `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    write(fresh)
    replace_durably(fresh, path)


def replace_durably(fresh: Path, path: Path) -> None:
    """Put a file on disk and let it take the place of `path`, in the same folder."""
    with fresh.open("rb") as stream:
        os.fsync(stream.fileno())
    fresh.replace(path)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Put the names of a folder on disk."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
