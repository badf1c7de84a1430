"""Which groups changed, when and by how much: the likeliest change is found, explained away, and the rest searched.

A gun that goes bad shows in its spots, its cell, its programmes and the plant. Its own series shows it best, since the
others have it diluted or cut up; so the change is given to the series with the most evidence. Two bad guns of twelve
may show best in the plant's; so it is asked whether groups inside it, each paying its own penalty, explain more
together. The welds of the group that was found are then set aside (or, for a feature, its steps taken off), and what
remains is searched again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.changes import scan
from models.changes.units import LEVELS, Change, Grouping, Unit, group

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Ratios = Callable[[Grouping, Mask], tuple[NDArray[np.int64], Array]]
MAX_CHANGES = 20
MAX_ROUNDS = 60
LEAST_SIGMA = 0.5
"""A feature that moves by less changes no verdict, however certain it is."""
CUT_SIGMA = 4.0
"""Bucket means further from the unit's median count as this: a sensor that dies is no change of the process."""
CALMEST_SIGMA = 0.5
"""A series is not trusted to scatter less than this, of the 1 that its units' welds do."""
OWN_RATIO = 3.317
"""Log likelihood ratio at which a unit is said to have changed itself: half of chi-squared's 99 % point."""


@dataclass(frozen=True, slots=True)
class _Best:
    """The likeliest change of all series."""

    grouping: Grouping
    row: int
    split: int
    least: float
    """What a log likelihood ratio must exceed in this grouping."""


def rate_changes(units: Sequence[Unit], edges_ns: NDArray[np.int64], defects: Array, trials: Array) -> list[Change]:
    """Return the changes of the defect rate, most evidence first.

    `edges_ns` (T + 1,) bound the buckets; `defects` and `trials` (U, T) are counts per unit and bucket.
    """
    if not units or defects.shape[1] < 2:
        return []
    active = np.ones(len(units), dtype=np.bool_)
    plant_d, plant_n = defects.sum(axis=0), trials.sum(axis=0)
    found: list[Change] = []

    def ratios(grouping: Grouping, among: Mask) -> tuple[NDArray[np.int64], Array]:
        groups, (d, n) = grouping.sums(among, defects, trials)
        return groups, scan.rate_ratio(d, n)

    series = _Series(group(units), ratios, active, defects.shape[1] - 1)
    while active.any() and len(found) < MAX_CHANGES:
        best = _best(series, active)
        if best is None:
            break
        inside = active & (best.grouping.of_unit == best.row)
        d, n, members = defects[inside], trials[inside], _members(units, inside)
        ratio = _of_rate(d.sum(axis=0), n.sum(axis=0))
        for start, cut, stop in _pieces(ratio, best.split, d.shape[1], best.least):
            part, before, after = slice(start, stop), slice(start, cut + 1), slice(cut + 1, stop)
            d1, n1, d2, n2 = (float(x[:, side].sum()) for side in (before, after) for x in (d, n))
            extra = _extra(d1, n1, d2, n2)
            of_plant = _extra(*(float(x[side].sum()) for side in (before, after) for x in (plant_d, plant_n)))
            own = scan.rate_ratio(d[:, part], n[:, part])[:, cut - start]
            more = _extra(*(x[:, side].sum(axis=1) for side in (before, after) for x in (d, n)))
            low, high = scan.rate_difference(d1, n1, d2, n2)
            share = min(float(extra / of_plant), 1.0) if extra * of_plant > 0 else None
            ranked = _ranked(members, own, more * np.sign(extra))
            place, values = (start, cut, ratio(start, stop)), (d1 / n1, d2 / n2)
            found.append(_change("defect_rate", best, "", edges_ns, place, values, (low, high), share, ranked))
        active &= ~inside
        series.renew(inside, active)
    return _sorted(found)


def mean_changes(
    units: Sequence[Unit], edges_ns: NDArray[np.int64], means: Array, counts: Array, feature: str
) -> list[Change]:
    """Return the changes of a feature's mean that are of `LEAST_SIGMA` at least, most evidence first.

    `means` (U, T) are of `counts` (U, T) welds each, in the feature's unit; NaN where there is none. Changes are in
    sigmas of one weld of each unit, which its bucket means tell by how they follow each other.
    """
    found: list[Change] = []
    z, n, kept = _standard(means, counts)
    units = _members(units, kept)
    if not units or z.shape[1] < 2:
        return []
    groupings, everyone = group(units), np.ones(len(units), dtype=np.bool_)
    total = z * n
    sigma_of = {g.level: np.maximum(scan.step_sigma(*g.sums(everyone, total, n)[1]), CALMEST_SIGMA) for g in groupings}

    def ratios(grouping: Grouping, among: Mask) -> tuple[NDArray[np.int64], Array]:
        groups, (x, m) = grouping.sums(among, total, n)
        return groups, np.nan_to_num(scan.mean_ratio(x, m, sigma_of[grouping.level][groups]))

    series = _Series(groupings, ratios, everyone, z.shape[1] - 1)
    freedom = scan.step_freedom(int((n.sum(axis=0) > 0).sum()))
    for _ in range(MAX_ROUNDS):
        best = _best(series, everyone, freedom)
        if best is None or len(found) >= MAX_CHANGES:
            break
        inside = best.grouping.of_unit == best.row
        sigma = float(sigma_of[best.grouping.level][best.row])
        x, m, members = total[inside].copy(), n[inside], _members(units, inside)
        ratio = _of_mean(x.sum(axis=0), m.sum(axis=0), sigma)
        for start, cut, stop in _pieces(ratio, best.split, x.shape[1], best.least):
            part, before, after = slice(start, stop), slice(start, cut + 1), slice(cut + 1, stop)
            x1, n1, x2, n2 = (float(y[:, side].sum()) for side in (before, after) for y in (x, m))
            step = x2 / n2 - x1 / n1
            total[inside, cut + 1 :] -= step * m[:, cut + 1 :]
            if abs(step) < LEAST_SIGMA:
                continue
            own = scan.mean_ratio(x[:, part], m[:, part], np.ones(len(x)))[:, cut - start]
            y1, m1, y2, m2 = (y[:, side].sum(axis=1) for side in (before, after) for y in (x, m))
            moved = y2 / np.maximum(m2, 1) - y1 / np.maximum(m1, 1)
            half = scan.mean_difference(sigma, n1, n2)
            place, values = (start, cut, ratio(start, stop)), (x1 / n1, x2 / n2)
            ranked = _ranked(members, own, moved * np.sign(step))
            bounds = (step - half, step + half)
            found.append(_change("feature", best, feature, edges_ns, place, values, bounds, None, ranked))
        series.renew(inside, everyone)
    return _sorted(found)


def _standard(means: Array, counts: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Return distances from each unit's median in sigmas, the counts, and which units have enough to tell."""
    n = np.where(np.isnan(means), 0.0, counts)
    sigma = scan.step_sigma(np.nan_to_num(means) * n, n)
    kept = sigma > 0
    means, n, sigma = means[kept], n[kept], sigma[kept, None]
    if not len(means):
        return means, n, kept
    z = np.clip((means - np.nanmedian(means, axis=1, keepdims=True)) / sigma, -CUT_SIGMA, CUT_SIGMA)
    return np.nan_to_num(z), n, kept


class _Series:
    """The log likelihood ratios of every group, worked out anew only for groups in which something changed."""

    def __init__(self, groupings: Sequence[Grouping], ratios: Ratios, active: Mask, splits: int) -> None:
        """`ratios` returns groups (G,) and their ratios (G, splits); those of other groups are 0."""
        self.groupings, self._ratios, self._splits = groupings, ratios, splits
        self._whole = {grouping.level: self.among(grouping, active) for grouping in groupings}

    def whole(self, grouping: Grouping) -> Array:
        """Return the ratios (groups, splits) over all active units."""
        return self._whole[grouping.level]

    def among(self, grouping: Grouping, units: Mask) -> Array:
        """Return the ratios (groups, splits) over some units (U,) only."""
        found = np.zeros((len(grouping.names), self._splits))
        groups, ratio = self._ratios(grouping, units)
        found[groups] = ratio
        return found

    def renew(self, changed: Mask, active: Mask) -> None:
        """Work out anew the groups of `changed` (U,) units over those of their units that are `active` (U,)."""
        for grouping in self.groupings:
            whole = self._whole[grouping.level]
            whole[grouping.of_unit[changed]] = 0.0
            groups, ratio = self._ratios(grouping, grouping.beside(changed) & active)
            whole[groups] = ratio


def _best(series: _Series, among: Mask, freedom: float = np.inf) -> _Best | None:
    """Return the change that explains most of the units `among` (U,), or None when there is no evidence of any."""
    best, most, where = None, 0.0, among
    for grouping in series.groupings:
        found, evidence, _ = _strongest(grouping, series.whole(grouping), freedom)
        # On a tie the narrower group: the wider one is the same welds then.
        if found is not None and evidence >= most:
            best, most, where = found, evidence, among & (grouping.of_unit == found.row)
    if best is None:
        return None
    for grouping in series.groupings[LEVELS.index(best.grouping.level) + 1 :]:
        found, _, together = _strongest(grouping, series.among(grouping, where), freedom)
        if found is not None and together > most:
            best, most = found, together
    return best


def _strongest(grouping: Grouping, ratio: Array, freedom: float) -> tuple[_Best | None, float, float]:
    """Return the group with the most evidence, that evidence, and the evidence of all groups that have some."""
    least = scan.penalty(len(LEVELS) * len(grouping.names), ratio.shape[1], freedom)
    split = np.argmax(ratio, axis=1)
    evidence = np.take_along_axis(ratio, split[:, None], axis=1)[:, 0] - least
    row = int(np.argmax(evidence))
    if evidence[row] <= 0:
        return None, 0.0, 0.0
    return _Best(grouping, row, int(split[row]), least), float(evidence[row]), float(evidence[evidence > 0].sum())


def _of_rate(d: Array, n: Array) -> Callable[[int, int], Array]:
    return lambda start, stop: scan.rate_ratio(d[None, start:stop], n[None, start:stop])[0]


def _of_mean(x: Array, n: Array, sigma: float) -> Callable[[int, int], Array]:
    return lambda start, stop: scan.mean_ratio(x[None, start:stop], n[None, start:stop], np.array([sigma]))[0]


def _pieces(ratio: Callable[[int, int], Array], first: int, buckets: int, least: float) -> list[tuple[int, int, int]]:
    """Return (start, cut, stop) of every change in one series: buckets [start, cut] before it, (cut, stop) after."""
    cuts: list[int] = []

    def search(start: int, stop: int, split: int) -> None:
        cuts.append(split)
        for low, high in ((start, split + 1), (split + 1, stop)):
            if high - low > 1:
                inner = ratio(low, high)
                k = int(np.argmax(inner))
                if inner[k] > least:
                    search(low, high, low + k)

    search(0, buckets, first)
    cuts.sort()
    starts, stops = [0, *(cut + 1 for cut in cuts[:-1])], [*(cut + 1 for cut in cuts[1:]), buckets]
    return list(zip(starts, cuts, stops, strict=True))


def _change(
    kind: str,
    best: _Best,
    feature: str,
    edges_ns: NDArray[np.int64],
    place: tuple[int, int, Array],
    values: tuple[float, float],
    bounds: tuple[float, float],
    share: float | None,
    members: tuple[Unit, ...],
) -> Change:
    start, cut, ratio = place
    first, last = scan.interval(ratio)
    return Change(
        kind=kind,
        level=best.grouping.level,
        name=best.grouping.names[best.row],
        feature=feature,
        time_ns=int(edges_ns[cut + 1]),
        # The change lies between the last weld of the bucket before and the first of the bucket after.
        earliest_ns=int(edges_ns[start + first]),
        latest_ns=int(edges_ns[start + last + 2]),
        before=values[0],
        after=values[1],
        low=bounds[0],
        high=bounds[1],
        share=share,
        evidence=float(ratio[cut - start]) - best.least,
        members=members,
    )


def _sorted(found: Sequence[Change]) -> list[Change]:
    """Return the changes with evidence: one between two others may have none left, seen from its neighbours."""
    return sorted((change for change in found if change.evidence > 0), key=lambda change: -change.evidence)[
        :MAX_CHANGES
    ]


def _extra(d1: Array | float, n1: Array | float, d2: Array | float, n2: Array | float) -> Array:
    """Return the defects after a change beyond those that the rate before it would have made."""
    return np.asarray(d2 - d1 / np.maximum(n1, 1) * n2)


def _members(units: Sequence[Unit], inside: NDArray[np.bool_]) -> list[Unit]:
    return [unit for unit, here in zip(units, inside.tolist(), strict=True) if here]


def _ranked(units: Sequence[Unit], own: Array, size: Array) -> tuple[Unit, ...]:
    """Return the units that changed themselves, and the same way (size above 0), the largest first."""
    order = np.argsort(-size, kind="stable")
    return tuple(units[k] for k in order.tolist() if own[k] > OWN_RATIO and size[k] > 0)
