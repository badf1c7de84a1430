"""What is normal for each stream (spot x programme): robust, learnt from conforming welds only.

A stream starts from what its programme's other spots are like (`priors`), draws what it knows from its own welds as
they come, follows electrode wear along a line (`conditioning`), forgets slowly, and never leaves the neighbourhood of
its anchor: what it was when it had learnt. So no drift, however slow, makes a defect normal.

Every method takes at most one weld per stream, so that the arithmetic is vectorised over rows and a result depends
on the order of a stream's own welds alone. State is a row in arrays; growth doubles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from models.welds.conditioning import SLOPE_MAX_SIGMA, doubt, from_mean, slope_of
from models.welds.estimates import UNLIKE_N, blend, middle_and_spread, nanmedian, unlike
from models.welds.features import FEATURES
from models.welds.priors import Priors

MEMORY_N = 200
"""Welds over which the reference forgets: each new one counts 1/200 once the stream has that many."""
WINSOR_SIGMA = 2.5
"""Distances beyond this count as this when learning, so that no single weld pulls the reference."""
WINSOR_VARIANCE = 0.97756
"""E[min(z², 2.5²)] of a standard normal z: what the winsorised variance must be divided by."""
PRIOR_N = 10
"""What the programme's other spots scatter counts as so many welds of a stream's own."""
SMALL_N = 5
"""Sigma from few welds may be too small by chance: its square is taken (1 + 5/n) times as large."""
ANCHOR_SIGMA = 3.0
"""The centre moves from its anchor by at most so many of the anchor's sigmas. Coils differ by about half a sigma."""
ANCHOR_SPREAD = 1.5
"""Sigma grows to at most so many times the anchor's."""
ANCHOR_N = 200
"""After so many welds, when it has seen several coils and dresses, the reference becomes its own anchor once more."""
RELATIVE_FLOOR = 0.01
"""Sigma is never taken below 1 % of the centre: the class of the current and voltage sensors (ISO 17657-4)."""
_FLOORS = {
    "weld_time_ms": 2.0, "current_rms_ka": 0.05, "voltage_rms_v": 0.01, "energy_j": 2.0, "charge_c": 2.0,
    "r_first_uohm": 1.0, "r_alpha_uohm": 1.0, "r_beta_uohm": 1.0, "t_beta_ms": 4.0, "r_mean_uohm": 1.0,
    "r_end_uohm": 1.0, "r_drop_uohm": 2.0, "r_slope_uohm_per_ms": 0.03, "step_uohm": 1.0, "step_left": 0.02,
    "current_dip_share": 0.01, "force_mean_kn": 0.02, "force_step_kn": 0.02, "expansion_mm": 0.01,
    "voltage_end_v": 0.01, "voltage_step_v": 0.01,
}  # fmt: skip
ABSOLUTE_FLOOR = np.array([_FLOORS[name] for name in FEATURES])
"""... nor below this, per feature, in its own unit: two samples of time, a quantisation step of the sensors."""
REASONS = ("", "program_change", "reference_reset")
"""Why a version of a reference began: the kind of event; the first version began with the first weld."""
_NEVER = np.iinfo(np.int64).min
_SETTLE_ROWS = 256
"""Streams whose first welds are looked at together: enough to be fast, few enough for the cache."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What welds of `n` streams should be like."""

    known: NDArray[np.bool_]
    """(n,) there is something to compare with; else the reference is still being learnt."""
    centre: NDArray[np.float64]
    """(n, F) at the wear of each weld; NaN where not known or not a feature of the stream."""
    sigma: NDArray[np.float64]
    """(n, F) likewise, the doubt about the centre included, never below the floors."""
    spread: NDArray[np.float64]
    """(n, F) sigma of the welds alone."""
    away: NDArray[np.float64]
    """(n,) wear above its mean, hundreds of welds; 0 where it is not counted."""

    def take(self, at: NDArray[np.int64]) -> Expected:
        """Return that of the welds `at`, which are distinct and in order."""
        if len(at) == len(self.known):
            return self
        return Expected(*(getattr(self, name).take(at, axis=0) for name in Expected.__slots__))


@dataclass(slots=True)
class References:
    """The reference of every stream, one row each. `F` features, `L` welds to learn from."""

    learn_n: int
    n: NDArray[np.int64]
    """(rows,) welds learnt from since the version began."""
    version: NDArray[np.int64]
    """(rows,) counts resets, from 1."""
    since_ns: NDArray[np.int64]
    """(rows,) when the version began."""
    reason: NDArray[np.int8]
    """(rows,) why, index into `REASONS`."""
    pinned: NDArray[np.bool_]
    """(rows,) learns no more once it has learnt."""
    alone: NDArray[np.bool_]
    """(rows,) was begun anew for reasons of its own: other spots do not tell what is normal here."""
    program: NDArray[np.int64]
    """(rows,) row of its programme."""
    last_time_ns: NDArray[np.int64]
    """(rows,) newest source time judged; a weld not newer is late."""
    centre: NDArray[np.float64]
    """(rows, F) at the mean wear; NaN while learning, or where the stream lacks the feature."""
    variance: NDArray[np.float64]
    """(rows, F) about the line over wear, likewise."""
    wear: NDArray[np.float64]
    """(rows,) mean wear, hundreds of welds ..."""
    wear_variance: NDArray[np.float64]
    """... its variance ..."""
    covariance: NDArray[np.float64]
    """(rows, F) ... and its covariance with the features."""
    slope: NDArray[np.float64]
    """(rows, F) of each feature per hundred welds of wear."""
    anchor: NDArray[np.float64]
    """(rows, F) centre at the wear `anchor_wear` when it had learnt."""
    anchor_sigma: NDArray[np.float64]
    """(rows, F) sigma then, with its floors."""
    anchor_wear: NDArray[np.float64]
    """(rows,)"""
    first: NDArray[np.float32]
    """(rows, L, F) features of the welds being learnt from."""
    first_wear: NDArray[np.float32]
    """(rows, L) their wear, NaN where it is not counted."""

    @classmethod
    def empty(cls, learn_n: int, rows: int = 64) -> References:
        """Return `rows` streams that have seen nothing."""
        table = (rows, len(FEATURES))
        return cls(
            learn_n=learn_n,
            n=np.zeros(rows, dtype=np.int64),
            version=np.ones(rows, dtype=np.int64),
            since_ns=np.zeros(rows, dtype=np.int64),
            reason=np.zeros(rows, dtype=np.int8),
            pinned=np.zeros(rows, dtype=np.bool_),
            alone=np.zeros(rows, dtype=np.bool_),
            program=np.zeros(rows, dtype=np.int64),
            last_time_ns=np.full(rows, _NEVER),
            centre=np.full(table, np.nan),
            variance=np.full(table, np.nan),
            wear=np.zeros(rows),
            wear_variance=np.zeros(rows),
            covariance=np.zeros(table),
            slope=np.zeros(table),
            anchor=np.full(table, np.nan),
            anchor_sigma=np.full(table, np.nan),
            anchor_wear=np.zeros(rows),
            first=np.full((rows, learn_n, len(FEATURES)), np.nan, dtype=np.float32),
            first_wear=np.full((rows, learn_n), np.nan, dtype=np.float32),
        )

    ARRAYS: ClassVar[tuple[str, ...]] = (
        "n", "version", "since_ns", "reason", "pinned", "alone", "program", "last_time_ns", "centre", "variance",
        "wear", "wear_variance", "covariance", "slope", "anchor", "anchor_sigma", "anchor_wear", "first", "first_wear",
    )  # fmt: skip
    KEPT: ClassVar[tuple[str, ...]] = ("pinned", "program", "last_time_ns")
    """What a new version takes over from the one before."""

    def arrays(self, rows: int) -> dict[str, NDArray[np.generic]]:
        """Return the first `rows` rows of every array by name: what a snapshot holds."""
        return {name: getattr(self, name)[:rows] for name in self.ARRAYS}

    def reserve(self, rows: int) -> None:
        """Make room for `rows` streams; doubles, so that a growing plant costs little."""
        have = len(self.n)
        if rows <= have:
            return
        more = References.empty(self.learn_n, max(rows, 2 * have) - have)
        for name in self.ARRAYS:
            setattr(self, name, np.concatenate((getattr(self, name), getattr(more, name))))

    def arrive(self, rows: NDArray[np.int64], time_ns: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Note the times of one weld of each of the distinct `rows`; tell which are late: not newer than what came."""
        last = self.last_time_ns[rows]
        late = time_ns <= last
        self.last_time_ns[rows] = np.maximum(last, time_ns)
        new = last == _NEVER
        self.since_ns[rows[new]] = time_ns[new]
        return late

    def learning(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell which of `rows` have not seen `learn_n` welds yet."""
        result: NDArray[np.bool_] = self.n[rows] < self.learn_n
        return result

    def sigma(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return sigma (len(rows), F) of the welds, never below the floors; NaN while learning."""
        return _floored(self.variance[rows], self.centre[rows])

    def expect(
        self, rows: NDArray[np.int64], values: NDArray[np.float32], wear: NDArray[np.float64], priors: Priors
    ) -> Expected:
        """Return what one weld of each of the distinct `rows` should be like, given its `wear` (`conditioning`).

        Of `values` (len(rows), F) it only matters which are there: a stream that is new is compared when its programme
        knows every one of them.
        """
        n = np.clip(self.n[rows], 1, MEMORY_N)
        seen = self.wear_variance.take(rows)
        away = from_mean(wear, self.wear.take(rows), seen)
        centre = self.centre.take(rows, axis=0)
        spread = _floored(self.variance.take(rows, axis=0), centre)
        centre += self.slope.take(rows, axis=0) * away[:, None]
        sigma = spread * np.sqrt((1 + SMALL_N / n) * (1 + doubt(away, seen, n)))[:, None]
        known = ~self.learning(rows)
        out = Expected(known, centre, sigma, spread, away)
        if not known.all():
            self._expect_young(np.flatnonzero(~known), rows, values, wear, priors, out)
        return out

    def learn(
        self,
        rows: NDArray[np.int64],
        values: NDArray[np.float32],
        wear: NDArray[np.float64],
        expected: Expected,
        priors: Priors,
    ) -> None:
        """Take one conforming weld of each of the distinct `rows`: features (len(rows), F), wear, what was expected."""
        young = self.learning(rows)
        if young.any():
            self._gather_first(rows[young], values[young], wear[young], priors)
        if not young.all():
            old = np.flatnonzero(~young)
            self._follow(rows[old], values.take(old, axis=0), ~np.isnan(wear[old]), expected.take(old), priors)
        self.n[rows] += 1
        mature = rows[self.n[rows] == ANCHOR_N]
        if len(mature):
            self._anchor(mature)

    def reset(self, rows: NDArray[np.int64], time_ns: int, reason: str, *, alone: bool) -> None:
        """Forget what is normal for `rows` and begin their next version; what was judged stays judged.

        With `alone` other spots do not tell what is normal for these until they have learnt it themselves.
        """
        blank = References.empty(self.learn_n, 1)
        self.version[rows] += 1
        for name in self.ARRAYS:
            if name not in {"version", *self.KEPT}:
                getattr(self, name)[rows] = getattr(blank, name)[0]
        self.since_ns[rows], self.reason[rows], self.alone[rows] = time_ns, REASONS.index(reason), alone

    def teach(self, priors: Priors, streams_n: int) -> None:
        """Let the programmes learn from their streams that have learnt, where there are at least `streams_n`."""
        rows = np.flatnonzero(self.n >= self.learn_n)
        wear = self.wear[rows], self.wear_variance[rows]
        variance = np.square(self.sigma(rows))
        priors.learn(self.program[rows], wear, self.centre[rows], variance, self.slope[rows], streams_n)

    def _expect_young(
        self,
        at: NDArray[np.int64],
        rows: NDArray[np.int64],
        values: NDArray[np.float32],
        wear: NDArray[np.float64],
        priors: Priors,
        out: Expected,
    ) -> None:
        """Fill in what is expected of streams, at `at`, that have not learnt: by their programme and their first welds.

        The centre is the mean of both, each weighted by how well it is known (empirical Bayes).
        """
        row, program = rows[at], self.program[rows[at]]
        lacking = (np.isnan(priors.centre[program]) & ~np.isnan(values[at])).any(axis=1)
        known = ~lacking & ~self.alone[row]
        at, row, program = at[known], row[known], program[known]
        if not len(at):
            return
        mean, seen = priors.wear[program], priors.wear_variance[program]
        slope = priors.slope[program]
        away = from_mean(wear[at], mean, seen)
        off = from_mean(self.first_wear[row].astype(np.float64), mean[:, None], seen[:, None])
        own = nanmedian(self.first[row] - slope[:, None, :] * off[:, :, None])
        within, between = priors.within[program], priors.between[program]
        foreign = unlike(own, self.n[row], priors.centre[program], within, between).any(axis=1)
        centre, variance = blend(own, self.n[row], priors.centre[program], within, between)
        out.known[at] = ~foreign | (self.n[row] < UNLIKE_N)
        out.away[at] = away
        out.centre[at] = centre + slope * away[:, None]
        out.spread[at] = _floored(within, centre)
        out.sigma[at] = np.sqrt(np.square(out.spread[at]) + variance)

    def _gather_first(
        self, rows: NDArray[np.int64], values: NDArray[np.float32], wear: NDArray[np.float64], priors: Priors
    ) -> None:
        self.first[rows, self.n[rows]] = values
        self.first_wear[rows, self.n[rows]] = wear
        done = rows[self.n[rows] == self.learn_n - 1]
        for start in range(0, len(done), _SETTLE_ROWS):
            self._settle(done[start : start + _SETTLE_ROWS], priors)

    def _settle(self, rows: NDArray[np.int64], priors: Priors) -> None:
        """Make references of the first welds of `rows`: medians about a line over wear."""
        first, wear = self.first[rows].astype(np.float64), self.first_wear[rows].astype(np.float64)
        counted = ~np.isnan(wear)
        mean = np.where(counted, wear, 0).sum(axis=1) / np.maximum(counted.sum(axis=1), 1)
        off = np.where(counted, wear - mean[:, None], 0.0)
        program = self.program[rows]
        within, between = priors.within[program], priors.between[program]
        slope = priors.slope[program]
        # One step of an M-estimate: residuals from the line that is expected, winsorised, correct the line.
        flat = first - slope[:, None, :] * off[:, :, None]
        middle, spread = middle_and_spread(flat)
        reach = WINSOR_SIGMA * np.sqrt(spread)
        residual = np.nan_to_num(np.clip(flat - middle[:, None, :], -reach[:, None, :], reach[:, None, :]), nan=0.0)
        self.wear[rows] = self.anchor_wear[rows] = mean
        self.wear_variance[rows] = np.square(off).mean(axis=1)
        self.covariance[rows] = (
            np.einsum("rl,rlf->rf", off, residual) / self.learn_n + slope * self.wear_variance[rows][:, None]
        )
        length = np.full(len(rows), self.learn_n)
        slope = slope_of(self.covariance[rows], self.wear_variance[rows], length, slope)
        self.slope[rows] = slope
        middle, spread = middle_and_spread(first - slope[:, None, :] * off[:, :, None])
        shared = (PRIOR_N * within + self.learn_n * spread) / (PRIOR_N + self.learn_n)
        usual = priors.centre[program] + slope * (mean - priors.wear[program])[:, None]
        blended, _ = blend(middle, length, usual, within, between)
        known = ~np.isnan(usual) & ~self.alone[rows][:, None] & ~unlike(middle, length, usual, within, between)
        # A feature that most of the first welds lack is not one of this stream's; a few gaps do not matter.
        lacking = np.isnan(first).sum(axis=1) * 2 > self.learn_n
        self.centre[rows] = np.where(lacking, np.nan, np.where(known, blended, middle))
        self.variance[rows] = np.where(lacking, np.nan, np.where(known, shared, spread))
        self._anchor(rows)

    def _anchor(self, rows: NDArray[np.int64]) -> None:
        self.anchor[rows], self.anchor_wear[rows] = self.centre[rows], self.wear[rows]
        self.anchor_sigma[rows] = self.sigma(rows)

    def _follow(
        self,
        rows: NDArray[np.int64],
        values: NDArray[np.float32],
        counted: NDArray[np.bool_],
        expected: Expected,
        priors: Priors,
    ) -> None:
        centre, away = self.centre.take(rows, axis=0), expected.away
        rate = 1.0 / np.minimum(self.n.take(rows) + 1, MEMORY_N)
        rates = rate[:, None]
        error = values - expected.centre
        unseen = np.isnan(error)
        reach = WINSOR_SIGMA * expected.spread
        np.minimum(error, reach, out=error)
        np.maximum(error, -reach, out=error)
        error[unseen] = 0.0
        moved = expected.centre - centre
        moved += error  # from the centre, as if the weld were as far off as it may count

        rate_of_wear = np.where(counted, rate, 0.0)
        self.wear[rows] += rate_of_wear * away
        wear_variance = (1 - rate_of_wear) * (self.wear_variance.take(rows) + rate_of_wear * np.square(away))
        self.wear_variance[rows] = wear_variance
        covariance = (rate_of_wear * away)[:, None] * moved
        covariance += self.covariance.take(rows, axis=0)
        covariance *= (1 - rate_of_wear)[:, None]
        self.covariance[rows] = covariance

        sigma = self.anchor_sigma.take(rows, axis=0)
        n = np.minimum(self.n.take(rows) + 1, MEMORY_N)
        slope = slope_of(covariance, wear_variance, n, priors.slope.take(self.program.take(rows), axis=0))
        steepest = SLOPE_MAX_SIGMA * sigma
        np.minimum(slope, steepest, out=slope)
        np.maximum(slope, -steepest, out=slope)
        self.slope[rows] = slope
        slope *= (self.wear.take(rows) - self.anchor_wear.take(rows))[:, None]
        there = self.anchor.take(rows, axis=0)
        there += slope
        moved *= rates
        moved += centre
        np.minimum(moved, there + ANCHOR_SIGMA * sigma, out=moved)
        self.centre[rows] = np.maximum(moved, there - ANCHOR_SIGMA * sigma, out=moved)
        variance = self.variance.take(rows, axis=0)
        np.square(error, out=error)
        error /= WINSOR_VARIANCE
        error -= variance
        error *= rates
        error[unseen] = 0.0
        variance += error
        self.variance[rows] = np.minimum(variance, np.square(ANCHOR_SPREAD * sigma), out=variance)


def _floored(variance: NDArray[np.float64], centre: NDArray[np.float64]) -> NDArray[np.float64]:
    floor = np.maximum(RELATIVE_FLOOR * np.abs(centre), ABSOLUTE_FLOOR)
    sigma: NDArray[np.float64] = np.maximum(np.sqrt(variance), floor)
    return sigma
