"""Forecasts against the tips of simulated guns, by the benchmark that gives the figures in the docs."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.wear import PLANTS, Tally, Watch
from models.welds.wear_state import WearSettings

SETTINGS = WearSettings()


@pytest.mark.timeout(300)
def test_forecasts_hold_and_warnings_come_before_the_tips_are_worn() -> None:
    tally = Tally()
    Watch(PLANTS["wears twice as fast, dressed every 600 welds"], 11, SETTINGS).run(1.2, tally)
    assert tally.crossed >= 16
    assert len(tally.leads) >= 0.9 * tally.crossed
    assert np.mean(np.array(tally.leads) > 0) >= 0.9
    assert np.median(tally.leads) > SETTINGS.warn_welds
    assert len(tally.inside) >= 60
    assert np.mean(tally.inside) >= 0.85
    assert np.median(np.abs(tally.error)) < 60
    assert (tally.false, tally.ineffective) == (0, 0)


@pytest.mark.timeout(300)
def test_a_plant_that_is_dressed_in_time_is_left_in_peace() -> None:
    tally = Tally()
    Watch(PLANTS["as it is, dressed every 225 welds"], 12, SETTINGS).run(0.7, tally)
    assert tally.crossed == 0
    assert tally.false <= 1
    assert tally.ineffective == 0
