"""What `lineside study` shows and writes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from services.backtesting import without_nan
from services.study import FIRST_SEED, Comparison, Interval, study
from services.study_plant_run import WARM_UP_H, StudyOptions
from services.study_plants import BODIES_PER_HOUR, CELLS, GUNS, PLANTS, SPOTS

GEEGA = "Geega, an industrial platform of this kind, reports a qualification rate 8 % higher."


def run_monitoring(
    seeds: int, options: StudyOptions, plants: Sequence[str], out: Path | None, *, as_json: bool
) -> None:
    """Run the study and print it; with `out` also write it, as Markdown for `.md` and as JSON otherwise."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[seeds]}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=as_json) as progress:
        tasks = {name: progress.add_task(name, total=seeds, seeds="", start=True) for name in plants}

        def tell(name: str, done: float) -> None:
            progress.update(tasks[name], completed=done, seeds=f"{int(done)} of {seeds} seeds")

        found = study([PLANTS[name] for name in plants], seeds, options, tell)
    report = {"options": dataclasses.asdict(options), "plants": [dataclasses.asdict(plant) for plant in found]}
    text = json.dumps(without_nan(report), indent=2)
    if out is not None:
        out.write_text(markdown(found, options) if out.suffix == ".md" else text + "\n", encoding="utf-8")
    if as_json:
        print(text)  # noqa: T201 - for machines
    else:
        _print(found, options, Console())


def rows(found: Sequence[Comparison]) -> list[tuple[str, ...]]:
    """Return the report as a table: what is measured, then one column per plant."""

    def line(title: str, value: str, *values: str) -> tuple[str, ...]:
        return (title, value, *values)

    return [
        line("", *(f"{c.plant}" for c in found)),
        line("welds of one run, all seeds", *(f"{c.welds:,}" for c in found)),
        line("truly good, alarms not acted on", *(_percent(c.true_plain) for c in found)),
        line("truly good, alarms acted on", *(_percent(c.true_monitored) for c in found)),
        line("**gain, points**", *(_points(c.true_gain) for c in found)),
        line("judged ok, alarms not acted on", *(_percent(c.judged_plain) for c in found)),
        line("judged ok, alarms acted on", *(_percent(c.judged_monitored) for c in found)),
        line("gain by verdicts, points", *(_points(c.judged_gain) for c in found)),
        line("truly bad welds, without → with", *(f"{c.bad_plain:,} → {c.bad_monitored:,}" for c in found)),
        line("bad welds avoided", *(_percent(c.avoided, 0) for c in found)),
        line("bad spells begun", *(f"{c.spells}" for c in found)),
        line("… with an alarm before their end", *(f"{c.alarmed}" for c in found)),
        line("onset to alarm, min: median (quartiles)", *(_minutes(c) for c in found)),
        line("spell lasts, min: without → with", *(_lasting(c) for c in found)),
        line("visits after a burst of defects", *(f"{c.visits}" for c in found)),
        line("… where nothing was wrong", *(f"{c.false_visits} ({c.false_per_day:.1f} a day)" for c in found)),
        line("… that did not cure what was", *(f"{c.misdirected}" for c in found)),
        line("dresses after a warning of wear", *(f"{c.dresses}" for c in found)),
        line("… where nothing was wrong", *(f"{c.false_dresses}" for c in found)),
        line(
            "guns found by inspection, without → with",
            *(f"{c.inspections_plain} → {c.inspections_monitored}" for c in found),
        ),
    ]


def assumptions(found: Sequence[Comparison], options: StudyOptions) -> str:
    """Return in one paragraph what the figures rest on."""
    seeds = found[0].seeds
    return (
        f"{seeds} seeds from {FIRST_SEED} on, {options.hours:g} h of production each after {WARM_UP_H} h of learning; "
        f"{CELLS} cells, {GUNS} guns, {SPOTS} spots, {BODIES_PER_HOUR:g} bodies an hour. What an alarm asks for is "
        f"done {options.delay_min:g} min later. In both runs one body is taken apart every {options.inspect_h:g} h, "
        "and a bad spell also ends by itself, when the plant notices. Intervals are 95 % over seeds, differences "
        "paired by seed."
    )


def markdown(found: Sequence[Comparison], options: StudyOptions) -> str:
    """Return the report as a Markdown table under its assumptions."""
    head, *body = rows(found)
    lines = [assumptions(found, options), "", "| " + " | ".join(head) + " |", "|---" + "|---:" * len(found) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in body)]) + "\n"


def _print(found: Sequence[Comparison], options: StudyOptions, console: Console) -> None:
    head, *body = rows(found)
    table = Table(*head)
    for column in table.columns[1:]:
        column.justify = "right"
    for row in body:
        bold = row[0].startswith("**")
        table.add_row(row[0].strip("*"), *row[1:], style="bold" if bold else None)
    console.print(table)
    console.print(assumptions(found, options), GEEGA, highlight=False)


def _percent(value: Interval, digits: int = 2) -> str:
    return f"{100 * value.mean:.{digits}f} % [{100 * value.low:.{digits}f}, {100 * value.high:.{digits}f}]"


def _points(value: Interval) -> str:
    return f"{100 * value.mean:+.2f} [{100 * value.low:+.2f}, {100 * value.high:+.2f}]"


def _minutes(found: Comparison) -> str:
    if found.onset_to_alarm_min is None:
        return "–"
    low, median, high = found.onset_to_alarm_min
    return f"{median:.0f} ({low:.0f}–{high:.0f})"


def _lasting(found: Comparison) -> str:
    if found.spell_plain_min is None or found.spell_monitored_min is None:
        return "–"
    return f"{found.spell_plain_min:.0f} → {found.spell_monitored_min:.0f}"
