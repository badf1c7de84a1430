"""What every store promises, on both: DuckDB always, and a real InfluxDB where there is one."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from services.store import schema
from services.store.protocol import Commit, Filters, Store
from tests.system.store.conftest import MakeStore
from tests.unit.store.rows import NASTY, SECOND, T0, body, counted, filled, keeps, source, table, weld, welds

PLACE = ("site", "area", "line", "cell", "gun", "spot", "program")


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


def test_welds_in_short_are_the_same_without_some_columns(store: Store) -> None:
    store.commit(Commit(cursor=1, welds=welds(weld(k, cause="expulsion") for k in range(5))))
    for filters in (Filters(), Filters(spot="SP0", verdict="defect")):
        short = store.welds(filters, 3, (T0 + 4 * SECOND, 4), schema.WELD_IN_SHORT)
        assert short.equals(store.welds(filters, 3, (T0 + 4 * SECOND, 4)).select(schema.WELD_IN_SHORT.names))
        assert len(short) == 3
    assert 20 < len(schema.WELD_IN_SHORT) < len(schema.WELD) // 2


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
        assert len(store.welds_of([nasty, f"{nasty} "])) == 0
        assert len(store.events(Filters(kind=nasty), 10)) == 0
        assert store.bodies(Filters(), 10, (2**62, nasty)).equals(store.bodies(Filters(), 10))
        assert store.events(Filters(), 10, (2**62, nasty)).equals(store.events(Filters(), 10))
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
