"""What only the embedded store promises: whole commits, readers beside the writer, and plain words about its file."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from services.config import StoreSettings
from services.store import open_store, schema
from services.store.duck.store import DuckStore
from services.store.protocol import Commit, Filters, StoreError
from tests.unit.store.rows import SECOND, T0, source, table, weld, welds

WRITER = """
import sys
from pathlib import Path
from services.store.duck.store import DuckStore
from services.store.protocol import Commit
from services.store import schema
from tests.unit.store.rows import source, table, weld, welds

store = DuckStore(Path(sys.argv[1]))
number = store.cursor()
while True:
    number += 1
    made = welds([weld(10 * number + k, spot=f"SP{k}") for k in range(10)])
    store.commit(Commit(cursor=number, welds=made, sources=table([source("weld", 10 * number)], schema.SOURCE)))
    print(number, flush=True)
"""


def tenfold(number: int) -> Commit:
    made = welds([weld(10 * number + k, spot=f"SP{k}") for k in range(10)])
    account = table([source("weld", 10 * number)], schema.SOURCE)
    return Commit(cursor=number, welds=made, sources=account, sources_at_ns=T0 + number)


def test_readers_see_whole_commits_and_never_wait_for_the_writer(tmp_path: Path) -> None:
    store = DuckStore(tmp_path / "store.duckdb")
    done = threading.Event()
    failures: list[BaseException] = []
    seen: list[int] = []

    def read() -> None:
        last = 0
        try:
            while not done.is_set():
                before = store.cursor()
                [row] = store.tally(Filters()).to_pylist()
                at_ns, sources = store.sources()
                page = store.welds(Filters(), 25)
                after = store.cursor()
                n = row["ok"] + row["defect"] + row["unjudged"]
                assert n % 10 == 0
                assert before <= n // 10 <= after
                assert sources.num_rows == 0 or at_ns == T0 + sources["received"][0].as_py() // 10
                assert page["time_ns"].to_pylist() == sorted(page["time_ns"].to_pylist(), reverse=True)
                assert last <= after
                last = after
                seen.append(after)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test fails by it below
            failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(1, 61):
        store.commit(tenfold(number))
    done.set()
    for reader in readers:
        reader.join()
    assert not failures
    assert len(set(seen)) > 3
    assert store.cursor() == 60
    store.close()


def test_a_killed_writer_leaves_whole_commits(tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    for round_number in range(3):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        said = 0
        for line in writer.stdout:
            said = int(line)
            if said % 10 == 5 and said > 10 * round_number:
                writer.send_signal(signal.SIGKILL)
                break
        said = max([said, *map(int, writer.stdout)])
        writer.wait()
        writer.stdout.close()
        store = DuckStore(path)
        cursor = store.cursor()
        assert said <= cursor <= said + 1
        [row] = store.tally(Filters()).to_pylist()
        assert row["ok"] == 10 * cursor
        assert store.sources()[1]["received"].to_pylist() == [10 * cursor]
        store.close()


def test_a_failed_commit_leaves_nothing_and_can_be_tried_again(tmp_path: Path) -> None:
    store = DuckStore(tmp_path / "store.duckdb")
    store.commit(tenfold(1))
    broken = pa.table([pa.array([None], field.type) for field in schema.EVENT], schema=schema.EVENT)
    good = tenfold(2)
    with pytest.raises(StoreError, match="NOT NULL"):
        store.commit(Commit(cursor=2, welds=good.welds, events=broken))
    assert (store.cursor(), len(store.welds(Filters(), 100))) == (1, 10)
    store.commit(good)
    assert (store.cursor(), len(store.welds(Filters(), 100))) == (2, 20)
    store.close()


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
import duckdb
from services.store.duck.store import DuckStore
from services.store.protocol import Filters, StoreError
from services.store.duck import sql
from tests.unit.store.test_duck import incompressible

sql.CHECKPOINT = "SET checkpoint_threshold = '16MB'"
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = DuckStore(Path(sys.argv[1]))
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), hard))
number, causes = 1, set()
while len(causes) < 1:
    try:
        store.commit(incompressible(number))
        number += 1
    except StoreError as error:
        causes.add(type(error.__cause__))
assert store.cursor() in {number - 1, number}
print(causes.pop().__name__)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
for later in range(number, number + 3):
    store.commit(incompressible(later))
    assert store.cursor() == later
assert store.tally(Filters()).to_pylist() == [{"ok": 2000 * later, "defect": 0, "unjudged": 0}]
store.close()
assert DuckStore(Path(sys.argv[1])).cursor() == later
"""


def incompressible(number: int) -> Commit:
    """2,000 welds of about 400 bytes each."""
    n, rng = 2000, np.random.default_rng(number)
    made = welds([weld(0)]).take(pa.array([0] * n))
    for k, field in enumerate(made.schema):
        if field.name == "time_ns":
            made = made.set_column(k, field, pa.array(T0 + (number * n + np.arange(n)) * SECOND))
        elif field.type == pa.float32():
            made = made.set_column(k, field, pa.array(rng.normal(size=n).astype(np.float32)))
        elif field.name == "weld_id":
            made = made.set_column(k, field, pa.array([rng.bytes(100).hex() for _ in range(n)]))
    return Commit(cursor=number, welds=made)


@pytest.mark.parametrize(("bound", "error"), [(100_000, "TransactionException"), (18_000_000, "FatalException")])
def test_it_goes_on_after_the_disk_was_full(tmp_path: Path, bound: int, error: str) -> None:
    """In a process whose files may not grow beyond a bound, felt by the log or by the file itself, then lifted."""
    command = [sys.executable, "-c", FULL_DISK, tmp_path / "store.duckdb", str(bound)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == error


def test_a_weld_is_overwritten_wherever_it_lies(tmp_path: Path) -> None:
    """At both ends and at the borders of DuckDB's row groups of 122,880 rows."""
    n = 300_000
    moments = pa.array(range(T0, T0 + n * SECOND, SECOND), pa.int64())
    many = welds([weld(0)]).take(pa.array([0] * n))
    many = many.set_column(many.schema.names.index("time_ns"), "time_ns", moments)
    store = DuckStore(tmp_path / "store.duckdb")
    store.commit(Commit(cursor=1, welds=many))
    again = [weld(k, weld_id=f"again {k}", cause="expulsion") for k in (0, 122_879, 122_880, 250_000, n - 1, n)]
    store.commit(Commit(cursor=2, welds=welds(again)))
    assert store.tally(Filters()).to_pylist() == [{"ok": n - 5, "defect": 6, "unjudged": 0}]
    assert store.welds(Filters(verdict="defect"), 10).to_pylist() == again[::-1]
    store.close()


def test_a_restart_forgets_none_that_is_to_be_replaced(tmp_path: Path) -> None:
    """Welds known to be new are inserted without looking for older ones: what was known is not, after a restart."""
    store = DuckStore(tmp_path / "store.duckdb")
    store.commit(tenfold(1))
    store.close()
    again = DuckStore(tmp_path / "store.duckdb")
    for _ in range(2):
        again.commit(tenfold(1))
        assert again.tally(Filters()).to_pylist() == [{"ok": 10, "defect": 0, "unjudged": 0}]
    both = [weld(5, spot="SP new", cause="expulsion"), weld(5, spot="SP new")]
    again.commit(Commit(cursor=2, welds=welds(both)))
    again.commit(Commit(cursor=3, welds=welds([weld(4, spot="SP new", weld_id="older")])))
    assert again.welds(Filters(spot="SP new"), 9).to_pylist() == [both[1], weld(4, spot="SP new", weld_id="older")]


def test_what_was_committed_is_there_after_a_restart(tmp_path: Path) -> None:
    settings = StoreSettings()
    store = open_store(settings, tmp_path / "made" / "when missing")
    store.commit(tenfold(1))
    store.close()
    again = open_store(settings, tmp_path / "made" / "when missing")
    assert again.cursor() == 1
    assert again.sources()[0] == T0 + 1
    again.close()


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = DuckStore(tmp_path / "store.duckdb")
    store.close()
    store.close()
    with pytest.raises(StoreError, match="was closed"):
        store.cursor()


def test_reading_only_changes_nothing(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such store"):
        open_store(StoreSettings(), tmp_path, read_only=True)
    assert not list(tmp_path.iterdir())
    store = open_store(StoreSettings(), tmp_path)
    store.commit(tenfold(1))
    store.close()
    reader = open_store(StoreSettings(), tmp_path, read_only=True)
    assert len(reader.welds(Filters(), 100)) == 10
    with pytest.raises(StoreError, match="read-only"):
        reader.commit(tenfold(2))
    reader.close()


def test_a_file_held_by_another_process_is_named(tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    script = """
import sys, duckdb
held = duckdb.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
held.close()
"""
    with subprocess.Popen(
        [sys.executable, "-c", script, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StoreError, match=r"store\.duckdb.*lock"):
            DuckStore(path)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    path.write_bytes(b"not a database at all" * 1000)
    with pytest.raises(StoreError, match=r"store\.duckdb"):
        DuckStore(path)


def test_a_file_of_another_version_is_not_written_to(tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    DuckStore(path).close()
    with duckdb.connect(path) as database:
        database.execute("ALTER TABLE weld DROP COLUMN late")
        database.execute("ALTER TABLE weld ADD COLUMN later BOOLEAN")
    with pytest.raises(StoreError, match=r"table weld was written by another version .*late, later"):
        DuckStore(path)


@pytest.mark.parametrize("memory_mb", [64, 512])
def test_it_takes_no_more_memory_than_it_is_given(tmp_path: Path, memory_mb: int) -> None:
    store = open_store(StoreSettings(memory_mb=memory_mb), tmp_path)
    assert isinstance(store, DuckStore)
    with closing(store), store._connection() as connection:
        [(limit,)] = connection.execute("SELECT current_setting('memory_limit')").fetchall()
    assert limit == f"{memory_mb}.0 MiB"
