"""Arithmetic of time ranges: lists of (from, to), ns, ends exclusive, apart from each other and in order of time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Span = tuple[int, int]

FIRST, LAST = -(2**63), 2**63 - 1
"""Open ends: before and after every time that a row can have (but one, the last ns of 2262)."""


def without(spans: Iterable[Span], holes: Iterable[Span]) -> list[Span]:
    """Return what of `spans` lies in none of `holes`."""
    left = list(spans)
    for low, high in holes:
        parts = (part for start, end in left for part in ((start, min(end, low)), (max(start, high), end)))
        left = [(start, end) for start, end in parts if start < end]
    return left


def common(spans: Iterable[Span], others: Sequence[Span]) -> list[Span]:
    """Return what lies in `spans` and in `others`."""
    parts = ((max(start, low), min(end, high)) for start, end in spans for low, high in others)
    return [(start, end) for start, end in parts if start < end]


def inner(spans: Iterable[Span], width_ns: int) -> list[Span]:
    """Return the whole units of `width_ns`, multiples since 1970, that lie in `spans`; an open end stays open."""
    found = []
    for start, end in spans:
        low = start if start == FIRST else -(-start // width_ns) * width_ns
        high = end if end == LAST else end // width_ns * width_ns
        if low < high:
            found.append((low, high))
    return found


def few(spans: Iterable[Span], most: int = 0) -> list[Span]:
    """Return `spans`, in any order, joined where they touch; with `most`, no more than that, over the smallest gaps."""
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    if not 0 < most < len(joined):
        return joined
    gaps = sorted(range(1, len(joined)), key=lambda k: joined[k][0] - joined[k - 1][1])
    return few([*joined, *((joined[k - 1][1], joined[k][0]) for k in gaps[: len(joined) - most])])
