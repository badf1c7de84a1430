"""`lineside backup` and `lineside restore`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from services.cli_options import ConfigOption, JsonOption, config_path, read_config


def backup(
    target: Annotated[Path, typer.Argument(help="File to write (.tar.zst), or a folder: the name then has the time.")],
    config: ConfigOption = None,
    data: Annotated[
        Path | None, typer.Option(help="The data folder, instead of the settings'.", show_default=False)
    ] = None,
    pause: Annotated[
        bool, typer.Option("--pause", help="Wait for Enter in the middle: back up InfluxDB then, and it fits.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Back up journal, state, store, curves, models, accounts, plant and settings into one file, while all goes on.

    Only its owner may read the file: it holds hashes of passwords, though no secret of the settings.
    """
    from services.backup import write_backup  # noqa: PLC0415 - `lineside --help` stays quick

    settings = read_config(config, data)
    path = config_path(config) if data is None else config
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    with console.status("") as status:

        def wait() -> None:
            if pause:
                status.stop()
                typer.prompt("Everything is held. Back up InfluxDB now, then press Enter", "", err=True)
                status.start()

        file, manifest = write_backup(settings, path, target, pause=wait, say=lambda text: status.update(f"{text} …"))
    size = file.stat().st_size
    if as_json:
        left_out = list(manifest.left_out)
        row = {"file": str(file), "bytes": size, "cursor": manifest.cursor, "files": len(manifest.files)}
        print(json.dumps({**row, "left_out": left_out}, ensure_ascii=False))  # noqa: T201 - for machines
        return
    for text in manifest.left_out:
        console.print(f"not in it: {text}", style="yellow", markup=False)
    print(f"{file}: {len(manifest.files)} files, {size / 1e6:,.1f} MB, as of message {manifest.cursor:,}")  # noqa: T201


def restore(
    file: Annotated[Path, typer.Argument(help="The backup.")],
    config: ConfigOption = None,
    into: Annotated[
        Path | None,
        typer.Option(help="An empty or new folder, instead of the settings' data folder.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a data folder from a backup, checked file by file; nothing that is there is written over."""
    from services.restore import restore_backup  # noqa: PLC0415

    settings = read_config(config)
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    with console.status("") as status:
        restored = restore_backup(file, settings, into, lambda text: status.update(f"{text} …"))
    manifest = restored.manifest
    if as_json:
        places = {name: str(getattr(restored, name) or "") for name in ("data", "accounts", "settings")}
        row = {**places, "cursor": manifest.cursor, "pending": restored.pending, "made": manifest.made}
        print(json.dumps(row, ensure_ascii=False))  # noqa: T201 - for machines
        return
    print(  # noqa: T201 - this is the answer
        f"{restored.data}: as of {manifest.made} by Lineside {manifest.lineside}, message {manifest.cursor:,}; "
        f"{restored.pending:,} messages more wait in the journal and are judged at the start"
    )
    if restored.accounts:
        print(f"accounts: {restored.accounts}; everybody logs in anew")  # noqa: T201
    if restored.settings:
        print(f"settings and plant, to compare: {restored.settings}")  # noqa: T201
    for text in manifest.left_out:
        console.print(f"was not in the backup: {text}", style="yellow", markup=False)
