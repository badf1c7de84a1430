"""What monitoring is worth: the same plants and the same luck, with and without acting on alarms, over many seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from services.study_plant_run import SeedResult, SpellStory, StudyOptions, Tally, run_seed
from services.study_plants import StudyPlant

FIRST_SEED = 1001
"""Seeds of the study: none of those that anything was developed with."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over seeds with its 95 % interval (Student's t over the seeds)."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """One plant over all seeds. Rates are shares of 1."""

    plant: str
    seeds: int
    hours: float
    welds: int
    """Of one run, all seeds."""
    true_plain: Interval
    """Share of welds that are truly good, without acting on alarms ..."""
    true_monitored: Interval
    """... and with."""
    true_gain: Interval
    """Difference, paired by seed."""
    judged_plain: Interval
    """Qualification rate by the judge's verdicts, likewise."""
    judged_monitored: Interval
    judged_gain: Interval
    bad_plain: int
    bad_monitored: int
    avoided: Interval
    """Truly bad welds avoided, share of those without monitoring: total over seeds, interval by bootstrap of seeds."""
    visits: int
    """Maintenance after a burst of defects."""
    false_visits: int
    """... where nothing was wrong."""
    misdirected: int
    """... where something was, but what was done did not cure it."""
    false_per_day: float
    """False visits of the whole plant."""
    dresses: int
    """Tip dresses after a warning of wear or of a dress that did not work."""
    false_dresses: int
    """... where the tips were no worse than the timetable reckons with."""
    inspections_plain: int
    """Guns that inspections sent to maintenance, without alarms ..."""
    inspections_monitored: int
    """... and with."""
    spells: int
    """Bad spells that began while it counted."""
    alarmed: int
    """... with an alarm before they ended."""
    onset_to_alarm_min: tuple[float, float, float] | None
    """Lower quartile, median and upper quartile of the alarmed; None without."""
    spell_plain_min: float | None
    """How long a spell lasted, mean, without ..."""
    spell_monitored_min: float | None
    """... and with acting on alarms."""


def study(
    plants: Sequence[StudyPlant], seeds: int, options: StudyOptions, progress: Callable[[str, float], None]
) -> list[Comparison]:
    """Run every plant on `seeds` seeds in sequence; `progress` gets the plant's name and the seeds done of it."""
    found = []
    for plant in plants:
        results = []
        for k in range(seeds):

            def tell(share: float, name: str = plant.name, done: int = k) -> None:
                progress(name, done + share)

            results.append(run_seed(plant.settings(FIRST_SEED + k), options, tell))
        found.append(compare(plant.name, results, options))
    return found


def compare(name: str, results: Sequence[SeedResult], options: StudyOptions) -> Comparison:
    """Summarise the seeds of one plant."""
    plain, monitored = [result.plain for result in results], [result.monitored for result in results]
    bursts = [alarm for result in results for alarm in result.alarms if alarm.kind == "defect_burst"]
    dresses = [alarm for result in results for alarm in result.alarms if alarm.kind != "defect_burst"]
    spells = [spell for result in results for spell in result.spells]
    false = sum(not alarm.real for alarm in bursts)
    return Comparison(
        plant=name,
        seeds=len(results),
        hours=options.hours,
        welds=sum(tally.welds for tally in plain),
        true_plain=_mean_rate(plain, _true_rate),
        true_monitored=_mean_rate(monitored, _true_rate),
        true_gain=_gain(plain, monitored, _true_rate),
        judged_plain=_mean_rate(plain, _judged_rate),
        judged_monitored=_mean_rate(monitored, _judged_rate),
        judged_gain=_gain(plain, monitored, _judged_rate),
        bad_plain=sum(tally.bad for tally in plain),
        bad_monitored=sum(tally.bad for tally in monitored),
        avoided=avoided_interval([tally.bad for tally in plain], [tally.bad for tally in monitored]),
        visits=len(bursts),
        false_visits=false,
        misdirected=sum(alarm.real and not alarm.apt for alarm in bursts),
        false_per_day=false / (len(results) * options.hours) * 24,
        dresses=len(dresses),
        false_dresses=sum(not alarm.apt for alarm in dresses),
        inspections_plain=sum(tally.inspections_found for tally in plain),
        inspections_monitored=sum(tally.inspections_found for tally in monitored),
        spells=len(spells),
        alarmed=sum(spell.alarm_ns is not None for spell in spells),
        onset_to_alarm_min=_quartiles(spells),
        spell_plain_min=_mean([(spell.plain_end_ns - spell.start_ns) / 60e9 for spell in spells]),
        spell_monitored_min=_mean([(spell.end_ns - spell.start_ns) / 60e9 for spell in spells]),
    )


def mean_interval(values: Sequence[float]) -> Interval:
    """Return the mean of at least two values and its 95 % interval by Student's t."""
    mean = float(np.mean(values))
    half = float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values)))
    return Interval(mean, mean - half, mean + half)


def avoided_interval(without: Sequence[int], having: Sequence[int], draws: int = 4000) -> Interval:
    """Return the share of bad welds avoided over all seeds, with the 95 % bootstrap interval over seeds.

    A ratio of totals has no Student's t; seeds are drawn again with replacement (percentile bootstrap, B. Efron 1979).
    NaN where there was nothing to avoid.
    """
    a, b = np.asarray(without, dtype=np.float64), np.asarray(having, dtype=np.float64)
    if not a.sum():
        return Interval(math.nan, math.nan, math.nan)
    picks = np.random.default_rng(len(a)).integers(0, len(a), (draws, len(a)))
    total, left = a[picks].sum(axis=1), b[picks].sum(axis=1)
    drawn = 1 - left[total > 0] / total[total > 0]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Interval(1 - float(b.sum() / a.sum()), float(low), float(high))


def _mean_rate(tallies: Sequence[Tally], rate: Callable[[Tally], float]) -> Interval:
    found = mean_interval([rate(tally) for tally in tallies])
    return Interval(found.mean, max(found.low, 0.0), min(found.high, 1.0))


def _gain(plain: Sequence[Tally], monitored: Sequence[Tally], rate: Callable[[Tally], float]) -> Interval:
    return mean_interval([rate(b) - rate(a) for a, b in zip(plain, monitored, strict=True)])


def _true_rate(tally: Tally) -> float:
    return 1 - tally.bad / tally.welds


def _judged_rate(tally: Tally) -> float:
    return tally.ok / max(tally.ok + tally.defect, 1)


def _quartiles(spells: Sequence[SpellStory]) -> tuple[float, float, float] | None:
    minutes = [(spell.alarm_ns - spell.start_ns) / 60e9 for spell in spells if spell.alarm_ns is not None]
    if not minutes:
        return None
    low, median, high = np.quantile(minutes, (0.25, 0.5, 0.75)).tolist()
    return low, median, high


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
