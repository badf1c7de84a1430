"""Ranges of time, against sets of moments."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from services.store.spans import FIRST, LAST, Span, common, few, inner, without

MOMENTS = range(-12, 40)


@st.composite
def some_spans(draw: st.DrawFn) -> list[Span]:
    """Apart and in order, as the functions expect and return them; the ends may be open."""
    ends = sorted(draw(st.lists(st.integers(-12, 40), max_size=8, unique=True)))
    ends = ends[: len(ends) // 2 * 2]
    if ends and draw(st.booleans()):
        ends[-1] = LAST
    if ends and draw(st.booleans()):
        ends[0] = FIRST
    return [(ends[k], ends[k + 1]) for k in range(0, len(ends), 2)]


def moments(spans: list[Span]) -> set[int]:
    return {moment for moment in MOMENTS if any(low <= moment < high for low, high in spans)}


@given(some_spans(), some_spans())
def test_without_and_common_are_difference_and_intersection(spans: list[Span], others: list[Span]) -> None:
    assert moments(without(spans, others)) == moments(spans) - moments(others)
    assert moments(common(spans, others)) == moments(spans) & moments(others)


@given(some_spans(), st.integers(1, 7))
def test_inner_is_whole_units(spans: list[Span], width: int) -> None:
    covered = moments(spans)
    units = {moment: range(moment // width * width, moment // width * width + width) for moment in range(-7, 30)}
    inside = moments(inner(spans, width))
    for moment, unit in units.items():
        assert (moment in inside) == covered.issuperset(unit)


@given(some_spans(), some_spans(), st.integers(1, 4))
def test_few_joins_over_the_smallest_gaps(spans: list[Span], others: list[Span], most: int) -> None:
    joined = few([*others, *spans])
    assert moments(joined) == moments(spans) | moments(others)
    assert all(one[1] < other[0] for one, other in pairwise(joined))
    fewer = few([*others, *spans], most)
    assert len(fewer) == min(most, len(joined))
    assert moments(joined) <= moments(fewer)
    left = [gap for gap in _gaps(joined) if gap in _gaps(fewer)]
    closed = [gap for gap in _gaps(joined) if gap not in left]
    assert not left or not closed or min(b - a for a, b in left) >= max(b - a for a, b in closed)


def _gaps(spans: list[Span]) -> list[Span]:
    return [(one[1], other[0]) for one, other in pairwise(spans)]
