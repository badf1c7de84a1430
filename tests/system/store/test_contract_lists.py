"""What every store promises of what it is asked for: tallies, means, pages, events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.store import schema
from services.store.protocol import Commit, Filters, Store
from tests.system.store.conftest import MakeStore
from tests.unit.store import rows
from tests.unit.store.rows import NASTY, SECOND, T0, body, counted, filled, keeps, table, weld, welds


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
    assert found == [{name: row[name] for name in schema.WELD_IN_SHORT.names} for row in (made[7], made[29], again)]
    assert store.welds_of([]).schema == schema.WELD_IN_SHORT


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
