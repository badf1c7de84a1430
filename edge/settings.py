"""Turning what people write in files into typed, frozen objects, with errors that say what to change."""

from __future__ import annotations

import difflib
import re
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
SHOWN = 60
"""A wrong value is shown up to this many characters."""


class SettingsError(ValueError):
    """A settings file is wrong; the message names the file, the field, what came and what was expected."""


def convert(raw: Any, to: type[T], where: str, *, strict: bool = True) -> T:
    """Convert plain data to `to`; an unknown key is an error that suggests the right one.

    `strict=False` also reads numbers from text (CSV, environment). Raises `SettingsError`.
    """
    try:
        return msgspec.convert(raw, to, strict=strict)
    except msgspec.ValidationError as error:
        text = str(error)
        unknown = re.search(r"unknown field `(\w+)`(?: - at `\$\.?(.*)`)?", text)
        if not unknown:
            raise SettingsError(f"{where}: {text}{_came(raw, text)}") from None
        key, parent = unknown.group(1), unknown.group(2) or ""
        close = difflib.get_close_matches(key, sorted(_field_names(to)), n=1, cutoff=0.5)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        at = f"{parent}.{key}" if parent else key
        raise SettingsError(f"{where}: unknown key {at!r}{hint}") from None


def _came(raw: Any, text: str) -> str:
    """Say what stands in `raw` where msgspec's message points, unless it is a secret or lies behind a free key."""
    at = re.search(r" - at `\$([^`]*)`$", text)
    path = at.group(1) if at else ""
    if not path or "[...]" in path or path.endswith((".password", ".token")):
        return ""
    try:
        for key, index in re.findall(r"\.(\w+)|\[(\d+)\]", path):
            raw = raw[key] if key else raw[int(index)]
    except (KeyError, IndexError, TypeError):
        return ""
    came = repr(raw)
    return f"; it is {came if len(came) <= SHOWN else came[:SHOWN] + '…'}"


def _field_names(to: Any) -> set[str]:
    """Return the field names of a Struct and of every Struct inside it."""
    names: set[str] = set()
    todo, seen = [to], set()
    while todo:
        kind = todo.pop()
        if kind in seen:
            continue
        seen.add(kind)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            for field in msgspec.structs.fields(kind):
                names.add(field.encode_name)
                todo.append(field.type)
        else:
            todo.extend(getattr(kind, "__args__", ()))
    return names
