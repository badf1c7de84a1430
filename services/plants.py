"""The plant that the settings name."""

from __future__ import annotations

from pathlib import Path

from edge.plant import EMPTY, Plant, load_plant
from services.config import Config


def read_plant(config: Config) -> Plant:
    """Return the plant of the settings, or an empty one. Raises `SettingsError`."""
    return load_plant(Path(config.plant)) if config.plant else EMPTY
