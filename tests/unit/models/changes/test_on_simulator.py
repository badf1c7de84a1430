from __future__ import annotations

from dataclasses import replace

import numpy as np

from edge.simulator.settings import SimulatorSettings, Spells
from edge.simulator.shop import Shop, generate
from models.changes.causes import Happening, Happenings
from models.changes.search import mean_changes, rate_changes
from models.changes.units import Unit
from models.welds.features import FEATURES
from models.welds.judge import GunEvent, JudgeSettings, WeldJudge
from models.welds.verdicts import DEFECT, OK

MIN = 60 * 10**9
START = 1_790_000_000 * 10**9
MINUTES, STEP, CHANGE = 140, 4 * MIN, 90


def test_a_guns_spell_is_found_in_the_judged_welds_with_the_event_before_it() -> None:
    """From minute 90 on 1 of 12 welds of one gun gets a fifth less current, and its force sensor reads 3 % high."""
    settings = SimulatorSettings(
        spots=240, guns=6, cells=3, lines=1, unlisted_spots=0, spells=Spells(per_gun_and_day=0, mains_dips_per_day=0)
    )
    shop, judge, rng = Shop(settings), WeldJudge(JudgeSettings()), np.random.default_rng(1)
    layout = shop.layout
    bad_gun, since_ns = layout.gun[2], START + CHANGE * MIN
    units = [
        Unit(layout.cell[cell], layout.gun[gun], spot, "")
        for cell, gun, spot in zip(layout.cell_of_spot, layout.gun_of_spot, layout.spot, strict=True)
    ]
    place = {unit.spot: k for k, unit in enumerate(units)}
    edges = np.arange(START, START + MINUTES * MIN + 1, STEP)
    defects, trials, total, measured = (np.zeros((len(units), len(edges) - 1)) for _ in range(4))
    happenings = [Happening("fix", "maintenance", since_ns - 3 * MIN, "", bad_gun, "", "", "")]
    events = shop.events(START, START + MINUTES * MIN)
    for batch, _ in generate(settings, START, START + MINUTES * MIN):
        while events and events[0].time_ns <= batch.time_ns[0]:
            event = events.pop(0)
            gun = layout.gun[event.gun]
            judge.apply(GunEvent(event.kind, event.time_ns, gun))
            happenings.append(Happening(f"e{event.time_ns}", event.kind, event.time_ns, "", gun, "", "", ""))
        hit = np.array([gun == bad_gun for gun in batch.gun]) & (batch.time_ns >= since_ns)
        weak = np.where(hit & (rng.random(len(batch)) < 1 / 12), np.float32(0.8), np.float32(1))
        high = np.where(hit, np.float32(1.03), np.float32(1))
        lengths = np.diff(batch.offsets)
        batch = replace(  # noqa: PLW2901 - what the plant made is not what is judged
            batch,
            current_ka=batch.current_ka * np.repeat(weak, lengths),
            voltage_v=batch.voltage_v * np.repeat(weak, lengths),
            force_kn=batch.force_kn * np.repeat(high, lengths),
        )
        verdicts = judge.judge(batch)
        unit = np.array([place[spot] for spot in batch.spot])
        bucket = (batch.time_ns - START) // STEP
        np.add.at(defects, (unit, bucket), verdicts.verdict == DEFECT)
        np.add.at(trials, (unit, bucket), (verdicts.verdict == DEFECT) | (verdicts.verdict == OK))
        force = verdicts.features[:, FEATURES.index("force_mean_kn")]
        np.add.at(total, (unit, bucket), np.nan_to_num(force))
        np.add.at(measured, (unit, bucket), ~np.isnan(force))
    rate = rate_changes(units, edges, defects, trials)[0]
    assert (rate.level, rate.name) == ("gun", bad_gun)
    assert rate.earliest_ns <= since_ns <= rate.latest_ns
    assert rate.after - rate.before > 0.05
    assert rate.share is not None
    assert rate.share > 0.7
    group = [unit for unit in units if unit.gun == bad_gun]
    best = Happenings(happenings, (START, START + MINUTES * MIN)).causes(rate, group)[0]
    assert best.happening.id == "fix"
    means = np.where(measured > 0, total / np.maximum(measured, 1), np.nan)
    moved = mean_changes(units, edges, means, measured, "force_mean_kn")[0]
    assert (moved.level, moved.name) == ("gun", bad_gun)
    assert moved.earliest_ns <= since_ns <= moved.latest_ns
    assert moved.after > moved.before
