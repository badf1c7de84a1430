"""How deep a payload is nested.

msgspec stops at the interpreter's own limit of recursion, which depends on how deep the caller already is: a payload
near it would be read in one process and refused in another. With a bound far below, every process says the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import accumulate
from typing import Any

import msgspec

MAX_DEPTH = 32
"""Levels of lists and objects; what is read has five at most."""

_BRACKETS = b"[]{}"
_ALL_BUT_BRACKETS = bytes(byte for byte in range(256) if byte not in _BRACKETS)
_STEP = {**dict.fromkeys(b"[{", 1), **dict.fromkeys(b"]}", -1)}
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)


def json_is_deep(payload: bytes) -> bool:
    """Tell whether JSON is nested more than `MAX_DEPTH` levels deep."""
    if payload.count(b"[") + payload.count(b"{") <= MAX_DEPTH:
        return False
    brackets = _STRING.sub(b"", payload).translate(None, _ALL_BUT_BRACKETS)  # brackets inside of text are none
    return max(accumulate(map(_STEP.__getitem__, brackets)), default=0) > MAX_DEPTH


def msgpack_is_deep(payload: bytes | msgspec.Raw) -> bool:
    """Tell whether MessagePack is nested more than `MAX_DEPTH` levels deep; broken MessagePack is not."""
    try:
        level: list[Any] = [msgspec.msgpack.decode(payload)]
    except RecursionError:
        return True
    except (msgspec.MsgspecError, UnicodeDecodeError, TypeError, ValueError):
        return False
    for _ in range(MAX_DEPTH - 1):  # millions may be empty: only what holds something is gone into
        level = [inner for outer in level for inner in _inside(outer) if inner and isinstance(inner, list | dict)]
        if not level:
            return False
    return any(isinstance(inner, list | dict) for outer in level for inner in _inside(outer))


def _inside(outer: Any) -> Iterable[Any]:
    if isinstance(outer, dict):
        return outer.values()
    return outer if isinstance(outer, list) else ()
