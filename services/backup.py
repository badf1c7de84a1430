"""`lineside backup`: everything that a Lineside keeps in one file, while it works or not.

The order makes it fit together. While the pipeline holds (`backup_hold`), snapshot and store stand at one message; the
journal is copied last, so that it has all that comes after. Restored, the pipeline goes on at that message, and the
store's cursor says what is there already.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import sqlite3
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import msgspec
import pyarrow as pa

from edge.journal import JournalError, JournalReader
from edge.settings import SettingsError
from services.accounts.accounts import FILE as ACCOUNTS_FILE
from services.accounts.accounts import Accounts
from services.backup_hold import BackupError, Cut, held
from services.backup_manifest import FORMAT, LAYOUT, NAME, Manifest, Part
from services.backup_settings import plant_files, settings_without_secrets
from services.config import Config
from services.files import replace_durably
from services.layout import DataLayout
from services.locks import DataLock, in_use
from services.state import snapshot_cursor
from services.times import rfc3339
from services.version import VERSION

SUFFIX = ".tar.zst"
JOURNAL_BATCH = 1000, 16 * 2**20
HEADER_BYTES = 12_288
"""DuckDB's three headers of 4 KiB; each checkpoint, and nothing else, writes one of them anew."""


def write_backup(
    config: Config, settings_file: Path | None, out: Path, *, pause: Callable[[], None], say: Callable[[str], None]
) -> tuple[Path, Manifest]:
    """Write a backup to the file `out`, or into the folder `out` under a name with the time; return where, and what.

    `pause` is called while everything is held: for what is kept elsewhere and must fit. `say` hears what is done now.
    Raises `BackupError` when there is nothing to back up, or the file is there or cannot be written.
    """
    layout = DataLayout(config.data)
    if not layout.root.is_dir():
        raise BackupError(f"{layout.root} is no folder; name the data folder by --data, or the settings by --config")
    if out.is_dir():
        out = out / f"lineside-{datetime.now(UTC):%Y%m%dT%H%M%SZ}{SUFFIX}"
    if out.exists():
        raise BackupError(f"{out} is there already; a backup is never written over")
    part, scratch = out.with_name(f"{out.name}.part"), out.with_name(f"{out.name}.scratch")
    try:
        shutil.rmtree(scratch, ignore_errors=True)  # of one that was killed
        scratch.mkdir(mode=0o700)
        with _private(part) as stream:
            manifest = _fill(stream, config, settings_file, scratch, pause, say)
        replace_durably(part, out)
    except BaseException as error:
        part.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise BackupError(f"{out} cannot be written: {error}") from None
        raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return out, manifest


def _fill(
    stream: IO[bytes],
    config: Config,
    settings_file: Path | None,
    scratch: Path,
    pause: Callable[[], None],
    say: Callable[[str], None],
) -> Manifest:
    layout = DataLayout(config.data)
    with (
        pa.CompressedOutputStream(stream, "zstd") as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        pack = _Pack(tar)
        say("waiting for the pipeline to come to rest")
        with _at_rest(layout) as cut:
            folders = {name: sorted(_files(layout.root / name)) for name in ("curves", "models", "rejects")}
            pack.add("data/state.npz", layout.state)
            say("copying the store")
            _add_store(pack, layout, running=bool(cut.request))
            for name, files in folders.items():
                say(f"copying {name}")
                for path in files:
                    pack.add(f"data/{name}/{path.relative_to(layout.root / name)}", path)
            pause()
            say("copying the journal")
            _add_journal(pack, layout, cut.cursor, scratch)
        say("copying accounts and settings")
        _add_accounts(pack, config, scratch)
        _add_settings(pack, config, settings_file)
        if config.store.backend != "duckdb":
            pack.left_out.append(f"InfluxDB, bucket {config.store.bucket!r}: back it up with `influx backup`")
        manifest = Manifest(
            FORMAT,
            LAYOUT,
            VERSION,
            rfc3339(time.time_ns()),
            config.store.backend,
            cut.cursor,
            pack.files,
            tuple(pack.left_out),
        )
        pack.write(NAME, msgspec.json.format(msgspec.json.encode(manifest), indent=1))
    return manifest


@contextmanager
def _at_rest(layout: DataLayout) -> Iterator[Cut]:
    """Give a moment at which nothing moves: that of a pipeline that holds, or of a folder in which nobody works."""
    if in_use(layout.root):
        with held(layout, lambda: in_use(layout.root)) as cut:
            yield cut
        return
    try:
        with DataLock(layout.root):
            yield Cut("", snapshot_cursor(layout.state))
    except SettingsError:
        raise BackupError("Lineside started just now; make the backup again") from None


def _add_store(pack: _Pack, layout: DataLayout, *, running: bool) -> None:
    """Add the embedded store as it is at a checkpoint; its log only when nobody works in the folder."""
    if not layout.store.exists():
        return
    before = _header(layout.store)
    log = layout.store.with_name(f"{layout.store.name}.wal")
    if not running:
        pack.add(f"data/{log.name}", log)
    pack.add(f"data/{layout.store.name}", layout.store)
    if _header(layout.store) != before:
        raise BackupError("the store was reorganised while it was copied (was Lineside started again?); try again")


def _header(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(HEADER_BYTES)


def _add_journal(pack: _Pack, layout: DataLayout, cursor: int, scratch: Path) -> None:
    """Add the journal, which must have everything above `cursor`, each message as it was written."""
    if not layout.journal.exists():
        return
    copy = scratch / layout.journal.name
    _copy_sqlite(layout.journal, copy)
    try:
        last = check_journal(copy, cursor)
    except JournalError as error:
        raise BackupError(f"{layout.journal} cannot be copied: {error}") from None
    if last < cursor:
        raise BackupError(f"{layout.journal} ends at message {last}, and the snapshot at {cursor}")
    pack.add(f"data/{layout.journal.name}", copy)
    copy.unlink()


def check_journal(path: Path, cursor: int) -> int:
    """Read all of a journal above `cursor` and return its last message's number. Raises `JournalError`."""
    with JournalReader.open(path) as reader:
        after, last = cursor, reader.last_seq()
        while after < last:
            after = reader.read(after, *JOURNAL_BATCH)[-1].seq
    return last


def _add_accounts(pack: _Pack, config: Config, scratch: Path) -> None:
    path = Accounts(config).path
    if not path.exists():
        pack.left_out.append(f"accounts: there are none in {path.parent}")
        return
    copy = scratch / ACCOUNTS_FILE
    _copy_sqlite(path, copy)
    with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        connection.execute("DELETE FROM sessions")  # who comes back after a restore logs in again
        connection.execute("VACUUM")
    pack.add(f"accounts/{ACCOUNTS_FILE}", copy)
    copy.unlink()


def _add_settings(pack: _Pack, config: Config, settings_file: Path | None) -> None:
    if settings_file is not None:
        text = settings_without_secrets(settings_file.read_text(encoding="utf-8"))
        if text is None:
            pack.left_out.append(f"{settings_file}: its secrets cannot be taken out; put them in files of their own")
        else:
            pack.write("settings/lineside.toml", text.encode())
    if config.plant:
        for path in plant_files(Path(config.plant)):
            pack.add(f"settings/plant/{path.name}", path)


def _copy_sqlite(path: Path, copy: Path) -> None:
    """Copy an SQLite file as of one moment, its free pages left out; writers go on. Raises `BackupError`."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", timeout=10, uri=True)) as connection:
            connection.execute("VACUUM INTO ?", (str(copy),))
    except sqlite3.Error as error:
        raise BackupError(f"{path} cannot be copied: {error}") from None
    copy.chmod(0o600)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".new")


@contextmanager
def _private(path: Path) -> Iterator[IO[bytes]]:
    """Open a new file that only its owner may read: it holds hashes of passwords."""
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:  # noqa: PTH123 - a descriptor
        yield stream


class _Pack:
    """Writes members and remembers their sizes and hashes."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self.files: dict[str, Part] = {}
        self.left_out: list[str] = []

    def add(self, name: str, path: Path) -> None:
        """Add a file as long as it is now; one that is not there, or no longer, is passed over."""
        try:
            stream = path.open("rb")
        except FileNotFoundError:
            return
        with stream:
            found = os.fstat(stream.fileno())
            hashing = _Hashing(stream, found.st_size)
            self._tar.addfile(_member(name, found.st_size, found.st_mtime), hashing)
            self.files[name] = Part(found.st_size, hashing.sha256.hexdigest())

    def write(self, name: str, content: bytes) -> None:
        """Add a file with this content."""
        self._tar.addfile(_member(name, len(content), time.time()), io.BytesIO(content))
        self.files[name] = Part(len(content), hashlib.sha256(content).hexdigest())


class _Hashing:
    """Reads a file for `tarfile` and hashes what it reads."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self._stream, self._left = stream, size
        self.sha256 = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        block = self._stream.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(block)
        self.sha256.update(block)
        return block


def _member(name: str, size: int, mtime: float) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = size, int(mtime), 0o600
    return member
