"""Closes hours of welds (see `counting`) in a thread beside the commits, and opens again what a commit changes.

    commit --reopen--> open again, in the store       with or before the commit's welds
    thread: choose a span --count--> written --still as it was?--> closed, else counted again later

Counting holds up nobody. Only its beginning and its end take the lock that commits take, so that a commit that changes
what is being counted either comes before it or is seen at the end.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from services.store.counting import DAY_NS, HOUR_NS, MINUTE_NS
from services.store.protocol import StoreError
from services.store.spans import FIRST, Span

_log = logging.getLogger(__name__)

MARGIN_NS = 10 * MINUTE_NS
"""An hour is closed when the newest weld is so much younger: most that is late by a little comes before that."""
LOOK_S = 10.0
"""Between two looks whether there is something to close."""
QUIET_S = 60.0
"""A reopened hour is closed again when no commit has changed it for so long."""


@dataclass(slots=True)
class _Known:
    """What is in the store; changed under the writing lock only."""

    until_ns: int = FIRST
    latest_ns: int = 0
    """Time of the newest weld."""
    reopened: dict[int, float] = field(default_factory=dict)
    """Hour -> when it was last changed, s of the monotonic clock."""


class HourCounter(Protocol):
    """What a store does to close hours; all of it raises `StoreError`."""

    def begin(self) -> None:
        """Begin; no commit is under way until the next call has come back."""

    def next_ns(self, from_ns: int) -> int | None:
        """Return the time of the first weld at or after `from_ns`."""

    def count(self, hours: Span, days: Span) -> Iterator[None]:
        """Count the welds of whole hours anew, and add whole days up anew from their hours; commits may go on.

        Between its parts it can be given up.
        """

    def end(self, hours: Span, until_ns: int) -> None:
        """Have these hours closed, and up to `until_ns` all that are not reopened; no commit is under way."""


class Closer:
    """Knows what is closed, and closes more."""

    def __init__(self, counter: Callable[[], AbstractContextManager[HourCounter]], writing: threading.Lock) -> None:
        """`counter` gives what counts one step and undoes it unless it ends; whoever commits holds `writing`."""
        self._counter, self._writing = counter, writing
        self._known = _Known()
        self._counting: Span | None = None
        self._changed = False
        self._turn = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._looked_s = time.monotonic()

    def load(self, until_ns: int, reopened: Iterable[int], latest_ns: int) -> None:
        """Take what is in the store: up to when hours are closed, which are not, and the newest weld's time."""
        self._known = _Known(until_ns, latest_ns, dict.fromkeys(reopened, time.monotonic() - QUIET_S))

    def reopen(self, time_ns: pa.ChunkedArray) -> tuple[list[int], list[int]]:
        """Return which closed hours a commit's welds are of, for `committed`, and which of them are not yet open.

        The latter must be open in the store no later than the welds are there.
        """
        if not len(time_ns):
            return [], []
        ends = pc.min_max(time_ns).as_py()
        known, counting = self._known, self._counting
        if counting and ends["min"] < counting[1] and ends["max"] >= counting[0]:
            self._changed = True
        known.latest_ns = max(known.latest_ns, ends["max"])
        if ends["min"] >= known.until_ns:
            return [], []
        hours = sorted({at // HOUR_NS * HOUR_NS for at in time_ns.to_pylist() if at < known.until_ns})
        return hours, [hour for hour in hours if hour not in known.reopened]

    def committed(self, hours: list[int]) -> None:
        """Take note of what a commit has reopened, and start to close what can be closed."""
        now = time.monotonic()
        self._known.reopened |= dict.fromkeys(hours, now)
        if now < self._looked_s + LOOK_S or (self._thread is not None and self._thread.is_alive()):
            return
        self._looked_s = now
        if not self._stop.is_set() and self._is_due():
            self._thread = threading.Thread(target=self._run, name="closing hours", daemon=True)
            self._thread.start()

    def close_hours(self, *, quiet_s: float = QUIET_S) -> int:
        """Close all that can be closed now, a day or less at a time; return in how many steps. Raises `StoreError`."""
        steps = 0
        with self._turn:
            while not self._stop.is_set() and self._close_one(quiet_s):
                steps += 1
        return steps

    def pause(self) -> None:
        """Undo what is being counted, and count no more until `resume`."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def resume(self) -> None:
        """End `pause`."""
        self._stop.clear()

    def _run(self) -> None:
        try:
            self.close_hours()
        except StoreError as error:  # nothing depends on it: the welds are read instead, and it is tried again
            _log.warning("hours of welds cannot be counted now, trying again: %s", error)

    def _is_due(self) -> bool:
        known = self._known
        return known.until_ns < self._target_ns() or any(self._quiet(QUIET_S))

    def _target_ns(self) -> int:
        return (self._known.latest_ns - MARGIN_NS) // HOUR_NS * HOUR_NS

    def _quiet(self, quiet_s: float) -> list[int]:
        limit = time.monotonic() - quiet_s
        return [hour for hour, changed_s in self._known.reopened.items() if changed_s <= limit]

    def _close_one(self, quiet_s: float) -> bool:
        with self._counter() as counter:
            with self._writing:
                counter.begin()
                chosen = self._choose(counter, quiet_s)
                if chosen is None:
                    return False
                # A weld of the time passed over, in which there was none, would be taken for counted as well.
                start, end = chosen.hours
                self._counting, self._changed = (min(start, self._known.until_ns), end), False
            try:
                for _ in counter.count(chosen.hours, chosen.days):
                    if self._stop.is_set():
                        return False
                with self._writing:
                    if self._changed or self._stop.is_set():
                        return False
                    counter.end(chosen.hours, chosen.until_ns)
                    self._known.until_ns = chosen.until_ns
                    for hour in [h for h in self._known.reopened if chosen.hours[0] <= h < chosen.hours[1]]:
                        del self._known.reopened[hour]
            finally:
                self._counting = None
        return True

    def _choose(self, counter: HourCounter, quiet_s: float) -> _Step | None:
        """Return what is closed next, up to the end of a day."""
        until_ns, target_ns = self._known.until_ns, self._target_ns()
        next_ns = counter.next_ns(until_ns)
        if next_ns is not None and next_ns < target_ns:
            start = next_ns // HOUR_NS * HOUR_NS  # no weld lies between `until_ns` and this
            end = min(target_ns, _day(start) + DAY_NS)
            first = start if until_ns == FIRST else until_ns
            return _Step((start, end), (_day(first), _day(end)), end)
        quiet = sorted(self._quiet(quiet_s))
        if not quiet:
            return None
        start = end = quiet[0]
        while end in quiet and end < _day(start) + DAY_NS:
            end += HOUR_NS
        return _Step((start, end), (_day(start), min(_day(start) + DAY_NS, _day(until_ns))), until_ns)


@dataclass(frozen=True, slots=True)
class _Step:
    """What is closed at once."""

    hours: Span
    """Counted anew from the welds."""
    days: Span
    """Added up anew from their hours; whole days that are closed, or nothing."""
    until_ns: int


def _day(time_ns: int) -> int:
    return time_ns // DAY_NS * DAY_NS
