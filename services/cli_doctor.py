"""`lineside doctor`: prints what `services.doctor` finds, for people and for machines."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from edge.findings import Finding, Level
from services.cli_options import ConfigOption, JsonOption, config_path

STYLES: dict[Level, str] = {"fine": "green", "unknown": "cyan", "warning": "yellow", "wrong": "bold red"}


def doctor(
    config: ConfigOption = None,
    mosquitto_conf: Annotated[
        Path | None,
        typer.Option(help="The broker's settings file, when it does not run on this machine.", exists=True),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check settings, clock, disk, broker, store and page, and say what to do about each finding. Changes nothing.

    Sends the broker about 1,100 small messages and one large one, and takes them back. Status 1: something is wrong.
    """
    from services.doctor.examination import examine  # noqa: PLC0415 - `lineside --help` stays quick

    console = Console(stderr=True)
    with console.status("") as status:
        findings = list(
            examine(config_path(config), mosquitto_conf, lambda name: status.update(f"looking at {name} …"))
        )
    if as_json:
        print(msgspec.json.encode({"findings": findings}).decode())  # noqa: T201 - the output that was asked for
    else:
        _print(findings)
    raise typer.Exit(1 if any(finding.level == "wrong" for finding in findings) else 0)


def _print(findings: list[Finding]) -> None:
    console = Console(highlight=False)
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    about = ""
    for finding in findings:
        what = f"{finding.what}\n→ {finding.do}" if finding.do else finding.what
        name = finding.about if finding.about != about else ""
        table.add_row(name, f"[{STYLES[finding.level]}]{finding.level}[/]", what.replace("[", r"\["))
        about = finding.about
    console.print(table)
    counts = Counter(finding.level for finding in findings)
    told = ", ".join(f"{counts[level]} {level}" for level in STYLES if counts[level])
    console.print(f"{len(findings)} findings: {told}")
