"""Bursts: the defect rate of a spot, a gun or a cell has risen, seen while it happens.

Each of them has a Bernoulli CUSUM (`models.spc.bernoulli`) against its own long-run rate. Its limit follows from a
budget of false alarms of the whole plant, counted per judged weld, so that it needs no clock. Defects are rare: good
welds are only counted, and the few defects are taken one by one in their order, which makes any split of the same
welds into batches give the same signals and the same state.

A rate that is usual for the gun is none for its spots, whatever they were used to; likewise a cell's for its guns.
One burst is told once, and again only when it becomes far worse. What a raised spot does is not counted at its gun,
nor what a raised gun does at its cell; and the spots of a raised gun are not told one by one. A burst is over when
maintenance of the gun is reported, or when so many good welds have followed each other that the rate can no longer be
what it was.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from models.signals import Raised, Signal
from models.spc.bernoulli import limit_for, step
from models.welds.batch import WeldBatch
from models.welds.judge import GunEvent
from models.welds.verdicts import CAUSE_CODES, DEFECT, UNJUDGED, Verdicts

LEVELS = ("spot", "gun", "cell")
"""From the narrowest to the widest."""
SPOT, GUN, CELL = range(3)
WELDS_PER_FALSE_ALARM = 1_000_000
"""Judged welds of the whole plant, mean, between two signals where no rate had risen; the levels share it equally."""
LEAST_RATE = 0.02
"""The chart is sharpest at this rate of defects, or at `RISE` times the usual one where that is more."""
RISE = 5.0
LEAST_DEFECTS = 3
"""One dip of the mains may spoil two welds of a cell at once: that is no burst."""
PRIOR_RATE, PRIOR_WELDS = 0.001, 2000
"""What is taken for usual before anything is known, as if seen in so many welds. A spot begins with what is usual at
its gun, and a gun with what is usual in its cell, instead."""
MEMORY_WELDS = 100_000
"""Beyond so many welds the long run counts half: what was usual long ago fades."""
MOST = 0.75
"""A spot that has this share of its gun's defects is what went bad, not the gun; likewise a gun in its cell."""
WORSE = 4.0
"""A burst is told again when its rate has become this many times what was told."""
OVER = 3
"""In units of the chart's step: after so many good welds in a row a burst is over. At the rate that the chart just does
not mind, such a row has a chance of e^−3."""
STEPS_PER_DECADE = 8
"""Usual rates are rounded up to this grid, so that few charts have to be worked out."""
LOWEST_RATE = 1e-6
ENDS_BURST = ("maintenance", "cap_change")


@dataclass(frozen=True, slots=True)
class _Burst:
    """What has gathered since the score left 0."""

    defects: int
    welds: int
    causes: NDArray[np.int32]
    """(C,) how many of the defects have each of `CAUSE_CODES`."""
    usual: float
    """The long-run rate that it is held against."""

    @property
    def rate(self) -> float:
        """Return the share of defects."""
        return self.defects / self.welds


class _Level:
    """The charts of one level, a row each; `C` causes."""

    ARRAYS: ClassVar[tuple[str, ...]] = (
        "judged", "last", "began", "score", "defects", "raised", "told", "usual",
        "known_at", "known_welds", "known_defects", "causes",
    )  # fmt: skip

    def __init__(self, rows: int = 64) -> None:
        self.row_of: dict[str, int] = {}
        self.gun: list[str] = []
        """(rows in use,) the gun of each; in a cell the one that was seen first."""
        self.judged = np.zeros(rows, dtype=np.int64)
        """(rows,) judged welds so far; those below are places in this count."""
        self.last = np.zeros(rows, dtype=np.int64)
        """(rows,) of the last defect."""
        self.began = np.zeros(rows, dtype=np.int64)
        """(rows,) of the last weld before the score left 0."""
        self.score = np.zeros(rows, dtype=np.int64)
        """(rows,) just after the last defect."""
        self.defects = np.zeros(rows, dtype=np.int64)
        """(rows,) since `began`."""
        self.raised = np.zeros(rows, dtype=np.bool_)
        self.told = np.zeros(rows)
        """(rows,) rate of defects in the burst that was told last."""
        self.usual = np.full(rows, PRIOR_RATE)
        """(rows,) long-run rate of defects when the score left 0."""
        self.known_at = np.zeros(rows, dtype=np.int64)
        """(rows,) up to where the welds have joined the long run."""
        self.known_welds = np.zeros(rows, dtype=np.int64)
        self.known_defects = np.zeros(rows, dtype=np.int64)
        self.causes = np.zeros((rows, len(CAUSE_CODES)), dtype=np.int32)
        """(rows, C) of the defects since `began`."""

    def rows(self, keys: Sequence[str], guns: Sequence[str]) -> NDArray[np.int64]:
        """Return the row of each key (n,), made when new."""
        known = self.row_of
        found = np.empty(len(keys), dtype=np.int64)
        for k, key in enumerate(keys):
            row = known.get(key)
            if row is None:
                row = known[key] = len(known)
                self.gun.append(guns[k])
            found[k] = row
        have = len(self.judged)
        if len(known) > have:
            more = _Level(max(len(known), 2 * have) - have)
            for name in self.ARRAYS:
                setattr(self, name, np.concatenate((getattr(self, name), getattr(more, name))))
        return found

    def settle(self, row: int, place: int, prior: float) -> None:
        """Let the good welds before the weld at `place` count; `prior` is the rate that the wider level has."""
        good = place - 1 - int(self.last[row])
        if good >= OVER * chart(float(self.usual[row]))[0]:
            self.raised[row] = False
        self.score[row] = max(0, int(self.score[row]) - good)
        self.last[row] = place - 1
        if not self.score[row]:
            self._join(row, place - 1, int(self.defects[row]))
            known = self.known_defects[row] + prior * PRIOR_WELDS
            self.usual[row] = known / (self.known_welds[row] + PRIOR_WELDS)

    def strike(self, row: int, place: int, cause: int, prior: float) -> _Burst | None:
        """Take a defect at `place`, settled before with that `prior`; return what has gathered at the limit."""
        m, limit = chart(float(self.usual[row]))
        self.score[row] += m - 1
        self.defects[row] += 1
        self.causes[row, cause] += 1
        self.last[row] = place
        if self.score[row] < limit:
            return None
        if prior > self.usual[row] and not self._exceeds(row, prior):
            self._join(row, place, int(self.defects[row]))
            self.score[row] = 0
            return None
        return self.call(row)

    def _exceeds(self, row: int, usual: float) -> bool:
        """Tell whether what has gathered would be a burst at another usual rate, too."""
        m, limit = chart(usual)
        defects, welds = int(self.defects[row]), int(self.last[row] - self.began[row])
        return defects * (m - 1) - (welds - defects) >= limit

    def call(self, row: int) -> _Burst:
        """Raise a burst at the last defect, and return what has gathered."""
        usual, place = float(self.usual[row]), int(self.last[row])
        burst = _Burst(int(self.defects[row]), place - int(self.began[row]), self.causes[row].copy(), usual)
        # What was called a burst teaches the long run a little, so that a rate that stays becomes the usual one.
        m, _ = chart(usual)
        self._join(row, place, min(burst.defects, 1 + burst.welds // m))
        self.score[row], self.raised[row] = 0, True
        return burst

    def end(self, row: int) -> None:
        """Forget what has gathered: it was repaired."""
        place = int(self.judged[row])
        self.score[row], self.raised[row] = 0, False
        self.last[row] = self.began[row] = self.known_at[row] = place
        self.defects[row], self.causes[row] = 0, 0

    def _join(self, row: int, place: int, defects: int) -> None:
        self.known_welds[row] += place - self.known_at[row]
        self.known_defects[row] += defects
        if self.known_welds[row] > MEMORY_WELDS:
            self.known_welds[row] //= 2
            self.known_defects[row] //= 2
        self.known_at[row] = self.began[row] = place
        self.defects[row], self.causes[row] = 0, 0


@dataclass(frozen=True, slots=True)
class _Defect:
    """One defect; what it is called at every level, its row and its place there, by `LEVELS`."""

    keys: tuple[str, ...]
    rows: tuple[int, ...]
    places: tuple[int, ...]
    cause: int
    program: str
    time_ns: int


class BurstDetector:
    """Watches the defect rates of a plant. Holds all state; the same welds in the same order give the same signals."""

    def __init__(self, cell_of_gun: Mapping[str, str]) -> None:
        """`cell_of_gun` is the plant's; a gun that it does not know is watched, but counts in no cell."""
        self._cell_of_gun = cell_of_gun
        self._levels = tuple(_Level() for _ in LEVELS)

    def add(self, welds: WeldBatch, verdicts: Verdicts) -> list[Raised]:
        """Take judged welds in their order; return the bursts that they make known.

        Late welds and those without a verdict count nothing.
        """
        counts = np.flatnonzero((verdicts.verdict != UNJUDGED) & ~verdicts.late)
        gun = [welds.gun[k] for k in counts]
        keys = ([welds.spot[k] for k in counts], gun, [self._cell_of_gun.get(name, "") for name in gun])
        rows = [level.rows(names, gun) for level, names in zip(self._levels, keys, strict=True)]
        places = [_places(level, mine) for level, mine in zip(self._levels, rows, strict=True)]
        told: list[Raised] = []
        for k in np.flatnonzero(verdicts.verdict[counts] == DEFECT).tolist():
            weld = int(counts[k])
            defect = _Defect(
                keys=tuple(names[k] for names in keys),
                rows=tuple(int(mine[k]) for mine in rows),
                places=tuple(int(mine[k]) for mine in places),
                cause=int(verdicts.cause[weld]),
                program=welds.program[weld],
                time_ns=int(welds.time_ns[weld]),
            )
            signal = self._take(defect)
            if signal is not None:
                told.append((weld, signal))
        return told

    def apply(self, event: GunEvent) -> None:
        """Take note of an event: maintenance of a gun ends the bursts of gun and spots, and one of its cell."""
        if event.kind not in ENDS_BURST or not event.gun:
            return
        for level in self._levels[:CELL]:
            for row, gun in enumerate(level.gun):
                if gun == event.gun:
                    level.end(row)
        cells = self._levels[CELL]
        cell = cells.row_of.get(self._cell_of_gun.get(event.gun, ""))
        if cell is not None and cells.raised[cell]:
            cells.end(cell)

    def snapshot(self) -> dict[str, NDArray[np.generic]]:
        """Return the whole state as plain arrays, from which `restore` goes on to the bit."""
        text = json.dumps([{"keys": list(level.row_of), "guns": level.gun} for level in self._levels])
        state: dict[str, NDArray[np.generic]] = {"keys": np.frombuffer(text.encode(), dtype=np.uint8)}
        for name, level in zip(LEVELS, self._levels, strict=True):
            used = len(level.row_of)
            state |= {f"{name}.{array}": getattr(level, array)[:used] for array in _Level.ARRAYS}
        return state

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Take over a snapshot."""
        names = json.loads(bytes(state["keys"].astype(np.uint8)))
        levels = []
        for name, kept in zip(LEVELS, names, strict=True):
            level = _Level(max(64, len(kept["keys"])))
            level.rows(kept["keys"], kept["guns"])
            for array in _Level.ARRAYS:
                getattr(level, array)[: len(kept["keys"])] = state[f"{name}.{array}"]
            levels.append(level)
        self._levels = tuple(levels)

    def _take(self, defect: _Defect) -> Signal | None:
        priors = [PRIOR_RATE]
        for level, row, place in zip(self._levels[::-1], defect.rows[::-1], defect.places[::-1], strict=True):
            level.settle(row, place, priors[0])
            priors.insert(0, float(level.usual[row]))
        raised = [bool(level.raised[row]) for level, row in zip(self._levels, defect.rows, strict=True)]
        told = None
        for k, (level, row, place) in enumerate(zip(self._levels, defect.rows, defect.places, strict=True)):
            if any(raised[:k]):
                break  # a narrower level has told of it
            burst = level.strike(row, place, defect.cause, priors[k + 1])
            if burst is None or (raised[k] and burst.rate < WORSE * level.told[row]) or (k == SPOT and raised[GUN]):
                continue
            if told is None and defect.keys[k]:
                at, burst = self._narrow(k, burst, defect)
                self._levels[at].told[defect.rows[at]] = burst.rate
                told = _signal(at, burst, defect)
            elif not raised[k]:
                level.raised[row] = False  # it is the same burst
        return told

    def _narrow(self, at: int, burst: _Burst, defect: _Defect) -> tuple[int, _Burst]:
        """Return level and burst of the narrowest that has most of the defects: that is what went bad."""
        while at:
            level, row = self._levels[at - 1], defect.rows[at - 1]
            if level.defects[row] < MOST * burst.defects:
                break
            self._levels[at].raised[defect.rows[at]] = False
            at, burst = at - 1, level.call(row)
        return at, burst


@lru_cache(maxsize=1024)
def chart(usual: float) -> tuple[int, int]:
    """Return (step, limit) of the chart for a usual rate, 0..1, rounded up to the grid."""
    return _chart_at(math.ceil(STEPS_PER_DECADE * math.log10(max(usual, LOWEST_RATE)) - 1e-9))


@lru_cache(maxsize=1024)
def _chart_at(grid: int) -> tuple[int, int]:
    p0 = min(0.5, 10.0 ** (grid / STEPS_PER_DECADE))
    m = step(p0, min(max(LEAST_RATE, RISE * p0), (1 + p0) / 2))
    limit = limit_for(p0, m, len(LEVELS) * WELDS_PER_FALSE_ALARM)
    return m, max(limit, (LEAST_DEFECTS - 1) * (m - 1) + 1)


def _places(level: _Level, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count welds (n,) of the level's rows; return the place of each in its row's count."""
    if not len(rows):
        return rows
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    begins = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    lengths = np.diff(np.r_[begins, len(rows)])
    nth = np.empty(len(rows), dtype=np.int64)
    nth[order] = np.arange(len(rows)) - np.repeat(begins, lengths)
    places: NDArray[np.int64] = level.judged[rows] + nth + 1
    level.judged[ordered[begins]] += lengths
    return places


def _signal(at: int, burst: _Burst, defect: _Defect) -> Signal:
    level, (spot, gun, cell) = LEVELS[at], defect.keys
    leading = int(np.argmax(burst.causes))
    cause = CAUSE_CODES[leading]
    return Signal(
        kind="defect_burst",
        time_ns=defect.time_ns,
        gun="" if level == "cell" else gun,
        spot=spot if level == "spot" else "",
        program=defect.program if level == "spot" else "",
        text=(
            f"{level} {defect.keys[at]}: {burst.defects} defects in the last {burst.welds} welds, "
            f"usually 1 in {round(1 / burst.usual):,}; {int(burst.causes[leading])} of them {cause.replace('_', ' ')}"
        ),
        details={
            "level": level,
            "cell": cell,
            "cause": cause,
            "defects": burst.defects,
            "welds": burst.welds,
            "usual_rate": burst.usual,
        },
    )
