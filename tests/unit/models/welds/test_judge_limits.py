"""The judge with noise and limits of its own plant: they take hold at block ends, the same however welds come."""

from itertools import pairwise

import numpy as np
import pytest

from models.welds import judge as judging
from models.welds import limits as limiting
from models.welds import noise as listening
from models.welds.judge import JudgeSettings, WeldJudge
from models.welds.rules import SCORED
from models.welds.verdicts import CAUSE_CODES, DEFECT, OK, Verdicts

from . import making

SETTINGS = JudgeSettings(learn_n=12)
N = 420


@pytest.fixture(autouse=True)
def small_plant(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a hundred welds be enough to know a plant."""
    monkeypatch.setattr(judging, "BLOCK", 48)
    monkeypatch.setattr(listening, "KNOWN_N", 100)
    monkeypatch.setattr(limiting, "KNOWN_N", 100)


def shift(seed: int) -> list[making.Weld]:
    rng = np.random.default_rng(seed)
    return [making.curve(rng, spot=f"S{k % 5}", time_ns=k, fault="low_heat" if k % 61 == 60 else "") for k in range(N)]


@pytest.mark.parametrize("cuts", [(1, 47, 48, 49, 200), (96, 144, 300), tuple(range(0, N, 17))[1:]])
def test_any_split_gives_the_same_bits_across_blocks(cuts: tuple[int, ...]) -> None:
    welds = shift(1)
    whole, split = WeldJudge(SETTINGS), WeldJudge(SETTINGS)
    expected = whole.judge(making.batch(welds))
    parts = []
    for a, b in pairwise((0, *cuts, N)):
        parts.append(split.judge(making.batch(welds[a:b])))
        again = WeldJudge(SETTINGS)
        again.restore(split.snapshot())  # wherever it is stopped
        split = again
    for name in Verdicts.__dataclass_fields__:
        joined = np.concatenate([getattr(part, name) for part in parts])
        assert joined.tobytes() == getattr(expected, name).tobytes(), name
    assert whole.noise.known
    assert (whole.limits.sigma != SETTINGS.limit_sigma).any()
    one, other = whole.snapshot(), split.snapshot()
    assert {key: value.tobytes() for key, value in one.items()} == {
        key: value.tobytes() for key, value in other.items()
    }


def test_a_known_plant_finds_what_a_new_one_lets_pass() -> None:
    """Half of what makes a gross fault: within six sigmas, beyond what this plant's welds do."""
    welds = shift(2)
    judge = WeldJudge(SETTINGS)
    verdicts = judge.judge(making.batch(welds))
    weak = np.flatnonzero([k % 61 == 60 for k in range(N)])
    assert (verdicts.verdict[weak] == DEFECT).all()
    assert {CAUSE_CODES[code] for code in verdicts.cause[weak]} == {"low_heat"}
    narrower = judge.limits.sigma < SETTINGS.limit_sigma
    assert narrower.mean() > 0.5
    good = np.array([k % 61 != 60 for k in range(N)])
    assert (verdicts.verdict[good] == DEFECT).mean() < 0.01


def test_what_is_scored_is_what_is_judged() -> None:
    verdicts = WeldJudge(SETTINGS).judge(making.batch(shift(3)))
    scored = np.isfinite(verdicts.cause_scores[:, 0])
    np.testing.assert_array_equal(scored, (verdicts.verdict == OK) | (verdicts.verdict == DEFECT))
    np.testing.assert_allclose(verdicts.cause_scores[scored].sum(axis=1), 1.0, rtol=1e-5)
    likeliest = np.array(SCORED)[1 + np.argmax(verdicts.cause_scores[scored][:, 1:], axis=1)]
    told = np.array(CAUSE_CODES)[verdicts.cause[scored]]
    np.testing.assert_array_equal(likeliest[told != ""], told[told != ""])
