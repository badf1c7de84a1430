from __future__ import annotations

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge.sources.envelope import MAX_FRAMED_BYTES, MAX_ITEMS, count_items, split
from edge.sources.rejects import RefusedError


@pytest.mark.parametrize(
    ("payload", "count"),
    [
        (b'{"a": 1}', 1),
        (b'[{"a": 1}, {"a": [1, 2, 3]}, 5]', 3),
        (b" \r\n\t[1, 2]", 2),
        (msgspec.msgpack.encode({"a": 1}), 1),
        (msgspec.msgpack.encode([{"a": b"\x00" * 9}] * 20), 20),
        (msgspec.msgpack.encode([1] * 300), 300),
        (b'{"a": ', 1),
    ],
)
def test_a_payload_counts_by_its_items(payload: bytes, count: int) -> None:
    assert count_items(payload) == count
    assert len(split(payload).items) == count


@pytest.mark.parametrize(
    ("payload", "came"),
    [
        (b"", "an empty payload"),
        (b"[]", "an empty list"),
        (b"\x90", "an empty list"),
        (b"[1, 2", "broken JSON"),
        (b"[1, 2] x", "broken JSON"),
        (b"[1, {]", "broken JSON"),
        (b"hello", "the text 'hello'"),
        (b"   ", "the text '   '"),
        (b"\xc1", "1 byte c1"),
        (b"\xdd\xff\xff\xff\xff\x01", "broken MessagePack"),
        (b"\x92\x01", "broken MessagePack"),
        (b"[" * 100_000, "nested too deeply"),
        (b"\x91" * 100_000 + b"\x01", "nested too deeply"),
        (b"[" + b"0," * MAX_ITEMS + b"0]", f"a list of {MAX_ITEMS + 1} items"),
        (b"[" + b" " * MAX_FRAMED_BYTES + b"1, 2]", f"{MAX_FRAMED_BYTES + 6} bytes"),
    ],
)
def test_what_cannot_be_split_counts_as_one_and_says_why(payload: bytes, came: str) -> None:
    assert count_items(payload) == 1
    with pytest.raises(RefusedError) as refused:
        split(payload)
    assert came in refused.value.came
    assert len(refused.value.came) <= 120
    assert refused.value.path == "$"


def test_text_is_shown_even_when_the_cut_falls_into_a_character() -> None:
    with pytest.raises(RefusedError) as refused:
        split(("x" * 119 + "é" * 10).encode())
    assert refused.value.came.startswith("the text 'xxx")


@given(st.binary(max_size=200))
@example(b"[[]]")
@example(b"\x91\x90")
def test_counting_and_splitting_agree_on_any_bytes(payload: bytes) -> None:
    try:
        expected = len(split(payload).items)
    except RefusedError:
        expected = 1
    assert count_items(payload) == expected >= 1


@given(st.lists(st.recursive(st.none() | st.floats() | st.text(), st.lists, max_leaves=5), min_size=1))
def test_both_forms_of_a_list_count_the_same(values: list[object]) -> None:
    assert count_items(msgspec.json.encode(values)) == count_items(msgspec.msgpack.encode(values)) == len(values)
