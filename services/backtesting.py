"""What `lineside backtest` prints."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import pyarrow.parquet as pq
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from models.welds.judge import JudgeSettings
from models.welds.trained import TrainedModel
from services.backtest import BacktestError, Report, judge_table, read_welds, report


def print_backtest(
    file: Path, labels: str, learn_n: int, limit_sigma: float, model: Path | None, out: Path | None, *, as_json: bool
) -> None:
    """Judge `file`, by a `model` file where it can say, and print the report. Raises `OperatorError`."""
    learnt = _read_model(model) if model else None
    welds = read_welds(file)
    if labels and labels not in welds.column_names:
        raise BacktestError(f"{file}: no column {labels!r} for --labels; there are {', '.join(welds.column_names)}")
    with Progress(console=Console(stderr=True), transient=True, disable=as_json) as progress:
        task = progress.add_task("judging", total=len(welds))
        settings = JudgeSettings(learn_n=learn_n, limit_sigma=limit_sigma)
        scored = judge_table(welds, settings, lambda done: progress.update(task, completed=done), learnt)
    if learnt is not None:
        _tell_known(learnt, welds["weld_id"].to_pylist())
    if out is not None:
        pq.write_table(scored, out)
    found = report(scored, welds[labels] if labels else None)
    if as_json:
        print(json.dumps(without_nan(dataclasses.asdict(found)), indent=2))  # noqa: T201 - for machines
    else:
        _print(found, Console())


def _read_model(path: Path) -> TrainedModel:
    """Return a model that also speaks for programmes it was not taught: that is what is to be seen."""
    from services.model_files import load_model  # noqa: PLC0415 - scikit-learn takes a second to load

    return dataclasses.replace(load_model(path), any_program=True)


def _tell_known(model: TrainedModel, weld_ids: list[str]) -> None:
    known = len(model.trained_on.intersection(weld_ids))
    if known:
        text = f"{known} of these {len(weld_ids)} welds are among those that model {model.id} was trained on: "
        text += "what it says of them proves nothing; the model card has the figures for welds it had not seen"
        Console(stderr=True, soft_wrap=True).print(text, style="yellow", highlight=False)


def _print(found: Report, console: Console) -> None:
    verdicts = ", ".join(f"{count} {name}" for name, count in found.verdicts.items())
    console.print(f"{found.welds} welds: {verdicts}", highlight=False)
    if found.causes:
        console.print("causes: " + ", ".join(f"{name} {n}" for name, n in found.causes.items()), highlight=False)
    if found.false_alarms is None:
        return
    table = Table("label", "n", "judged", "recall", "precision", "AUC against ok", title="95 % intervals in brackets")
    for row in found.classes:
        figures = (_figure(value) for value in (row.recall, row.precision, row.auc))
        table.add_row(row.label, str(row.n), str(row.judged), *figures)
    console.print(table)
    console.print(f"false alarms among judged good welds: {_figure(found.false_alarms)}", highlight=False)


def _figure(value: tuple[float, float, float]) -> str:
    if math.isnan(value[0]):
        return "–"
    return f"{value[0]:.3f} [{value[1]:.3f}, {value[2]:.3f}]"


def without_nan(value: object) -> object:
    """Return JSON values: NaN, which JSON has not, becomes null."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
