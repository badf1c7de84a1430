"""Whatever comes, nothing is raised, each item is accounted for, and it does not matter what is decoded together."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.sources import Decoded, Message, decode
from edge.topics import UNROUTED

from .samples import (
    AGV_TOPIC,
    EVENT,
    EVENT_TOPIC,
    HEADER,
    LIMITS,
    NOW_NS,
    STATE_2,
    STATE_3,
    WELD,
    WELD_TOPIC,
    items,
    message,
    raw,
    read,
)

PACKED_WELD = {**WELD, "current_ka": raw(1, 2, 3), "voltage_v": raw(1, 2, 3), "force_kn": raw(3, 3, 3), "wear_count": 1}
VALID: list[tuple[str, Any]] = [
    (WELD_TOPIC, WELD),
    (WELD_TOPIC, [WELD, {**WELD, "id": 2, "displacement_mm": [0, 0, 0]}]),
    (EVENT_TOPIC, [EVENT, EVENT]),
    (AGV_TOPIC + "state", STATE_2),
    (AGV_TOPIC + "state", STATE_3),
    (AGV_TOPIC + "connection", HEADER | {"connectionState": "ONLINE"}),
    (AGV_TOPIC + "visualization", STATE_2),
    (AGV_TOPIC + "order", {"orderId": "o"}),
]
PAYLOADS = [
    (topic, encode(payload)) for topic, payload in VALID for encode in (msgspec.json.encode, msgspec.msgpack.encode)
]
PAYLOADS += [(WELD_TOPIC, msgspec.msgpack.encode([PACKED_WELD, PACKED_WELD]))]
TOPICS = [*dict.fromkeys(topic for topic, _ in VALID), "a/b", "lineside/v1/x/weld", AGV_TOPIC + "nonsense", "uagv/v2/a"]

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def payloads(draw: st.DrawFn) -> tuple[str, bytes]:
    """Random bytes, valid messages with bytes changed, or valid messages with a value changed for any other."""
    how = draw(st.sampled_from(["valid", "bytes", "spoilt bytes", "spoilt value"]))
    topic, payload = draw(st.sampled_from(PAYLOADS))
    if how == "bytes":
        return draw(st.sampled_from(TOPICS)), draw(st.binary(max_size=60))
    if how == "spoilt bytes":
        spoilt = bytearray(payload)
        for _ in range(draw(st.integers(1, 3))):
            at = draw(st.integers(0, len(spoilt) - 1))
            spoilt[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
        return topic, bytes(spoilt)
    if how == "spoilt value":
        topic, value = draw(st.sampled_from(VALID))
        value = msgspec.json.decode(msgspec.json.encode(value))
        chosen = draw(st.sampled_from(value)) if isinstance(value, list) else value
        chosen[draw(st.sampled_from(sorted(chosen)))] = draw(anything)
        return topic, msgspec.msgpack.encode(value)
    return topic, payload


def plain(decoded: Decoded) -> dict[str, Any]:
    """Return everything that was decoded, bit for bit, in a form that can be compared."""
    welds = {
        field.name: value.tobytes() if isinstance(value := getattr(decoded.welds, field.name), np.ndarray) else value
        for field in dataclasses.fields(decoded.welds)
        if field.name != "offsets"
    }
    return {
        **welds,
        "samples": decoded.welds.samples.tolist(),
        "seq": decoded.weld_seq.tolist(),
        "item": decoded.weld_item.tolist(),
        "received": decoded.weld_received_ns.tolist(),
        "place": decoded.weld_place,
        "source": decoded.weld_source,
        "events": decoded.events,
        "agvs": decoded.agvs,
        "rejects": decoded.rejects,
        "ignored": decoded.ignored,
    }


@given(payloads())
def test_every_item_is_accounted_for_whatever_comes(sent: tuple[str, bytes]) -> None:
    topic, payload = sent
    one = message(topic, payload)
    decoded = decode([one], LIMITS)
    assert items(decoded) == one.items >= 1
    numbers = [*decoded.weld_item.tolist(), *(x.item for x in (*decoded.events, *decoded.agvs, *decoded.rejects))]
    assert decoded.ignored or sorted(numbers) == list(range(one.items))
    for reject in decoded.rejects:
        assert reject.reject.path
        assert 0 < len(reject.reject.came) <= 120
        assert reject.reject.expected
        assert (reject.seq, reject.item, reject.topic, reject.bytes) == (1, reject.reject.item, topic, len(payload))
        reject.reject.reason.encode()
    assert len(decoded.welds.current_ka) == decoded.welds.offsets[-1] == len(decoded.welds.displacement_mm)
    for name in (*decoded.welds.id, *decoded.welds.body):
        name.encode()


@given(st.lists(payloads(), max_size=8), st.data())
def test_any_split_of_the_messages_gives_the_same_items(sent: list[tuple[str, bytes]], data: st.DataObject) -> None:
    messages = [message(topic, payload, seq=seq) for seq, (topic, payload) in enumerate(sent)]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(messages)), max_size=3)))
    parts = [
        plain(decode(messages[start:stop], LIMITS))
        for start, stop in zip([0, *cuts], [*cuts, len(messages)], strict=True)
    ]
    whole = plain(decode(messages, LIMITS))
    for name, value in whole.items():
        joined = parts[0][name]
        for part in parts[1:]:
            joined = joined + part[name]
        assert joined == value, name


def test_nothing_decodes_to_nothing() -> None:
    decoded = decode([], LIMITS)
    assert items(decoded) == 0
    assert len(decoded.welds) == 0
    assert decoded.welds.offsets.tolist() == [0]
    assert decoded.newest_time_ns() == {}


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        ("lineside/v1/ulm/weld", "lineside/v1/<site>/<area>/<line>/<cell>/<weld|event>"),
        ("lineside/v1/ulm/body/FR1/C03/welds", "lineside/v1/<site>/<area>/<line>/<cell>/<weld|event>"),
        ("lineside/v1/ulm//FR1/C03/weld", "lineside/v1/<site>/<area>/<line>/<cell>/<weld|event>"),
        ("lineside/v1/ulm/body/FR1/C03/verdict", "lineside/v1/<site>/<area>/<line>/<cell>/<weld|event>"),
        ("uagv/v2/KIT/state", "uagv/v2/<manufacturer>/<serial>/<topic>"),
        ("factory/weld", "one that lineside/v1/# or uagv/v2/+/+/# or vda5050/v3/+/+/# matches"),
    ],
)
def test_a_topic_of_the_wrong_shape_rejects_every_item(topic: str, expected: str) -> None:
    decoded = read(topic, [WELD, WELD, 5])
    assert items(decoded) == 3
    assert {(r.source, r.topic, r.reject.path) for r in decoded.rejects} == {(UNROUTED, topic, "topic")}
    assert [r.item for r in decoded.rejects] == [0, 1, 2]
    assert decoded.rejects[2].reject.reason == f'item 2: topic is "{topic}"; expected {expected}'


def test_a_payload_above_the_bound_is_rejected_whole_without_reading_it() -> None:
    sent = [WELD, {**WELD, "id": "w2", "note": "x" * LIMITS.max_payload_bytes}]
    one = message(WELD_TOPIC, sent)
    decoded = decode([one, message(WELD_TOPIC, WELD, seq=2)], LIMITS)
    size = len(one.payload)
    assert [r.reject.reason for r in decoded.rejects] == [
        f"item {k}: $ is a payload of {size} bytes; expected at most {LIMITS.max_payload_bytes} bytes" for k in (0, 1)
    ]
    assert decoded.welds.id == ["w1"]


@pytest.mark.parametrize("counted", [0, 1, 3])
def test_a_payload_that_was_counted_differently_keeps_the_account(counted: int) -> None:
    payload = msgspec.json.encode([WELD, WELD])
    decoded = decode([Message(1, WELD_TOPIC, payload, NOW_NS, counted)], LIMITS)
    assert items(decoded) == len(decoded.rejects) == max(1, counted)


def test_bounds_on_time_follow_the_message_and_not_the_clock() -> None:
    long_ago = {**WELD, "time": "2001-01-01T00:00:00Z"}
    received_ns = 978_307_200 * 10**9
    assert len(decode([message(WELD_TOPIC, long_ago, received_ns=received_ns)], LIMITS).welds) == 1
    assert len(decode([message(WELD_TOPIC, long_ago)], LIMITS).welds) == 0


def test_the_newest_time_is_told_per_source() -> None:
    later = {**WELD, "id": 2, "time": NOW_NS + 5}
    agv = {**STATE_2, "timestamp": "2026-03-01T11:00:00Z"}
    messages = [message(WELD_TOPIC, [later, WELD]), message(AGV_TOPIC + "state", agv, seq=2), message("a/b", 1, seq=3)]
    assert decode(messages, LIMITS).newest_time_ns() == {
        "ulm/body/FR1/C03/weld": NOW_NS + 5,
        "agv/KIT/AGV-7": NOW_NS - 3600 * 10**9,
    }
