import math

import numpy as np
import pytest

from models.welds.batch import WeldBatch
from models.welds.features import FEATURES, extract
from models.welds.inductance import ENOUGH_N, Loops
from tests.unit.models.welds import making
from tests.unit.models.welds.oracle import Weld


def weld(loop_uh: float, *, dt_us: int = 500, tau_ms: float = 3.0) -> Weld:
    """A weld of known resistance whose current rises and falls exponentially, seen through a loop of `loop_uh`."""
    t = np.arange(0, 320, dt_us / 1000)
    rise, fall = 1 - np.exp(-(t - 10) / tau_ms), np.exp(-(t - 250) / tau_ms)
    current = 9.0 * np.where(t < 10, 0, np.where(t < 250, rise, fall))
    slope = 9.0 / tau_ms * np.where(t < 10, 0, np.where(t < 250, np.exp(-(t - 10) / tau_ms), -fall))
    resistance = 110 + 90 * np.exp(-np.maximum(t - 10, 0) / 6) + 60 * np.exp(-(((t - 110) / 50) ** 2))
    voltage = current * resistance / 1000 + loop_uh * slope
    return Weld("S1", "7", 0, dt_us, np.float32(current).tolist(), np.float32(voltage).tolist())


def feature(batch: WeldBatch, name: str, loop_uh: float = 0.0) -> float:
    return float(extract(batch, np.array([loop_uh], dtype=np.float32)).values[0, FEATURES.index(name)])


@pytest.mark.parametrize("dt_us", [250, 500, 1000, 2000])
@pytest.mark.parametrize("loop_uh", [0.0, 0.03, 0.1])
def test_the_loop_is_found_on_the_falling_edge(loop_uh: float, dt_us: int) -> None:
    found = extract(making.batch([weld(loop_uh, dt_us=dt_us)])).loop_uh[0]
    assert found == pytest.approx(loop_uh, abs=0.006)


def test_an_edge_sampled_too_coarsely_says_nothing() -> None:
    assert math.isnan(extract(making.batch([weld(0.1, dt_us=2000, tau_ms=0.8)])).loop_uh[0])


def test_an_edge_that_was_not_recorded_says_nothing() -> None:
    whole = weld(0.1)
    cut = Weld("S1", "7", 0, 500, whole.current[:500], whole.voltage[:500])
    assert math.isnan(extract(making.batch([cut])).loop_uh[0])


@pytest.mark.parametrize("dt_us", [250, 500, 1000])
def test_compensated_features_are_those_of_the_joint(dt_us: int) -> None:
    joint, seen = making.batch([weld(0.0, dt_us=dt_us)]), making.batch([weld(0.1, dt_us=dt_us)])
    for name in ("r_first_uohm", "r_alpha_uohm"):
        true = feature(joint, name)
        assert abs(feature(seen, name, 0.1) - true) < 0.25 * abs(feature(seen, name) - true), name


def test_a_gun_is_known_after_enough_welds_and_at_the_end_of_a_block_only() -> None:
    loops = Loops()
    loops.add(["G1"] * ENOUGH_N + ["G2"], np.full(ENOUGH_N + 1, 0.05, dtype=np.float32))
    assert loops.of(["G1", "G2"]).tolist() == [0, 0]
    loops.end_block()
    assert loops.of(["G1", "G2"]) == pytest.approx([0.05, 0])
    again = Loops()
    again.restore(loops.snapshot())
    assert again.of(["G1", "G2"]) == pytest.approx([0.05, 0])
    loops.forget("G1")
    assert loops.of(["G1"]).tolist() == [0]
