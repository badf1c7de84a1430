"""What is in a backup: a tar archive, compressed by zstd, whose last member, `manifest.json`, lists all others.

`data/…` is as in a data folder: journal, snapshot, store, curves, models, rejects. `accounts/…` has users, tokens and
the audit log, and no sessions; `settings/…` has lineside.toml without secrets, and the plant.
"""

from __future__ import annotations

import msgspec

LAYOUT = 1
"""Version of the backup's own layout; the files in it have versions of their own."""
FORMAT = "lineside-backup"
NAME = "manifest.json"
MAX_MANIFEST_BYTES = 256 * 2**20
"""A year of a large plant is some 50,000 files of 130 bytes each here."""
CHUNK = 2**20


class Part(msgspec.Struct, frozen=True):
    """One file."""

    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """The list of contents."""

    format: str
    layout: int
    lineside: str
    """Version of the Lineside that made it."""
    made: str
    """When, RFC 3339."""
    store: str
    """`duckdb`, or `influxdb`, which is not in the backup."""
    cursor: int
    """Snapshot and store hold what follows from the journal up to this message; the journal goes on from there."""
    files: dict[str, Part]
    left_out: tuple[str, ...] = ()
    """What one might look for and is not there, and why."""


class Version(msgspec.Struct, frozen=True):
    """What every layout of a manifest has."""

    format: str = ""
    layout: int = 0
    lineside: str = "?"
