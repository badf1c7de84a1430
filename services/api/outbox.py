"""What waits for one browser: bounded, newest state first, and honest about what was left out."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

MAX_WAITING_WELDS = 2000
MAX_WAITING_SIGNALS = 200
"""Findings are rare; of a flood the newest are shown, and all of them can be asked for."""

State = Literal["rate", "sources", "pipeline"]


class Batch:
    """Items of one kind, with their message encoded once for every browser that takes them as they are."""

    __slots__ = ("items", "text")

    def __init__(self, kind: Literal["welds", "agvs", "signals"], items: Sequence[str]) -> None:
        self.items = items
        self.text = f'{{"type":"{kind}","items":[{",".join(items)}]}}'


@dataclass(slots=True)
class Dropped:
    """How much was ever left out."""

    welds: int = 0
    signals: int = 0

    def __add__(self, other: Dropped) -> Dropped:
        return Dropped(self.welds + other.welds, self.signals + other.signals)


class Outbox:
    """The messages that one browser has not had yet. Used in the event loop only.

    Weld items beyond `MAX_WAITING_WELDS` and findings beyond `MAX_WAITING_SIGNALS` are dropped, the oldest first, and
    counted; newer state replaces older.
    """

    def __init__(self) -> None:
        self._filled = asyncio.Event()
        self._states: dict[State, str] = {}
        self._welds: deque[Batch] = deque()
        self._waiting = 0
        self._missed = 0
        self._signals: deque[str] = deque()
        self._missed_signals = 0
        self.dropped = Dropped()
        self._agvs: dict[str, str] = {}
        self._agv_batch: Batch | None = None

    def put_state(self, kind: State, text: str) -> None:
        """Take a message that replaces the one of its kind that is still waiting."""
        self._states[kind] = text
        self._filled.set()

    def put_welds(self, batch: Batch) -> None:
        """Take weld items."""
        self._welds.append(batch)
        self._waiting += len(batch.items)
        while self._waiting > MAX_WAITING_WELDS:
            oldest = self._welds.popleft()
            surplus = min(self._waiting - MAX_WAITING_WELDS, len(oldest.items))
            self._waiting -= surplus
            self._missed += surplus
            self.dropped.welds += surplus
            if surplus < len(oldest.items):
                self._welds.appendleft(Batch("welds", oldest.items[surplus:]))
        self._filled.set()

    def put_signals(self, items: Sequence[str]) -> None:
        """Take findings."""
        self._signals.extend(items)
        while len(self._signals) > MAX_WAITING_SIGNALS:
            self._signals.popleft()
            self._missed_signals += 1
            self.dropped.signals += 1
        self._filled.set()

    def put_agvs(self, agvs: Mapping[str, str], batch: Batch) -> None:
        """Take vehicles by id; `batch` is the message of all of them."""
        self._agv_batch = None if self._agvs else batch
        self._agvs.update(agvs)
        self._filled.set()

    async def take(self) -> str:
        """Return the next message, waiting for one."""
        await self._filled.wait()
        text = self._next()
        if not (self._states or self._welds or self._signals or self._agvs):
            self._filled.clear()
        return text

    def _next(self) -> str:
        if self._missed or self._missed_signals:
            text = f'{{"type":"missed","welds":{self._missed},"signals":{self._missed_signals}}}'
            self._missed = self._missed_signals = 0
            return text
        if self._signals:
            signals = Batch("signals", list(self._signals))
            self._signals.clear()
            return signals.text
        if self._welds:
            batches, self._waiting = list(self._welds), 0
            self._welds.clear()
            if len(batches) == 1:
                return batches[0].text
            return Batch("welds", [item for batch in batches for item in batch.items]).text
        if self._agvs:
            batch = self._agv_batch or Batch("agvs", list(self._agvs.values()))
            self._agvs, self._agv_batch = {}, None
            return batch.text
        kind = next(iter(self._states))
        return self._states.pop(kind)
