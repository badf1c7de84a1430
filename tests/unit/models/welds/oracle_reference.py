"""The naive reference: one stream, one weld at a time, plain Python floats, straight from the definitions.

Slow and obvious on purpose. It shares constants with the vectorised code (they are the definition) and no function.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field

from models.welds import conditioning as c
from models.welds import estimates as e
from models.welds import priors as p
from models.welds import reference as r
from models.welds.features import FEATURES

NAN = math.nan
Values = dict[str, float]


@dataclass
class Prior:
    """What a programme's streams are like; a feature that too few of them have is absent."""

    centre: Values = field(default_factory=dict)
    between: Values = field(default_factory=dict)
    within: Values = field(default_factory=dict)
    slope: Values = field(default_factory=dict)
    wear: float = 0.0
    wear_variance: float = 0.0

    def learn(self, streams: list[NaiveReference], streams_n: int) -> None:
        learnt = [one for one in streams if one.n >= one.learn_n]
        if len(learnt) < streams_n:
            return
        self.wear = statistics.fmean(one.wear for one in learnt)
        seen = statistics.fmean(one.wear_variance for one in learnt)
        self.wear_variance = seen + statistics.pvariance([one.wear for one in learnt])
        for name in FEATURES:
            have = [one for one in learnt if not math.isnan(one.centre[name])]
            if len(have) < streams_n:
                continue
            there = [one.centre[name] + one.slope[name] * (self.wear - one.wear) for one in have]
            self.centre[name] = statistics.median(there)
            self.between[name] = statistics.variance(there) * (1 + p.FEW / len(there))
            self.within[name] = statistics.fmean(one.sigma(name) ** 2 for one in have)
            self.slope[name] = statistics.median(one.slope[name] for one in have)


@dataclass
class NaiveReference:
    """What is normal for one stream."""

    learn_n: int
    prior: Prior
    alone: bool = False
    pinned: bool = False
    n: int = 0
    first: list[tuple[Values, float]] = field(default_factory=list)
    centre: Values = field(default_factory=dict)
    variance: Values = field(default_factory=dict)
    covariance: Values = field(default_factory=dict)
    slope: Values = field(default_factory=dict)
    wear: float = 0.0
    wear_variance: float = 0.0
    anchor: Values = field(default_factory=dict)
    anchor_sigma: Values = field(default_factory=dict)
    anchor_wear: float = 0.0

    def sigma(self, name: str) -> float:
        return floored(name, self.variance[name], self.centre[name])

    def expect(self, values: Values, wear: float) -> tuple[Values, Values] | None:
        """Return centre and sigma of a weld's features at its wear, or None while there is nothing to compare with."""
        if self.n < self.learn_n:
            return self._expect_young(values, wear)
        off = from_mean(wear, self.wear, self.wear_variance)
        n = min(self.n, r.MEMORY_N)
        doubt = 1 / n + off**2 / (n * self.wear_variance + 1 / c.SLOPE_PRIOR_SIGMA**2)
        wider = math.sqrt((1 + r.SMALL_N / n) * (1 + doubt))
        centre = {name: self.centre[name] + self.slope[name] * off for name in FEATURES}
        return centre, {name: self.sigma(name) * wider for name in FEATURES}

    def learn(self, values: Values, wear: float) -> None:
        """Take a conforming weld."""
        if self.n < self.learn_n:
            self.first.append((values, wear))
            self.n += 1
            if self.n == self.learn_n:
                self._settle()
            return
        if self.pinned:
            return
        self._follow(values, wear)
        self.n += 1
        if self.n == r.ANCHOR_N:
            self._set_anchor()

    def _expect_young(self, values: Values, wear: float) -> tuple[Values, Values] | None:
        prior = self.prior
        if self.alone or any(not math.isnan(values[name]) and name not in prior.centre for name in FEATURES):
            return None
        centre, sigma = dict.fromkeys(FEATURES, NAN), dict.fromkeys(FEATURES, NAN)
        for name in prior.centre:
            slope = prior.slope[name]
            level = [
                one[name] - slope * from_mean(at, prior.wear, prior.wear_variance)
                for one, at in self.first
                if not math.isnan(one[name])
            ]
            own = statistics.median(level) if level else None
            if self.n >= e.UNLIKE_N and self._unlike(name, own, self.n, prior.centre[name]):
                return None
            mean, variance = self._blend(name, own, self.n, prior.centre[name])
            centre[name] = mean + slope * from_mean(wear, prior.wear, prior.wear_variance)
            sigma[name] = math.sqrt(floored(name, prior.within[name], mean) ** 2 + variance)
        return centre, sigma

    def _blend(self, name: str, own: float | None, n: int, prior_centre: float) -> tuple[float, float]:
        weight = 0.0 if own is None else n / (e.MEDIAN_VARIANCE * self.prior.within[name])
        prior_weight = 1 / (self.prior.between[name] + e.TINY)
        variance = 1 / (weight + prior_weight)
        return variance * (weight * (own or 0.0) + prior_weight * prior_centre), variance

    def _unlike(self, name: str, own: float | None, n: int, prior_centre: float) -> bool:
        usual = self.prior.between[name] + e.MEDIAN_VARIANCE * self.prior.within[name] / n
        return own is not None and abs(own - prior_centre) > e.UNLIKE_SIGMA * math.sqrt(usual)

    def _settle(self) -> None:
        counted = [at for _, at in self.first if not math.isnan(at)]
        self.wear = self.anchor_wear = statistics.fmean(counted) if counted else 0.0
        off = [0.0 if math.isnan(at) else at - self.wear for _, at in self.first]
        self.wear_variance = statistics.fmean(x**2 for x in off)
        for name in FEATURES:
            known = name in self.prior.centre and not self.alone
            y = [values[name] for values, _ in self.first]
            expected = self.prior.slope.get(name, 0.0)
            middle, spread = middle_and_spread([a - expected * x for a, x in zip(y, off, strict=True)])
            reach = r.WINSOR_SIGMA * math.sqrt(spread)
            residual = [
                0.0 if math.isnan(a) else max(-reach, min(reach, a - expected * x - middle))
                for a, x in zip(y, off, strict=True)
            ]
            joint = statistics.fmean(x * e for x, e in zip(off, residual, strict=True))
            self.covariance[name] = joint + expected * self.wear_variance
            self.slope[name] = self._slope(name, self.learn_n)
            middle, spread = middle_and_spread([a - self.slope[name] * x for a, x in zip(y, off, strict=True)])
            usual = self.prior.centre.get(name, NAN) + self.slope[name] * (self.wear - self.prior.wear)
            if known and not self._unlike(name, middle, self.learn_n, usual):
                middle, _ = self._blend(name, middle, self.learn_n, usual)
                spread = (r.PRIOR_N * self.prior.within[name] + self.learn_n * spread) / (r.PRIOR_N + self.learn_n)
            lacking = 2 * sum(math.isnan(a) for a in y) > self.learn_n
            self.centre[name], self.variance[name] = (NAN, NAN) if lacking else (middle, spread)
        self._set_anchor()

    def _set_anchor(self) -> None:
        self.anchor, self.anchor_wear = dict(self.centre), self.wear
        self.anchor_sigma = {name: self.sigma(name) for name in FEATURES}

    def _slope(self, name: str, n: int) -> float:
        ridge = 1 / (c.SLOPE_PRIOR_SIGMA**2 * n)
        prior = self.prior.slope.get(name, 0.0)
        return (self.covariance[name] + ridge * prior) / (self.wear_variance + ridge)

    def _follow(self, values: Values, wear: float) -> None:
        n = min(self.n + 1, r.MEMORY_N)
        rate = 1 / n
        counted = not math.isnan(wear)
        off = from_mean(wear, self.wear, self.wear_variance)
        spread = {name: self.sigma(name) for name in FEATURES}
        if counted:
            self.wear += rate * off
            self.wear_variance = (1 - rate) * (self.wear_variance + rate * off**2)
        for name in FEATURES:
            if math.isnan(self.centre[name]):
                continue
            reach = r.WINSOR_SIGMA * spread[name]
            error = values[name] - self.centre[name] - self.slope[name] * off
            seen = not math.isnan(error)
            error = max(-reach, min(reach, error)) if seen else 0.0
            moved = self.slope[name] * off + error
            if counted:
                self.covariance[name] = (1 - rate) * (self.covariance[name] + rate * off * moved)
            sigma = self.anchor_sigma[name]
            steepest = c.SLOPE_MAX_SIGMA * sigma
            self.slope[name] = max(-steepest, min(steepest, self._slope(name, n)))
            there = self.anchor[name] + self.slope[name] * (self.wear - self.anchor_wear)
            leash = r.ANCHOR_SIGMA * sigma
            self.centre[name] = max(there - leash, min(there + leash, self.centre[name] + rate * moved))
            if seen:
                grown = self.variance[name] + rate * (error**2 / r.WINSOR_VARIANCE - self.variance[name])
                self.variance[name] = min(grown, (r.ANCHOR_SPREAD * sigma) ** 2)


def floored(name: str, variance: float, centre: float) -> float:
    return max(math.sqrt(variance), r.RELATIVE_FLOOR * abs(centre), float(r.ABSOLUTE_FLOOR[FEATURES.index(name)]))


def from_mean(wear: float, mean: float, variance: float) -> float:
    if math.isnan(wear):
        return 0.0
    reach = c.REACH_SIGMA * math.sqrt(variance) + c.REACH
    return max(-reach, min(reach, wear - mean))


def middle_and_spread(x: list[float]) -> tuple[float, float]:
    return _median(x), (e.MAD_TO_SIGMA * _median([abs(a - _median(x)) for a in x])) ** 2


def _median(x: list[float]) -> float:
    known = [a for a in x if not math.isnan(a)]
    return statistics.median(known) if known else NAN
