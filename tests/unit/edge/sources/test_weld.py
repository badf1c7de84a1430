from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edge.sources import decode
from edge.sources.fields import expectations
from edge.sources.rejects import RefusedError
from edge.sources.weld import WeldMessage
from edge.topics import Place
from models.welds.batch import ABSENT_WEAR

from .samples import LIMITS, NOW_NS, WELD, WELD_TOPIC, items, message, raw, read, reason


@pytest.mark.parametrize("packed", [False, True])
def test_a_weld_arrives_as_it_was_sent(packed: bool) -> None:
    weld = {**WELD, "force_kn": [3.0, 3.1, 3.2], "wear_count": 7, "historical": True, "unknown": {"x": 1}}
    decoded = read(WELD_TOPIC, weld, packed=packed)
    welds = decoded.welds
    assert (welds.id, welds.spot, welds.gun, welds.body, welds.program) == (["w1"], ["s1"], ["g1"], ["b1"], ["12"])
    assert welds.time_ns.tolist() == [NOW_NS]
    assert welds.dt_us.tolist() == [1000]
    assert welds.wear_count.tolist() == [7]
    assert welds.historical.tolist() == [True]
    assert welds.offsets.tolist() == [0, 3]
    np.testing.assert_array_equal(welds.current_ka, np.float32([7.5, 8.0, 8.5]))
    np.testing.assert_array_equal(welds.voltage_v, np.float32([1.5, 1.25, 1.0]))
    np.testing.assert_array_equal(welds.force_kn, np.float32([3.0, 3.1, 3.2]))
    assert np.isnan(welds.displacement_mm).all()
    assert welds.displacement_mm.shape == (3,)
    assert decoded.weld_place == [Place("ulm", "body", "FR1", "C03")]
    assert decoded.weld_source == ["ulm/body/FR1/C03/weld"]
    assert decoded.weld_seq.tolist() == [1]
    assert decoded.weld_item.tolist() == [0]
    assert decoded.weld_received_ns.tolist() == [NOW_NS]
    assert decoded.newest_time_ns() == {"ulm/body/FR1/C03/weld": NOW_NS}


def test_raw_curves_are_the_same_as_listed_ones() -> None:
    listed = read(WELD_TOPIC, WELD, packed=True).welds
    sent = {**WELD, "current_ka": raw(7.5, 8.0, 8.5), "voltage_v": raw(1.5, 1.25, 1.0)}
    packed = read(WELD_TOPIC, sent, packed=True).welds
    np.testing.assert_array_equal(packed.current_ka, listed.current_ka)
    np.testing.assert_array_equal(packed.voltage_v, listed.voltage_v)
    assert packed.current_ka.dtype == np.float32


def test_curves_of_several_welds_lie_end_to_end() -> None:
    second = {**WELD, "id": "w2", "current_ka": [1], "voltage_v": [2], "displacement_mm": [0.5]}
    welds = read(WELD_TOPIC, [WELD, second]).welds
    assert welds.offsets.tolist() == [0, 3, 4]
    assert welds.current_ka.tolist() == [7.5, 8.0, 8.5, 1.0]
    np.testing.assert_array_equal(welds.displacement_mm, np.float32([np.nan, np.nan, np.nan, 0.5]))


def test_numbers_become_text_and_null_is_absent() -> None:
    weld = {**WELD, "id": 1, "spot": 0, "gun": -3, "body": "", "program": 2**63 - 1, "time": NOW_NS}
    weld |= {"force_kn": None, "displacement_mm": None, "wear_count": None, "historical": None}
    welds = read(WELD_TOPIC, weld).welds
    assert (welds.id, welds.spot, welds.gun, welds.body) == (["1"], ["0"], ["-3"], [""])
    assert welds.program == [str(2**63 - 1)]
    assert welds.wear_count.tolist() == [ABSENT_WEAR]
    assert welds.historical.tolist() == [False]


@pytest.mark.parametrize("spoilt", [float("nan"), float("inf"), -float("inf")])
def test_samples_that_are_no_numbers_are_left_to_the_judge(spoilt: float) -> None:
    for curve in (raw(1.0, spoilt, 2.0), [1.0, spoilt, 2.0]):
        welds = read(WELD_TOPIC, {**WELD, "current_ka": curve}, packed=True).welds
        np.testing.assert_array_equal(welds.current_ka, np.float32([1.0, spoilt, 2.0]))


def test_a_number_beyond_float32_becomes_infinite() -> None:
    welds = read(WELD_TOPIC, {**WELD, "current_ka": [1e300, 8.0, -1e300]}).welds
    assert welds.current_ka.tolist() == [float("inf"), 8.0, -float("inf")]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("id", "", '$.id is ""; expected text of 1 to 128 characters, or a whole number'),
        ("id", None, "$.id is null; expected text of 1 to 128"),
        ("id", True, "$.id is true; expected text of 1 to 128"),
        ("id", 2**63, f"$.id is {2**63}; expected text of 1 to 128 characters, or a whole number of at most 64 bits"),
        ("spot", "", '$.spot is ""'),
        ("spot", "x" * 129, '$.spot is "xxx'),
        ("gun", [], "$.gun is []; expected text of 1 to 128"),
        ("gun", "a\nb", '$.gun is "a\\nb"; expected text without control characters'),
        ("body", None, "$.body is null; expected text of at most 128"),
        ("program", "", '$.program is ""'),
        ("program", 1.5, "$.program is 1.5"),
        ("time", "2026-03-01T12:00:00", '$.time is "2026-03-01T12:00:00"; expected an RFC 3339 time with zone'),
        ("time", 1.5e18, "$.time is 1.5e+18; expected an RFC 3339 time with zone"),
        ("time", "1970-01-01T00:00:00Z", '"1970-01-01T00:00:00Z"; expected a time at most 366 days before'),
        ("time", "2027-03-01T12:00:00Z", '"2027-03-01T12:00:00Z"; expected a time at most 300 s after'),
        ("time", 0, "$.time is 0 (1970-01-01T00:00:00Z); expected a time at most 366 days before"),
        ("dt_us", 0, "$.dt_us is 0; expected a whole number of microseconds, 1 to 1000000"),
        ("dt_us", -5, "$.dt_us is -5; expected"),
        ("dt_us", 1_000_001, "$.dt_us is 1000001; expected"),
        ("dt_us", 0.5, "$.dt_us is 0.5; expected"),
        ("dt_us", "1000", '$.dt_us is "1000"; expected'),
        ("current_ka", [], "$.current_ka is an empty curve; expected at least one sample"),
        ("current_ka", [1, 2], "$.current_ka is 2 samples; expected 3 samples, as voltage_v has"),
        ("current_ka", [1, 2, "x"], '$.current_ka[2] is "x"; expected a number in kA'),
        ("current_ka", [1, None, 2], "$.current_ka[1] is null; expected a number in kA"),
        ("current_ka", 5, "$.current_ka is 5; expected a list of numbers in kA"),
        ("current_ka", [0] * 1001, "$.current_ka is 1001 samples; expected at most 1000 samples"),
        ("voltage_v", None, "$.voltage_v is null; expected a list of numbers in V"),
        ("force_kn", [1], "$.force_kn is 1 sample; expected 3 samples"),
        ("displacement_mm", [True, 1, 2], "$.displacement_mm[0] is true; expected a number in mm"),
        ("wear_count", -1, "$.wear_count is -1; expected a whole number, 0 or more"),
        ("historical", "yes", '$.historical is "yes"; expected true or false'),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_wrong_field_is_named_with_what_came_and_what_was_expected(
    field: str, value: Any, said: str, packed: bool
) -> None:
    assert said in reason(WELD_TOPIC, {**WELD, field: value}, packed=packed)


@pytest.mark.parametrize("field", [key for key in WELD if key != "current_ka"])
def test_a_missing_field_is_named(field: str) -> None:
    weld = {key: value for key, value in WELD.items() if key != field}
    assert f"item 0: $.{field} is absent; expected " in reason(WELD_TOPIC, weld)


@pytest.mark.parametrize("packed", [False, True])
def test_a_source_that_cannot_measure_current_leaves_it_out(packed: bool) -> None:
    blind = {key: value for key, value in WELD.items() if key != "current_ka"}
    welds = read(WELD_TOPIC, [blind, {**WELD, "id": "w2"}], packed=packed).welds
    assert np.isnan(welds.current_ka[:3]).all()
    np.testing.assert_array_equal(welds.current_ka[3:], np.float32([7.5, 8.0, 8.5]))


def test_raw_bytes_must_be_whole_samples_and_only_messagepack_has_them() -> None:
    said = reason(WELD_TOPIC, {**WELD, "current_ka": b"\0" * 7}, packed=True)
    assert said == (
        "item 0: $.current_ka is 7 raw bytes; expected little-endian float32 samples, hence a multiple of 4 bytes"
    )
    assert "an empty curve" in reason(WELD_TOPIC, {**WELD, "current_ka": b""}, packed=True)
    assert '$.current_ka is "AAAA' in reason(WELD_TOPIC, {**WELD, "current_ka": raw(0, 0, 0)})
    assert "$.id is 4 raw bytes" in reason(WELD_TOPIC, {**WELD, "id": b"abcd"}, packed=True)


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b'{"id": NaN}', "broken JSON (JSON is malformed: invalid character (byte 7))"),
        (b'{"id": 1', "broken JSON (Input data was truncated)"),
        (b'{"id": "\xff"}', "broken JSON ('utf-8' codec"),
        (b'{"id": "\\ud800"}', "broken JSON"),
        (b'{"id": 1e999}', "$.id is Number out of range"),
        (b'{"a": ' + b"[" * 100_000, "nested too deeply"),
        (b"\x81\x01\x02", "expected an object with the keys of a weld message"),
        (b"\x81\xa2id\xc1", "broken MessagePack"),
    ],
)
def test_broken_bytes_say_what_is_broken(payload: bytes, said: str) -> None:
    assert said in reason(WELD_TOPIC, payload)


def test_a_bad_item_leaves_its_neighbours_alone() -> None:
    decoded = read(WELD_TOPIC, [WELD, 5, {**WELD, "id": "w3", "dt_us": 0}, {**WELD, "id": "w4"}, None, {}])
    assert decoded.welds.id == ["w1", "w4"]
    assert decoded.weld_item.tolist() == [0, 3]
    assert [(r.item, r.reject.item, r.reject.path) for r in decoded.rejects] == [
        (1, 1, "$"),
        (2, 2, "$.dt_us"),
        (4, 4, "$"),
        (5, 5, "$.id"),
    ]
    assert items(decoded) == 6


def test_a_later_stage_can_reject_a_weld_with_its_place_in_the_journal() -> None:
    first, second = message(WELD_TOPIC, WELD, seq=8), message(WELD_TOPIC, [5, WELD], seq=9)
    decoded = decode([first, second], LIMITS)
    placed = decoded.reject_weld(1, RefusedError("$.spot", "new", "known"))
    assert (placed.seq, placed.item, placed.topic, placed.source) == (9, 1, WELD_TOPIC, "ulm/body/FR1/C03/weld")
    assert (placed.bytes, placed.received_ns) == (len(second.payload), NOW_NS)


def test_every_field_is_described() -> None:
    assert {f"$.{name}" for name in WeldMessage.__struct_fields__} <= expectations(WeldMessage).keys()
