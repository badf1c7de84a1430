"""The disk under the data folder: kept promises need room, a file system that keeps them too, and a quick fsync."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from edge.findings import Finding
from services.config import Config
from services.layout import DataLayout

ABOUT = "disk"
IN_MEMORY = frozenset({"tmpfs", "ramfs", "devtmpfs"})
NETWORKED = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "fuse.glusterfs", "ceph", "afs"})
LAYERED = frozenset({"overlay", "aufs"})
FSYNCS = 20
SLOW_S = 0.05
"""With one fsync a group, an acknowledgement takes about twice this."""
BLOCK = b"\0" * 8192


def check_disk(config: Config) -> Iterator[Finding]:
    """Yield what the data folder stands on: kind, room, and the time of an fsync."""
    folder = config.data.absolute()
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if not os.access(there, os.W_OK | os.X_OK) or not there.is_dir():
        what = f"{there} cannot be written by user {os.geteuid()}"
        yield Finding("wrong", ABOUT, what, f"give it to that user, or set data_dir; it is {config.data_dir}")
        return
    yield from _check_kind(there)
    yield from _check_room(there, config)
    yield from _check_fsync(there)


def _check_kind(there: Path) -> Iterator[Finding]:
    mounts = [part for part in psutil.disk_partitions(all=True) if there.is_relative_to(part.mountpoint)]
    if not mounts:
        return
    mount = max(mounts, key=lambda part: len(part.mountpoint))
    what = f"{there} lies on {mount.fstype} ({mount.mountpoint})"
    if mount.fstype in IN_MEMORY:
        yield Finding("wrong", ABOUT, f"{what}: all is gone at the next restart", "set data_dir to a folder on a disk")
    elif mount.fstype in NETWORKED:
        do = "set data_dir to a local disk"
        yield Finding("wrong", ABOUT, f"{what}: SQLite and DuckDB are not safe over a network", do)
    elif mount.fstype in LAYERED:
        do = "mount a volume there"
        yield Finding("warning", ABOUT, f"{what}, a container's own layer: it goes with the container", do)
    else:
        yield Finding("fine", ABOUT, what)


def _check_room(there: Path, config: Config) -> Iterator[Finding]:
    free = psutil.disk_usage(str(there)).free
    journal = config.journal
    layout = DataLayout(config.data)
    used = sum(file.stat().st_size for ending in ("", "-wal") if (file := Path(f"{layout.journal}{ending}")).exists())
    may_grow = max(journal.max_bytes - used, 0)
    if free < journal.min_free_bytes:
        what = f"{_size(free)} are free, less than journal.min_free_bytes {_size(journal.min_free_bytes)}"
        yield Finding("wrong", ABOUT, f"{what}: nothing is acknowledged", "make room")
    elif free < may_grow + journal.min_free_bytes:
        what = f"{_size(free)} are free; the journal may grow by {_size(may_grow)} (journal.max_bytes)"
        do = f"make room, or set journal.max_bytes to {max(free + used - journal.min_free_bytes, 1)} at most"
        yield Finding("warning", ABOUT, f"{what}, so a long outage of the store fills the disk first", do)
    else:
        yield Finding(
            "fine", ABOUT, f"{_size(free)} are free, enough for the journal's bound of {_size(may_grow + used)}"
        )


def _check_fsync(there: Path) -> Iterator[Finding]:
    took = []
    with tempfile.TemporaryFile(dir=there) as file:
        for _ in range(FSYNCS):
            file.write(BLOCK)
            file.flush()
            started = time.perf_counter()
            os.fsync(file.fileno())
            took.append(time.perf_counter() - started)
    typical, longest = sorted(took)[FSYNCS // 2], max(took)
    what = f"an fsync of 8 KiB takes {1e3 * typical:.2f} ms, at most {1e3 * longest:.2f} ms"
    if typical > SLOW_S:
        do = "move data_dir to a faster disk (an SSD with power-loss protection)"
        yield Finding("warning", ABOUT, f"{what}: acknowledgements wait for it", do)
    else:
        yield Finding("fine", ABOUT, what)


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"
