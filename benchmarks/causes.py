"""`python -m benchmarks.causes`: what the judge finds of each fault, how weak it may be, and what it calls it.

For each seed a plant without faults makes normal production, from which the judge learns and on which false alarms are
counted; events are applied as in the plant. Then one body is welded anew for every fault and severity, and judged by a
copy of the judge as it stands, so that nothing that the sweep does is learnt. The judge sees what controllers send and
nothing else. `--write` puts the tables into `docs/reference/causes.md`.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.causes_report import BEGIN, END, tables
from edge.simulator.faults import CODE, FAULTS, SENSOR_FAULTS, Faults
from edge.simulator.settings import FaultRates, SimulatorSettings, Spells
from edge.simulator.severity import NO_DEGREE, level_of
from edge.simulator.shop import Made, Shop
from models.welds.judge import GunEvent, JudgeSettings, WeldJudge
from models.welds.rules import SCORED
from models.welds.verdicts import CAUSE_CODES, OK, UNJUDGED, Verdicts

DEVELOPMENT_SEEDS, FINAL_SEEDS = (1, 2, 3, 4, 5), (101, 102, 103)
SEVERITIES = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0)
START_NS = 1_790_000_000 * 10**9
MIN_NS = 60 * 10**9
LEARN_BODIES, WATCH_BODIES, STEP_BODIES = 150, 250, 10
DOC = Path(__file__).parents[1] / "docs" / "reference" / "causes.md"


@dataclass
class Tally:
    """Counts over all seeds."""

    good: int = 0
    """Undisturbed welds with nothing wrong that were judged."""
    false_alarms: Counter[str] = field(default_factory=Counter)
    """By the cause that was named."""
    swept: Counter[tuple[str, float]] = field(default_factory=Counter)
    """Welds by fault and severity ..."""
    found: Counter[tuple[str, float]] = field(default_factory=Counter)
    """... and those that were found: a defect, or with a sensor fault anything but ok."""
    level: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Welds by true cause and level ..."""
    level_found: Counter[tuple[str, str]] = field(default_factory=Counter)
    told: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Welds by true cause, level and what they were called."""
    sure: Counter[int] = field(default_factory=Counter)
    """Defects by tenths of the largest cause score ..."""
    sure_right: Counter[int] = field(default_factory=Counter)
    """... and those of which it was the true cause."""


def plant(seed: int) -> SimulatorSettings:
    """Return a plant of 360 spots in which nothing goes wrong but what physics does by itself."""
    quiet = FaultRates(**dict.fromkeys(FaultRates.__struct_fields__, 0.0))
    steady = Spells(per_gun_and_day=0.0, mains_dips_per_day=0.0)
    return SimulatorSettings(seed=seed, cells=6, guns=12, spots=360, unlisted_spots=0, faults=quiet, spells=steady)


def produce(shop: Shop, judge: WeldJudge, start_ns: int, bodies: int) -> Iterator[tuple[Made, Verdicts]]:
    """Let the plant work and the judge look, and yield what both say, some bodies at a time."""
    step_ns = STEP_BODIES * MIN_NS
    for begin in range(start_ns, start_ns + bodies * MIN_NS, step_ns):
        for event in shop.events(begin, begin + step_ns):
            judge.apply(GunEvent(event.kind, event.time_ns, shop.layout.gun[event.gun]))
        made = shop.welds(begin, begin + step_ns)
        yield made, judge.judge(made.batch)


def run(seed: int, tally: Tally) -> None:
    """Add one plant to the tally."""
    shop, judge = Shop(plant(seed)), WeldJudge(JudgeSettings())
    for _ in produce(shop, judge, START_NS, LEARN_BODIES):
        pass
    watch_ns = START_NS + LEARN_BODIES * MIN_NS
    for made, verdicts in produce(shop, judge, watch_ns, WATCH_BODIES):
        wrong = {index for index, _ in made.truth}
        sound = np.array([k not in wrong for k in range(len(made.batch))]) & (verdicts.verdict != UNJUDGED)
        tally.good += int(sound.sum())
        tally.false_alarms.update(CAUSE_CODES[code] for code in verdicts.cause[sound & (verdicts.verdict != OK)])
    now_ns = watch_ns + WATCH_BODIES * MIN_NS
    slots = shop.schedule.welds(now_ns, now_ns + MIN_NS)
    state = judge.snapshot()
    for fault in FAULTS[1:]:
        for severity in SEVERITIES if fault not in NO_DEGREE else (1.0,):
            n = len(slots)
            given = Faults(np.full(n, CODE[fault], dtype=np.int8), np.full(n, severity, dtype=np.float32))
            made = shop.weld(slots, given)
            again = WeldJudge(JudgeSettings())
            again.restore(state)
            count(fault, severity, made, again.judge(made.batch), tally)


def count(fault: str, severity: float, made: Made, verdicts: Verdicts, tally: Tally) -> None:
    """Add the welds of one fault and severity. Welds that new caps keep from being judged do not count."""
    sensor = fault in SENSOR_FAULTS
    level = level_of(fault, severity)
    for k, truth in made.truth:
        told = CAUSE_CODES[verdicts.cause[k]]
        if told in {"conditioning", "learning"}:
            continue
        found = verdicts.verdict[k] != OK if sensor else verdicts.verdict[k] not in {OK, UNJUDGED}
        # A record that ends early is too short and lacks samples: both words are right.
        told = truth.cause if truth.cause == "gap" and told == "too_short" else told
        tally.swept[fault, severity] += 1
        tally.found[fault, severity] += int(found)
        tally.level[truth.cause, level] += 1
        tally.level_found[truth.cause, level] += int(found)
        tally.told[truth.cause, level, told] += 1
        if told and not np.isnan(verdicts.cause_scores[k, 0]) and not sensor:
            best = _best(verdicts.cause_scores[k])
            tally.sure[best[1]] += 1
            tally.sure_right[best[1]] += int(best[0] == truth.cause)


def _best(scores: NDArray[np.float32]) -> tuple[str, int]:
    """Return the likeliest cause and the tenth that its score, given that it is a defect, lies in."""
    given = scores[1:] / scores[1:].sum()
    at = int(np.argmax(given))
    return SCORED[1 + at], min(int(given[at] * 10), 9)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=list(DEVELOPMENT_SEEDS), help="default: %(default)s")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/reference/causes.md")
    options = parser.parse_args()
    tally = Tally()
    for seed in options.seeds:
        run(seed, tally)
    text = tables(tally, options.seeds)
    print(text)
    if options.write:
        head, _, rest = DOC.read_text(encoding="utf-8").partition(BEGIN)
        DOC.write_text(f"{head}{BEGIN}\n{text}{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
