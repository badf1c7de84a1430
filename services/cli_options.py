"""What several commands share: their options, and how they find the settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from services.config import Config, load_config

DEFAULT_CONFIG = Path("lineside.toml")

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", help="Settings file; without it ./lineside.toml when there is one.", show_default=False
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print for machines.")]


def config_path(path: Path | None) -> Path | None:
    """Return the settings file named, or ./lineside.toml when there is one; None: the defaults hold."""
    return DEFAULT_CONFIG if path is None and DEFAULT_CONFIG.exists() else path


def read_config(path: Path | None, data: Path | None = None) -> Config:
    """Return the settings of `config_path`; with a data folder given, of the file named only, and with that folder."""
    if data is None:
        return load_config(config_path(path))
    return msgspec.structs.replace(load_config(path), data_dir=str(data))
