"""References on the simulated plant: new spots, and what is done to guns, raise no burst of false alarms."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from edge.simulator.settings import Electrodes, FaultRates, SimulatorSettings, Spells
from edge.simulator.shop import Shop
from models.welds.batch import WeldBatch
from models.welds.judge import GunEvent, JudgeSettings, WeldJudge
from models.welds.verdicts import DEFECT, UNJUDGED

T0 = 1_790_000_000 * 10**9
MINUTE = 60 * 10**9
QUIET = dict.fromkeys(FaultRates.__struct_fields__, 0.0)


def small_plant(seed: int, **electrodes: int) -> Shop:
    """Return a plant of 120 spots and 6 guns where nothing goes wrong, except by chance."""
    return Shop(
        SimulatorSettings(
            seed=seed, lines=1, cells=2, guns=6, spots=120, unlisted_spots=0, agvs=0, faults=FaultRates(**QUIET),
            spells=Spells(per_gun_and_day=0, mains_dips_per_day=0), electrodes=Electrodes(**electrodes),
        )
    )  # fmt: skip


def runs(shop: Shop, minutes: int) -> Iterator[tuple[WeldBatch, np.ndarray, list[GunEvent]]]:
    """Yield runs of welds, which of them are good, and what is done to guns after each run."""
    for start in range(0, minutes, 10):
        window = T0 + start * MINUTE, T0 + (start + 10) * MINUTE
        made = shop.welds(*window)
        good = np.ones(len(made.batch), dtype=np.bool_)
        good[[k for k, _ in made.truth]] = False
        events = shop.events(*window)
        edges = np.searchsorted(made.batch.time_ns, [event.time_ns for event in events]).tolist()
        begin = 0
        for end, event in zip([*edges, len(good)], [*events, None], strict=True):
            told = [] if event is None else [GunEvent(event.kind, event.time_ns, gun=shop.layout.gun[event.gun])]
            yield made.batch.take(begin, end), good[begin:end], told
            begin = end


@dataclass
class Rates:
    """False alarms among good welds that were judged, by some key."""

    judged: Counter[str] = field(default_factory=Counter)
    alarms: Counter[str] = field(default_factory=Counter)

    def add(self, key: str, verdict: int) -> None:
        self.judged[key] += verdict != UNJUDGED
        self.alarms[key] += verdict == DEFECT

    def per_1000(self, key: str) -> float:
        return 1000 * self.alarms[key] / self.judged[key]


def test_spots_that_are_new_are_judged_at_once_and_raise_no_more_alarms_than_later() -> None:
    shop = small_plant(11)
    judge, rates = WeldJudge(JudgeSettings()), Rates()
    late = set(shop.layout.spot[::3])
    age: Counter[str] = Counter()
    for made, fine, events in runs(shop, 150):
        old = np.array([spot not in late for spot in made.spot], dtype=np.bool_)
        come = old | (made.time_ns >= T0 + 60 * MINUTE)
        welds, good = made.select(come), fine[come]
        verdicts = judge.judge(welds)
        for spot, verdict, is_good in zip(welds.spot, verdicts.verdict.tolist(), good.tolist(), strict=True):
            age[spot] += 1
            if spot in late and is_good:
                rates.add("new" if age[spot] <= 20 else "settled", verdict)
        for event in events:
            judge.apply(event)
    first_welds = sum(min(n, 20) for spot, n in age.items() if spot in late)
    assert rates.judged["new"] > 0.6 * first_welds  # a quarter is of programmes of too few spots, some had new caps
    assert rates.alarms["new"] <= 1 + rates.per_1000("settled") / 1000 * rates.judged["new"]


def test_caps_dresses_and_programme_changes_cause_no_burst() -> None:
    shop = small_plant(12, dress_welds=80, dresses_per_cap=6)
    judge, rates = WeldJudge(JudgeSettings()), Rates()
    since: defaultdict[str, tuple[str, int]] = defaultdict(lambda: ("quiet", 0))
    done: Counter[str] = Counter()
    changed = 0
    for k, (welds, good, events) in enumerate(runs(shop, 240)):
        verdicts = judge.judge(welds)
        for gun, verdict, is_good in zip(welds.gun, verdicts.verdict.tolist(), good.tolist(), strict=True):
            kind, n = since[gun]
            since[gun] = (kind, n + 1) if n < 50 else ("quiet", 50)
            if is_good:
                rates.add(since[gun][0], verdict)
        for event in events:
            judge.apply(event)
            since[event.gun] = (event.kind, 0)
            done[event.kind] += 1
        if k % 60 == 59 and len(welds):
            program = welds.program[0]
            changed += judge.apply(GunEvent("program_change", int(welds.time_ns[-1]), program=program)) > 0
            since.update(dict.fromkeys(welds.gun, ("program_change", 0)))
    assert done["tip_dress"] > 100
    assert done["cap_change"] > 15
    assert changed > 1
    for kind in ("tip_dress", "cap_change", "program_change"):
        assert rates.judged[kind] > 100, kind
        expected = rates.per_1000("quiet") / 1000 * rates.judged[kind]
        assert rates.alarms[kind] <= 2 + 2 * expected, (kind, rates)
