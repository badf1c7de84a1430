from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import binom
from scipy.stats import t as student

from models.changes import scan
from models.changes.causes import Happening, Happenings
from models.changes.search import mean_changes, rate_changes
from models.changes.units import Change, Unit

MIN = 60 * 10**9
STEP = 5 * MIN
START = 1_790_000_000 * 10**9
BUCKETS = 96
PER_BUCKET = 5
GUNS, SPOTS = 12, 20
UNITS = [
    Unit(cell=f"C{gun // 3}", gun=f"G{gun}", spot=f"G{gun}-{spot}", program=f"P{(gun + spot) % 4}")
    for gun in range(GUNS)
    for spot in range(SPOTS)
]
EDGES = START + np.arange(BUCKETS + 1, dtype=np.int64) * STEP
TRIALS = np.full((len(UNITS), BUCKETS), float(PER_BUCKET))


def of(**what: str) -> np.ndarray:
    """Return which units are so."""
    return np.array([all(getattr(unit, name) == value for name, value in what.items()) for unit in UNITS])


def counts(rng: np.random.Generator, rate: np.ndarray) -> np.ndarray:
    return rng.binomial(PER_BUCKET, np.broadcast_to(rate, TRIALS.shape)).astype(float)


def naive_rate_ratio(d: np.ndarray, n: np.ndarray, split: int) -> float:
    """Return the log likelihood ratio of one split by the textbook."""

    def best(a: float, b: float) -> float:
        return float(binom.logpmf(a, b, a / b))

    parts = [(x[: split + 1].sum(), x[split + 1 :].sum(), x.sum()) for x in (d, n)]
    (d1, d2, d0), (n1, n2, n0) = parts
    # The binomial coefficients differ between one and two samples: likelihoods are of the order of the trials.
    log = lambda a, b: (a * np.log(a / b) if a else 0.0) + ((b - a) * np.log(1 - a / b) if a < b else 0.0)  # noqa: E731
    assert best(d1, n1) <= 0
    return float(log(d1, n1) + log(d2, n2) - log(d0, n0))


def test_the_rate_scan_equals_the_textbook_at_every_split() -> None:
    rng = np.random.default_rng(1)
    n = rng.integers(1, 9, (3, 12)).astype(float)
    d = np.minimum(rng.integers(0, 3, n.shape), n)
    ratio = scan.rate_ratio(d, n)
    for row in range(3):
        for split in range(11):
            assert ratio[row, split] == pytest.approx(naive_rate_ratio(d[row], n[row], split), abs=1e-9)


def test_the_mean_scan_is_half_the_squared_t_of_two_means() -> None:
    rng = np.random.default_rng(2)
    x, sigma = rng.normal(size=(1, 12)), 1.7
    ratio = scan.mean_ratio(x, np.ones_like(x), np.array([sigma]))
    for split in range(11):
        a, b = x[0, : split + 1], x[0, split + 1 :]
        t = (a.mean() - b.mean()) / (sigma * np.sqrt(1 / len(a) + 1 / len(b)))
        assert ratio[0, split] == pytest.approx(t * t / 2)


@pytest.mark.parametrize("freedom", [5.0, 27.0, 64.0, 1e6])
def test_an_uncertain_sigma_asks_for_more(freedom: float) -> None:
    plain, uncertain = scan.penalty(300, 40), scan.penalty(300, 40, freedom)
    assert uncertain > plain
    t = np.sqrt(2 * uncertain)
    assert student.logpdf(0, freedom) - student.logpdf(t, freedom) == pytest.approx(plain, rel=1e-6)


def test_sigma_is_told_by_steps_whatever_the_level_does() -> None:
    rng = np.random.default_rng(3)
    n = rng.integers(1, 9, (200, 60)).astype(float)
    mean = 5 * rng.normal(size=n.shape) / np.sqrt(n)
    mean[:, 20:] += 40
    mean[:, 50:] -= 70
    sigma = scan.step_sigma(mean * n, n)
    assert sigma.mean() == pytest.approx(5, rel=0.05)
    assert sigma.std() / 5 == pytest.approx(np.sqrt(1 / (2 * 40)), rel=0.25)  # that of 2/3 of 60 degrees of freedom


def test_quiet_features_have_no_finding_but_for_the_odd_one() -> None:
    found = 0
    for seed in range(40):
        means = means_of(np.random.default_rng(seed), np.zeros(TRIALS.shape))[:, :40]
        found += bool(mean_changes(UNITS, EDGES[:41], means, TRIALS[:, :40], "energy_j"))
    assert found <= 5


def test_newcombes_interval_of_his_example() -> None:
    # Newcombe (1998), table II (a): 56/70 against 48/80, method 10: 0.0524 to 0.3339.
    low, high = scan.rate_difference(48, 80, 56, 70)
    assert (low, high) == (pytest.approx(0.0524, abs=5e-5), pytest.approx(0.3339, abs=5e-5))


def test_a_quiet_plant_has_no_finding_but_for_the_odd_one() -> None:
    found = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        found += bool(rate_changes(UNITS, EDGES, counts(rng, np.array(0.003)), TRIALS))
    assert found <= 5  # 5 % of 40 is 2; six or more has a chance of 1 %


@pytest.mark.parametrize(
    ("level", "name", "inside"),
    [
        ("gun", "G4", of(gun="G4")),
        ("spot", "G7-3", of(spot="G7-3")),
        ("cell", "C2", of(cell="C2")),
        ("program", "P1", of(program="P1")),
        ("plant", "", of()),
    ],
)
def test_a_change_is_given_to_the_group_that_explains_it(level: str, name: str, inside: np.ndarray) -> None:
    rate = np.full(TRIALS.shape, 0.002)
    cut = 60
    rate[inside, cut:] = 0.3 if level == "spot" else 0.05
    defects = counts(np.random.default_rng(7), rate)
    first, *others = rate_changes(UNITS, EDGES, defects, TRIALS)
    assert (first.kind, first.level, first.name) == ("defect_rate", level, name)
    assert not others
    assert first.earliest_ns <= EDGES[cut] <= first.latest_ns
    assert abs(first.time_ns - EDGES[cut]) <= 2 * STEP
    true = rate[inside, cut:].mean() - 0.002
    assert first.low <= true <= first.high
    assert first.share is not None
    assert first.share > 0.9
    assert {unit.spot for unit in first.members} <= {u.spot for u, here in zip(UNITS, inside, strict=True) if here}
    assert first.members


def test_two_guns_are_two_findings_with_their_shares() -> None:
    rate = np.full(TRIALS.shape, 0.001)
    rate[of(gun="G1"), 40:] = 0.06
    rate[of(gun="G9"), 70:] = 0.04
    found = rate_changes(UNITS, EDGES, counts(np.random.default_rng(3), rate), TRIALS)
    assert [(change.level, change.name) for change in found] == [("gun", "G1"), ("gun", "G9")]
    # From bucket 40 on G1 makes 56 x 0.059 of the additional defects and G9 26 x 0.039: three quarters are G1's.
    assert found[0].share == pytest.approx(0.77, abs=0.06)


def test_a_spell_that_ends_is_two_changes_of_one_gun() -> None:
    rate = np.full(TRIALS.shape, 0.001)
    rate[of(gun="G1"), 30:60] = 0.06
    found = rate_changes(UNITS, EDGES, counts(np.random.default_rng(4), rate), TRIALS)
    assert {(change.level, change.name) for change in found} == {("gun", "G1")}
    begin, end = sorted(found, key=lambda change: change.time_ns)
    assert begin.after > begin.before
    assert end.after < end.before
    assert end.after < 0.01
    assert abs(begin.time_ns - EDGES[30]) <= 2 * STEP
    assert abs(end.time_ns - EDGES[60]) <= 2 * STEP


def test_the_interval_of_the_moment_covers_it_nineteen_times_in_twenty() -> None:
    cut, covered, runs = 50, 0, 120
    rate = np.full((1, BUCKETS), 0.01)
    rate[:, cut:] = 0.05
    trials = np.full((1, BUCKETS), 60.0)
    for seed in range(runs):
        defects = np.random.default_rng(seed).binomial(60, rate).astype(float)
        first, last = scan.interval(scan.rate_ratio(defects, trials)[0])
        covered += first <= cut - 1 <= last
    assert covered >= 108  # of 114 expected; fewer than 108 has a chance under 1 %


def means_of(rng: np.random.Generator, shift: np.ndarray) -> np.ndarray:
    """Return bucket means of a feature whose welds have sigma 4 about 150, shifted by so many sigmas."""
    noise = rng.normal(size=TRIALS.shape) / np.sqrt(PER_BUCKET)
    return 150 + 4 * (shift + noise)


def test_a_features_step_is_given_to_its_gun_with_its_size() -> None:
    shift = np.zeros(TRIALS.shape)
    shift[of(gun="G5"), 33:] = 1.2
    [change] = mean_changes(UNITS, EDGES, means_of(np.random.default_rng(5), shift), TRIALS, "r_beta_uohm")
    assert (change.kind, change.level, change.name, change.feature) == ("feature", "gun", "G5", "r_beta_uohm")
    assert change.time_ns == EDGES[33]
    assert change.after - change.before == pytest.approx(1.2, abs=0.15)
    assert change.low <= 1.2 * 1.05
    assert len(change.members) >= 15


def test_what_moves_less_than_half_a_sigma_is_no_finding_and_hides_nothing() -> None:
    shift = np.zeros(TRIALS.shape)
    shift[of(program="P2"), 20:] = 0.3
    shift[of(spot="G3-7"), 50:] = 2.0
    found = mean_changes(UNITS, EDGES, means_of(np.random.default_rng(6), shift), TRIALS, "energy_j")
    assert [(change.level, change.name) for change in found] == [("spot", "G3-7")]


def test_dead_sensors_and_gaps_are_no_change() -> None:
    rng = np.random.default_rng(8)
    means = means_of(rng, np.zeros(TRIALS.shape))
    means[5:9, 11] = 0.0
    means[:, 40:44] = np.nan  # a break
    means[3] = np.nan  # a stream without the channel
    means[4] = 150.0  # and one that never varies
    assert mean_changes(UNITS, EDGES, means, TRIALS, "energy_j") == []


def test_nothing_comes_of_nothing() -> None:
    none = np.zeros((0, BUCKETS))
    assert rate_changes([], EDGES, none, none) == []
    assert mean_changes([], EDGES, none, none, "energy_j") == []
    one = np.ones((len(UNITS), 1))
    assert rate_changes(UNITS, EDGES[:2], one, one) == []


def change(**more: Any) -> Change:
    at = START + 8 * 60 * MIN
    fields: dict[str, Any] = {
        "kind": "defect_rate", "level": "gun", "name": "G4", "feature": "", "time_ns": at, "earliest_ns": at - 5 * MIN,
        "latest_ns": at + 5 * MIN, "before": 0.0, "after": 0.1, "low": 0.05, "high": 0.15, "share": 1.0,
        "evidence": 9.0, "members": (),
    }  # fmt: skip
    return Change(**{**fields, **more})


def happening(kind: str, minutes_before: float, **more: str) -> Happening:
    at = START + 8 * 60 * MIN - int(minutes_before * MIN)
    fields = {"cell": "C1", "gun": "", "spot": "", "program": "", "note": "", **more}
    return Happening(id=f"{kind}-{minutes_before}", kind=kind, time_ns=at, **fields)


WINDOW = START, START + 12 * 60 * MIN
GUN_UNITS = [unit for unit in UNITS if unit.gun == "G4"]


def test_the_event_that_is_least_likely_by_chance_comes_first() -> None:
    dresses = [happening("tip_dress", 3 * k + 1, gun="G4") for k in range(-60, 120)]
    cap = happening("cap_change", 9, gun="G4")
    [cause] = Happenings([*dresses, cap], WINDOW).causes(change(), GUN_UNITS)
    assert cause.happening == cap
    assert cause.lead_ns == 9 * MIN
    assert cause.chance == pytest.approx(1 - np.exp(-14 / 720))


@pytest.mark.parametrize(
    ("event", "matches"),
    [
        (happening("cap_change", 3, gun="G4"), True),
        (happening("cap_change", 3, gun="G5"), False),
        (happening("cap_change", 3, gun="G4", program="P1"), False),  # both must be the unit's
        (happening("cap_change", -20, gun="G4"), False),  # after the change
        (happening("cap_change", 90, gun="G4"), False),  # long before it
        (happening("program_change", 3, program="P1"), False),  # a quarter of the gun's spots
        (happening("maintenance", 3), True),  # of its cell
        (happening("maintenance", 3, cell="C3"), False),
        (happening("sheet_change", 3, cell="C3"), True),
        (happening("inspection", 3), False),
        (happening("drift", 3, gun="G4"), False),  # our own finding is a symptom
    ],
)
def test_which_events_can_have_caused_the_change_of_a_gun(event: Happening, matches: bool) -> None:
    assert bool(Happenings([event], WINDOW).causes(change(), GUN_UNITS)) is matches


def test_the_members_that_changed_count_where_they_are_known() -> None:
    members = tuple(unit for unit in GUN_UNITS if unit.program == "P1")
    event = happening("program_change", 3, program="P1")
    assert Happenings([event], WINDOW).causes(change(members=members), GUN_UNITS)
