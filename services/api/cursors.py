"""Opaque cursors: the position of the last item of a page, and of which list it is."""

from __future__ import annotations

import base64
import binascii
from typing import TypeVar

import msgspec

from services.api.problems import wrong

Position = TypeVar("Position", tuple[int, int], tuple[int, str])


def encode_cursor(kind: str, position: tuple[int, int] | tuple[int, str]) -> str:
    """Return the cursor of a position in the list `kind`."""
    return base64.urlsafe_b64encode(msgspec.json.encode((kind, *position))).rstrip(b"=").decode()


def decode_cursor(kind: str, cursor: str | None, to: type[Position]) -> Position | None:
    """Return the position that a cursor of the list `kind` holds. Raises `ProblemError` (400)."""
    if cursor is None:
        return None
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        of, *position = msgspec.json.decode(raw, type=list[int | str])
        found = msgspec.convert(tuple(position), to)
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        of, found = "", None
    if of != kind or found is None or not -(2**63) <= found[0] < 2**63:
        raise wrong("cursor", cursor, f"`next` of an earlier page of {kind}, unchanged")
    return found
