"""Closed hours: whatever is committed in whatever order, counts and searches answer as a look at every weld would."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.store import closing as closer
from services.store import schema
from services.store.counting import DAY_NS as DAY
from services.store.counting import HOUR_NS as HOUR
from services.store.duck import counted, sql
from services.store.duck.store import DuckStore
from services.store.protocol import Commit, Filters
from tests.running import wait_until
from tests.unit.store.rows import SECOND, T0, keeps, weld, welds
from tests.unit.store.rows import counted as plainly

START = T0 // DAY * DAY
CAUSES = ("", "", "expulsion", "low_heat", "learning")

moments = st.one_of(
    st.tuples(st.integers(-1, 4), st.integers(0, 23), st.sampled_from([0, 1, 299, 300, 1799, 3599])).map(
        lambda at: START + at[0] * DAY + at[1] * HOUR + at[2] * SECOND
    ),
    st.integers(START, START + 3 * DAY),
)
edges = st.one_of(
    st.none(), moments, moments.map(lambda at: at // HOUR * HOUR), moments.map(lambda at: at // DAY * DAY)
)
names = st.sampled_from(["A", "B"])


@st.composite
def weld_rows(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Some keys come again, with another verdict, body or place: replays, corrections, and devices that send twice."""
    made = draw(st.lists(st.tuples(names, names, moments), min_size=1, max_size=12))
    rows = []
    for spot, program, time_ns in made:
        more = {name: draw(names) for name in ("line", "cell", "body")}
        weld_id = f"W{draw(st.integers(0, 30))}"
        rows.append(
            weld(
                draw(st.integers(0, 99)), spot=spot, program=program, time_ns=time_ns, weld_id=weld_id,
                cause=draw(st.sampled_from(CAUSES)), **more,
            )
        )  # fmt: skip
    return rows


steps = st.lists(st.tuples(weld_rows(), st.sampled_from(["", "close", "close", "restart"])), min_size=2, max_size=5)
filters = st.builds(
    Filters,
    line=st.sampled_from(["", "", "", "A"]),
    spot=st.sampled_from(["", "", "", "A"]),
    cause=st.sampled_from(["", "", "", "expulsion", "learning"]),
    verdict=st.sampled_from(["", "", "", "ok", "defect", "no such verdict"]),
    body=st.sampled_from(["", "", "", "A"]),
    since_ns=edges,
    until_ns=edges,
)
groups = st.lists(st.sampled_from(schema.TALLY_GROUPS), max_size=2, unique=True).map(tuple)
buckets = st.sampled_from([0, 0, 5 * 60 * SECOND, 7 * 60 * SECOND, HOUR, 2 * HOUR, DAY, 7 * DAY])
questions = st.lists(st.tuples(filters, groups, buckets), min_size=3, max_size=5)


@settings(max_examples=50, deadline=None)
@given(steps, questions, st.integers(1, 6))
def test_any_commits_are_counted_and_found_as_if_every_weld_were_looked_at(
    done: list[tuple[list[dict[str, Any]], str]], asked: list[tuple[Filters, tuple[str, ...], int]], limit: int
) -> None:
    ordinals = itertools.count()
    with tempfile.TemporaryDirectory() as folder:
        store, kept = DuckStore(Path(folder) / "store.duckdb"), {}
        for number, (made, then) in enumerate(done, 1):
            for row in made:
                row["ordinal"] = next(ordinals)
            store.commit(Commit(cursor=number, welds=welds(made)))
            kept |= {(row["spot"], row["program"], row["time_ns"]): row for row in made}
            check(store, list(kept.values()), asked, limit)
            if then == "restart":
                store.close()
                store = DuckStore(Path(folder) / "store.duckdb")
            if then == "close":
                store.close_hours()
                check(store, list(kept.values()), asked, limit)
        store.close()


def check(store: DuckStore, rows: list[dict[str, Any]], asked: list[Any], limit: int) -> None:
    rows.sort(key=lambda row: (row["time_ns"], row["ordinal"]), reverse=True)
    for wanted, by, bucket_ns in asked:
        assert store.tally(wanted, by, bucket_ns).to_pylist() == plainly(rows, wanted, by, bucket_ns)
        found = [row for row in rows if keeps(wanted, row)]
        page = store.welds(wanted, limit).to_pylist()
        assert [place(row) for row in page] == [place(row) for row in found[:limit]]
        if found:
            before = (found[0]["time_ns"], found[0]["ordinal"])
            after = [row for row in found if (row["time_ns"], row["ordinal"]) < before]
            assert [place(row) for row in store.welds(wanted, limit, before).to_pylist()] == [
                place(row) for row in after[:limit]
            ]
    newest = {row["weld_id"]: row for row in reversed(rows)}
    of_ids = store.welds_of(["W1", "W2", "W3", "none"]).to_pylist()
    assert {row["weld_id"]: row["time_ns"] for row in of_ids} == {
        name: newest[name]["time_ns"] for name in ("W1", "W2", "W3") if name in newest
    }


def place(row: dict[str, Any]) -> tuple[int, int]:
    return row["time_ns"], row["ordinal"]


def hourly(days: int, **given: Any) -> list[dict[str, Any]]:
    """Two welds an hour."""
    return [weld(k, time_ns=START + k * HOUR // 2, cause=CAUSES[k % 5], **given) for k in range(48 * days)]


def closed_until(store: DuckStore) -> int:
    with store._connection() as connection:
        return int(connection.execute(counted.UNTIL).fetchall()[0][0])


def rows_read(path: Path) -> dict[str, int]:
    with closing(duckdb.connect(path, read_only=True)) as database:
        return {name: database.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0] for name in counted.TABLES}


def test_closed_hours_are_answered_without_the_welds(tmp_path: Path) -> None:
    """Seen by taking the welds away: what was closed is still counted, what was not is gone."""
    store = DuckStore(tmp_path / "store.duckdb")
    store.commit(Commit(cursor=1, welds=welds(hourly(3))))
    assert store.close_hours() == 3
    assert closed_until(store) == START + 3 * DAY - HOUR
    before = store.tally(Filters()).to_pylist()
    with store._connection() as connection:
        connection.execute("DELETE FROM weld")
    assert store.tally(Filters(until_ns=START + 3 * DAY - HOUR)).to_pylist() == plainly(
        [row for row in hourly(3) if row["time_ns"] < START + 3 * DAY - HOUR], Filters(), (), 0
    )
    assert store.tally(Filters()).to_pylist() != before
    store.close()


def test_hours_are_closed_beside_the_commits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closer, "LOOK_S", 0.0)
    store = DuckStore(tmp_path / "store.duckdb")
    store.commit(Commit(cursor=1, welds=welds(hourly(3))))
    wait_until(lambda: closed_until(store) == START + 3 * DAY - HOUR, 20, "the last hour to be closed")
    store.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "closing hours"]


def test_a_late_weld_reopens_its_hour_until_it_is_quiet(tmp_path: Path) -> None:
    store = DuckStore(tmp_path / "store.duckdb")
    made = hourly(3)
    store.commit(Commit(cursor=1, welds=welds(made)))
    store.close_hours()
    late = [weld(900 + k, time_ns=START + DAY + k * HOUR + 5, cause="expulsion") for k in (3, 4, 9)]
    again = [{**made[10], "verdict": "defect", "cause": "low_heat"}]
    store.commit(Commit(cursor=2, welds=welds([*late, *again])))
    kept = [*(row for row in made if row is not made[10]), *late, *again]
    asked: list[tuple[Filters, tuple[str, ...], int]] = [
        (Filters(), (), 0),
        (Filters(), ("cause",), DAY),
        (Filters(spot="SP0"), (), HOUR),
    ]
    for _ in range(2):
        for one in asked:
            assert store.tally(*one).to_pylist() == plainly(kept, *one)
        store.close_hours()
        with store._connection() as connection:
            assert connection.execute(counted.REOPENED).fetchall() == []
    store.close()


def commit_amid(monkeypatch: pytest.MonkeyPatch, step: int, commit: Callable[[], object]) -> None:
    """Have a commit come between the first two statements of a step of counting; steps are numbered from 1."""
    steps = 0

    class Amid(tuple[str, ...]):
        def __iter__(self) -> Any:
            nonlocal steps
            steps += 1
            for number, statement in enumerate(tuple.__iter__(self)):
                if number == 1 and steps == step:
                    commit()
                yield statement

    monkeypatch.setattr(counted, "COUNT_HOURS", Amid(counted.COUNT_HOURS))


def test_a_commit_amid_counting_undoes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = DuckStore(tmp_path / "store.duckdb")
    made = hourly(1)
    store.commit(Commit(cursor=1, welds=welds(made)))
    late = weld(900, time_ns=START + 5, cause="expulsion")
    commit_amid(monkeypatch, 1, lambda: store.commit(Commit(cursor=2, welds=welds([late]))))
    assert store.close_hours() == 0
    assert closed_until(store) < START
    assert store.tally(Filters()).to_pylist() == plainly([*made, late], Filters(), (), 0)
    assert store.close_hours() == 1
    assert store.tally(Filters(), ("cause",)).to_pylist() == plainly([*made, late], Filters(), ("cause",), 0)
    store.close()


def test_a_late_weld_of_days_without_any_that_counting_passes_over_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = DuckStore(tmp_path / "store.duckdb")
    made = [weld(k, time_ns=START + day * DAY) for k, day in enumerate((0, 4, 7))]
    store.commit(Commit(cursor=1, welds=welds(made)))
    late = weld(900, time_ns=START + DAY + 5)
    commit_amid(monkeypatch, 2, lambda: store.commit(Commit(cursor=2, welds=welds([late]))))
    for _ in range(3):
        store.close_hours()
        for bucket_ns in (0, HOUR, DAY):
            assert store.tally(Filters(), (), bucket_ns).to_pylist() == plainly([*made, late], Filters(), (), bucket_ns)
    assert closed_until(store) == START + 5 * DAY
    store.close()


def test_commits_readers_and_closing_at_once(tmp_path: Path) -> None:
    """Late and new welds, each commit a multiple of ten, while hours are closed without a pause."""
    store = DuckStore(tmp_path / "store.duckdb")
    stop, failures, seen = threading.Event(), list[BaseException](), Counter[str]()

    def run(work: Any) -> None:
        try:
            while not stop.is_set():
                seen[work.__name__] += work() or 0
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test fails by it below
            failures.append(error)

    def close() -> int:
        return store.close_hours()

    def read() -> int:
        [row] = store.tally(Filters()).to_pylist()
        days = store.tally(Filters(), (), DAY).to_pylist()
        assert sum(row.values()) % 10 == 0
        assert sum(sum(day[verdict] for verdict in schema.VERDICTS) for day in days) >= sum(row.values())
        return 1

    threads = [threading.Thread(target=run, args=(work,)) for work in (close, read)]
    for thread in threads:
        thread.start()
    made = []
    for number in range(60):
        days = [number // 6, number * 7 % 10]
        commit = [
            weld(10 * number + k, spot=f"SP{k}", time_ns=START + days[k % 2] * DAY + number * HOUR // 4 + k * SECOND)
            for k in range(10)
        ]
        store.commit(Commit(cursor=number + 1, welds=welds(commit)))
        made += commit
        assert store.tally(Filters(), (), HOUR).to_pylist() == plainly(made, Filters(), (), HOUR)
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures
    assert seen["close"] > 3
    assert seen["read"] > 3
    store.close()


WRITER = """
import sys
from pathlib import Path
from services.store.duck.store import DuckStore
from services.store.protocol import Commit
from tests.unit.store.rows import weld, welds
from tests.unit.store.test_counted import DAY, HOUR, START

store = DuckStore(Path(sys.argv[1]))
number = store.cursor()
while True:
    number += 1
    times = (START + number * HOUR, START + number * HOUR // 3)
    store.commit(Commit(number, welds([weld(2 * number + k, time_ns=at, cause="expulsion" if number % 3 else "")
                                       for k, at in enumerate(times)])))
    store.close_hours()
    print(number, flush=True)
"""


def test_a_killed_writer_leaves_counts_that_are_right(tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    for stop_at in (7, 23, 41):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        for line in writer.stdout:
            if int(line) >= stop_at:
                writer.send_signal(signal.SIGKILL)
                break
        writer.communicate()
        store = DuckStore(path)
        with store._connection() as connection:
            scan = connection.execute(
                "SELECT spot, cause, count(*) FROM weld GROUP BY ALL ORDER BY spot, cause"
            ).fetchall()
        counts = [(row["spot"], row["cause"], sum(row[v] for v in schema.VERDICTS)) for row in
                  store.tally(Filters(), ("spot", "cause")).to_pylist()]  # fmt: skip
        assert counts == scan
        assert closed_until(store) > START
        store.close()


def test_ids_hashed_by_another_duckdb_are_counted_anew(tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    store = DuckStore(path)
    made = hourly(2)
    store.commit(Commit(cursor=1, welds=welds(made)))
    store.close_hours()
    store.close()
    with closing(duckdb.connect(path)) as database:
        database.execute("UPDATE counted SET probe = probe - 1")
        database.execute("UPDATE weld_hour SET id_hash = 0")
    for read_only in (True, False):
        again = DuckStore(path, read_only=read_only)
        assert again.weld("W7").to_pylist() == [made[7]]
        assert again.tally(Filters()).to_pylist() == plainly(made, Filters(), (), 0)
        again.close()
    again = DuckStore(path)
    assert again.close_hours() == 2
    assert again.weld("W7").to_pylist() == [made[7]]
    again.close()


def test_nothing_is_closed_while_a_backup_holds_the_file(tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    store = DuckStore(path)
    store.commit(Commit(cursor=1, welds=welds(hourly(2))))
    store.hold()
    held = path.read_bytes()
    assert store.close_hours() == 0
    assert path.read_bytes() == held
    store.let_go()
    assert store.close_hours() == 2
    store.close()


def test_a_file_of_layout_3_is_counted_and_one_only_read_is_not(tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    store = DuckStore(path)
    made = hourly(2)
    store.commit(Commit(cursor=1, welds=welds(made)))
    store.close()
    with closing(duckdb.connect(path)) as database:
        for name in (*counted.TABLES, "counted", "reopened"):
            database.execute(f"DROP TABLE {name}")
        database.execute("UPDATE layout SET version = 3")
    reader = DuckStore(path, read_only=True)
    assert reader.tally(Filters(), ("cause",)).to_pylist() == plainly(made, Filters(), ("cause",), 0)
    assert reader.welds(Filters(body="B1"), 9).to_pylist() == [row for row in made if row["body"] == "B1"][::-1]
    reader.close()
    store = DuckStore(path)
    assert store.close_hours() == 2
    assert store.tally(Filters(), ("cause",)).to_pylist() == plainly(made, Filters(), ("cause",), 0)
    store.close()
    assert all(rows_read(path).values())
    with closing(duckdb.connect(path, read_only=True)) as database:
        assert database.execute(sql.GET_LAYOUT).fetchall() == [(4,)]
