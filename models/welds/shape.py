"""The curve as a whole against its stream's own band: what features do not see.

A curve is laid on `BAND_POINTS` even steps over the core of its main pulse, so that welds that differ in start and
length are compared at the same share of the pulse. Its residual is (curve − centre) / sigma, point by point. How
residuals of conforming welds vary together is learnt per programme, as the few directions that carry most of it; a
residual then splits into a part along them (T², an unusual amount of the usual) and the rest (Q, something new).
After J. E. Jackson, G. S. Mudholkar, Technometrics 21 (1979) 341-349, on robustified residuals. Both are compared on a
logarithmic scale, where they are nearly normal, with what the stream's conforming welds have.

Directions change at fixed counts of judged welds only (`BLOCK` of `models.welds.judge`), so that any split of a batch
gives the same bits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from models.welds.features import BAND_POINTS

MEMORY_N = 50
"""Welds over which a band forgets."""
SETTLE_N = 10
"""From this many welds on a single odd curve may pull the band by `REACH` deviations at most."""
REACH = np.float32(4)
RELATIVE_FLOOR = np.float32(0.01)
"""Sigma of the band is never taken below this share of its centre: the class of the sensors (ISO 17657-4)."""
MAD_TO_SIGMA = np.float32(1.2533)
"""Mean absolute deviation of a normal distribution -> its sigma."""
DIRECTIONS = 4
RESIDUALS = 128
"""Residuals kept per programme, to learn the directions from; a new one takes the place of an old one ..."""
EVERY = 8
"""... and every eighth weld is one."""
MIN_RESIDUALS = 64
SCORE_MEMORY_N = 200
SCORE_PRIOR_N = 20
"""What the programme's other streams score counts as so many welds of a stream's own."""
SCORE_SIGMA_FLOOR = 0.15
WINSOR = 3.0


@dataclass(slots=True)
class Bands:
    """The band of every stream, one row each, over `G` points; and the scores of its conforming welds."""

    n: NDArray[np.int64]
    """(rows,) welds in the band."""
    centre: NDArray[np.float32]
    """(rows, G) resistance, µΩ; of streams without a current channel voltage, mV."""
    deviation: NDArray[np.float32]
    """(rows, G) mean absolute deviation from the centre."""
    span_ms: NDArray[np.float64]
    """(rows,) length of the core."""
    score_n: NDArray[np.int64]
    """(rows,) conforming welds with scores."""
    score_centre: NDArray[np.float64]
    """(rows, 2) of the logarithms of T and Q."""
    score_variance: NDArray[np.float64]
    """(rows, 2) likewise."""

    ARRAYS: ClassVar[tuple[str, ...]] = (
        "n", "centre", "deviation", "span_ms", "score_n", "score_centre", "score_variance",
    )  # fmt: skip

    @classmethod
    def empty(cls, rows: int = 64) -> Bands:
        """Return `rows` streams that have seen nothing."""
        return cls(
            n=np.zeros(rows, dtype=np.int64),
            centre=np.zeros((rows, BAND_POINTS), dtype=np.float32),
            deviation=np.zeros((rows, BAND_POINTS), dtype=np.float32),
            span_ms=np.zeros(rows),
            score_n=np.zeros(rows, dtype=np.int64),
            score_centre=np.zeros((rows, 2)),
            score_variance=np.zeros((rows, 2)),
        )

    def arrays(self, rows: int) -> dict[str, NDArray[np.generic]]:
        """Return the first `rows` rows of every array by name: what a snapshot holds."""
        return {name: getattr(self, name)[:rows] for name in self.ARRAYS}

    def reserve(self, rows: int) -> None:
        """Make room for `rows` streams; doubles, so that a growing plant costs little."""
        have = len(self.n)
        if rows <= have:
            return
        more = Bands.empty(max(rows, 2 * have) - have)
        for name in self.ARRAYS:
            setattr(self, name, np.concatenate((getattr(self, name), getattr(more, name))))

    def reset(self, rows: NDArray[np.int64]) -> None:
        """Forget the band of `rows`."""
        blank = Bands.empty(1)
        for name in self.ARRAYS:
            getattr(self, name)[rows] = getattr(blank, name)[0]

    def sigma(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return sigma of the band (len(rows), G)."""
        return _sigma(self.centre.take(rows, axis=0), self.deviation.take(rows, axis=0))

    def residual(self, rows: NDArray[np.int64], band: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (len(rows), G) how far curves lie from their bands, sigmas."""
        centre = self.centre.take(rows, axis=0)
        away: NDArray[np.float32] = band - centre
        away /= _sigma(centre, self.deviation.take(rows, axis=0))
        return away

    def learn(self, rows: NDArray[np.int64], band: NDArray[np.float32], span_ms: NDArray[np.float32]) -> None:
        """Take the curve (len(rows), G) and span of one conforming weld of each of the distinct `rows`."""
        n = self.n[rows]
        rate = (1.0 / np.minimum(n + 1, MEMORY_N)).astype(np.float32)[:, None]
        centre, deviation = self.centre.take(rows, axis=0), self.deviation.take(rows, axis=0)
        reach = np.abs(centre)
        reach *= RELATIVE_FLOOR
        np.maximum(deviation, reach, out=reach)
        reach *= REACH
        reach[n < SETTLE_N] = np.inf
        away = band - centre
        np.minimum(away, reach, out=away)
        np.maximum(away, np.negative(reach, out=reach), out=away)
        centre += np.multiply(rate, away, out=reach)
        self.centre[rows] = centre
        np.abs(away, out=away)
        away[n == 0] = 0  # the first curve is the centre
        away -= deviation
        away *= rate
        deviation += away
        self.deviation[rows] = deviation
        self.span_ms[rows] += rate[:, 0] * (span_ms - self.span_ms[rows])
        self.n[rows] = n + 1

    def distance(
        self,
        rows: NDArray[np.int64],
        score: NDArray[np.float64],
        usual: tuple[NDArray[np.float64], NDArray[np.float64]],
    ) -> NDArray[np.float64]:
        """Return (n, 2) how far T and Q lie above what the stream's conforming welds have, in its sigmas.

        `score` (n, 2) are logarithms; `usual` are centre and variance (n, 2) in the programme, where a stream starts.
        """
        fresh = rows[self.score_n[rows] == 0]
        if len(fresh):
            for have, start in zip((self.score_centre, self.score_variance), usual, strict=True):
                have[fresh] = start[self.score_n[rows] == 0]
        sigma = np.maximum(np.sqrt(self.score_variance[rows]), SCORE_SIGMA_FLOOR)
        z: NDArray[np.float64] = (score - self.score_centre[rows]) / sigma
        return z

    def learn_scores(self, rows: NDArray[np.int64], score: NDArray[np.float64]) -> None:
        """Take the scores (n, 2) of one conforming weld of each of the distinct `rows`; NaN is passed over."""
        seen = ~np.isnan(score[:, 1])
        rows, score = rows[seen], score[seen]
        n = self.score_n[rows]
        rate = 1.0 / np.minimum(n + 1 + SCORE_PRIOR_N, SCORE_MEMORY_N)[:, None]
        centre, variance = self.score_centre[rows], self.score_variance[rows]
        reach = WINSOR * np.maximum(np.sqrt(variance), SCORE_SIGMA_FLOOR)
        away = np.clip(score - centre, -reach, reach)
        self.score_centre[rows] = centre + rate * away
        self.score_variance[rows] = variance + rate * (np.square(away) - variance)
        self.score_n[rows] = n + 1


class Directions:
    """How the residuals of conforming welds vary together, per programme."""

    ARRAYS: ClassVar[tuple[str, ...]] = ("filled", "residuals", "basis", "variance", "centre", "spread")

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}
        self.filled = np.zeros((0, RESIDUALS), dtype=np.bool_)
        self.residuals = np.zeros((0, RESIDUALS, BAND_POINTS), dtype=np.float32)
        self.basis = np.zeros((0, DIRECTIONS, BAND_POINTS), dtype=np.float32)
        self.variance = np.zeros((0, DIRECTIONS), dtype=np.float32)
        """(programmes, K) of the coordinates along the basis; 0: not learnt yet."""
        self.centre = np.zeros((0, 2))
        """(programmes, 2) of the scores of the residuals that the basis was learnt from ..."""
        self.spread = np.zeros((0, 2))
        """... and their variance."""

    def rows(self, programs: list[str]) -> NDArray[np.int64]:
        """Return the row of each programme, making new ones."""
        known = self._rows
        result = np.array([known.setdefault(program, len(known)) for program in programs], dtype=np.int64)
        more = len(known) - len(self.filled)
        if more:
            for name in self.ARRAYS:
                have = getattr(self, name)
                setattr(self, name, np.concatenate((have, np.zeros((more, *have.shape[1:]), dtype=have.dtype))))
        return result

    def scores(self, program: NDArray[np.int64], residual: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return (n, 2) the logarithms of sqrt(T² / K) and sqrt(Q / (G − K)), NaN until directions are learnt.

        Before that Q would be full of what is common: a level that varies from coil to coil, say.
        """
        along = np.einsum("ng,nkg->nk", residual, self.basis.take(program, axis=0))
        variance = self.variance[program]
        learnt = variance[:, 0] > 0
        usual = np.square(along)
        t = np.sum(usual / np.where(learnt[:, None], variance, 1), axis=1) / DIRECTIONS
        q = (np.einsum("ng,ng->n", residual, residual) - usual.sum(axis=1)) / (BAND_POINTS - DIRECTIONS)
        score = 0.5 * np.log(np.maximum(np.column_stack((t, q)), 1e-4).astype(np.float64))
        return np.where(learnt[:, None], score, np.nan)

    def keep(self, ordinal: NDArray[np.int64], program: NDArray[np.int64], residual: NDArray[np.float32]) -> None:
        """Keep the residuals (n, G) of conforming welds whose turn it is; `ordinal` (n,) counts all welds, in order."""
        due = ordinal % EVERY == 0
        slot = ordinal[due] // EVERY % RESIDUALS
        self.residuals[program[due], slot] = np.clip(residual[due], -REACH, REACH)
        self.filled[program[due], slot] = True

    def learn(self) -> None:
        """Work out the directions of every programme with enough residuals."""
        for row in np.flatnonzero(self.filled.sum(axis=1) >= MIN_RESIDUALS):
            there = self.residuals[row][self.filled[row]].astype(np.float64)
            values, vectors = np.linalg.eigh(np.einsum("ng,nh->gh", there, there) / len(there))
            self.basis[row] = vectors[:, : -DIRECTIONS - 1 : -1].T
            # A direction that hardly varies must not make a mountain of noise.
            self.variance[row] = np.maximum(values[: -DIRECTIONS - 1 : -1], values.mean())
            scores = self.scores(np.full(len(there), row), there.astype(np.float32))
            self.centre[row] = np.median(scores, axis=0)
            self.spread[row] = np.square(1.4826 * np.median(np.abs(scores - self.centre[row]), axis=0))

    def snapshot(self) -> dict[str, NDArray[np.generic]]:
        """Return the whole state as plain arrays."""
        names = np.frombuffer(json.dumps(list(self._rows)).encode(), dtype=np.uint8)
        return {"programs": names} | {name: getattr(self, name) for name in self.ARRAYS}

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Take over a snapshot."""
        names = json.loads(bytes(state["programs"].astype(np.uint8)))
        self._rows = {name: row for row, name in enumerate(names)}
        for name in self.ARRAYS:
            setattr(self, name, state[name].copy())


def _sigma(centre: NDArray[np.float32], deviation: NDArray[np.float32]) -> NDArray[np.float32]:
    sigma = MAD_TO_SIGMA * deviation
    floor = np.abs(centre)
    floor *= RELATIVE_FLOOR
    np.maximum(floor, np.float32(1e-3), out=floor)
    np.maximum(sigma, floor, out=sigma)
    return sigma
