"""Answers that take seconds to find, kept for half a minute or several times as long as they took, one at a time.

Every open page asks the same; without this each browser would cost the server a search of its own. Who waits for a
search holds no thread: the server has forty, and pages that wait would keep all other questions from being answered.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

KEEP_S = 30.0
KEEP_SHARE = 5
"""An answer is kept this many times as long as it took to find, so that no question keeps the server busy."""

T = TypeVar("T")


class Remembered(Generic[T]):
    """Answers by what was asked. Used in one event loop."""

    def __init__(self, keep_s: float = KEEP_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._keep_s, self._clock = keep_s, clock
        self._searching = asyncio.Lock()
        self._answers: dict[Hashable, tuple[float, T]] = {}
        """Until when, and what."""

    async def get(self, question: Hashable, find: Callable[[], T]) -> T:
        """Return the answer that is still kept, or find it in a thread; what `find` raises is not kept."""
        async with self._searching:
            now = self._clock()
            self._answers = {asked: kept for asked, kept in self._answers.items() if now < kept[0]}
            if question not in self._answers:
                answer = await asyncio.to_thread(find)
                until = now + max(self._keep_s, KEEP_SHARE * (self._clock() - now))
                self._answers[question] = (until, answer)
            return self._answers[question][1]
