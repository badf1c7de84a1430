"""Answers that take seconds to find, kept for half a minute, and looked for one at a time.

Every open page asks the same; without this each browser would cost the server a search of its own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

KEEP_S = 30.0

T = TypeVar("T")


class Remembered(Generic[T]):
    """Answers by what was asked. Safe from any thread."""

    def __init__(self, keep_s: float = KEEP_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._keep_s, self._clock = keep_s, clock
        self._searching = threading.Lock()
        self._answers: dict[Hashable, tuple[float, T]] = {}

    def get(self, question: Hashable, find: Callable[[], T]) -> T:
        """Return the answer found at most `keep_s` ago, or find it; what `find` raises is not kept."""
        with self._searching:
            now = self._clock()
            self._answers = {asked: kept for asked, kept in self._answers.items() if now - kept[0] < self._keep_s}
            if question not in self._answers:
                self._answers[question] = (self._clock(), find())
            return self._answers[question][1]
