"""What the fields of our messages share: their types, and what is said of each to people.

Every field carries its description and what is expected of it in its annotation, so that the JSON Schema, the
reference and the rejects say the same.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin, get_type_hints

from msgspec import Meta, Struct
from msgspec.structs import fields

from edge.sources.rejects import RefusedError, show

INT64_MAX = 2**63 - 1
MAX_NAME = 128
"""Characters of an id or a name."""

NAME_EXPECTED = f"text of 1 to {MAX_NAME} characters, or a whole number of at most 64 bits"
MAYBE_NAME_EXPECTED = f"text of at most {MAX_NAME} characters, or a whole number of at most 64 bits"
NO_NAMES = frozenset({".", ".."})
"""Browsers take these as steps through the address, however they are encoded."""
TEXT_EXPECTED = "text without control characters"

Whole64 = Annotated[int, Meta(ge=-INT64_MAX - 1, le=INT64_MAX)]
Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)] | Whole64
"""An id or a name. Controllers that number things send whole numbers; they become text."""
MaybeName = Annotated[str, Meta(max_length=MAX_NAME)] | Whole64
"""A name that may be empty: not known, or not concerned."""
Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})] | Whole64
"""See `edge.sources.clock`."""


def about(description: str, expected: str, *, unit: str = "", element: str = "", min_items: int = 0) -> Meta:
    """Describe a field: what it is, and in plain words what is accepted for it (and for an element of its list)."""
    schema: dict[str, str | int] = {}
    if unit:
        schema["x-unit"] = unit
    if min_items:
        schema["minItems"] = min_items
    return Meta(
        description=description,
        extra={"expected": expected, "element": element or expected},
        extra_json_schema=schema or None,
    )


def named(description: str) -> Meta:
    """Describe a field that holds a `Name`."""
    return about(description, NAME_EXPECTED)


def maybe_named(description: str) -> Meta:
    """Describe a field that holds a `MaybeName`."""
    return about(description, MAYBE_NAME_EXPECTED)


def as_text(name: str | int) -> str:
    """Return a `Name` or `MaybeName` as text."""
    return name if isinstance(name, str) else str(name)


def check_text(value: str, path: str) -> None:
    """Raise `RefusedError` for what stores, topics or addresses cannot carry: control characters, `.` and `..`."""
    if value in NO_NAMES:
        raise RefusedError(path, show(value), "a name other than . and .., which no address can hold")
    if not value.isprintable() and any(ord(sign) < 0x20 or 0x7F <= ord(sign) < 0xA0 for sign in value):
        raise RefusedError(path, show(value), TEXT_EXPECTED)


class FieldNote(NamedTuple):
    """What is said of one field."""

    path: str
    """As `$.errors[].errorLevel`."""
    required: bool
    description: str
    expected: str
    element: str
    """What is expected of an element, for a list."""
    unit: str


def notes(struct: type[Struct]) -> list[FieldNote]:
    """Return what is said of each described field of a message, those of the objects inside it included."""
    return list(_notes(struct, "$"))


def expectations(struct: type[Struct]) -> dict[str, str]:
    """Return what is expected of each field by its path, as `$.current_ka`, and of list elements, as `$.errors[]`."""
    found: dict[str, str] = {}
    for note in notes(struct):
        found[note.path] = note.expected
        found[f"{note.path}[]"] = note.element
    return found


def _notes(struct: type[Struct], path: str) -> Iterator[FieldNote]:
    hints = get_type_hints(struct, include_extras=True)
    for field in fields(struct):
        at = f"{path}.{field.encode_name}"
        for part in _parts(hints[field.name]):
            for meta in getattr(part, "__metadata__", ()):
                if meta.extra:
                    unit = (meta.extra_json_schema or {}).get("x-unit", "")
                    said = (meta.description, meta.extra["expected"], meta.extra["element"], unit)
                    yield FieldNote(at, field.required, *said)
            yield from _inner_notes(part, at)
            for inner in get_args(part) if get_origin(part) is list else ():
                yield from _inner_notes(inner, f"{at}[]")


def _inner_notes(part: object, path: str) -> Iterator[FieldNote]:
    if isinstance(part, type) and issubclass(part, Struct):
        yield from _notes(part, path)


def _parts(hint: Any) -> Iterator[Any]:
    """Yield a type and everything that it is an annotation or a union of."""
    yield hint
    if hasattr(hint, "__metadata__"):
        yield from _parts(hint.__origin__)
    elif get_origin(hint) in {Union, types.UnionType}:
        for part in get_args(hint):
            yield from _parts(part)
