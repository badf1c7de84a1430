"""The study compares like with like, acts only on what it has seen, and says how sure it is."""

import json
import math
from dataclasses import replace
from functools import lru_cache

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from edge.simulator.maintenance import CURES, Action
from edge.simulator.settings import FaultRates, SimulatorSettings, Spells
from edge.simulator.shop import Shop, Truth
from services.cli import app
from services.study import avoided_interval, compare, mean_interval
from services.study_plant_run import (
    HOUR_NS,
    START_NS,
    Alarm,
    SeedResult,
    SpellStory,
    StudyOptions,
    Tally,
    _with_changes,
    is_bad,
    run_seed,
)
from services.study_printing import markdown, rows
from tests.unit.edge.simulator.making import same_bits

MIN_NS = 60 * 10**9
QUIET = FaultRates(**dict.fromkeys(FaultRates.__struct_fields__, 0.0))
SMALL = SimulatorSettings(
    seed=4, lines=1, cells=1, guns=3, spots=15, unlisted_spots=0, agvs=0, faults=QUIET,
    spells=Spells(per_gun_and_day=4.0, min_h=3.0, max_h=6.0, worst_rate=0.9, mains_dips_per_day=0.0),
)  # fmt: skip
OPTIONS = StudyOptions(hours=2.0, delay_min=20.0, inspect_h=24.0)


@lru_cache(maxsize=1)
def troubled() -> SeedResult:
    return run_seed(SMALL, OPTIONS)


def test_maintenance_that_alarms_ask_for_avoids_bad_welds() -> None:
    result = troubled()
    assert result.plain.welds == result.monitored.welds == 2 * 60 * 15
    assert result.plain.bad > 50
    assert result.monitored.bad < 0.5 * result.plain.bad
    assert result.monitored.ok > result.plain.ok
    assert any(alarm.apt for alarm in result.alarms)


def test_an_action_comes_no_sooner_than_the_delay_after_its_alarm() -> None:
    cured = [spell for spell in troubled().spells if spell.end_ns < spell.plain_end_ns]
    assert cured
    for spell in cured:
        assert spell.alarm_ns is not None
        assert spell.start_ns <= spell.alarm_ns
        assert spell.end_ns >= spell.alarm_ns + int(OPTIONS.delay_min * MIN_NS)


def test_the_same_arguments_give_the_same_result() -> None:
    again = run_seed(SMALL, OPTIONS)
    assert again == troubled()


def test_a_plant_without_trouble_is_the_same_in_both_runs() -> None:
    calm = msgspec.structs.replace(SMALL, spells=Spells(per_gun_and_day=0.0, mains_dips_per_day=0.0))
    result = run_seed(calm, StudyOptions(hours=1.0, delay_min=20.0))
    assert not any(alarm.real for alarm in result.alarms)
    assert result.spells == []
    if not result.alarms:
        assert result.plain == result.monitored


def test_inspections_find_in_both_runs_what_spoils_many_welds() -> None:
    result = run_seed(SMALL, StudyOptions(hours=2.0, delay_min=20.0, inspect_h=1.0))
    assert result.plain.inspections_found > 0
    assert result.plain.bad < troubled().plain.bad


def test_sharing_untouched_welds_changes_nothing() -> None:
    """What is spliced is bit for bit what the other shop would have welded by itself."""
    plain = Shop(SMALL)
    start, stop = START_NS, START_NS + HOUR_NS // 2
    done = START_NS + 7 * MIN_NS
    other = plain.with_actions([Action(kind, gun, done + gun * MIN_NS) for kind in CURES for gun in (0, 2)])
    shared = _with_changes(plain.welds(start, stop), plain, other, start, stop)
    alone = other.welds(start, stop)
    same_bits(shared.batch, alone.batch)
    np.testing.assert_array_equal(shared.end_ns, alone.end_ns)
    assert [(k, msgspec.json.encode(truth)) for k, truth in shared.truth] == [
        (k, msgspec.json.encode(truth)) for k, truth in alone.truth
    ]
    assert (plain.welds(start, stop).batch.wear_count != alone.batch.wear_count).any()


GOOD = Truth(
    id="1", spot="S", time_ns=0, cause="low_heat", fault="under_current", severity=0.1, level="slight",
    nugget_mm=5.0, min_nugget_mm=4.0, expelled=False,
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "bad"),
    [
        ({}, False),
        ({"nugget_mm": 3.99}, True),
        ({"expelled": True}, True),
        ({"fault": "missing_sheet"}, True),
        ({"fault": "dead_voltage"}, False),
        ({"fault": ""}, True),
    ],
)
def test_what_is_truly_bad(changes: dict[str, object], bad: bool) -> None:
    assert is_bad(msgspec.structs.replace(GOOD, **changes)) is bad


def test_the_interval_is_students() -> None:
    found = mean_interval([1.0, 2.0, 3.0])
    assert found.mean == 2.0
    assert found.high - 2.0 == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)
    assert found.low == pytest.approx(4.0 - found.high)


def test_the_share_avoided_is_of_totals_and_its_interval_holds_it() -> None:
    found = avoided_interval([100, 0, 50, 10], [20, 0, 5, 10])
    assert found.mean == pytest.approx(1 - 35 / 160)
    assert 0.0 <= found.low < found.mean < found.high <= 0.9
    assert math.isnan(avoided_interval([0, 0], [0, 0]).mean)


def story(start_min: float, end_min: float, alarm_min: float | None) -> SpellStory:
    alarm = None if alarm_min is None else int(alarm_min * MIN_NS)
    return SpellStory(0, "low_force", int(start_min * MIN_NS), int(200 * MIN_NS), int(end_min * MIN_NS), alarm)


def two_seeds() -> list[SeedResult]:
    plain, monitored = Tally(1000, 40, 950, 30, 20, 1), Tally(1000, 10, 970, 10, 20, 0)
    alarms = [
        Alarm(0, "defect_burst", 0, "low_heat", ("repair",), real=True, apt=True),
        Alarm(0, "defect_burst", 0, "low_heat", ("repair",), real=True, apt=False),
        Alarm(0, "defect_burst", 1, "shape", ("repair",), real=False, apt=False),
        Alarm(0, "wear_warning", 1, "worn_electrode", ("tip_dress",), real=False, apt=False),
    ]
    first = SeedResult(1, plain, monitored, alarms, [story(100, 160, 130), story(100, 200, None)])
    second = SeedResult(2, replace(plain, bad=20), replace(monitored, bad=10), [], [story(0, 100, 50)])
    return [first, second]


def test_the_report_adds_up() -> None:
    found = compare("ordinary", two_seeds(), StudyOptions(hours=12.0))
    assert found.true_plain.mean == pytest.approx(0.97)
    assert found.true_monitored.mean == pytest.approx(0.99)
    assert found.true_gain.mean == pytest.approx(0.02)
    assert found.judged_gain.mean == pytest.approx(970 / 980 - 950 / 980)
    assert (found.visits, found.false_visits, found.misdirected) == (3, 1, 1)
    assert found.false_per_day == pytest.approx(1.0)
    assert (found.dresses, found.false_dresses) == (1, 1)
    assert (found.spells, found.alarmed) == (3, 2)
    assert found.onset_to_alarm_min == (35.0, 40.0, 45.0)
    assert found.spell_plain_min == pytest.approx((100 + 100 + 200) / 3)
    assert found.spell_monitored_min == pytest.approx((60 + 100 + 100) / 3)


def test_the_table_says_what_it_assumes() -> None:
    options = StudyOptions(hours=12.0, delay_min=45.0)
    found = [compare(name, two_seeds(), options) for name in ("quiet", "troubled")]
    text = markdown(found, options)
    assert "2 seeds from 1001 on, 12 h" in text
    assert "45 min later" in text
    assert "|  | quiet | troubled |" in text
    assert len({len(row) for row in rows(found)}) == 1


def test_an_unknown_plant_is_bad_usage() -> None:
    result = CliRunner().invoke(app, ["study", "monitoring", "--plant", "perfect"])
    assert result.exit_code == 2
    assert "'perfect' is none of quiet, ordinary, troubled, failing" in " ".join(result.output.split()).replace(
        "│ ", ""
    )


def test_the_command_writes_and_prints_json(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a plant of a few spots, so that it takes seconds."""
    monkeypatch.setattr("services.study_plants.SPOTS", 12)
    out = tmp_path / "report.json"
    arguments = [
        "study",
        "monitoring",
        "--plant",
        "troubled",
        "--seeds",
        "2",
        "--hours",
        "1",
        "--json",
        "--out",
        str(out),
    ]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    assert printed == json.loads(out.read_text())
    assert printed["options"] == {"hours": 1.0, "delay_min": 30.0, "inspect_h": 4.0}
    assert printed["plants"][0]["welds"] == 2 * 60 * 12
