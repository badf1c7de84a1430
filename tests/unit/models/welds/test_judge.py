from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.welds.causes import CAUSES
from models.welds.features import FEATURES
from models.welds.judge import GunEvent, JudgeSettings, WeldJudge, rounds
from models.welds.sensors import SENSORS
from models.welds.verdicts import CAUSE_CODES, VERDICTS, Verdicts
from tests.unit.models.welds import making
from tests.unit.models.welds.oracle import Oracle, Weld

SETTINGS = JudgeSettings(learn_n=12, conditioning_n=5)
FAULTS = ["low_heat", "excess_heat", "expulsion", "missing_sheet", "no_current", "dead_voltage", "clipped", "gap"]


def shift(seed: int, n: int, spots: int = 3, fault_share: float = 0.1) -> list[Weld]:
    """Return n welds on a few spots, in order of time, some of them faulty."""
    rng = np.random.default_rng(seed)
    welds = []
    for k in range(n):
        spot = int(rng.integers(spots))
        fault = str(rng.choice(FAULTS)) if k > 20 * spots and rng.random() < fault_share else ""
        welds.append(making.curve(rng, fault=fault, spot=f"S{spot}", gun=f"G{spot % 2}", time_ns=(k + 1) * 10**9))
    return welds


def words(verdicts: Verdicts, k: int) -> tuple[str, str, str]:
    lead = verdicts.lead[k]
    return VERDICTS[verdicts.verdict[k]], CAUSE_CODES[verdicts.cause[k]], FEATURES[lead] if lead >= 0 else ""


def bits(verdicts: Verdicts) -> list[bytes]:
    return [getattr(verdicts, name).tobytes() for name in Verdicts.__dataclass_fields__]


def test_verdicts_equal_those_of_the_naive_oracle() -> None:
    welds = shift(1, 400)
    judge, oracle = WeldJudge(SETTINGS), Oracle(learn_n=12, conditioning_n=5)
    got = judge.judge(making.batch(welds[:300]))
    assert [words(got, k) for k in range(300)] == [oracle.judge(weld) for weld in welds[:300]]
    judge.apply(GunEvent("cap_change", time_ns=301 * 10**9, gun="G1"))
    oracle.cap_change("G1", 301 * 10**9)
    got = judge.judge(making.batch(welds[300:]))
    expected = [oracle.judge(weld) for weld in welds[300:]]
    assert [words(got, k) for k in range(100)] == expected
    causes = [cause for weld, (_, cause, _) in zip(welds[300:], expected, strict=True) if weld.gun == "G1"]
    assert "conditioning" in causes[:5]
    assert set(causes[:5]) <= {"conditioning", *SENSORS}
    assert "conditioning" not in causes[5:]
    row = dict(judge.rows_of_spot("S0"))["7"]
    stream = oracle.streams["S0", "7"]
    np.testing.assert_allclose(judge.references.centre[row], [stream.centre[n] for n in FEATURES], rtol=1e-4)
    assert judge.references.n[row] == stream.n


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), cuts=st.lists(st.integers(1, 119), max_size=8))
def test_any_split_into_batches_gives_the_same_bits(seed: int, cuts: list[int]) -> None:
    welds = shift(seed, 120, spots=2, fault_share=0.2)
    welds[70], welds[90] = welds[90], welds[70]  # one arrives late
    whole = WeldJudge(SETTINGS)
    expected = whole.judge(making.batch(welds))
    split = WeldJudge(SETTINGS)
    edges = [0, *sorted(set(cuts)), 120]
    parts = [split.judge(making.batch(welds[a:b])) for a, b in pairwise(edges)]
    for name in Verdicts.__dataclass_fields__:
        joined = np.concatenate([getattr(part, name) for part in parts])
        assert joined.tobytes() == getattr(expected, name).tobytes(), name
    one, other = whole.snapshot(), split.snapshot()
    assert {key: value.tobytes() for key, value in one.items()} == {
        key: value.tobytes() for key, value in other.items()
    }


def test_a_restored_judge_goes_on_to_the_bit() -> None:
    welds = shift(4, 200)
    through, stopped = WeldJudge(SETTINGS), WeldJudge(SETTINGS)
    for judge in (through, stopped):
        judge.judge(making.batch(welds[:90]))
        judge.apply(GunEvent("cap_change", time_ns=0, gun="G0"))
        judge.judge(making.batch(welds[90:92]))
    again = WeldJudge(SETTINGS)
    again.restore(stopped.snapshot())
    assert bits(through.judge(making.batch(welds[92:]))) == bits(again.judge(making.batch(welds[92:])))


def test_a_snapshot_is_read_by_its_names_whatever_their_order() -> None:
    judge, again = WeldJudge(SETTINGS), WeldJudge(SETTINGS)
    judge.judge(making.batch(shift(4, 200)))
    state = judge.snapshot()
    again.restore(dict(reversed(state.items())))
    assert {name: array.tobytes() for name, array in again.snapshot().items()} == {
        name: array.tobytes() for name, array in state.items()
    }


def test_a_snapshot_of_other_settings_is_refused() -> None:
    with pytest.raises(ValueError, match="learn_n 12; the settings say 20"):
        WeldJudge(JudgeSettings()).restore(WeldJudge(SETTINGS).snapshot())


@pytest.mark.parametrize("fault", FAULTS)
def test_each_gross_fault_gets_its_cause_and_never_teaches(fault: str) -> None:
    rng = np.random.default_rng(9)
    judge = WeldJudge(SETTINGS)
    judge.judge(making.batch([making.curve(rng, time_ns=k) for k in range(40)]))
    before = judge.references.centre[0].copy()
    got = judge.judge(making.batch([making.curve(rng, fault=fault, time_ns=100 + k) for k in range(5)]))
    assert [CAUSE_CODES[c] for c in got.cause] == [fault] * 5
    expected = "unjudged" if fault in {"dead_voltage", "clipped", "gap"} else "defect"
    assert {VERDICTS[v] for v in got.verdict} == {expected}
    np.testing.assert_array_equal(judge.references.centre[0], before)


def test_good_welds_stay_ok() -> None:
    rng = np.random.default_rng(10)
    judge = WeldJudge(JudgeSettings())
    got = judge.judge(making.batch([making.curve(rng, time_ns=k) for k in range(1500)]))
    assert [VERDICTS[v] for v in got.verdict[:20]] == ["unjudged"] * 20
    assert (got.verdict[20:] == VERDICTS.index("defect")).sum() == 0


def test_a_late_weld_is_judged_and_does_not_teach() -> None:
    rng = np.random.default_rng(12)
    judge = WeldJudge(SETTINGS)
    judge.judge(making.batch([making.curve(rng, time_ns=100 + k) for k in range(30)]))
    n = judge.references.n[0]
    got = judge.judge(making.batch([making.curve(rng, time_ns=50), making.curve(rng, time_ns=129)]))
    assert got.late.tolist() == [True, True]
    assert [VERDICTS[v] for v in got.verdict] == ["ok", "ok"]
    assert judge.references.n[0] == n


def test_a_program_change_resets_that_program_only() -> None:
    rng = np.random.default_rng(13)
    judge = WeldJudge(SETTINGS)
    welds = [making.curve(rng, time_ns=k, program=p) for k in range(20) for p in ("7", "8")]
    judge.judge(making.batch(welds))
    judge.apply(GunEvent("program_change", time_ns=30, program="8"))
    got = judge.judge(making.batch([making.curve(rng, time_ns=50, program=p) for p in ("7", "8")]))
    assert [VERDICTS[v] for v in got.verdict] == ["ok", "unjudged"]
    assert got.reference_version.tolist() == [1, 2]


def test_an_empty_batch_is_nothing() -> None:
    got = WeldJudge(SETTINGS).judge(making.batch([]))
    assert len(got.verdict) == 0


@given(rows=st.lists(st.integers(0, 5), max_size=60))
def test_rounds_take_each_stream_once_and_keep_its_order(rows: list[int]) -> None:
    taken: list[int] = []
    for at in rounds(np.array(rows, dtype=np.int64)):
        inside = [rows[k] for k in at]
        assert len(set(inside)) == len(inside)
        taken.extend(at.tolist())
    assert sorted(taken) == list(range(len(rows)))
    for row in set(rows):
        mine = [k for k in taken if rows[k] == row]
        assert mine == sorted(mine)


def test_every_cause_has_a_code() -> None:
    assert set(CAUSE_CODES) == {"", *CAUSES}
