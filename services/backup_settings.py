"""Settings for a backup: the file as it stands, without what is secret."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

SECRETS = {"broker": {"password"}, "store": {"token"}}
"""By section; each can be given in the file itself, though better in the environment or in a file of its own."""
_LINE = re.compile(r"^(\s*)(?:(?:broker|store)\s*\.\s*)?(password|token)\s*=.*$", re.MULTILINE)


def settings_without_secrets(text: str) -> str | None:
    """Return the text of a settings file with a note in the place of each secret; None when that cannot be done.

    Only secrets written in a way of their own, as in an inline table, cannot be taken out.
    """
    cleaned = _LINE.sub(r"\1# \2 was here and is not in the backup", text)
    try:
        sections = tomllib.loads(cleaned)
    except tomllib.TOMLDecodeError:  # a value of several lines
        return None
    left = any(
        key in SECRETS[name] and value
        for name, section in sections.items()
        if name in SECRETS and isinstance(section, dict)
        for key, value in section.items()
    )
    return None if left else cleaned


def plant_files(plant: Path) -> list[Path]:
    """Return the file of a plant and the CSV of spots that it names."""
    with plant.open("rb") as stream:
        spots = tomllib.load(stream).get("spots")
    return [plant, plant.parent / spots] if spots else [plant]
