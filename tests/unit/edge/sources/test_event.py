from __future__ import annotations

from typing import Any

import pytest

from edge.sources.event import KINDS, NEEDS
from edge.topics import Place

from .samples import EVENT, EVENT_TOPIC, NOW_NS, read, reason


@pytest.mark.parametrize("packed", [False, True])
def test_an_event_arrives_as_it_was_sent(packed: bool) -> None:
    sent = {**EVENT, "id": 4, "gun": 7, "program": 0, "spot": "s", "note": "both\ncaps"}
    decoded = read(EVENT_TOPIC, sent, packed=packed)
    (event,) = decoded.events
    assert (event.id, event.kind, event.gun, event.program, event.spot) == ("4", "cap_change", "7", "0", "s")
    assert (event.note, event.time_ns, event.received_ns) == ("both\ncaps", NOW_NS, NOW_NS)
    assert (event.seq, event.item, event.source) == (1, 0, "ulm/body/FR1/C03/event")
    assert event.place == Place("ulm", "body", "FR1", "C03")
    assert decoded.newest_time_ns() == {event.source: NOW_NS}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("empty", [None, ""])
def test_each_kind_needs_only_what_gives_it_a_meaning(kind: str, empty: Any) -> None:
    bare = {"id": "e", "kind": kind, "time": NOW_NS, "gun": empty, "spot": empty, "program": empty, "note": None}
    needs = NEEDS.get(kind, ())
    enough = bare | dict.fromkeys(needs, 0)
    for needed in needs:
        said = reason(EVENT_TOPIC, enough | {needed: empty})
        assert said == f"item 0: $.{needed} is absent or empty; expected the {needed} that the {kind} concerns"
    (event,) = read(EVENT_TOPIC, enough).events
    placed = {"gun": event.gun, "spot": event.spot, "program": event.program, "by": event.by}
    assert {field: text for field, text in {**placed, **event.details}.items() if text} == dict.fromkeys(needs, "0")


@pytest.mark.parametrize("packed", [False, True])
def test_an_inspection_arrives_with_all_that_it_found(packed: bool) -> None:
    found = {"weld": 12, "result": "stick", "method": "chisel", "nugget_mm": 3}
    sent = {"id": "i", "kind": "inspection", "time": NOW_NS, "by": "m. weber", "model": "", "batch": None, **found}
    (event,) = read(EVENT_TOPIC, sent, packed=packed).events
    assert event.by == "m. weber"
    assert event.details == {"weld": "12", "result": "stick", "method": "chisel", "nugget_mm": 3.0}


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("kind", "cap", '$.kind is "cap"; expected one of cap_change, tip_dress, program_change, maintenance, '),
        ("by", "a\nb", "expected text without control characters"),
        ("batch", "x" * 129, "expected text of at most 128 characters"),
        ("nugget_mm", 0, "$.nugget_mm is 0; expected a number above 0 and at most 50"),
        ("nugget_mm", 50.1, "expected a number above 0 and at most 50"),
        ("nugget_mm", "5", '$.nugget_mm is "5"; expected a number above 0'),
        ("id", "", '$.id is ""'),
        ("gun", "g\x00", "expected text without control characters"),
        ("note", "x" * 1001, "expected text of at most 1000 characters"),
        ("time", "1970-01-01T00:00:00Z", "expected a time at most 366 days before"),
    ],
)
def test_a_wrong_field_is_named(field: str, value: Any, said: str) -> None:
    assert said in reason(EVENT_TOPIC, {**EVENT, field: value})


@pytest.mark.parametrize("field", ["id", "kind", "time"])
def test_a_missing_field_is_named(field: str) -> None:
    assert f"$.{field} is absent" in reason(EVENT_TOPIC, {k: v for k, v in EVENT.items() if k != field})


def test_a_nugget_that_is_no_number_is_no_finding() -> None:
    for value in (float("nan"), float("inf")):
        said = reason(EVENT_TOPIC, {**EVENT, "nugget_mm": value}, packed=True)
        assert "$.nugget_mm" in said
        assert said.endswith("expected a number above 0 and at most 50")


def test_a_bad_item_leaves_its_neighbours_alone() -> None:
    decoded = read(EVENT_TOPIC, [{**EVENT, "kind": 1}, EVENT])
    assert [event.item for event in decoded.events] == [1]
    assert [reject.item for reject in decoded.rejects] == [0]
