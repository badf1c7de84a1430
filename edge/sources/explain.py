"""From a decoder's exception to a reject that a person can act on: which field, what came, what was expected."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from edge.sources.envelope import DECODE_ERRORS, Frame, show_bytes
from edge.sources.rejects import Reject, shorten, show

_AT = re.compile(r" - at `(\$[^`]*)`$")
_MISSING = re.compile(r"missing required field `([^`]+)`")
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]")
_INDEX = re.compile(r"\[\d+\]")


def explain(error: Exception, frame: Frame, item: int, expected: Mapping[str, str], whole: str) -> Reject:
    """Turn what msgspec raised on one item into a reject.

    `expected` says what is expected per path (see `fields.expectations`), `whole` of the item as a whole.
    """
    form = "JSON" if frame.json else "MessagePack"
    if not isinstance(error, msgspec.ValidationError):
        why = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        return Reject(
            item, "$", shorten(f"broken {form} ({why}): {show_bytes(frame.items[item])}"), f"well-formed {form}"
        )
    text = str(error)
    at = _AT.search(text)
    path = at.group(1) if at else "$"
    missing = _MISSING.search(text)
    if missing:
        path = f"{path}.{missing.group(1)}"
        return Reject(item, path, "absent", expected.get(_INDEX.sub("[]", path), whole))
    try:
        came = show(_find(frame.decode(item), path))
    except (*DECODE_ERRORS, LookupError, TypeError, ValueError):
        came = shorten(_AT.sub("", text))
    return Reject(item, path, came, _expectation(path, expected, whole))


def _expectation(path: str, expected: Mapping[str, str], whole: str) -> str:
    """Return what is expected at a path: of that field, or of an object or list that holds described fields."""
    general = _INDEX.sub("[]", path)
    if general == "$":
        return whole
    if general in expected:
        return expected[general]
    inner = [known for known in expected if known.startswith(general)]
    if any(known.startswith(f"{general}[]") for known in inner):
        return "a list of objects"
    keys = dict.fromkeys(known.removeprefix(f"{general}.").removesuffix("[]") for known in inner)
    return f"an object with the keys {', '.join(keys)}" if keys else whole


def _find(value: Any, path: str) -> Any:
    """Return what stands at a path of msgspec's. Raises `LookupError` or `TypeError` when nothing does."""
    for name, index in _STEP.findall(path):
        value = value[int(index)] if index else value[name]
    return value
