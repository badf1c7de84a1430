"""Harm to a journal's files, as bad disks and careless people do it, and what the journal then says is lost."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

FLIPS = 3


def truncate(path: Path, taken: int, rng: random.Random) -> None:
    """Cut off the end of the write-ahead log in the middle of a page, or of the database when there is no log."""
    places = _places(path, taken)
    file = path.with_name(path.name + "-wal")
    found = [at for name, at in places if name == file]
    if not found:
        file, found = path, [at for name, at in places if name == path]
    with file.open("r+b") as stream:
        stream.truncate(rng.choice(found) + rng.randint(1, 200))


def flip_bits(path: Path, taken: int, rng: random.Random) -> None:
    """Flip single bits inside messages that are numbered above `taken`."""
    for file, at in rng.sample(_places(path, taken), FLIPS):
        with file.open("r+b") as stream:
            stream.seek(at + rng.randint(0, 60))
            byte = stream.read(1)[0]
            stream.seek(-1, 1)
            stream.write(bytes([byte ^ (1 << rng.randrange(8))]))


def named_lost(path: Path) -> set[int]:
    """Return all numbers that the journal itself says are lost."""
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    try:
        gaps = connection.execute("SELECT first, last FROM gap").fetchall()
    finally:
        connection.close()
    return {seq for first, last in gaps for seq in range(first, last + 1)}


def _places(path: Path, taken: int) -> list[tuple[Path, int]]:
    """Return where the bytes of the messages above `taken` lie in the files."""
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    try:
        bodies = [body for (body,) in connection.execute("SELECT body FROM payload WHERE seq > ?", (taken,))]
    finally:
        connection.close()
    found = []
    for file in (path, path.with_name(path.name + "-wal")):
        content = file.read_bytes() if file.exists() else b""
        for body in bodies:
            at = content.rfind(body[:80])
            if at >= 0:
                found.append((file, at))
    assert found, "no message lies where it could be harmed"
    return found
