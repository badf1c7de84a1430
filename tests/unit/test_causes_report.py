"""The sweep's report: limits are read off a curve of detection, and the page names every cause there is."""

import math

import numpy as np
import pytest

from benchmarks.causes import DOC, Tally
from benchmarks.causes_report import BEGIN, END, _crossing, tables
from edge.simulator.severity import EXTENT
from models.welds.causes import DEFECT_CAUSES, UNJUDGED_CAUSES

SEVERITY = np.array([0.1, 0.2, 0.3, 0.4])


def test_a_limit_lies_where_the_rate_crosses_and_within_its_interval() -> None:
    n = np.full(4, 100)
    at, low, high = _crossing(SEVERITY, np.array([0, 20, 80, 100]), n, 0.5)
    assert at == pytest.approx(0.25)
    assert low < at < high
    more = _crossing(SEVERITY, 100 * np.array([0, 20, 80, 100]), 100 * n, 0.5)
    assert more[2] - more[1] < high - low


def test_a_rate_that_falls_again_counts_from_where_it_stays() -> None:
    at, _, _ = _crossing(SEVERITY, np.array([0, 95, 40, 100]), np.full(4, 100), 0.9)
    assert at > 0.3


def test_what_is_never_found_has_no_limit() -> None:
    assert all(math.isnan(x) for x in _crossing(SEVERITY, np.array([0, 1, 2, 3]), np.full(4, 100), 0.9))


def test_tables_carry_n_and_interval() -> None:
    tally = Tally(good=1000)
    tally.false_alarms["shape"] = 2
    for fault in EXTENT:
        tally.swept[fault, 1.0], tally.found[fault, 1.0] = 40, 40
    for name, found in (("medium", 9), ("gross", 10)):
        tally.level["low_heat", name], tally.level_found["low_heat", name] = 10, found
        tally.told["low_heat", name, "low_heat"], tally.told["low_heat", name, ""] = found, 10 - found
    text = tables(tally, [7])
    assert "2.00 per 1,000 good welds** (2 of 1,000; 95 % interval 0.55 to 7.26" in text
    assert "| `low_heat` | – | 0.900 (0.596–0.982, n = 10) | 1.000 (0.722–1.000, n = 10) |" in text
    assert "**95.0**" in text


def test_the_page_explains_every_cause_and_has_its_tables() -> None:
    page = DOC.read_text(encoding="utf-8")
    intro = page.partition(BEGIN)[0]
    assert all(f"`{cause}`" in intro for cause in (*DEFECT_CAUSES, *UNJUDGED_CAUSES))
    assert "Seeds 101, 102, 103" in page.partition(BEGIN)[2].partition(END)[0]
