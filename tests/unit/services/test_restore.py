"""What `lineside restore` refuses, each by one line and without touching anything; and what a backup leaves out."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from services.backup import write_backup
from services.backup_hold import BackupError
from services.backup_manifest import FORMAT, NAME
from services.backup_settings import settings_without_secrets
from services.config import AccountSettings, Config
from services.errors import OperatorError
from services.layout import DataLayout
from services.locks import DataLock
from services.restore import restore_backup
from tests.unit.services.released import config_of, run, unpack

Members = dict[str, bytes]


def nothing(_: str = "") -> None:
    pass


@pytest.fixture(scope="module")
def backup(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of a small stopped plant."""
    folder = tmp_path_factory.mktemp("backup")
    layout = unpack("2", folder / "data")
    run(layout)
    settings = folder / "lineside.toml"
    settings.write_text('[broker]\nhost = "b"\npassword = "hunter2"  # the broker\'s\n', encoding="utf-8")
    return write_backup(config_of(layout), settings, folder / "it.tar.zst", pause=nothing, say=nothing)[0]


def members(file: Path) -> Members:
    with pa.input_stream(file, compression="zstd") as packed, tarfile.open(fileobj=packed, mode="r|") as tar:
        found = {}
        for member in tar:
            source = tar.extractfile(member)
            found[member.name] = source.read() if source else b""
    return found


def pack(file: Path, content: Members, extra: tarfile.TarInfo | None = None) -> None:
    """Write an archive with a manifest that fits what is in it, unless there is one of that name."""
    with pa.CompressedOutputStream(str(file), "zstd") as packed, tarfile.open(fileobj=packed, mode="w|") as tar:
        if extra is not None:
            tar.addfile(extra, io.BytesIO(b"x" * extra.size))
        for name, data in content.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))


def resealed(content: Members, **changes: object) -> Members:
    """Return an archive whose manifest fits it, with these changes: what a forger or a newer version would write."""
    files = {name: data for name, data in content.items() if name != NAME}
    manifest = json.loads(content[NAME]) | {
        "files": {
            name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()
        },
        **changes,
    }
    return {**files, NAME: json.dumps(manifest).encode()}


def restore(file: Path, into: Path) -> None:
    restore_backup(file, Config(), into, nothing)


def refused(file: Path, into: Path) -> str:
    before = sorted(path.name for path in into.parent.iterdir())
    with pytest.raises(OperatorError) as error:
        restore(file, into)
    assert "\n" not in str(error.value)
    assert sorted(path.name for path in into.parent.iterdir()) == before
    return str(error.value)


def test_it_comes_back_byte_for_byte_and_goes_on(backup: Path, tmp_path: Path) -> None:
    restore(backup, tmp_path / "again")
    content, old = members(backup), backup.parent / "data"
    for name in [name for name in content if name.startswith("data/")]:
        assert (tmp_path / "again" / name.removeprefix("data/")).read_bytes() == content[name]
        if "journal" not in name:  # SQLite leaves its free pages out
            assert (old / name.removeprefix("data/")).read_bytes() == content[name]
    assert (tmp_path / "again/journal.cursor").read_text() == "29\n"
    run(DataLayout(tmp_path / "again"))


def test_no_secret_of_the_settings_is_in_it(backup: Path) -> None:
    content = members(backup)
    assert b"hunter2" not in b"".join(content.values())
    assert content["settings/lineside.toml"].decode() == (
        '[broker]\nhost = "b"\n# password was here and is not in the backup\n'
    )


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("store.token = 's'\n[api]\nport = 1\n", "# token was here and is not in the backup\n[api]\nport = 1\n"),
        ("broker.password='s'", "# password was here and is not in the backup"),
        ('broker = {host = "h", password = "s"}', None),
        ('[broker]\npassword = """s\nt"""\n', None),
        ('[broker]\n"password" = "s"\n', None),
        ('[broker]\npassword_file = "f"\n', '[broker]\npassword_file = "f"\n'),
    ],
)
def test_secrets_are_taken_out_or_the_file_is_left_out(text: str, cleaned: str | None) -> None:
    assert settings_without_secrets(text) == cleaned


def newer(content: Members) -> Members:
    return resealed(content, layout=2, lineside="9.9")


def cut_manifest(content: Members) -> Members:
    return {name: data for name, data in content.items() if name != NAME}


def flipped(content: Members) -> Members:
    data = bytearray(content["data/state.npz"])
    data[1000] ^= 1
    return {**content, "data/state.npz": bytes(data)}


def lacking(content: Members) -> Members:
    return {name: data for name, data in content.items() if name != "data/journal.sqlite"}


def surplus(content: Members) -> Members:
    return {"data/other": b"x", **content}


def foreign(content: Members) -> Members:
    return resealed(content, format="something")


def older_store(content: Members) -> Members:
    """A snapshot that is newer than the store: what lies between would be lost."""
    state = dict(np.load(io.BytesIO(content["data/state.npz"])))
    meta = json.loads(state["meta"].tobytes()) | {"cursor": 99}
    state["meta"] = np.frombuffer(msgspec.json.encode(meta), np.uint8)
    packed = io.BytesIO()
    np.savez(packed, **state)
    return resealed({**content, "data/state.npz": packed.getvalue()}, cursor=99)


def newer_state(content: Members) -> Members:
    state = dict(np.load(io.BytesIO(content["data/state.npz"])))
    meta = json.loads(state["meta"].tobytes()) | {"layout": 99}
    state["meta"] = np.frombuffer(msgspec.json.encode(meta), np.uint8)
    packed = io.BytesIO()
    np.savez(packed, **state)
    return resealed({**content, "data/state.npz": packed.getvalue()})


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (newer, r"made by Lineside 9.9 and has layout 2; this version reads up to 1: install the newer one"),
        (cut_manifest, "is not whole: the manifest at its end is missing"),
        (flipped, "is damaged: data/state.npz is not as it was put in"),
        (lacking, "is damaged: data/journal.sqlite is missing"),
        (surplus, "is damaged: data/other is not as it was put in"),
        (foreign, "is no backup of Lineside"),
        (older_store, "does not fit together: the snapshot ends at 99, the store at 29"),
        (newer_state, "has layout 99; this Lineside reads up to"),
    ],
)
def test_a_backup_that_is_not_right_is_refused(
    backup: Path, tmp_path: Path, spoil: Callable[[Members], Members], why: str
) -> None:
    pack(tmp_path / "spoilt.tar.zst", spoil(members(backup)))
    assert why in refused(tmp_path / "spoilt.tar.zst", tmp_path / "again")


def link(target: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo("data/link")
    member.type, member.linkname = tarfile.SYMTYPE, target
    return member


def device() -> tarfile.TarInfo:
    member = tarfile.TarInfo("data/device")
    member.type = tarfile.CHRTYPE
    return member


def named(name: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = 1
    return member


@pytest.mark.parametrize(
    "member",
    [
        named("../evil"),
        named("/evil"),
        named("data/../../evil"),
        named("data//evil"),
        named("evil"),
        named("data/state.npz"),
        link("/etc"),
        device(),
    ],
    ids=lambda member: member.name,
)
def test_a_member_that_leads_elsewhere_is_refused(backup: Path, tmp_path: Path, member: tarfile.TarInfo) -> None:
    pack(tmp_path / "evil.tar.zst", members(backup), member)
    (tmp_path / "deep").mkdir()
    assert "is no backup of ours: it holds" in refused(tmp_path / "evil.tar.zst", tmp_path / "deep" / "again")
    assert not list(tmp_path.rglob("evil"))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.95, 0.999])
def test_a_file_that_was_cut_off_is_refused(backup: Path, tmp_path: Path, share: float) -> None:
    whole = backup.read_bytes()
    (tmp_path / "cut.tar.zst").write_bytes(whole[: int(share * len(whole))])
    assert "cut.tar.zst is" in refused(tmp_path / "cut.tar.zst", tmp_path / "again")


def test_bytes_that_flip_anywhere_are_refused_or_were_nobodys(backup: Path, tmp_path: Path) -> None:
    whole, rng = backup.read_bytes(), np.random.default_rng(5)
    content, caught = members(backup), 0
    for at in rng.integers(0, len(whole), 8).tolist():
        spoilt = bytearray(whole)
        spoilt[at] ^= 0xFF
        (tmp_path / "flipped.tar.zst").write_bytes(bytes(spoilt))
        try:
            restore(tmp_path / "flipped.tar.zst", tmp_path / "again")
        except OperatorError:
            caught += 1
            continue
        for name in [name for name in content if name.startswith("data/")]:  # it hit what fills up a block
            assert (tmp_path / "again" / name.removeprefix("data/")).read_bytes() == content[name]
        shutil.rmtree(tmp_path / "again")
    assert caught > 4


def test_no_file_and_another_kind_of_file_are_refused(tmp_path: Path) -> None:
    assert "is no file" in refused(tmp_path / "none", tmp_path / "again")
    (tmp_path / "text").write_text("hello\n" * 100)
    assert "is no backup, or is damaged" in refused(tmp_path / "text", tmp_path / "again")


def test_nothing_that_is_there_is_written_over(backup: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/kept").write_text("mine")
    assert "is not empty" in refused(backup, tmp_path / "full")
    with DataLock(tmp_path / "running"):
        assert "a Lineside works in" in refused(backup, tmp_path / "running")
    (tmp_path / "accounts").mkdir()
    (tmp_path / "accounts/accounts.sqlite").write_bytes(b"")
    config = Config(data_dir=str(tmp_path / "data"), accounts=AccountSettings(folder=str(tmp_path / "accounts")))
    with pytest.raises(BackupError, match="is there already"):
        restore_backup(backup, config, None, nothing)
    assert (tmp_path / "full/kept").read_text() == "mine"


def test_an_empty_folder_that_was_there_stays_when_it_fails(backup: Path, tmp_path: Path) -> None:
    (tmp_path / "mount").mkdir()
    pack(tmp_path / "spoilt.tar.zst", flipped(members(backup)))
    with pytest.raises(BackupError):
        restore(tmp_path / "spoilt.tar.zst", tmp_path / "mount")
    assert list((tmp_path / "mount").iterdir()) == []
    restore(backup, tmp_path / "mount")


def test_the_archives_age_survives(backup: Path, tmp_path: Path) -> None:
    old = next((backup.parent / "data/curves").glob("*/*.parquet"))
    restore(backup, tmp_path / "again")
    new = tmp_path / "again" / old.relative_to(backup.parent / "data")
    assert int(new.stat().st_mtime) == int(old.stat().st_mtime)


def test_a_backup_is_never_written_over_and_leaves_nothing_when_it_fails(backup: Path, tmp_path: Path) -> None:
    layout = unpack("2", tmp_path / "data")  # its journal is of layout 1, which the collector has not brought up
    with pytest.raises(BackupError, match="is there already"):
        write_backup(config_of(layout), None, backup, pause=nothing, say=nothing)
    with pytest.raises(BackupError, match="not brought up"):
        write_backup(config_of(layout), None, tmp_path / "x.tar.zst", pause=nothing, say=nothing)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert FORMAT in members(backup)[NAME].decode()
