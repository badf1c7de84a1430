"""One search for all who ask before it begins: a herd of pages that load at once costs the server as much as a few.

Nobody gets an answer that is older than the question, as with a memory of answers (`services.api.remembered`); and as
there, who waits holds no thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class _Search(Generic[T]):
    """Searched for once; what it found, as a list of one."""

    __slots__ = ("found",)

    def __init__(self) -> None:
        self.found: list[T] = []


class Joined(Generic[T]):
    """One question, asked in one event loop; its searches run one at a time, each in a thread."""

    def __init__(self) -> None:
        self._searching = asyncio.Lock()
        self._waiting: _Search[T] = _Search()
        """The search that has not begun: whoever asks now waits for it."""

    async def get(self, find: Callable[[], T]) -> T:
        """Return what a search found that began after this call; what `find` raises only its own caller hears."""
        search = self._waiting
        async with self._searching:
            if not search.found:
                if search is self._waiting:
                    self._waiting = _Search()
                search.found.append(await asyncio.to_thread(find))
            return search.found[0]
