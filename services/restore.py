"""`lineside restore`: a backup becomes a data folder again, all of it or nothing.

Every file is unpacked beside its place, its size and hash compared with the manifest, its version looked at, and
whether snapshot, store and journal follow from one another; only then they are moved to where they belong.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import msgspec
import pyarrow as pa

from edge.journal import JournalError
from services.accounts.accounts import FILE as ACCOUNTS_FILE
from services.accounts.accounts import Accounts
from services.backup import check_journal
from services.backup_hold import BackupError
from services.backup_manifest import CHUNK, FORMAT, LAYOUT, MAX_MANIFEST_BYTES, NAME, Manifest, Part, Version
from services.config import Config
from services.files import sync_folder
from services.layout import DataLayout
from services.locks import in_use
from services.state import snapshot_cursor
from services.store.duck.layouts import cursor_in

STAGING = ".restoring"
KINDS = ("data", "accounts", "settings")


@dataclass(frozen=True, slots=True)
class Restored:
    """What came back, and where it is."""

    manifest: Manifest
    data: Path
    accounts: Path | None
    settings: Path | None
    pending: int
    """Messages that the pipeline will take at its start."""


def restore_backup(file: Path, config: Config, into: Path | None, say: Callable[[str], None]) -> Restored:
    """Restore into the folder `into`, or the data folder of the settings. It must be empty or not there.

    Accounts go to their folder in the settings, or into the data folder when `into` is given; settings go into the data
    folder's `settings`, for somebody to look at. Raises `BackupError`; then nothing has changed.
    """
    data = into or config.data
    in_data = into is not None or not config.accounts.folder
    accounts = data / "accounts" if in_data else Accounts(config).path.parent
    _check_target(data, accounts)
    made = not data.exists()
    staging = data / STAGING
    try:
        staging.mkdir(parents=True)
        say("unpacking")
        manifest = _unpack(file, staging)
        say("checking")
        pending = _check(staging, manifest)
        if (staging / "data").is_dir():
            for child in sorted((staging / "data").iterdir()):
                child.replace(data / child.name)
        if (staging / "accounts").is_dir():
            accounts.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.move(staging / "accounts" / ACCOUNTS_FILE, accounts / ACCOUNTS_FILE)
        if (staging / "settings").is_dir():
            (staging / "settings").replace(data / "settings")
        for name in ("data", "accounts"):
            shutil.rmtree(staging / name, ignore_errors=True)
        staging.rmdir()
        for folder in (data, *(path for path in data.rglob("*") if path.is_dir())):
            sync_folder(folder)
    except BaseException as error:
        shutil.rmtree(data if made else staging, ignore_errors=True)
        if isinstance(error, OSError):
            raise BackupError(f"{data} cannot be restored into: {error}") from None
        raise
    found = (accounts if (accounts / ACCOUNTS_FILE).exists() else None), data / "settings"
    return Restored(manifest, data, found[0], found[1] if found[1].is_dir() else None, pending)


def _check_target(data: Path, accounts: Path) -> None:
    if in_use(data):
        raise BackupError(f"a Lineside works in {data}; stop it, or restore elsewhere by --into")
    if data.exists() and (not data.is_dir() or any(data.iterdir())):
        raise BackupError(f"{data} is not empty; nothing is written over: move it away, or restore elsewhere by --into")
    if (accounts / ACCOUNTS_FILE).exists():
        raise BackupError(f"{accounts / ACCOUNTS_FILE} is there already; move it away first")


def _unpack(file: Path, staging: Path) -> Manifest:
    """Unpack everything, compared with the manifest at its end."""
    found: dict[str, Part] = {}
    content = b""
    with (
        _readable(file),
        pa.input_stream(file, compression="zstd") as packed,
        tarfile.open(fileobj=packed, mode="r|") as tar,
    ):
        for member in tar:
            if member.name == NAME:
                content = _manifest_bytes(tar, member, file)
            else:
                found[member.name] = _unpack_one(tar, _checked(member, found, file), staging)
    if not content:
        raise BackupError(f"{file} is not whole: the manifest at its end is missing")
    manifest = _manifest(content, file)
    if missing := sorted(manifest.files.keys() - found.keys()):
        raise BackupError(f"{file} is damaged: {missing[0]} is missing")
    for name, part in found.items():
        if manifest.files.get(name) != part:
            raise BackupError(f"{file} is damaged: {name} is not as it was put in")
    return manifest


def _checked(member: tarfile.TarInfo, found: dict[str, Part], file: Path) -> tarfile.TarInfo:
    """Return a member that is a plain file of ours; its name leads nowhere else."""
    parts = PurePosixPath(member.name).parts
    tame = len(parts) > 1 and parts[0] in KINDS and not {"..", "/"} & set(parts) and "\0" not in member.name
    if not member.isreg() or not tame or "/".join(parts) != member.name or member.name in found:
        raise BackupError(f"{file} is no backup of ours: it holds {member.name[:100]!r}")
    return member


def _unpack_one(tar: tarfile.TarFile, member: tarfile.TarInfo, staging: Path) -> Part:
    path = staging / member.name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    free = shutil.disk_usage(staging).free
    if member.size > free:
        raise BackupError(f"{member.name} takes {member.size} bytes, and {free} are free in {staging.parent}")
    source = tar.extractfile(member)
    if source is None:
        raise tarfile.ReadError(member.name)
    sha256, size = hashlib.sha256(), 0
    mode = 0o600 if member.name.startswith("accounts/") else 0o644
    with source, open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as target:  # noqa: PTH123 - a descriptor
        while block := source.read(CHUNK):
            target.write(block)
            sha256.update(block)
            size += len(block)
        target.flush()
        os.fsync(target.fileno())
    os.utime(path, (member.mtime, member.mtime))  # the archive forgets curves by age
    return Part(size, sha256.hexdigest())


def _manifest_bytes(tar: tarfile.TarFile, member: tarfile.TarInfo, file: Path) -> bytes:
    source = tar.extractfile(member)
    if source is None or member.size > MAX_MANIFEST_BYTES:
        raise BackupError(f"{file} is no backup of ours: its manifest is no file of a bearable size")
    with source:
        return source.read()


def _manifest(content: bytes, file: Path) -> Manifest:
    try:
        version = msgspec.json.decode(content, type=Version)
        if version.format != FORMAT:
            raise BackupError(f"{file} is no backup of Lineside")
        if version.layout > LAYOUT:
            raise BackupError(
                f"{file} was made by Lineside {version.lineside} and has layout {version.layout}; this version reads "
                f"up to {LAYOUT}: install the newer one"
            )
        return msgspec.json.decode(content, type=Manifest)
    except msgspec.MsgspecError as error:
        raise BackupError(f"{file} is damaged: its manifest is {error}") from None


def _check(staging: Path, manifest: Manifest) -> int:
    """Return how many messages wait in the journal. Raises `BackupError` when the parts do not fit each other."""
    layout = DataLayout(staging / "data")
    cursor = snapshot_cursor(layout.state)  # raises what is wrong with it, a newer layout for one
    stored = cursor
    if layout.store.exists():
        stored = cursor_in(layout.store)
    last = stored
    if layout.journal.exists():
        try:
            last = check_journal(layout.journal, cursor)
        except JournalError as error:
            raise BackupError(f"the journal in the backup cannot be used: {error}") from None
        for end in ("-wal", "-shm"):
            layout.journal.with_name(layout.journal.name + end).unlink(missing_ok=True)
    if not manifest.cursor == cursor <= stored <= last:
        raise BackupError(
            f"the backup does not fit together: the snapshot ends at {cursor}, the store at {stored}, the journal at "
            f"{last}, and the manifest says {manifest.cursor}"
        )
    if layout.state.exists():
        layout.cursor.write_text(f"{cursor}\n", encoding="ascii")
    return last - cursor


@contextlib.contextmanager
def _readable(file: Path) -> Iterator[None]:
    if not file.is_file():
        raise BackupError(f"{file} is no file")
    try:
        yield
    except (tarfile.TarError, EOFError, pa.ArrowException) as error:
        raise BackupError(f"{file} is no backup, or is damaged: {error}") from None
    except OSError as error:
        if error.errno is not None:  # a disk's
            raise
        raise BackupError(f"{file} is no backup, or is damaged: {error}") from None
