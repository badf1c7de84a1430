"""Ranges counted at once are those counted one by one."""

from __future__ import annotations

import pytest

from services.api.steps import FEW_RANGES, SHORTEST_NS, Span, tally_ranges
from services.store.protocol import Filters
from tests.unit.api.shop import FIRST, HOUR, NOW, Shop

GRID = FIRST // HOUR * HOUR


def days(length_ns: int, gap_ns: int, count: int) -> list[Span]:
    return [Span(GRID + k * (length_ns + gap_ns), GRID + k * (length_ns + gap_ns) + length_ns) for k in range(count)]


@pytest.mark.parametrize("by", [(), ("cause",), ("line", "program")])
@pytest.mark.parametrize(
    "ranges",
    [days(HOUR, 0, 15), days(HOUR // 2, HOUR // 4, 20), days(2 * HOUR, HOUR, 5)],
    ids=["hours", "gaps", "long"],
)
def test_at_once_and_one_by_one(shop: Shop, by: tuple[str, ...], ranges: list[Span]) -> None:
    assert len(ranges) > FEW_RANGES
    assert all(span.since_ns % SHORTEST_NS == 0 for span in ranges)
    for filters in (Filters(), Filters(since_ns=FIRST + 12_345, until_ns=NOW - HOUR - 1), Filters(verdict="defect")):
        singly = [found for span in ranges for found in tally_ranges(shop.store, filters, by, [span])]
        assert singly
        assert list(tally_ranges(shop.store, filters, by, ranges)) == singly
