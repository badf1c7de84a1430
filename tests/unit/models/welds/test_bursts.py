"""A burst is told as it happens, once, at the right level; a quiet plant keeps to its budget; batches do not matter."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.signals import Raised
from models.welds.batch import ABSENT_WEAR, WeldBatch
from models.welds.bursts import (
    LEVELS,
    MEMORY_WELDS,
    OVER,
    PRIOR_RATE,
    PRIOR_WELDS,
    WELDS_PER_FALSE_ALARM,
    WORSE,
    BurstDetector,
    chart,
)
from models.welds.features import extract
from models.welds.judge import GunEvent
from models.welds.verdicts import CAUSE_CODES, DEFECT, OK, UNJUDGED, Verdicts

S = 10**9
CELLS = {"G1": "C1", "G2": "C1", "G3": "C2"}
LOW, EXPELLED = CAUSE_CODES.index("low_heat"), CAUSE_CODES.index("expulsion")


@dataclass(frozen=True)
class Seen:
    """One judged weld: `spot` is `gun`/number."""

    spot: str
    verdict: int = OK
    cause: int = 0
    late: bool = False
    time_ns: int = 0

    @property
    def gun(self) -> str:
        return self.spot.split("/")[0]


def judged(welds: Sequence[Seen]) -> tuple[WeldBatch, Verdicts]:
    n = len(welds)
    batch = WeldBatch(
        id=[str(k) for k in range(n)],
        spot=[weld.spot for weld in welds],
        gun=[weld.gun for weld in welds],
        body=[""] * n,
        program=["7"] * n,
        time_ns=np.array([weld.time_ns for weld in welds], dtype=np.int64),
        dt_us=np.full(n, 1000),
        wear_count=np.full(n, ABSENT_WEAR),
        historical=np.zeros(n, dtype=np.bool_),
        offsets=np.arange(n + 1),
        current_ka=np.zeros(n, dtype=np.float32),
        voltage_v=np.zeros(n, dtype=np.float32),
        force_kn=np.zeros(n, dtype=np.float32),
        displacement_mm=np.zeros(n, dtype=np.float32),
    )
    verdicts = replace(
        Verdicts.empty(extract(batch)),
        verdict=np.array([weld.verdict for weld in welds], dtype=np.int8),
        cause=np.array([weld.cause for weld in welds], dtype=np.int8),
        late=np.array([weld.late for weld in welds], dtype=np.bool_),
    )
    return batch, verdicts


def run(detector: BurstDetector, welds: Sequence[Seen], size: int = 500) -> list[Raised]:
    """Feed in batches; return the signals with the index of their weld in `welds`."""
    told = []
    for start in range(0, len(welds), size):
        told += [(start + k, signal) for k, signal in detector.add(*judged(welds[start : start + size]))]
    return told


def production(rng: np.random.Generator, bodies: int, rate: float, spots: int = 20) -> list[Seen]:
    """Return welds of three guns, body by body, each bad with probability `rate`."""
    names = [f"{gun}/{k}" for gun in CELLS for k in range(spots)]
    bad = rng.random((bodies, len(names))) < rate
    good, poor = [Seen(name) for name in names], [Seen(name, DEFECT, LOW) for name in names]
    return [(poor if bad[body, k] else good)[k] for body in range(bodies) for k in range(len(names))]


def test_a_risen_gun_is_told_within_a_few_defects_and_once() -> None:
    rng = np.random.default_rng(1)
    detector = BurstDetector(CELLS)
    assert run(detector, production(rng, 300, 0.0005)) == []
    ill = []
    for k in range(400):
        bad = k % 6 == 0
        ill.append(Seen(f"G2/{k % 20}", DEFECT if bad else OK, EXPELLED if k % 12 == 0 else LOW, time_ns=k * S))
        ill += [Seen("G1/3"), Seen("G3/4")]
    told = run(detector, ill)
    assert len(told) == 1
    at, signal = told[0]
    assert (signal.kind, signal.gun, signal.spot, signal.program) == ("defect_burst", "G2", "", "")
    assert signal.details["level"] == "gun"
    assert signal.details["cell"] == "C1"
    assert ill[at].verdict == DEFECT
    assert signal.time_ns == ill[at].time_ns
    assert at < 3 * 25  # fewer than 25 of its own welds
    defects = sum(weld.verdict == DEFECT for weld in ill[: at + 1])
    assert signal.details["defects"] == defects
    assert signal.details["welds"] == at // 3 + 1
    assert signal.text.startswith(f"gun G2: {defects} defects in the last {at // 3 + 1} welds, usually 1 in ")
    assert signal.text.endswith("of them low heat") or signal.text.endswith("of them expulsion")


def test_one_bad_spot_is_told_of_as_a_spot_and_not_counted_at_its_gun() -> None:
    detector = BurstDetector(CELLS)
    run(detector, production(np.random.default_rng(2), 300, 0.0005))
    names = [f"{gun}/{k}" for gun in CELLS for k in range(20)]
    ill = [Seen(name, DEFECT if name == "G1/7" else OK, LOW) for _ in range(150) for name in names]
    signals = [signal for _, signal in run(detector, ill)]
    assert [(s.details["level"], s.spot, s.gun, s.program) for s in signals] == [("spot", "G1/7", "G1", "7")]


def test_a_gun_whose_defects_are_those_of_one_spot_is_told_of_as_that_spot() -> None:
    """The spot always was the poorest of a good gun, so that its own chart is slower than the gun's."""
    detector = BurstDetector(CELLS)

    def bodies(n: int, every: int) -> list[Seen]:
        return [
            Seen(f"G1/{spot}", DEFECT if spot == 7 and body % every == 0 else OK, LOW)
            for body in range(1, n)
            for spot in range(20)
        ]

    assert run(detector, bodies(6000, 150)) == []
    [(at, signal)] = run(detector, bodies(60, 2))
    assert (signal.details["level"], signal.spot, signal.details["defects"]) == ("spot", "G1/7", 3)
    assert at < 6 * 20


MANY_GUNS = range(40)
MANY = {f"G{k}": "C1" for k in MANY_GUNS}


def spread(rng: np.random.Generator, guns: range) -> list[Seen]:
    """Return 2,000 welds of these guns of the one cell, 120 of them bad, evenly."""
    names = [f"G{k}/{j}" for k in guns for j in range(5)]
    bad = set(rng.permutation(2000)[:120].tolist())
    return [Seen(names[k % len(names)], DEFECT if k in bad else OK, LOW) for k in range(2000)]


def quiet_cell() -> BurstDetector:
    detector = BurstDetector(MANY)
    assert run(detector, [Seen(f"G{k}/{j}") for _ in range(100) for k in MANY_GUNS for j in range(5)]) == []
    return detector


def of_the_cell(told: list[Raised]) -> int:
    return sum(signal.details["level"] == "cell" for _, signal in told)


def test_a_whole_cell_is_told_of_as_a_cell_until_a_gun_of_it_has_maintenance() -> None:
    rng = np.random.default_rng(3)
    detector = quiet_cell()
    told = run(detector, spread(rng, MANY_GUNS))
    first = told[0][1]
    assert (first.details["level"], first.gun, first.details["cell"]) == ("cell", "", "C1")
    assert of_the_cell(told) == 1
    assert of_the_cell(run(detector, spread(rng, MANY_GUNS))) == 0
    detector.apply(GunEvent("maintenance", 0, "G9"))
    assert of_the_cell(run(detector, spread(rng, MANY_GUNS))) == 1


def test_what_is_told_of_a_gun_does_not_silence_its_cell() -> None:
    detector = quiet_cell()
    dense = [Seen(f"G0/{k % 5}", DEFECT, LOW) for k in range(4)]
    assert [(s.details["level"], s.gun) for _, s in run(detector, dense)] == [("gun", "G0")]
    assert of_the_cell(run(detector, spread(np.random.default_rng(5), range(1, 40)))) == 1


def test_maintenance_ends_a_burst_so_that_the_next_is_told_again() -> None:
    detector = BurstDetector(CELLS)
    run(detector, production(np.random.default_rng(4), 200, 0.0))
    ill = [Seen(f"G1/{k // 5 % 20}", DEFECT if k % 5 == 0 else OK, LOW) for k in range(60)]
    assert len(run(detector, ill)) == 1
    assert run(detector, ill) == []
    for event in (GunEvent("tip_dress", 0, "G1"), GunEvent("maintenance", 0, "G2"), GunEvent("maintenance", 0)):
        detector.apply(event)
        assert run(detector, ill[:30]) == []
    detector.apply(GunEvent("maintenance", 0, "G1"))
    again = run(detector, ill)
    assert [signal.gun for _, signal in again] == ["G1"]


def test_a_burst_that_becomes_far_worse_is_told_again() -> None:
    detector = BurstDetector(CELLS)
    run(detector, production(np.random.default_rng(4), 200, 0.0))
    mild = [Seen(f"G1/{k % 20}", DEFECT if k % 33 == 0 else OK, LOW) for k in range(330)]
    assert len(run(detector, mild)) == 1
    assert run(detector, mild) == []
    severe = [Seen(f"G1/{k % 20}", DEFECT if k % 3 == 0 else OK, LOW) for k in range(60)]
    [(_, signal)] = run(detector, severe)
    assert (signal.gun, signal.details["level"]) == ("G1", "gun")
    assert run(detector, severe) == []


def test_a_long_row_of_good_welds_ends_a_burst() -> None:
    detector = BurstDetector(CELLS)
    run(detector, production(np.random.default_rng(4), 200, 0.0))
    ill = [Seen(f"G1/{k // 5 % 20}", DEFECT if k % 5 == 0 else OK, LOW) for k in range(60)]
    assert len(run(detector, ill)) == 1
    run(detector, [Seen(f"G1/{k % 20}") for k in range(1200)])
    assert len(run(detector, ill)) == 1


def test_late_and_unjudged_welds_count_nothing() -> None:
    detector, plain = BurstDetector(CELLS), BurstDetector(CELLS)
    welds = [Seen(f"G1/{k % 20}") for k in range(500)]
    noise = [Seen("G1/1", DEFECT, LOW, late=True), Seen("G1/2", UNJUDGED, CAUSE_CODES.index("learning"))]
    assert run(detector, [w for weld in welds for w in (weld, *noise)]) == []
    run(plain, welds)
    same_state(detector, plain)


def test_a_gun_that_no_cell_has_is_watched_all_the_same() -> None:
    detector = BurstDetector({})
    ill = [Seen(f"G1/{k % 20}", DEFECT if k % 4 == 0 else OK, LOW) for k in range(200)]
    assert [signal.gun for _, signal in run(detector, ill)] == ["G1"]


def test_a_rate_that_stays_becomes_the_usual_one() -> None:
    """An ordinary rate of one in fifty is told of at first and then taken for what it is."""
    rng = np.random.default_rng(6)
    welds = production(rng, 4000, 0.02)
    told = [at for at, _ in run(BurstDetector(CELLS), welds)]
    assert told
    assert len(told) <= 10
    assert max(told) < len(welds) // 2


@pytest.mark.parametrize("rate", [0.0005, 0.003])
def test_a_quiet_plant_keeps_to_its_budget(rate: float) -> None:
    """After the long run is known: 3 guns of 20 spots, whose rate is constant. Poisson, 99 %."""
    rng = np.random.default_rng(8)
    detector = BurstDetector(CELLS)
    run(detector, production(rng, 3000, rate), size=20_000)
    welds = 0
    false = 0
    for _ in range(10):
        part = production(rng, 3000, rate)
        false += len(run(detector, part, size=20_000))
        welds += len(part)
    expected = welds / WELDS_PER_FALSE_ALARM
    assert welds == 1_800_000
    assert false <= expected + 2.6 * np.sqrt(expected) + 1


def same_state(one: BurstDetector, other: BurstDetector) -> None:
    a, b = one.snapshot(), other.snapshot()
    assert a.keys() == b.keys()
    for name in a:
        assert a[name].dtype == b[name].dtype, name
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def patchy(seed: int) -> list[Seen]:
    """Return welds with quiet and bad stretches, late and unjudged ones among them."""
    rng = np.random.default_rng(seed)
    welds = []
    for stretch in range(12):
        bad = (0.001, 0.3, 0.05)[int(rng.integers(3))]
        ill = f"G{rng.integers(1, 4)}"
        for _ in range(150):
            gun = f"G{rng.integers(1, 4)}"
            hit = rng.random() < (bad if gun == ill else 0.002)
            verdict = DEFECT if hit else (UNJUDGED if rng.random() < 0.05 else OK)
            cause = int(rng.choice([LOW, EXPELLED])) if hit else 0
            welds.append(Seen(f"{gun}/{rng.integers(4)}", verdict, cause, bool(rng.random() < 0.03), stretch * S))
    return welds


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 5), st.lists(st.integers(0, 1800), max_size=12), st.integers(0, 1800))
def test_any_split_and_a_restart_give_the_same_signals_and_state(seed: int, cuts: list[int], event_at: int) -> None:
    welds = patchy(seed)
    event = GunEvent("maintenance", 0, "G2")
    whole, split = BurstDetector(CELLS), BurstDetector(CELLS)
    expected = run(whole, welds[:event_at], 9999)
    whole.apply(event)
    expected += [(event_at + k, signal) for k, signal in run(whole, welds[event_at:], 9999)]
    edges = sorted({0, event_at, len(welds), *cuts})
    told: list[Raised] = []
    for start, stop in itertools.pairwise(edges):
        if start == event_at:
            split.apply(event)
        told += [(start + k, signal) for k, signal in split.add(*judged(welds[start:stop]))]
        fresh = BurstDetector(CELLS)
        fresh.restore(split.snapshot())
        split = fresh
    if event_at == len(welds):
        split.apply(event)
    assert told == expected
    same_state(whole, split)


@dataclass
class Naive:
    """One chart, weld by weld, as the definition says it."""

    score: int = 0
    welds: int = 0
    defects: int = 0
    good_in_a_row: int = 0
    raised: bool = False
    told: float = 0.0
    usual: float = PRIOR_RATE
    known: list[int] = field(default_factory=lambda: [0, 0])

    def learn(self, welds: int, defects: int) -> None:
        self.known = [self.known[0] + welds, self.known[1] + defects]
        if self.known[0] > MEMORY_WELDS:
            self.known = [count // 2 for count in self.known]
        self.welds = self.defects = 0

    def weld(self, bad: bool, prior: float) -> tuple[int, int] | None:
        """Take one weld; return (defects, welds) when it makes a burst certain."""
        if not bad:
            self.good_in_a_row += 1
            self.score = max(0, self.score - 1)
            self.welds += 1
            return None
        if self.good_in_a_row >= OVER * chart(self.usual)[0]:
            self.raised = False
        self.good_in_a_row = 0
        if self.score == 0:
            self.learn(self.welds, self.defects)
            self.usual = (self.known[1] + prior * PRIOR_WELDS) / (self.known[0] + PRIOR_WELDS)
        m, limit = chart(self.usual)
        self.score += m - 1
        self.welds += 1
        self.defects += 1
        if self.score < limit:
            return None
        m2, limit2 = chart(prior)
        if prior > self.usual and self.defects * (m2 - 1) - (self.welds - self.defects) < limit2:
            self.learn(self.welds, self.defects)
            self.score = 0
            return None
        found = (self.defects, self.welds)
        silent = self.raised and found[0] / found[1] < WORSE * self.told
        self.learn(self.welds, min(self.defects, 1 + self.welds // m))
        self.score, self.raised = 0, True
        if silent:
            return None
        self.told = found[0] / found[1]
        return found


@pytest.mark.parametrize("seed", range(4))
def test_the_chart_of_a_gun_is_that_of_a_plain_loop(seed: int) -> None:
    """Every defect is at a spot of its own, and the gun is in no cell: what is told is the gun's."""
    rng = np.random.default_rng(seed)
    bad = np.concatenate([rng.random(4000) < rate for rate in (0.001, 0.05, 0.0, 0.2, 0.001, 0.02)]).tolist()
    gun, nowhere = Naive(), Naive()
    expected = []
    for k, hit in enumerate(bad):
        was_raised = gun.raised and gun.good_in_a_row < OVER * chart(gun.usual)[0]
        prior = nowhere
        # What a raised gun does is not counted wider; a defect settles the wider level first, whose rate is the prior.
        settled = Naive(**vars(nowhere) | {"known": list(nowhere.known)})
        settled.weld(bad=hit, prior=PRIOR_RATE)
        found = gun.weld(bad=hit, prior=settled.usual if hit else prior.usual)
        if hit and was_raised:
            nowhere.weld(bad=False, prior=PRIOR_RATE)
        else:
            nowhere.weld(bad=hit, prior=PRIOR_RATE)
        if found is not None:
            expected.append((k, found))
    assert len(expected) >= 2
    welds = [Seen(f"G1/{k}" if hit else "G1/good", DEFECT if hit else OK, LOW) for k, hit in enumerate(bad)]
    told = run(BurstDetector({}), welds, 777)
    assert [(k, (s.details["defects"], s.details["welds"])) for k, s in told] == expected
    assert {s.details["level"] for _, s in told} == {"gun"}


def test_the_levels_go_from_narrow_to_wide() -> None:
    assert LEVELS == ("spot", "gun", "cell")
