"""What is said about an item that cannot be understood."""

from __future__ import annotations

from dataclasses import dataclass


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


def shorten(value: object, limit: int = 120) -> str:
    """Return `value` as text of at most `limit` characters, for `Reject.came`."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
