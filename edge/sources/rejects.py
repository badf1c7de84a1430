"""What is said about an item that cannot be understood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec


@dataclass(frozen=True, slots=True)
class Reject:
    """One item of one message that was not taken, and why."""

    item: int
    """Index of the item within its message; 0 for a message that is not a list."""
    path: str
    """The field, as `$.current_ka[3]`; `$` when the item as a whole is at fault, `topic` when the topic is."""
    came: str
    """What came, shortened to 120 characters."""
    expected: str
    """What was expected instead."""

    @property
    def reason(self) -> str:
        """One sentence for people."""
        return f"item {self.item}: {self.path} is {self.came}; expected {self.expected}"


class RefusedError(ValueError):
    """An item cannot be taken; the attributes are those of a `Reject`, all but the item."""

    def __init__(self, path: str, came: str, expected: str) -> None:
        super().__init__(f"{path} is {came}; expected {expected}")
        self.path = path
        self.came = came
        self.expected = expected

    def of(self, item: int) -> Reject:
        """Return the reject of that item."""
        return Reject(item, self.path, self.came, self.expected)


def shorten(value: object, limit: int = 120) -> str:
    """Return `value` as text of at most `limit` characters, for `Reject.came`."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def show(value: Any) -> str:
    """Return what came as text of at most 120 characters, written as in JSON."""
    if isinstance(value, bytes):
        return count(len(value), "raw byte")
    if isinstance(value, float):
        return repr(value)
    try:
        return shorten(msgspec.json.encode(value).decode())
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError):
        return shorten(ascii(value))


def count(n: int, thing: str) -> str:
    """Return how many there are of a thing, as `1 sample` or `2 samples`."""
    return f"{n} {thing}" if n == 1 else f"{n} {thing}s"
