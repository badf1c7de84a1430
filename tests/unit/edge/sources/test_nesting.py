from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.sources.nesting import MAX_DEPTH, json_is_deep, msgpack_is_deep
from edge.sources.packed import MAX_LOOSE_BYTES
from tests.fuzz.mutate import deep

from .samples import EVENT, EVENT_TOPIC, WELD, WELD_TOPIC, raw, read, reason

TREES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=40)
    | st.binary(max_size=300),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
)  # fmt: skip


def depth(tree: Any) -> int:
    inside = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else None
    return 0 if inside is None else 1 + max(map(depth, inside), default=0)


@contextlib.contextmanager
def recursing(levels: int) -> Iterator[None]:
    """Let a payload be made that is deeper than the interpreter goes by itself."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(levels)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def within(tree: Any, levels: int) -> Any:
    for _ in range(levels):
        tree = {"a]": ['"}', tree]}
    return tree


@given(TREES, st.integers(0, MAX_DEPTH // 2 + 1))
def test_depth_is_that_of_the_tree(tree: Any, levels: int) -> None:
    whole = within(tree, levels)
    assert msgpack_is_deep(msgspec.msgpack.encode(whole)) == (depth(whole) > MAX_DEPTH)
    text = json.dumps(whole, default=lambda value: value.hex())
    assert json_is_deep(text.encode()) == (depth(whole) > MAX_DEPTH)


@given(st.binary(max_size=80), st.randoms())
def test_any_bytes_have_an_answer(payload: bytes, random: Random) -> None:
    json_is_deep(payload)
    msgpack_is_deep(payload)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("topic", "sample"), [(WELD_TOPIC, WELD), (EVENT_TOPIC, EVENT)])
def test_what_nobody_reads_may_be_nested_but_not_without_end(topic: str, sample: dict[str, Any], packed: bool) -> None:
    taken = read(topic, {**sample, "more": deep(MAX_DEPTH - 2)}, packed=packed)
    assert not taken.rejects
    encode = msgspec.msgpack.encode if packed else msgspec.json.encode
    for levels in (MAX_DEPTH, 900, 955):  # the last is near the interpreter's limit, which depends on who calls
        with recursing(5000):
            payload = encode({**sample, "more": deep(levels)})
        told = reason(topic, payload, packed=packed)
        assert told == "item 0: $ is nested too deeply; expected at most 32 levels of lists and objects"


def test_bytes_of_a_curve_are_not_taken_for_lists() -> None:
    curves = {"voltage_v": b"\x91" * 400, "current_ka": b"\x91" * 400}
    assert len(read(WELD_TOPIC, {**WELD, **curves, "more": {"serial": 5}}, packed=True).welds) == 1
    assert len(read(WELD_TOPIC, {**WELD, "voltage_v": raw(1, 2, 3), "note": "[" * 40}, packed=True).welds) == 1
    assert len(read(WELD_TOPIC, {**WELD, "note": "[" * 40}).welds) == 1


def test_what_nobody_reads_may_be_large_but_not_without_end() -> None:
    more = {"more": b"\x90" * (MAX_LOOSE_BYTES - 2000)}
    assert len(read(WELD_TOPIC, {**WELD, **more}, packed=True).welds) == 1
    whole = {**WELD, "more": [[]] * MAX_LOOSE_BYTES}
    size = len(msgspec.msgpack.encode(whole))
    told = reason(WELD_TOPIC, msgspec.msgpack.encode(whole), packed=True)
    assert told == (
        f"item 0: $ is {size} bytes with keys or values that are not known; "
        f"expected at most {MAX_LOOSE_BYTES} bytes, or what the schema names and nothing else"
    )
