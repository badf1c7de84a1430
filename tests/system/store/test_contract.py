"""What every store promises, on both: DuckDB always, and a real InfluxDB where there is one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.config import StoreSettings
from services.store import open_store, schema
from services.store.protocol import Commit, Filters, Store
from tests.influxd import Influxd
from tests.unit.store import rows
from tests.unit.store.rows import NASTY, SECOND, T0, body, counted, filled, keeps, source, table, weld, welds

MakeStore = Callable[[], Store]
PLACE = ("site", "area", "line", "cell", "gun", "spot", "program")


@pytest.fixture(params=["duckdb", pytest.param("influxdb", marks=pytest.mark.system)])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make_store(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[MakeStore]:
    """Makes empty stores; all are closed at the end."""
    made: list[Store] = []
    influxd: Influxd | None = request.getfixturevalue("influxd") if backend == "influxdb" else None

    def make() -> Store:
        folder = tmp_path / f"store-{len(made)}"
        made.append(open_store(influxd.settings() if influxd else StoreSettings(), folder))
        return made[-1]

    yield make
    for store in made:
        store.close()


@pytest.fixture
def store(make_store: MakeStore) -> Store:
    return make_store()


def everything(store: Store) -> dict[str, Any]:
    """All that a store knows."""
    at_ns, sources = store.sources()
    return {
        "cursor": store.cursor(),
        "welds": store.welds(Filters(), 1000).to_pylist(),
        "tally": store.tally(Filters(), ("spot", "cause", "body"), SECOND).to_pylist(),
        "bodies": store.bodies(Filters(), 1000).to_pylist(),
        "body_tally": store.body_tally(None, None),
        "spots": store.spots(Filters()).to_pylist(),
        "agvs": store.agvs().to_pylist(),
        "events": store.events(Filters(), 1000).to_pylist(),
        "rejects": store.rejects("", 1000).to_pylist(),
        "sources": sources.to_pylist(),
        "sources_at_ns": at_ns,
    }


def a_bit_of_everything(first: int, last: int) -> Commit:
    """Everything that follows from the journal from message `first` up to `last`, the same however it is cut."""
    numbers = range(first, last + 1)
    made = [weld(k, spot=f"SP{k % 3}", cause="expulsion" if k % 5 == 0 else "") for k in numbers]
    newest = {row["spot"]: row for row in made}
    return Commit(
        cursor=last,
        welds=welds(made),
        bodies=table([body(f"B{k // 3}", T0 + k // 3 * SECOND, ok=k % 3) for k in numbers], schema.BODY),
        spots=welds(newest.values()).select(schema.SPOT_STATE.names),
        agvs=table([filled(schema.AGV, k, agv="maker/1") for k in numbers[-1:]], schema.AGV),
        events=table([filled(schema.EVENT, k, time_ns=T0 + k) for k in numbers if k % 4 == 0], schema.EVENT),
        rejects=table([filled(schema.REJECT, k, seq=k, item=0, received_ns=T0 + k) for k in numbers], schema.REJECT),
        sources=table([source("weld", last)], schema.SOURCE),
        sources_at_ns=T0 + last * SECOND,
    )


def test_an_empty_store_answers(store: Store) -> None:
    assert store.cursor() == 0
    assert store.welds(Filters(), 10).equals(schema.WELD.empty_table())
    assert store.weld("W1").equals(schema.WELD.empty_table())
    assert store.tally(Filters()).to_pylist() == [{"ok": 0, "defect": 0, "unjudged": 0}]
    assert store.tally(Filters(), ("line",), SECOND).equals(schema.tally_schema(("line",), SECOND).empty_table())
    assert store.bodies(Filters(), 10).equals(schema.BODY.empty_table())
    assert store.body_tally(None, None) == (0, 0, 0)
    assert store.spots(Filters()).equals(schema.SPOT_STATE.empty_table())
    assert store.agvs().equals(schema.AGV.empty_table())
    assert store.events(Filters(), 10).equals(schema.EVENT.empty_table())
    assert store.rejects("", 10).equals(schema.REJECT.empty_table())
    assert store.sources() == (0, schema.SOURCE.empty_table())


def test_every_field_comes_back_as_it_went_in(store: Store) -> None:
    """Nulls, both ends of integers, tiny and huge floats, and names that trip parsers up, in every column of text."""
    weld_rows, event_rows, reject_rows, agv_rows, source_rows, body_rows = [], [], [], [], [], []
    for k, nasty in enumerate(NASTY):
        text = {field.name: nasty for field in schema.WELD if pa.types.is_string(field.type)}
        weld_rows.append(weld(k, **(text | {"cause": "", "weld_id": f"{nasty}{k}"})))
        text = {field.name: nasty for field in schema.EVENT if pa.types.is_string(field.type)}
        event_rows.append(filled(schema.EVENT, k, **text, time_ns=T0 + k))
        text = {field.name: nasty for field in schema.REJECT if pa.types.is_string(field.type)}
        reject_rows.append(filled(schema.REJECT, k, **text, seq=k, item=k % 2, received_ns=T0 + k))
        text = {field.name: nasty for field in schema.AGV if pa.types.is_string(field.type)}
        agv_rows.append(filled(schema.AGV, k, **text))
        source_rows.append(filled(schema.SOURCE, k, source=nasty))
        body_rows.append(filled(schema.BODY, k, body=nasty, first_ns=T0 + k, verdict="ok"))
    spot_table = welds(weld_rows).select(schema.SPOT_STATE.names)
    store.commit(
        Commit(
            cursor=2**53 + 1,
            welds=welds(weld_rows),
            bodies=table(body_rows, schema.BODY),
            spots=spot_table,
            agvs=table(agv_rows, schema.AGV),
            events=table(event_rows, schema.EVENT),
            rejects=table(reject_rows, schema.REJECT),
            sources=table(source_rows, schema.SOURCE),
            sources_at_ns=T0,
        )
    )
    assert store.cursor() == 2**53 + 1
    assert store.welds(Filters(), 100).to_pylist() == weld_rows[::-1]
    for row in weld_rows:
        assert store.weld(row["weld_id"]).to_pylist() == [row]
    assert store.bodies(Filters(), 100).to_pylist() == body_rows[::-1]
    assert store.spots(Filters()).to_pylist() == sorted(spot_table.to_pylist(), key=lambda row: row["spot"])
    assert store.agvs().to_pylist() == sorted(agv_rows, key=lambda row: row["agv"])
    assert store.events(Filters(), 100).to_pylist() == event_rows[::-1]
    assert store.rejects("", 100).to_pylist() == reject_rows[::-1]
    assert store.sources()[1].to_pylist() == sorted(source_rows, key=lambda row: row["source"])


def test_names_that_trip_parsers_up_can_be_asked_for(store: Store) -> None:
    made = [
        weld(k, spot=nasty, gun=nasty, line=nasty, program=nasty, body=nasty, weld_id=nasty)
        for k, nasty in enumerate(NASTY)
    ]
    store.commit(Commit(cursor=1, welds=welds(made)))
    for nasty, row in zip(NASTY, made, strict=True):
        for name in ("spot", "gun", "line", "program", "body"):
            filters = Filters(**{name: nasty})
            assert store.welds(filters, 10).to_pylist() == [row], (name, nasty)
        assert store.weld(nasty).to_pylist() == [row]
        assert store.tally(Filters(spot=nasty), ("gun", "body")).to_pylist() == counted(
            made, Filters(spot=nasty), ("gun", "body"), 0
        )
    assert store.tally(Filters(), ("spot",)).to_pylist() == counted(made, Filters(), ("spot",), 0)


@pytest.mark.parametrize("name", ["site", "area", "line", "cell", "gun", "spot", "program", "cause", "verdict", "body"])
def test_no_filter_lets_anything_be_injected(store: Store, name: str) -> None:
    store.commit(a_bit_of_everything(1, 6))
    before = everything(store)
    for nasty in NASTY:
        filters = Filters(**{name: nasty})
        assert len(store.welds(filters, 10)) == 0
        assert store.tally(filters).to_pylist() == [{"ok": 0, "defect": 0, "unjudged": 0}]
        assert len(store.tally(filters, ("cause", "line"), SECOND)) == 0
        if name in {"body", "verdict"}:
            assert len(store.bodies(filters, 10)) == 0
        if name != "body":
            assert len(store.spots(filters)) == 0
        if name in PLACE:
            assert len(store.events(filters, 10)) == 0
        assert len(store.rejects(nasty, 10)) == 0
        assert len(store.weld(nasty)) == 0
    assert everything(store) == before


def test_committing_the_same_again_changes_nothing(store: Store) -> None:
    commits = [a_bit_of_everything(1, 7), a_bit_of_everything(8, 9), a_bit_of_everything(10, 20)]
    for commit in commits:
        store.commit(commit)
    before = everything(store)
    assert len(before["welds"]) == 20
    for commit in commits:
        store.commit(commit)
        assert everything(store) == before


def test_a_replay_cut_differently_leaves_the_same(make_store: MakeStore) -> None:
    undisturbed, replayed = make_store(), make_store()
    for first, last in ((1, 7), (8, 9), (10, 20), (21, 22)):
        undisturbed.commit(a_bit_of_everything(first, last))
    for first, last in ((1, 7), (8, 9), (10, 20), (3, 4), (5, 12), (13, 21), (22, 22)):
        replayed.commit(a_bit_of_everything(first, last))
    assert everything(replayed) == everything(undisturbed)


def test_what_is_written_again_by_key_is_overwritten(store: Store) -> None:
    old = weld(1, score=9.5, cause="expulsion", weld_id="old", body="B-old")
    new = weld(1, score=None, cause="", weld_id="new", body="B-new")
    store.commit(Commit(cursor=1, welds=welds([old, weld(2)])))
    store.commit(Commit(cursor=2, welds=welds([new])))
    made = [new, weld(2)]
    assert store.welds(Filters(), 10).to_pylist() == made[::-1]
    assert store.welds(Filters(verdict="defect"), 10).to_pylist() == []
    assert store.welds(Filters(body="B-old"), 10).to_pylist() == []
    assert store.weld("old").to_pylist() == []
    assert store.weld("new").to_pylist() == [new]
    for by in ((), ("spot",), ("cause",), ("body",)):
        assert store.tally(Filters(), by).to_pylist() == counted(made, Filters(), by, 0)
        assert store.tally(Filters(), by, SECOND).to_pylist() == counted(made, Filters(), by, SECOND)


def test_of_one_key_within_a_commit_the_last_counts(store: Store) -> None:
    made = [weld(1, weld_id="first", cause="expulsion"), weld(1, weld_id="last", cause="")]
    bodies = [body("B", T0, complete=False, verdict="unjudged"), body("B", T0)]
    store.commit(Commit(cursor=1, welds=welds(made), bodies=table(bodies, schema.BODY)))
    assert store.welds(Filters(), 10).to_pylist() == made[1:]
    assert store.tally(Filters()).to_pylist() == [{"ok": 1, "defect": 0, "unjudged": 0}]
    assert store.bodies(Filters(), 10).to_pylist() == bodies[1:]
    assert store.body_tally(None, None) == (1, 0, 0)


def test_welds_of_one_moment_are_kept_apart_by_spot_and_programme(store: Store) -> None:
    made = [weld(k, time_ns=T0, spot=f"SP{k % 2}", program=f"P{k // 2}") for k in range(4)]
    store.commit(Commit(cursor=1, welds=welds(made)))
    assert store.welds(Filters(), 10).to_pylist() == made[::-1]


def test_the_newest_of_several_welds_with_one_id_is_given(store: Store) -> None:
    made = [weld(k, weld_id="twice", time_ns=T0 + (5 - k) * 86_400 * SECOND) for k in range(5)]
    store.commit(Commit(cursor=1, welds=welds(made)))
    assert store.weld("twice").to_pylist() == made[:1]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(made=rows.some_welds(), asked=st.lists(st.tuples(rows.some_filters, rows.some_by, rows.some_bucket), max_size=6))
def test_tally_counts_as_one_would_by_hand(
    make_store: MakeStore, made: list[dict[str, Any]], asked: list[tuple[Filters, tuple[str, ...], int]]
) -> None:
    store = make_store()
    store.commit(Commit(cursor=1, welds=welds(made)))
    for filters, by, bucket_ns in asked:
        assert store.tally(filters, by, bucket_ns).to_pylist() == counted(made, filters, by, bucket_ns)
        expected = sorted(
            (row for row in made if keeps(filters, row)), key=lambda row: (row["time_ns"], row["ordinal"]), reverse=True
        )
        assert store.welds(filters, 7).to_pylist() == expected[:7]


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(made=rows.some_welds(), asked=st.lists(st.tuples(rows.some_filters, rows.some_mean_by), max_size=4))
def test_means_are_those_of_the_welds_that_have_the_feature(
    make_store: MakeStore, made: list[dict[str, Any]], asked: list[tuple[Filters, tuple[str, ...]]]
) -> None:
    feature, bucket_ns = "r_beta_uohm", 3 * SECOND
    store = make_store()
    made = [row | {feature: None if row["ordinal"] % 3 == 0 else 100.0 + row["ordinal"]} for row in made]
    store.commit(Commit(cursor=1, welds=welds(made)))
    for filters, by in asked:
        place_and_time = replace(filters, cause="", verdict="", body="")
        groups: dict[tuple[Any, ...], list[float]] = {}
        for row in made:
            if keeps(place_and_time, row) and row[feature] is not None:
                key = (row["time_ns"] // bucket_ns * bucket_ns, tuple(row[name] for name in by))
                groups.setdefault(key, []).append(row[feature])
        expected = [
            {**dict(zip(by, values, strict=True)), "bucket_ns": bucket, "n": len(found)}
            for (bucket, values), found in sorted(groups.items())
        ]
        answer = store.means(filters, feature, by, bucket_ns)
        assert answer.schema == schema.means_schema(feature, by, bucket_ns)
        assert answer.drop_columns("mean").to_pylist() == expected
        means = [sum(found) / len(found) for _, found in sorted(groups.items())]
        assert answer["mean"].to_pylist() == pytest.approx(means)


@pytest.mark.parametrize(
    ("feature", "by", "bucket_ns"), [("ordinal", (), 1), ("energy_j", ("cause",), 1), ("energy_j", (), 0)]
)
def test_means_that_cannot_be_given_are_an_error(
    store: Store, feature: str, by: tuple[str, ...], bucket_ns: int
) -> None:
    with pytest.raises(ValueError, match="expected"):
        store.means(Filters(), feature, by, bucket_ns)


def test_each_filter_alone_and_all_together(store: Store) -> None:
    made = []
    for k in range(24):
        stream = {"spot": f"SP{k % 4}", "program": f"P{k % 2}", "body": f"B{k // 4}"}
        place = {
            "gun": f"G{k % 3}",
            "cell": f"C{k % 3}",
            "line": f"L{k % 2}",
            "area": f"A{k % 5 == 0}",
            "site": f"S{k > 3}",
        }
        made.append(weld(k, **stream, **place, cause=("", "expulsion", "learning")[k % 3]))
    store.commit(Commit(cursor=1, welds=welds(made)))
    row = made[10]
    alone = [{name: row[name]} for name in (*PLACE, "cause", "verdict", "body")]
    alone += [{"since_ns": row["time_ns"]}, {"until_ns": row["time_ns"]}]
    together: dict[str, Any] = {}
    for wanted in alone[:-1]:
        together |= wanted
    for wanted in [*alone, together]:
        filters = Filters(**wanted)
        expected = [row for row in made if keeps(filters, row)]
        assert 0 < len(expected) < len(made)
        assert store.welds(filters, 100).to_pylist() == expected[::-1], wanted
        assert store.tally(filters, ("line",)).to_pylist() == counted(made, filters, ("line",), 0), wanted


def test_since_is_inclusive_and_until_exclusive(store: Store) -> None:
    made = [weld(k, time_ns=T0 + k) for k in range(5)]
    bodies = [body(f"B{k}", T0 + k) for k in range(5)]
    events = [filled(schema.EVENT, k, time_ns=T0 + k) for k in range(5)]
    store.commit(
        Commit(
            cursor=1, welds=welds(made), bodies=table(bodies, schema.BODY), events=table(events, schema.EVENT),
            spots=welds(made[-1:]).select(schema.SPOT_STATE.names),
        )
    )  # fmt: skip
    filters = Filters(since_ns=T0 + 1, until_ns=T0 + 3)
    assert store.welds(filters, 10).to_pylist() == made[1:3][::-1]
    assert store.tally(filters).to_pylist() == counted(made, filters, (), 0)
    assert store.bodies(filters, 10).to_pylist() == bodies[1:3][::-1]
    assert store.body_tally(T0 + 1, T0 + 3) == (2, 0, 0)
    assert store.events(filters, 10).to_pylist() == events[1:3][::-1]
    assert len(store.spots(Filters(since_ns=T0 + 4, until_ns=T0 + 5))) == 1
    assert len(store.spots(Filters(since_ns=T0 + 5))) == len(store.spots(Filters(until_ns=T0 + 4))) == 0
    nothing = Filters(since_ns=T0 + 3, until_ns=T0 + 3)
    assert len(store.welds(nothing, 10)) == len(store.bodies(nothing, 10)) == len(store.events(nothing, 10)) == 0
    assert store.tally(nothing).to_pylist() == [{"ok": 0, "defect": 0, "unjudged": 0}]
    assert store.body_tally(T0 + 3, T0 + 3) == (0, 0, 0)


@pytest.mark.parametrize("limit", [1, 3, 7])
def test_paging_walks_through_everything_once(store: Store, limit: int) -> None:
    """Many rows share a moment, some lie a year back, and pages end in the middle of a moment."""
    times = [T0 - 365 * 86_400 * SECOND, T0, T0 + SECOND, T0 + 1_300_000, T0 + 1_300_001]
    made = [weld(k, time_ns=times[k % 5], spot=f"SP{k}", cause=("", "expulsion")[k % 2]) for k in range(20)]
    bodies = [body(f"B{k}", times[k % 5], verdict=("ok", "defect")[k % 2]) for k in range(20)]
    rejects = [
        filled(schema.REJECT, k, seq=k // 4, item=k % 4, received_ns=times[k // 4], source=f"S{k % 2}")
        for k in range(20)
    ]
    store.commit(
        Commit(
            cursor=1, welds=welds(made), bodies=table(bodies, schema.BODY), rejects=table(rejects, schema.REJECT)
        )
    )  # fmt: skip

    def walk(page: Callable[[Any], pa.Table], *place: str) -> list[dict[str, Any]]:
        seen: list[dict[str, Any]] = []
        before = None
        while found := page(before).to_pylist():
            assert len(found) <= limit
            seen += found
            before = tuple(found[-1][name] for name in place)
        return seen

    def newest_first(some: list[dict[str, Any]], *place: str) -> list[dict[str, Any]]:
        return sorted(some, key=lambda row: tuple(row[name] for name in place), reverse=True)

    for filters in (Filters(), Filters(verdict="defect"), Filters(since_ns=T0 + 1, until_ns=T0 + SECOND)):
        seen = walk(lambda before, f=filters: store.welds(f, limit, before), "time_ns", "ordinal")
        assert seen == newest_first([row for row in made if keeps(filters, row)], "time_ns", "ordinal")
        seen = walk(lambda before, f=filters: store.bodies(f, limit, before), "first_ns", "body")
        assert seen == newest_first([row for row in bodies if keeps(filters, row, "first_ns")], "first_ns", "body")
    for name in ("", "S1"):
        seen = walk(lambda before, s=name: store.rejects(s, limit, before), "seq", "item")
        assert seen == newest_first([row for row in rejects if name in {"", row["source"]}], "seq", "item")


def test_a_body_is_overwritten_and_its_namesake_of_another_day_is_not(store: Store) -> None:
    at_once = [body(f"B{k}", T0) for k in range(40)]
    store.commit(Commit(cursor=1, bodies=table([body("B1", T0, complete=False, verdict="unjudged")], schema.BODY)))
    assert store.body_tally(None, None) == (0, 0, 0)
    store.commit(Commit(cursor=2, bodies=table(at_once, schema.BODY)))
    again = [body("B1", T0, last_ns=T0 + 9, defect=1, verdict="defect"), body("B1", T0 + 86_400 * SECOND)]
    store.commit(Commit(cursor=3, bodies=table(again, schema.BODY)))
    left = sorted(
        [*again, *(row for row in at_once if row["body"] != "B1")],
        key=lambda r: (r["first_ns"], r["body"]),
        reverse=True,
    )
    assert store.bodies(Filters(), 100).to_pylist() == left
    assert store.bodies(Filters(body="B1"), 100).to_pylist() == again[::-1]
    assert store.bodies(Filters(verdict="defect"), 100).to_pylist() == again[:1]
    assert store.body_tally(None, None) == (40, 1, 0)
    assert store.body_tally(T0, T0 + 1) == (39, 1, 0)
    assert store.body_tally(T0 + 1, None) == (1, 0, 0)
    assert store.body_tally(None, T0) == (0, 0, 0)


def test_an_older_weld_does_not_become_the_latest_state(store: Store) -> None:
    def state(number: int) -> pa.Table:
        return welds([weld(number)]).select(schema.SPOT_STATE.names)

    store.commit(Commit(cursor=1, spots=state(5)))
    store.commit(Commit(cursor=2, spots=state(3)))
    assert store.spots(Filters()).to_pylist() == state(5).to_pylist()
    store.commit(Commit(cursor=3, spots=pa.concat_tables([state(9), state(7)])))
    assert store.spots(Filters()).to_pylist() == state(9).to_pylist()


def test_spots_are_filtered_by_what_is_known_of_them(store: Store) -> None:
    made = [weld(k, spot=f"SP{k}", line=f"L{k % 2}", cause=("", "expulsion", "learning")[k % 3]) for k in range(6)]
    states = welds(made).select(schema.SPOT_STATE.names)
    store.commit(Commit(cursor=1, spots=states))
    for filters in (
        Filters(),
        Filters(line="L1"),
        Filters(spot="SP2"),
        Filters(verdict="defect"),
        Filters(cause="learning"),
    ):
        assert store.spots(filters).to_pylist() == [row for row in states.to_pylist() if keeps(filters, row)]


def test_events_are_filtered_and_of_one_moment_kept_apart(store: Store) -> None:
    made = [
        filled(schema.EVENT, k, event_id=f"E{k}", time_ns=T0, gun=f"G{k % 2}", spot="", program="", line="L1")
        for k in range(6)
    ]
    store.commit(Commit(cursor=1, events=table(made, schema.EVENT)))
    assert store.events(Filters(), 100).to_pylist() == made[::-1]
    assert store.events(Filters(), 2).to_pylist() == made[:-3:-1]
    assert store.events(Filters(gun="G1"), 100).to_pylist() == made[1::2][::-1]
    assert len(store.events(Filters(gun="G1", line="L2"), 100)) == 0


def test_events_come_page_by_page(store: Store) -> None:
    made = [
        filled(schema.EVENT, k, event_id=f"E{k}", time_ns=T0 + k // 3, kind="inspection" if k % 5 else "tip_dress")
        for k in range(20)
    ]
    store.commit(Commit(cursor=1, events=table(made, schema.EVENT)))
    wanted = sorted(
        (row for row in made if row["kind"] == "inspection"),
        key=lambda row: (row["time_ns"], row["event_id"]),
        reverse=True,
    )
    got: list[dict[str, Any]] = []
    before: tuple[int, str] | None = None
    while page := store.events(Filters(kind="inspection"), 3, before).to_pylist():
        got += page
        before = (page[-1]["time_ns"], page[-1]["event_id"])
    assert got == wanted


def test_many_welds_are_found_by_id_each_once_and_the_newest(store: Store) -> None:
    made = [weld(k, weld_id=f"{NASTY[k % len(NASTY)]}-{k}") for k in range(30)]
    again = weld(40, weld_id=made[3]["weld_id"])
    store.commit(Commit(cursor=1, welds=welds([*made, again])))
    asked = [made[3]["weld_id"], made[7]["weld_id"], made[7]["weld_id"], made[29]["weld_id"], "none", "'"]
    found = sorted(store.welds_of(asked).to_pylist(), key=lambda row: row["time_ns"])
    assert found == [made[7], made[29], again]
    assert store.welds_of([]).schema == schema.WELD


def test_events_are_found_by_their_kind(store: Store) -> None:
    kinds = ("tip_dress", "reference_pin", "tip_dress", "inspection")
    made = [
        filled(schema.EVENT, k, time_ns=T0 + k, kind=kind, spot=f"S{k % 2}", details='{"nugget_mm":5.25}')
        for k, kind in enumerate(kinds)
    ]
    store.commit(Commit(cursor=1, events=table(made, schema.EVENT)))
    assert store.events(Filters(kind="tip_dress"), 100).to_pylist() == [made[2], made[0]]
    assert store.events(Filters(kind="reference_pin", spot="S1"), 100).to_pylist() == [made[1]]
    assert len(store.events(Filters(kind="reference_pin", spot="S0"), 100)) == 0
    assert len(store.events(Filters(kind="tip"), 100)) == 0


def test_the_account_is_the_newest_of_each_source(store: Store) -> None:
    first = [source("agv", 5), source("weld", 10, stored=8, pending=2, clock_offset_ms=-3.25)]
    store.commit(Commit(cursor=1, sources=table(first, schema.SOURCE), sources_at_ns=T0))
    assert (store.sources()[0], store.sources()[1].to_pylist()) == (T0, first)
    store.commit(Commit(cursor=1, sources=table([source("weld", 12)], schema.SOURCE), sources_at_ns=T0 + 7))
    store.commit(Commit(cursor=2, welds=welds([weld(1)])))
    at_ns, rows_ = store.sources()
    assert (at_ns, rows_.to_pylist()) == (T0 + 7, [source("agv", 5), source("weld", 12)])


@pytest.mark.parametrize("by", [("shift",), ("line", "line"), ("time_ns) FROM weld; --",)])
def test_grouping_by_what_is_no_group_is_an_error(store: Store, by: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="expected names of"):
        store.tally(Filters(), by)


def test_answers_have_the_types_of_the_schema(store: Store) -> None:
    store.commit(a_bit_of_everything(1, 6))
    assert store.welds(Filters(), 3).schema.equals(schema.WELD)
    assert store.weld("W3").schema.equals(schema.WELD)
    assert store.bodies(Filters(), 3).schema.equals(schema.BODY)
    assert store.spots(Filters()).schema.equals(schema.SPOT_STATE)
    assert store.agvs().schema.equals(schema.AGV)
    assert store.events(Filters(), 3).schema.equals(schema.EVENT)
    assert store.rejects("", 3).schema.equals(schema.REJECT)
    assert store.sources()[1].schema.equals(schema.SOURCE)
    assert store.tally(Filters(), ("cause", "spot"), SECOND).schema.equals(
        schema.tally_schema(("cause", "spot"), SECOND)
    )
