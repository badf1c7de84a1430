"""What people do to guns besides the timetable, and what it cures.

Actions are given to the shop; the welds stay a pure function of time, settings and actions. An action changes nothing
before its own moment, so that one may be decided upon by what the plant has done up to then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
MS = 10**6
CURES = {
    "repair": "gun",
    "tip_dress": "tip",
    "quarantine": "part",
}
"""Action -> where the trouble must lie for the action to end it: current, force, cable and sensors of the gun; the
electrode tips; the sheets and their fit."""
TOLD_AS = {"repair": "maintenance", "tip_dress": "tip_dress", "quarantine": "maintenance"}
"""Action -> the kind of event that tells of it."""
_TIME_BITS = 42
"""Milliseconds since 1970 fit until the year 2109."""
_TIME_MASK = (1 << _TIME_BITS) - 1


@dataclass(frozen=True, slots=True)
class Action:
    """One action on one gun, finished at `time_ns`."""

    kind: str
    """One of `ACTIONS`."""
    gun: int
    """Index into the layout."""
    time_ns: int
    """ns UTC, whole ms."""


class Maintenance:
    """A record of actions that many welds can ask at once."""

    def __init__(self, actions: Sequence[Action] = ()) -> None:
        """Sort the actions. Raises `ValueError` for an unknown kind."""
        unknown = sorted({action.kind for action in actions} - set(CURES))
        if unknown:
            raise ValueError(f"action kind is {unknown[0]!r}; expected one of {', '.join(CURES)}")
        self.actions = tuple(sorted(actions, key=lambda action: (action.time_ns, action.gun, action.kind)))
        self._keys = {
            kind: np.sort(
                np.array([a.gun << _TIME_BITS | a.time_ns // MS for a in actions if a.kind == kind], np.int64)
            )
            for kind in CURES
        }

    def last_ns(self, kind: str, gun: Ints, time_ns: Ints) -> Ints:
        """Return when each gun (n,) last had this action at or before a time (n,); -1 for never."""
        return self._at(kind, gun, np.searchsorted(self._keys[kind], _key(gun, time_ns), side="right") - 1)

    def count(self, kind: str, gun: Ints, time_ns: Ints) -> Ints:
        """Return how many such actions each gun (n,) has had at or before a time (n,)."""
        keys = self._keys[kind]
        first = np.searchsorted(keys, gun << _TIME_BITS, side="left")
        return np.asarray(np.searchsorted(keys, _key(gun, time_ns), side="right") - first, dtype=np.int64)

    def cured_ns(self, seat: NDArray[np.str_], gun: Ints, began_ns: Ints, until_ns: Ints) -> Ints:
        """Return when an action first ended each trouble (n,), seated as in `CURES`; -1 where none did.

        Only actions from when it began on and before `until_ns` count.
        """
        never = np.iinfo(np.int64).max
        first = np.full(len(gun), never)
        for kind, cures in CURES.items():
            done = self._at(kind, gun, np.searchsorted(self._keys[kind], _key(gun, began_ns), side="left"))
            first = np.where((seat == cures) & (done >= 0), np.minimum(first, done), first)
        return np.where(first < until_ns, first, -1)

    def _at(self, kind: str, gun: Ints, index: Ints) -> Ints:
        """Return the time of an action by its place in the order of guns and times; -1 where it is another gun's."""
        keys = self._keys[kind]
        if not len(keys):
            return np.full(len(gun), -1, dtype=np.int64)
        found = keys[np.clip(index, 0, len(keys) - 1)]
        mine = (index >= 0) & (index < len(keys)) & (found >> _TIME_BITS == gun)
        return np.where(mine, (found & _TIME_MASK) * MS, -1)


def _key(gun: Ints, time_ns: Ints) -> Ints:
    key: Ints = gun << _TIME_BITS | time_ns // MS
    return key
