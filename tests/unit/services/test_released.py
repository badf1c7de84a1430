"""Data folders that earlier versions wrote: today's pipeline goes on in them, and keeps what it replaced."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import duckdb
import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest

from edge.journal import Journal, JournalReader
from edge.journal_file import LAYOUT as JOURNAL_LAYOUT
from edge.plant import EMPTY
from services.curves import ArchiveError, CurveArchive, CurveReader
from services.layout import DataLayout
from services.pipeline import Pipeline
from services.state import LAYOUT as STATE_LAYOUT
from services.state import StateError, snapshot_cursor
from services.store.duck.layouts import LAYOUT as STORE_LAYOUT
from services.store.duck.layouts import layout_of
from services.store.duck.store import DuckStore
from services.store.protocol import Filters, StoreError
from tests.unit.services.released import LOG, MESSAGES, WAITING, WELDS, Silent, config_of, run, unpack


@pytest.fixture(params=["1", "2", "3"])
def released(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, DataLayout]:
    """A folder as that release left it."""
    return request.param, unpack(request.param, tmp_path / "data")


def old_rows(path: Path) -> list[dict[str, object]]:
    with closing(duckdb.connect(path, read_only=True)) as connection:
        return connection.sql("FROM weld ORDER BY ordinal").to_arrow_table().to_pylist()


def rows(layout: DataLayout) -> list[dict[str, object]]:
    store = DuckStore(layout.store, read_only=True)
    try:
        found = store.welds(Filters(), 1000).to_pylist()
    finally:
        store.close()
    return sorted(found, key=lambda row: row["ordinal"])


def test_what_was_stored_is_there_to_the_bit_and_what_waited_is_taken(released: tuple[str, DataLayout]) -> None:
    _, layout = released
    before = old_rows(layout.store)
    assert len(before) == WELDS
    run(layout)
    after = rows(layout)
    assert len(after) == WELDS + WAITING
    for old, new in zip(before, after, strict=False):
        assert repr({name: new[name] for name in old}) == repr(old)
    store = DuckStore(layout.store, read_only=True)
    try:
        _, account = store.sources()
        assert [row["agv"] for row in store.agvs().to_pylist()] == ["KIT/A1"]
        kinds = store.events(Filters(), 10)["kind"].to_pylist()
    finally:
        store.close()
    assert "cap_change" in kinds
    total = {name: sum(account[name].to_pylist()) for name in ("received", "stored", "rejected", "pending")}
    assert (total["received"], total["stored"], total["rejected"]) == (MESSAGES + WAITING, MESSAGES + WAITING - 1, 1)
    assert total["pending"] == 0
    reader = CurveReader(layout.curves)
    defect = next(row for row in before if row["verdict"] == "defect")
    assert reader.curve(defect["ordinal"]) is not None


def test_a_second_delivery_of_what_an_earlier_version_took_is_a_duplicate(released: tuple[str, DataLayout]) -> None:
    _, layout = released
    run(layout)
    with closing(sqlite3.connect(unpack(released[0], layout.root / "again").journal)) as old:
        sent = old.execute("SELECT topic, body FROM payload ORDER BY seq").fetchall()
    with Journal.open(layout.journal, 2**28, 2**20) as journal:
        for topic, body in sent:
            journal.append([(topic, body, 1_790_003_700 * 10**9, "s/a/L1/C1/weld", 1)])
        last = journal.last_seq
    store, stop = DuckStore(layout.store), threading.Event()
    thread = threading.Thread(target=Pipeline(config_of(layout), EMPTY, store, Silent(), LOG).run, args=(stop,))
    thread.start()
    while store.cursor() < last and thread.is_alive():
        time.sleep(0.02)
    stop.set()
    thread.join()
    store.close()
    assert len(rows(layout)) == WELDS + WAITING


def test_references_go_on_from_the_second_release_and_are_learnt_anew_from_the_first(
    released: tuple[str, DataLayout], caplog: pytest.LogCaptureFixture
) -> None:
    release, layout = released
    run(layout)
    waited = rows(layout)[-WAITING:]
    if release == "1":
        assert {row["cause"] for row in waited} == {"learning"}
        assert "references are learnt anew" in caplog.text
    else:
        assert {row["reference_n"] for row in waited} >= {11}
        assert "learnt anew" not in caplog.text


def test_the_old_files_stay_beside_and_the_new_ones_say_their_version(released: tuple[str, DataLayout]) -> None:
    release, layout = released
    kept = {
        "1": {"state.npz.layout-1", "lineside.duckdb.layout-1", "journal.sqlite.layout-1"},
        "2": {"state.npz.layout-3", "journal.sqlite.layout-1"},
        "3": set[str](),
    }[release]
    before = {path.name: path.read_bytes() for path in layout.root.iterdir() if path.is_file()}
    run(layout)
    old = {path.name: path.read_bytes() for path in layout.root.glob("*.layout-*")}
    assert old.keys() == kept
    for name in kept - {"journal.sqlite.layout-1"}:  # which SQLite copied
        assert old[name] == before[name.rpartition(".layout-")[0]]
    if "journal.sqlite.layout-1" in kept:
        with closing(sqlite3.connect(layout.root / "journal.sqlite.layout-1")) as journal:
            assert journal.execute("PRAGMA user_version").fetchone() == (1,)
            assert journal.execute("SELECT max(seq) FROM payload").fetchone() == (MESSAGES + WAITING,)
    with closing(sqlite3.connect(layout.journal)) as journal:
        assert journal.execute("PRAGMA user_version").fetchone() == (JOURNAL_LAYOUT,)
    with closing(duckdb.connect(layout.store, read_only=True)) as store:
        assert store.execute("SELECT version FROM layout").fetchall() == [(STORE_LAYOUT,)]
    with np.load(layout.state) as state:
        assert json.loads(state["meta"].tobytes())["layout"] == STATE_LAYOUT
    files = sorted(layout.curves.glob("*/*.parquet"))
    assert {pq.read_schema(path).metadata[b"lineside.layout"] for path in files} == {b"1"}


def test_a_second_start_migrates_nothing(released: tuple[str, DataLayout], caplog: pytest.LogCaptureFixture) -> None:
    _, layout = released
    run(layout)
    told = len([record for record in caplog.records if "brought up to date" in record.message])
    times = {path.name: path.stat().st_mtime_ns for path in layout.root.glob("*.layout-*")}
    run(layout)
    assert len([record for record in caplog.records if "brought up to date" in record.message]) == told
    assert {path.name: path.stat().st_mtime_ns for path in layout.root.glob("*.layout-*")} == times


def test_a_crash_while_the_store_is_rebuilt_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = unpack("1", tmp_path / "data")
    before = layout.store.read_bytes()

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("services.store.duck.layouts.os.link", crash)
        with pytest.raises(KeyboardInterrupt):
            DuckStore(layout.store)
    assert layout.store.read_bytes() == before
    run(layout)
    assert len(rows(layout)) == WELDS + WAITING


def newer_state(layout: DataLayout) -> None:
    with np.load(layout.state) as state:
        arrays = dict(state)
    meta = json.loads(arrays["meta"].tobytes()) | {"layout": STATE_LAYOUT + 1}
    arrays["meta"] = np.frombuffer(msgspec.json.encode(meta), np.uint8)
    np.savez(layout.state, **arrays)
    snapshot_cursor(layout.state)


def newer_store(layout: DataLayout) -> None:
    with closing(duckdb.connect(layout.store)) as store:
        store.execute("UPDATE layout SET version = version + 1")
    DuckStore(layout.store)


def newer_curves(layout: DataLayout) -> None:
    path = next(layout.curves.glob("*/*.parquet"))
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({"lineside.layout": "2"}), path)
    with pytest.raises(ArchiveError, match="has layout 2"):
        CurveReader(layout.curves).curve(1)
    CurveArchive(layout.curves, 25)


@pytest.mark.parametrize("spoil", [newer_state, newer_store, newer_curves])
def test_a_file_of_a_newer_version_is_refused_by_one_clear_line(
    tmp_path: Path, spoil: Callable[[DataLayout], None]
) -> None:
    layout = unpack("2", tmp_path / "data")
    run(layout)
    with pytest.raises((StateError, StoreError, ArchiveError), match=r"has layout \d.*reads up to \d") as refused:
        spoil(layout)
    assert "\n" not in str(refused.value)
    shutil.rmtree(layout.root)


def test_the_fixtures_are_of_the_layouts_they_stand_for(released: tuple[str, DataLayout]) -> None:
    release, layout = released
    with np.load(layout.state) as state:
        assert json.loads(state["meta"].tobytes())["layout"] == {"1": 1, "2": 3, "3": 4}[release]
    assert ("risk" in old_rows(layout.store)[0]) == (release != "1")
    with closing(duckdb.connect(layout.store, read_only=True)) as store:
        assert layout_of(store, layout.store) == {"1": 1, "2": 2, "3": 3}[release]
    with closing(sqlite3.connect(layout.journal)) as journal:
        assert journal.execute("PRAGMA user_version").fetchone() == ({"1": 1, "2": 1, "3": 2}[release],)
    Journal.open(layout.journal, 2**28, 2**20).close()
    with JournalReader.open(layout.journal) as reader:
        assert reader.last_seq() == MESSAGES + WAITING
