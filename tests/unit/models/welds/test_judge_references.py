"""What the judge does with references: orders of engineers, other spots, wear; and no batching changes any of it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.welds import judge as judging
from models.welds.batch import WeldBatch
from models.welds.conditioning import wear_of
from models.welds.estimates import UNLIKE_N
from models.welds.features import FEATURES
from models.welds.judge import GunEvent, JudgeSettings, WeldJudge
from models.welds.verdicts import CAUSE_CODES, DEFECT, OK, VERDICTS, Verdicts
from tests.unit.models.welds import making
from tests.unit.models.welds.oracle_reference import NaiveReference, Prior

SETTINGS = JudgeSettings(learn_n=12, conditioning_n=5, prior_streams=3)
S = 10**9


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what streams have in common be worked out often."""
    monkeypatch.setattr(judging, "BLOCK", 48)
    monkeypatch.setattr(judging, "BLOCKS_PER_LEARNING", 2)


def shift(seed: int, bodies: int, spots: int = 5, fault_share: float = 0.0) -> WeldBatch:
    """Return the welds of some bodies; a spot more comes with every twelfth body, so that there are always new ones."""
    rng = np.random.default_rng(seed)
    welds, wear = [], []
    for body in range(bodies):
        for spot in range(spots + body // 12):
            fault = "low_heat" if body > 20 and rng.random() < fault_share else ""
            time_ns = (body * 1000 + spot + 1) * S
            welds.append(making.curve(rng, fault=fault, spot=f"S{spot}", gun=f"G{spot % 2}", time_ns=time_ns))
            wear.append((7 * body + spot) % 60 if rng.random() < 0.9 else -1)
    return replace(making.batch(welds), wear_count=np.array(wear))


def causes(verdicts: Verdicts) -> list[str]:
    return [CAUSE_CODES[code] for code in verdicts.cause]


def one(judge: WeldJudge, rng: np.random.Generator, time_s: int, spot: str = "S0", **more: str) -> tuple[str, str]:
    """Return verdict and cause of one more weld."""
    got = judge.judge(making.batch([making.curve(rng, spot=spot, gun="G0", time_ns=time_s * S, **more)]))
    return VERDICTS[got.verdict[0]], causes(got)[0]


@pytest.mark.usefixtures("small_blocks")
def test_z_is_what_the_naive_references_say() -> None:
    welds = shift(1, 40, fault_share=0.03)
    judge, prior = WeldJudge(SETTINGS), Prior()
    got = judge.judge(welds)
    naive: dict[str, NaiveReference] = {}
    wear = wear_of(welds.wear_count).tolist()
    cold = 0
    for k, spot in enumerate(welds.spot):
        stream = naive.setdefault(spot, NaiveReference(SETTINGS.learn_n, prior))
        values = dict(zip(FEATURES, got.features[k].tolist(), strict=True))
        says = stream.expect(values, wear[k])
        young = stream.n < SETTINGS.learn_n
        if says is None:
            assert causes(got)[k] == "learning", k
        else:
            centre, sigma = says
            expected = [(values[name] - centre[name]) / sigma[name] for name in FEATURES]
            np.testing.assert_allclose(got.z[k], expected, rtol=2e-4, atol=2e-3)
            cold += young
        if young or got.verdict[k] == OK:
            stream.learn(values, wear[k])
        if (k + 1) % 96 == 0 or k + 1 == 48:
            prior.learn(list(naive.values()), SETTINGS.prior_streams)
    assert cold > 20
    assert (got.verdict == DEFECT).any()


@pytest.mark.usefixtures("small_blocks")
@settings(max_examples=6, deadline=None)
@given(cuts=st.lists(st.integers(1, 247), max_size=8), stop=st.integers(1, 247))
def test_neither_batches_nor_a_restart_change_a_bit(cuts: list[int], stop: int) -> None:
    welds = shift(2, 40, fault_share=0.1)
    n = len(welds)
    event = GunEvent("reference_reset", 5, spot="S1"), GunEvent("program_change", 6, program="7"), n - 40, n - 90

    def run(edges: list[int], restart: int = 0) -> tuple[list[bytes], dict[str, bytes]]:
        judge, parts = WeldJudge(SETTINGS), []
        for a, b in pairwise(sorted({0, n, event[2], event[3], restart, *edges})):
            if a == event[3]:
                judge.apply(event[0])
            if a == event[2]:
                judge.apply(event[1])
            parts.append(judge.judge(welds.take(a, b)))
            if b == restart:
                state = judge.snapshot()
                judge = WeldJudge(SETTINGS)
                judge.restore(state)
        names = Verdicts.__dataclass_fields__
        joined = [np.concatenate([getattr(part, name) for part in parts]).tobytes() for name in names]
        return joined, {key: value.tobytes() for key, value in judge.snapshot().items()}

    assert run([]) == run(cuts, stop)


def taught(judge: WeldJudge, rng: np.random.Generator, spots: tuple[str, ...] = ("S0",), n: int = 30) -> None:
    judge.judge(
        making.batch([making.curve(rng, spot=s, gun="G0", time_ns=(k + 1) * S) for k in range(n) for s in spots])
    )


def test_a_pinned_reference_learns_no_more_until_it_is_unpinned() -> None:
    rng = np.random.default_rng(3)
    judge = WeldJudge(SETTINGS)
    taught(judge, rng, ("S0", "S1"))
    assert judge.apply(GunEvent("reference_pin", 40 * S, spot="S0")) == 1
    frozen = {name: array[0].copy() for name, array in judge.references.arrays(2).items()}
    band = judge.bands.centre[0].copy()
    assert one(judge, rng, 50) == ("ok", "")
    assert one(judge, rng, 51, "S1") == ("ok", "")
    for name, array in judge.references.arrays(2).items():
        if name != "last_time_ns":
            np.testing.assert_array_equal(array[0], frozen[name], err_msg=name)
    np.testing.assert_array_equal(judge.bands.centre[0], band)
    assert judge.references.n.tolist()[:2] == [30, 31]
    judge.apply(GunEvent("reference_unpin", 60 * S, spot="S0", program="8"))
    one(judge, rng, 61)
    assert judge.references.n[0] == 30  # that was another programme
    judge.apply(GunEvent("reference_unpin", 62 * S, spot="S0"))
    one(judge, rng, 63)
    assert judge.references.n[0] == 31


def test_a_reference_pinned_too_early_still_learns_what_it_needs() -> None:
    rng = np.random.default_rng(4)
    judge = WeldJudge(SETTINGS)
    taught(judge, rng, n=5)
    judge.apply(GunEvent("reference_pin", 9 * S, spot="S0"))
    judge.judge(making.batch([making.curve(rng, spot="S0", time_ns=(10 + k) * S) for k in range(20)]))
    assert judge.references.n[0] == SETTINGS.learn_n


def test_a_reset_begins_a_new_version_that_learns_by_itself() -> None:
    rng = np.random.default_rng(5)
    judge = WeldJudge(SETTINGS)
    taught(judge, rng, ("S0", "S1", "S2", "S3"))
    judge.references.teach(judge.priors, 3)
    assert one(judge, rng, 40, "NEW") == ("ok", "")  # by its programme's other spots
    assert judge.apply(GunEvent("reference_reset", 50 * S, spot="S0", program="7")) == 1
    assert one(judge, rng, 51) == ("unjudged", "learning")
    assert judge.references.version[:2].tolist() == [2, 1]
    assert judge.references.since_ns[0] == 50 * S


def test_a_programme_that_changed_tells_new_spots_nothing() -> None:
    rng = np.random.default_rng(6)
    judge = WeldJudge(SETTINGS)
    taught(judge, rng, ("S0", "S1", "S2", "S3"))
    judge.references.teach(judge.priors, 3)
    assert judge.apply(GunEvent("program_change", 50 * S, program="7")) == 4
    assert {one(judge, rng, 60 + k, spot) for k, spot in enumerate(("S0", "S1", "NEW"))} == {("unjudged", "learning")}
    judge.judge(making.batch([making.curve(rng, spot=f"S{k % 4}", time_ns=(70 + k) * S) for k in range(48)]))
    judge.references.teach(judge.priors, 3)
    assert one(judge, rng, 200, "NEW") == ("ok", "")


def test_an_excluded_spot_is_not_judged_and_teaches_nothing() -> None:
    rng = np.random.default_rng(7)
    judge = WeldJudge(SETTINGS)
    taught(judge, rng, ("S0", "S1"))
    judge.apply(GunEvent("spot_exclude", 40 * S, spot="S0"))
    assert judge.excluded_since_ns("S0") == 40 * S
    n = judge.references.n[0]
    assert one(judge, rng, 50) == ("unjudged", "excluded")
    assert one(judge, rng, 51, fault="low_heat") == ("unjudged", "excluded")
    assert one(judge, rng, 52, fault="no_current") == ("unjudged", "no_current")
    assert one(judge, rng, 53, "S1") == ("ok", "")
    again = WeldJudge(SETTINGS)
    again.restore(judge.snapshot())
    assert again.excluded_since_ns("S0") == 40 * S
    judge.apply(GunEvent("spot_include", 60 * S, spot="S0"))
    assert judge.excluded_since_ns("S0") is None
    assert one(judge, rng, 61) == ("ok", "")
    assert judge.references.n[0] == n + 1


def test_orders_for_what_was_never_welded_do_nothing() -> None:
    judge = WeldJudge(SETTINGS)
    for kind in ("program_change", "reference_reset", "reference_pin", "reference_unpin", "spot_include"):
        assert judge.apply(GunEvent(kind, 1, spot="nobody", program="none")) == 0


def test_a_spot_unlike_its_programme_learns_in_spite_of_being_called_a_defect() -> None:
    rng = np.random.default_rng(8)
    judge = WeldJudge(SETTINGS)
    taught(judge, rng, ("S0", "S1", "S2", "S3"))
    judge.references.teach(judge.priors, 3)
    odd = [making.curve(rng, fault="missing_sheet", spot="ODD", time_ns=(50 + k) * S) for k in range(40)]
    got = judge.judge(making.batch(odd))
    assert (got.verdict[:UNLIKE_N] == DEFECT).all()
    assert set(causes(got)[UNLIKE_N : SETTINGS.learn_n]) == {"learning"}
    assert (got.verdict[SETTINGS.learn_n :] == OK).all()
