"""Slow drifts, live: an EWMA of each feature's distance from its reference, per stream, gun and programme.

A weld that is 1.5 sigmas off is nothing; forty in a row are a cap that has come loose. Each stream (spot x programme)
has one EWMA per watched feature, with limits from the plant's budget of false alarms per hour.

**Whose drift it is.** A new coil moves every spot of a programme and a dressed tip every spot of a gun. Both movements
are taken off a spot before it is looked at, and are watched as one stream each, so that a coil is one finding and not
hundreds. They are means over blocks of about one body's welds, and take effect at the end of a block. How long a block
is, is settled when it begins (as many welds as streams are known), so that batching changes nothing.

**What the run length means here.** The distances come from a reference that itself learns, over 200 welds. A step of δ
fades from them as δ·exp(−n/200), so that what is not seen in the first hundred welds is learnt as normal and never
seen: this monitor finds steps and ramps that are quick against 200 welds; slower wear is `models.welds.wear`'s. And the
reference is only known to 1/√n sigmas, which the limits allow for. Distances are cut to ±`WINSOR_SIGMA`, so that single
wild welds (they have verdicts of their own) are no drift. The dispersion of each EWMA is measured as it goes, with a
long memory, and widens the limits where values follow each other; it never narrows them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from models.signals import Raised, Signal
from models.spc.charts import ewma_sigma, ewma_step
from models.spc.run_length import arl_of_budget, ewma_limit
from models.welds.batch import WeldBatch
from models.welds.explain import NAMES
from models.welds.features import FEATURES
from models.welds.judge import GunEvent, rounds
from models.welds.reference import MEMORY_N
from models.welds.verdicts import Verdicts

WATCHED = (
    "current_rms_ka", "voltage_rms_v", "force_mean_kn", "energy_j", "r_alpha_uohm", "r_beta_uohm", "r_end_uohm",
)  # fmt: skip
"""The features that have a chart: what the gun gives, and what the joint makes of it."""
_COLUMNS = [FEATURES.index(name) for name in WATCHED]
LAMBDA = 0.1
"""Small enough to be robust against tails (C. M. Borror et al., Journal of Quality Technology 31 (1999) 309-316)."""
WINSOR_SIGMA = 4.0
BLOCK_WELDS = (64, 4096)
"""Shortest and longest block."""
RELEASE = 0.6
"""An excursion ends below this share of its limit, so that one drift is one signal."""
SPREAD_MEMORY_N = 400
"""Values over which the dispersion of an EWMA is measured."""
SPREAD_CUT = 3.0
"""Beyond so many of its sigmas an EWMA counts as this when measured: a drift that begins must not hide itself."""
FIRST_ARL = 105_000.0
"""Run length until the load is known: 6 alarms an hour over 3,000 spots x 7 features at 30 bodies an hour."""
LOAD_BLOCKS = 15
"""The load is the median over so many blocks, so that a break is not taken for a slower plant."""
LEAST_LOADS = 5
HOUR_NS = 3600 * 10**9
_VARIANCE = ewma_sigma(LAMBDA) ** 2
_BEGIN = {"spread": _VARIANCE, "level_spread": _VARIANCE}
"""What new rows hold, where that is not 0: an EWMA is never taken to be calmer than that of independent values."""
_EXACT = 2.0**20
"""Distances are rounded to multiples of 2⁻²⁰: sums of a block are then exact, hence the same in any order."""
_LEVELS = {"gun": "Gun", "program": "Programme"}
_RESTARTS = frozenset({"cap_change", "maintenance"})
"""What is done to a gun so that what its charts remember is of another gun, so to say."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """What is known of the welds `[start, start + n)` of a batch; every array (n,), `z` (n, W)."""

    welds: WeldBatch
    start: int
    rows: NDArray[np.int64]
    pairs: NDArray[np.int64]
    z: NDArray[np.float64]
    version: NDArray[np.int64]
    known_n: NDArray[np.int64]


class DriftMonitor:
    """Watches all streams of a plant. Holds all state; the same welds in the same order give the same bits."""

    STREAM_ARRAYS: ClassVar[tuple[str, ...]] = ("ewma", "spread", "version", "outside", "pair")
    """One row per stream (spot x programme)."""
    GROUP_ARRAYS: ClassVar[tuple[str, ...]] = ("level", "level_spread", "level_outside")
    """One row per gun or programme."""
    PAIR_ARRAYS: ClassVar[tuple[str, ...]] = ("sums", "counts")
    """One row per pair of programme and gun."""

    def __init__(self, alarms_per_hour: float, learn_n: int) -> None:
        """Watch so that chance alone raises at most about `alarms_per_hour` signals over the whole plant.

        Distances from a reference of fewer than `learn_n` welds are passed over: they may be from the programme's
        other spots, and say where a spot stands among them, not that it moves.
        """
        width, variance = len(WATCHED), ewma_sigma(LAMBDA) ** 2
        self._alarms_per_hour, self._learn_n = alarms_per_hour, learn_n
        self._rows: dict[tuple[str, str], int] = {}
        self._groups: dict[tuple[str, str], int] = {}  # ("gun" or "program", name)
        self._pairs: dict[tuple[int, int], int] = {}  # (programme's group, gun's group)
        self._guns: list[str] = []  # of each stream, as last seen
        self.ewma = np.zeros((0, width))
        """(streams, W) of the distances, sigmas."""
        self.spread = np.full((0, width), variance)
        """(streams, W) variance of what is left of the EWMA when the common movement is taken off."""
        self.version = np.zeros(0, dtype=np.int64)
        """(streams,) of the reference that the distances are from."""
        self.outside = np.zeros(0, dtype=np.bool_)
        """(streams,) in an excursion."""
        self.pair = np.zeros(0, dtype=np.int64)
        """(streams,) whose welds a stream's are."""
        self.level = np.zeros((0, width))
        """(groups, W) common movement: of a programme, and of a gun beyond its programmes', sigmas."""
        self.level_spread = np.full((0, width), variance)
        self.level_outside = np.zeros(0, dtype=np.bool_)
        self.sums = np.zeros((0, width))
        """(pairs, W) of the distances in this block."""
        self.counts = np.zeros((0, width))
        self.loads = np.zeros(0)
        """Welds per hour of the last blocks."""
        self.newest_ns = self.begun_ns = -1
        """Newest source time, and what that was when this block began; below 0: none."""
        self.length = self.left = BLOCK_WELDS[0]
        """Welds in this block, and how many are still to come."""
        self._limit = ewma_limit(LAMBDA, FIRST_ARL)

    @property
    def limit_sigmas(self) -> float:
        """Limit of every chart, in sigmas of its EWMA."""
        return self._limit

    def add(self, welds: WeldBatch, verdicts: Verdicts) -> list[Raised]:
        """Take welds as they were judged, in their order; return the excursions that began, in the order of welds."""
        z = np.clip(verdicts.z[:, _COLUMNS].astype(np.float64), -WINSOR_SIGMA, WINSOR_SIGMA)
        z[verdicts.late | (verdicts.reference_n < self._learn_n)] = np.nan
        z = np.rint(z * _EXACT) / _EXACT
        found: list[Raised] = []
        start = 0
        while start < len(welds):
            # A block's end must see what lies before it and nothing else: keys as well are found piece by piece.
            stop = min(len(welds), start + self.left)
            rows, pairs = self._find(welds, start, stop)
            piece = _Piece(
                welds, start, rows, pairs, z[start:stop],
                verdicts.reference_version[start:stop], verdicts.reference_n[start:stop],
            )  # fmt: skip
            common = self._common()
            for turn in rounds(rows):
                found += self._step(piece, turn, common)
            self._gather(piece)
            self.newest_ns = max(self.newest_ns, int(welds.time_ns[start:stop].max()))
            self.left -= stop - start
            if not self.left:
                found += self._end_block(stop - 1, int(welds.time_ns[stop - 1]))
            start = stop
        return sorted(found, key=lambda raised: raised[0])

    def apply(self, event: GunEvent) -> None:
        """Begin the charts of a gun anew when it has new caps or was repaired."""
        group = self._groups.get(("gun", event.gun))
        if event.kind not in _RESTARTS or group is None:
            return
        self.level[group], self.level_outside[group] = 0.0, False
        rows = np.array([row for row, gun in enumerate(self._guns) if gun == event.gun], dtype=np.int64)
        self.ewma[rows], self.outside[rows] = self._common()[self.pair[rows]], False

    def snapshot(self) -> dict[str, NDArray[np.generic]]:
        """Return the whole state as plain arrays, from which `restore` goes on to the bit."""
        keys = {
            "watched": WATCHED,
            "streams": list(self._rows),
            "groups": list(self._groups),
            "pairs": list(self._pairs),
            "guns": self._guns,
            "block": (self.newest_ns, self.begun_ns, self.length, self.left),
        }
        state: dict[str, NDArray[np.generic]] = {"keys": np.frombuffer(json.dumps(keys).encode(), dtype=np.uint8)}
        for names, rows in self._tables():
            state |= {name: getattr(self, name)[:rows] for name in names}
        return state | {"loads": self.loads}

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Take over a snapshot. Raises `ValueError` when it watched other features."""
        keys = json.loads(bytes(state["keys"].astype(np.uint8)))
        if tuple(keys["watched"]) != WATCHED:
            raise ValueError(f"the snapshot watched {keys['watched']}; this version watches {list(WATCHED)}")
        self._rows = {(spot, program): row for row, (spot, program) in enumerate(keys["streams"])}
        self._groups = {(level, name): row for row, (level, name) in enumerate(keys["groups"])}
        self._pairs = {(program, gun): row for row, (program, gun) in enumerate(keys["pairs"])}
        self._guns = list(keys["guns"])
        self.newest_ns, self.begun_ns, self.length, self.left = keys["block"]
        self._reserve()
        for names, rows in self._tables():
            for name in names:
                getattr(self, name)[:rows] = state[name]
        self.loads = state["loads"].astype(np.float64)
        self._set_limit()

    def _tables(self) -> tuple[tuple[tuple[str, ...], int], ...]:
        return (
            (self.STREAM_ARRAYS, len(self._rows)),
            (self.GROUP_ARRAYS, len(self._groups)),
            (self.PAIR_ARRAYS, len(self._pairs)),
        )

    def _reserve(self) -> None:
        """Make room for every key; doubles, so that a growing plant costs little."""
        for names, rows in self._tables():
            for name in names:
                have = getattr(self, name)
                if len(have) < rows:
                    more = np.zeros((max(rows, 2 * len(have), 64) - len(have), *have.shape[1:]), dtype=have.dtype)
                    setattr(self, name, np.concatenate((have, more + _BEGIN.get(name, 0))))

    def _find(self, welds: WeldBatch, start: int, stop: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return stream and pair of the welds `[start, stop)`; new ones are given rows."""
        known, guns = self._rows, welds.gun[start:stop]
        spots, programs = welds.spot[start:stop], welds.program[start:stop]
        found = [known.setdefault(key, len(known)) for key in zip(spots, programs, strict=True)]
        self._guns += [""] * (len(known) - len(self._guns))
        self._reserve()
        rows = np.array(found, dtype=np.int64)
        if [self._guns[row] for row in found] == guns and "" not in guns:
            return rows, self.pair[rows]
        pairs = np.empty(len(rows), dtype=np.int64)
        for k, (row, gun, program) in enumerate(zip(found, guns, programs, strict=True)):
            of_program = self._groups.setdefault(("program", program), len(self._groups))
            of_gun = self._groups.setdefault(("gun", gun), len(self._groups))
            pairs[k] = self._pairs.setdefault((of_program, of_gun), len(self._pairs))
            self._guns[row], self.pair[row] = gun, pairs[k]
        self._reserve()
        return rows, pairs

    def _step(self, piece: _Piece, at: NDArray[np.int64], common: NDArray[np.float64]) -> list[Raised]:
        """Take at most one weld of each stream, those at positions `at`."""
        z, row = piece.z[at], piece.rows[at]
        anew = piece.version[at] != self.version[row]
        self.version[row] = piece.version[at]
        shared = common[piece.pairs[at]]
        # A chart that begins stands where its gun and programme stand, that is, nowhere of its own.
        ewma = ewma_step(np.where(anew[:, None], shared, self.ewma[row]), z, LAMBDA)
        self.ewma[row] = ewma
        away = ewma - shared
        variance = self.spread[row]
        # The reference's own centre is known to 1/√n only, and with its memory never better than 1/√(2·200).
        blur = 1 / np.clip(piece.known_n[at], 1, 2 * MEMORY_N)[:, None]
        limit = self._limit * np.sqrt(np.maximum(variance, _VARIANCE) + blur)
        was = self.outside[row] & ~anew
        begun, outside = _excursions(away, limit, was)
        self.outside[row] = outside
        learns = ~np.isnan(z) & ~outside[:, None]
        self.spread[row] = _measure(variance, away, learns / SPREAD_MEMORY_N)
        tell = np.flatnonzero(begun)
        return [_tell_spot(piece.welds, piece.start + int(at[k]), away[k], limit[k]) for k in tell]

    def _common(self) -> NDArray[np.float64]:
        """Return the common movement (pairs, W): the programme's plus the gun's."""
        pairs = np.array(list(self._pairs), dtype=np.int64)
        common: NDArray[np.float64] = self.level[pairs].sum(axis=1)
        return common

    def _gather(self, piece: _Piece) -> None:
        """Add welds to the sums of their block."""
        size = len(self._pairs)
        seen = ~np.isnan(piece.z)
        value = np.where(seen, piece.z, 0.0)
        for column in range(len(WATCHED)):
            self.sums[:size, column] += np.bincount(piece.pairs, value[:, column], minlength=size)
            self.counts[:size, column] += np.bincount(piece.pairs, seen[:, column], minlength=size)

    def _end_block(self, position: int, time_ns: int) -> list[Raised]:
        """Move the common levels on by what the block brought, look at them, and set the limits of the next block."""
        pairs, groups = np.array(list(self._pairs), dtype=np.int64), len(self._groups)
        sums, counts = self.sums[: len(pairs)], self.counts[: len(pairs)]
        streams = np.bincount(self.pair[: len(self._rows)], minlength=len(pairs))
        # A programme's movement first; a gun's is what is left of its welds when their programmes' is taken off.
        program_mean, of_program = _means(pairs[:, 0], sums, counts, streams, groups)
        rest = sums - counts * program_mean[pairs[:, 0]]
        gun_mean, of_gun = _means(pairs[:, 1], rest, counts, streams, groups)
        mean, per_stream = program_mean + gun_mean, of_program + of_gun  # a group is one or the other
        level = self.level[:groups]
        level += (1 - (1 - LAMBDA) ** per_stream) * (mean - level)
        self.sums[:], self.counts[:] = 0.0, 0.0
        self._measure_load()
        variance = self.level_spread[:groups]
        limit = self._limit * np.sqrt(np.maximum(variance, _VARIANCE))
        begun, outside = _excursions(level, limit, self.level_outside[:groups])
        self.level_outside[:groups] = outside
        self.level_spread[:groups] = _measure(
            variance, level, np.minimum(~outside[:, None] * per_stream / SPREAD_MEMORY_N, 1.0)
        )
        names = list(self._groups)
        found = []
        for k in np.flatnonzero(begun).tolist():
            kind, name = names[k]
            what, details = _describe(level[k], limit[k])
            gun, program = (name, "") if kind == "gun" else ("", name)
            text = f"{_LEVELS[kind]} {name}: {what} on its spots together."
            found.append((position, Signal("drift", time_ns, gun, "", program, text, {"level": kind, **details})))
        return found

    def _measure_load(self) -> None:
        """Note the load of the block that ends, and begin the next one."""
        if 0 <= self.begun_ns < self.newest_ns:
            load = self.length * HOUR_NS / (self.newest_ns - self.begun_ns)
            self.loads = np.append(self.loads, load)[-LOAD_BLOCKS:]
            self._set_limit()
        self.begun_ns = self.newest_ns
        self.length = self.left = min(max(len(self._rows), BLOCK_WELDS[0]), BLOCK_WELDS[1])

    def _set_limit(self) -> None:
        """Derive the limit from the budget and the load of the last blocks."""
        if len(self.loads) < LEAST_LOADS:
            return
        arl = arl_of_budget(self._alarms_per_hour, len(WATCHED) * float(np.median(self.loads)))
        # In steps of a tenth of a decade the limit moves by 0.05 sigmas, and is solved for once.
        self._limit = ewma_limit(LAMBDA, float(min(max(10 ** (round(10 * np.log10(arl)) / 10), 100.0), 1e8)))


def _tell_spot(welds: WeldBatch, position: int, away: NDArray[np.float64], limit: NDArray[np.float64]) -> Raised:
    spot, program, gun = welds.spot[position], welds.program[position], welds.gun[position]
    what, details = _describe(away, limit)
    text = f"Spot {spot} (programme {program}): {what}, more than the other spots of its gun and programme."
    time_ns = int(welds.time_ns[position])
    return position, Signal("drift", time_ns, gun, spot, program, text, {"level": "spot", **details})


def _describe(away: NDArray[np.float64], limit: NDArray[np.float64]) -> tuple[str, dict[str, float | str]]:
    """Return the chart that is furthest outside, of those of one stream (W,), in words and as details."""
    lead = int(np.argmax(np.abs(away) / limit))
    feature, size = WATCHED[lead], float(away[lead])
    side = "above" if size > 0 else "below"
    text = f"{NAMES[feature][0]} has moved to {abs(size):.1f} σ {side} its reference"
    return text, {"feature": feature, "size_sigma": size, "limit_sigma": float(limit[lead])}


def _excursions(
    away: NDArray[np.float64], limit: NDArray[np.float64], was: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Tell which rows (n, W) go outside now, and which are outside: a row stays so until all its charts are back."""
    ratio = np.max(np.abs(away) / limit, axis=1)
    outside = np.where(was, ratio > RELEASE, ratio > 1)
    return outside & ~was, outside


def _measure(
    variance: NDArray[np.float64], away: NDArray[np.float64], rate: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the variance (n, W) after one more value, counted at `rate` (n, W)."""
    square = np.minimum(np.square(away), SPREAD_CUT**2 * variance)
    moved: NDArray[np.float64] = variance + rate * (square - variance)
    return moved


def _means(
    group: NDArray[np.int64],
    sums: NDArray[np.float64],
    counts: NDArray[np.float64],
    streams: NDArray[np.int64],
    groups: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean (groups, W) of pairs' sums by group, and how many values each stream of the group has had."""
    by_group = [np.bincount(group, x, minlength=groups) for x in (*sums.T, *counts.T)]
    total, count = np.array(by_group[: len(WATCHED)]).T, np.array(by_group[len(WATCHED) :]).T
    members = np.bincount(group, streams, minlength=groups)[:, None]
    return total / np.maximum(count, 1), count / np.maximum(members, 1)
