"""Valid messages changed in a few places: hostile enough to be refused, near enough to get past the first check."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

import msgspec
import numpy as np

RIGHT_TO_LEFT = "\u202espot\u202c"
LABELS = (
    "", "\0", "a\nb", "\ud800", "\udfff\ud800", RIGHT_TO_LEFT, "x" * 10_000, "\u4e2d" * 128, "e\u0301", "\ufeff",
    "../../etc/passwd", "..\\..\\x", "/", "//", "w/1/curve", "payload", "C:\\NUL", "%2e%2e%2f", "a/../b", ".", "..",
    "' OR 1=1 --", '"; DROP TABLE weld; --', "'); ATTACH 'x'; --", "$1", "?", "{{7*7}}", "${jndi:x}", "<script>",
    '") |> drop() //', 'r._value == "x" or true', "//g", "\\", "\\\\", ".*", "^(a+)+$", "[", "%00", "=1+1", "+1", "-1",
    "@SUM(A1)", "\t=1", "\r=1", "NaN", "null", "true", "1e400", "__proto__", "constructor",
)  # fmt: skip
NUMBERS = (
    0, 1, -1, 2**31, 2**32, 2**53, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64 - 1, 2**64, 10**30,
    10**400, 10**4500, 0.0, -0.0, 5e-324, 1e-45, 1e-38, 1e308, -1e308, 3.5e38, float("nan"), float("inf"),
    float("-inf"),
)  # fmt: skip
TIMES = (
    "1677-09-21T00:12:43Z", "2262-04-11T23:47:16.854775807Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z",
    "2026-02-30T00:00:00Z", "2026-03-01T12:00:60Z", "2026-03-01T12:00:00", "2026-03-01T12:00:00+99:99", "-8h",
    "2026-03-01T12:00:00." + "9" * 5000 + "Z", "\u0662\u0660\u0662\u0666-03-01T12:00:00Z",
)  # fmt: skip


def deep(levels: int) -> Any:
    """Return lists in lists."""
    nested: Any = []
    for _ in range(levels):
        nested = [nested]
    return nested


def _curve(random: Random) -> bytes:
    special = np.array([np.nan, np.inf, -np.inf, -0.0, 1e-45, 3.4e38, -3.4e38, 9.0, 1.4], dtype="<f4")
    samples = random.choice((0, 1, 2, 3, 50, 999, 1000, 1001))
    body = special[np.array([random.randrange(len(special)) for _ in range(samples)], dtype=np.int64)].tobytes()
    return body[: len(body) - random.choice((0, 0, 0, 1, 3))]


def _scalar(random: Random) -> Any:
    kind = random.randrange(8)
    if kind < 2:
        return random.choice(LABELS)
    if kind < 4:
        return random.choice(NUMBERS)
    if kind == 4:
        return random.choice(TIMES)
    if kind == 5:
        return _curve(random)
    return random.choice((None, True, False, [], {}, [[]], {"": 0}, [None], deep(40), deep(1200)))


Edit = Callable[[Any, Any, Random], None]


def _replace(parent: Any, key: Any, random: Random) -> None:
    parent[key] = _scalar(random)


def _remove(parent: Any, key: Any, _: Random) -> None:
    del parent[key]


def _wrap(parent: Any, key: Any, random: Random) -> None:
    value = parent[key]
    many = 5 if isinstance(value, dict | list) else random.choice((5, 5, 5, 1001))
    parent[key] = random.choice(([value], {"x": value}, [value] * 3, [value] * many))


def _swap(parent: Any, key: Any, random: Random) -> None:
    other = random.choice(list(parent) if isinstance(parent, dict) else range(len(parent)))
    parent[key], parent[other] = parent[other], parent[key]


def _add(parent: Any, key: Any, random: Random) -> None:
    if isinstance(parent, dict):
        parent[random.choice(LABELS) if random.random() < 0.5 else f"{key}_"] = _scalar(random)
    else:
        parent.append(_scalar(random))


def _nudge(parent: Any, key: Any, random: Random) -> None:
    value = parent[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 2**70:
        parent[key] = _scalar(random)
    else:
        parent[key] = random.choice((value + 1, value - 1, -value, value * 10**6, value // 3, str(value)))


EDITS: tuple[Edit, ...] = (_replace, _replace, _replace, _remove, _wrap, _swap, _add, _nudge)


CROWDED = 500
"""Places in a message from which on nothing is repeated any more: it would be cut off anyway."""


def _places(tree: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        found.append((tree, key))
        if len(found) < CROWDED:
            _places(value, found)
    return found


def mutate(payload: bytes, random: Random) -> bytes:
    """Change a JSON or MessagePack payload in one to four places; now and then also its form, or a few bytes."""
    try:
        packed = payload[:1] not in {b"{", b"["}
        tree = [msgspec.msgpack.decode(payload) if packed else json.loads(payload)]
    except (ValueError, RecursionError, msgspec.MsgspecError):
        return corrupt(payload, random)
    places = _places(tree, [])
    for _ in range(random.randint(1, 4)):
        if places:
            edit = random.choice(EDITS)
            (_replace if edit is _wrap and len(places) >= CROWDED else edit)(*random.choice(places), random)
            places = _places(tree, [])
    whole = tree[0] if tree else None
    if random.random() < 0.1 and len(places) < CROWDED:
        whole = [whole] * random.choice((0, 1, 2, 2, 2, 50))
    encoded = encode(whole, packed=packed != (random.random() < 0.2))
    return corrupt(encoded, random) if random.random() < 0.1 else encoded


def encode(tree: Any, *, packed: bool) -> bytes:
    """Encode what can be encoded so, else as JSON with all that Python's own encoder lets through."""
    try:
        if packed:
            return msgspec.msgpack.encode(tree)
        return json.dumps(tree, default=repr).encode()
    except (ValueError, OverflowError, RecursionError, TypeError):
        try:
            return json.dumps(tree, default=repr, skipkeys=True).encode()
        except (ValueError, RecursionError, TypeError):
            return b"{" * 3000


def corrupt(payload: bytes, random: Random) -> bytes:
    """Change, drop or repeat a few bytes."""
    raw = bytearray(payload)
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(raw) + 1)
        match random.randrange(4):
            case 0:
                raw[at : at + 1] = bytes([random.randrange(256)])
            case 1:
                del raw[at : at + random.randint(1, 16)]
            case 2:
                raw[at:at] = raw[max(0, at - 16) : at] * random.randint(1, 4)
            case _:
                raw[at:at] = random.choice(
                    (b'"', b"\\u0000", b"\\ud800", b"]", b"{", b"\xc1", b"\xd9\xff", b"\xc9\xff")
                )
    return bytes(raw)
