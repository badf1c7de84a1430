"""`make faults`: rounds of faults until each has been done as often as asked, a table, and a file for machines.

Each round prints its seed; `--again SEED` runs it once more from the result file, fault by fault, message by message.
Rounds that are in that file already are otherwise not run again: the same command goes on where it was stopped.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from tests.system.faults.kinds import faults_of
from tests.system.faults.load import HOUR_NS
from tests.system.faults.plant import Backend
from tests.system.faults.rounds import Order, Report, can_mount, run_round

MESSAGES_PER_FAULT = 400
LEAST = 3000
"""Messages of a round, so that references are learnt in the shortest, too."""


def orders(
    seed: int, backends: tuple[Backend, ...], kills: int, others: int, per_round: int, only: str, start_ns: int
) -> list[Order]:
    """Return rounds that together have every fault often enough, in an order that the seed decides."""
    made: list[Order] = []
    for backend in backends:
        names = [name for name in faults_of(backend, own_disk=can_mount()) if only in name]
        faults = [name for name in names for _ in range(kills if name.startswith("kill ") else others)]
        random.Random(f"orders {seed} {backend}").shuffle(faults)
        for k in range(0, len(faults), per_round):
            part = tuple(faults[k : k + per_round])
            messages = max(LEAST, MESSAGES_PER_FAULT * len(part))
            made.append(Order(seed + len(made), backend, part, messages, start_ns))
    made.sort(key=lambda order: random.Random(f"round {order.seed}").random())  # both backends from the beginning
    return made


def order_in(done: Sequence[dict[str, Any]], seed: int) -> list[Order]:
    """Return the round of that seed among the rows of a result file, as a list of one or none."""
    return [msgspec.convert(row["order"], Order) for row in done if row["order"]["seed"] == seed][-1:]


def main(
    seed: Annotated[int, typer.Option(help="Of the first round; the others count on from it.")] = 1,
    rounds: Annotated[int, typer.Option(help="Stop after so many rounds; 0: all.")] = 0,
    only: Annotated[str, typer.Option(help="Only faults whose name contains this.")] = "",
    backend: Annotated[str, typer.Option(help="duckdb, influxdb or both.")] = "both",
    kills: Annotated[int, typer.Option(help="How often each process is killed.")] = 40,
    others: Annotated[int, typer.Option(help="How often each other fault is done.")] = 10,
    per_round: Annotated[int, typer.Option(help="Faults between two comparisons.")] = 20,
    again: Annotated[int, typer.Option(help="Seed of a round in the result file: only that one, once more.")] = 0,
    out: Annotated[Path, typer.Option(help="Result file, one JSON object a round.")] = Path("faults.jsonl"),
) -> None:
    """Do harm to a running plant and compare its results with those of an undisturbed run."""
    console = Console(soft_wrap=True)
    backends: tuple[Backend, ...] = ("duckdb", "influxdb") if backend == "both" else (backend,)  # type: ignore[assignment]  # as given
    done = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()] if out.exists() else []
    known = {(row["order"]["seed"], row["order"]["backend"]) for row in done if row["good"]}
    if again:
        todo = order_in(done, again)
        if not todo:
            raise typer.BadParameter(f"{out} has no round of seed {again}", param_hint="--again")
    else:
        start_ns = (time.time_ns() // HOUR_NS - 8) * HOUR_NS
        todo = orders(seed, backends, kills, others, per_round, only, start_ns)
        todo = [order for order in todo if (order.seed, order.backend) not in known]
    bad = 0
    for order in todo[: rounds or None]:
        folder = Path(tempfile.mkdtemp(prefix=f"faults-{order.seed}-"))
        extent = f"{len(order.faults)} faults, {order.messages} messages"
        console.print(f"seed {order.seed} over {order.backend}: {extent}, in {folder}")
        report = run_round(order, folder, lambda text: console.print(f"  {text}", style="dim", highlight=False))
        done.append(report.plain())
        with out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(msgspec.to_builtins(report.plain())) + "\n")
        bad += not report.good
        _tell(console, report, folder)
    console.print(_summary(done))
    sys.exit(1 if bad else 0)


def _tell(console: Console, report: Report, folder: Path) -> None:
    if report.good:
        console.print(
            f"  no difference; the account added up at all {report.looks} looks; {report.sent} messages sent, "
            f"{report.named_lost} named as lost, {report.seconds:.0f} s"
        )
        return
    console.print(f"  [red]differs[/], logs in {folder}; faults: {report.done}", highlight=False)
    for line in (*report.differences, *report.wrong_accounts, *([report.error] if report.error else [])):
        console.print(f"  {line}", markup=False, highlight=False)


def _summary(done: list[dict[str, object]]) -> Table:
    times: Counter[tuple[str, str]] = Counter()
    in_bad: Counter[tuple[str, str]] = Counter()
    for row in done:
        for name, _ in row["done"]:  # type: ignore[attr-defined]  # read from JSON
            key = row["order"]["backend"], name  # type: ignore[index]  # likewise
            times[key] += 1
            in_bad[key] += not row["good"]
    table = Table("store", "fault", "times", "in rounds with a difference")
    for (store, name), count in sorted(times.items()):
        table.add_row(store, name, str(count), str(in_bad[store, name]))
    return table


if __name__ == "__main__":
    typer.run(main)
