"""What a check found: how bad it is, what it is, and what to do about it."""

from __future__ import annotations

from typing import Literal

import msgspec

Level = Literal["fine", "unknown", "warning", "wrong"]


class Finding(msgspec.Struct, frozen=True):
    """One result of a check."""

    level: Level
    """`wrong` loses data or does not work; `warning` may, when what it names happens; `unknown` cannot be told."""
    about: str
    """The part: `broker`, `store`, `disk` and so on."""
    what: str
    """One sentence with the facts."""
    do: str = ""
    """What to change, and where; empty when there is nothing to do."""

    @property
    def loses(self) -> bool:
        """Whether it says that the broker loses messages, or may."""
        return self.about == "broker" and self.level in {"wrong", "warning"}

    def __str__(self) -> str:
        return f"{self.what}; {self.do}" if self.do else self.what
