"""Which labels a model may be scored on: grouped splits, so that no spot stands on both sides.

Neighbouring welds of one spot are near repeats of each other: a model scored on the neighbours of what it was trained
on is flattered, and may only have learnt which spot it was (Ciravegna et al., Electronics 13 (2024) 3693).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FOLDS = 5
MAX_SHARE = 0.5
"""A spot with more than this share of any label's welds is cut into blocks of time: held out as a whole it would leave
too little of that label to learn from."""
FORWARD_SHARE = 0.6
"""Share of the labels, the earliest, that the forward check trains on."""
MIN_FAULT = 10
"""Labels of a fault: when all of ten are found, the recall is shown to be 0.72 at least; fewer show next to nothing,
and each fold must leave enough of them to learn from."""
MIN_GOOD = 30
"""Labels of good welds: when none of thirty is called a defect, at most 11 % false alarms are shown."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Split:
    """`n` labels in groups, and the groups in folds."""

    group: NDArray[np.int64]
    """(n,) group of each label: a spot, or one block of time of a spot."""
    fold: NDArray[np.int64]
    """(n,) 0..folds-1; the labels of one group are all in one fold."""
    folds: int
    cut: tuple[str, ...]
    """Spots that were cut into blocks of time, sorted."""

    def rounds(self) -> Iterator[tuple[Mask, Mask]]:
        """Yield (train, test) per fold; over all folds every label is tested exactly once."""
        for k in range(self.folds):
            test = self.fold == k
            yield ~test, test

    def forward(self, time_ns: NDArray[np.int64]) -> Iterator[tuple[Mask, Mask]]:
        """Yield (train, test) per fold with all of train before all of test in time, and no group in both.

        Over all folds each of the later labels (the last `1 - FORWARD_SHARE`) is tested exactly once.
        """
        edge = np.sort(time_ns)[int(FORWARD_SHARE * len(time_ns))]
        later = time_ns >= edge
        for k in range(self.folds):
            mine = self.fold == k
            yield ~mine & ~later, mine & later


def grouped_split(spot: Sequence[str], time_ns: NDArray[np.int64], label: Sequence[str], folds: int = FOLDS) -> Split:
    """Put `n` labels into groups and folds, the same way whatever their order.

    A group is a spot; a spot that holds more than `MAX_SHARE` of a label is cut into `folds` blocks of time instead.
    The groups go, largest first, where they keep the labels most evenly spread over the folds. There are fewer folds
    than asked for when there are fewer groups. Raises `ValueError` when fewer than two groups can be made, or when
    some fold would leave none of a label to train on.
    """
    spots, labels = np.array(spot, dtype=object), np.array(label, dtype=object)
    names, code = np.unique(labels.astype(str), return_inverse=True)
    group = np.zeros(len(spots), dtype=np.int64)
    total = np.bincount(code, minlength=len(names))
    cut: list[str] = []
    count = 0
    for name in sorted(set(spots.tolist())):
        mine = np.flatnonzero(spots == name)
        share = np.bincount(code[mine], minlength=len(names)) / total
        if share.max() > MAX_SHARE:
            cut.append(name)
            block = _blocks(time_ns[mine], folds)
        else:
            block = np.zeros(len(mine), dtype=np.int64)
        group[mine] = count + block
        count += int(block.max()) + 1
    if count < 2:
        raise ValueError(f"all {len(spots)} labels lie at one moment of one spot; expected at least two groups")
    folds = min(folds, count)
    fold = _spread(group, code, count, folds)[group]
    for k in range(folds):
        left = np.bincount(code[fold != k], minlength=len(names))
        if not left.all():
            raise ValueError(
                f"every weld labelled {str(names[np.argmin(left)])!r} lies in one fold; expected more spots or days"
            )
    return Split(group, fold, folds, tuple(cut))


def _blocks(time_ns: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return the block 0..count-1 of each time: consecutive, about equally many, one moment never in two."""
    moments, at = np.unique(time_ns, return_inverse=True)
    first = np.searchsorted(np.sort(time_ns), moments)  # labels before each moment
    block = first * count // len(time_ns)
    _, dense = np.unique(block, return_inverse=True)
    result: NDArray[np.int64] = dense[at].astype(np.int64)
    return result


def _spread(group: NDArray[np.int64], code: NDArray[np.int64], groups: int, folds: int) -> NDArray[np.int64]:
    """Return the fold of each group: as M. Schwarz's StratifiedGroupKFold, greedy and without a shuffle."""
    table = np.zeros((groups, int(code.max()) + 1))
    np.add.at(table, (group, code), 1)
    share = table / table.sum(axis=0)
    order = np.lexsort((np.arange(groups), -share.max(axis=1)))
    filled = np.zeros((folds, share.shape[1]))
    fold = np.zeros(groups, dtype=np.int64)
    for g in order.tolist():
        trial = filled[None] + np.eye(folds)[:, :, None] * share[g]
        unevenness = trial.std(axis=1).mean(axis=1)
        size = filled.sum(axis=1)
        fold[g] = np.lexsort((np.arange(folds), size, np.round(unevenness, 12)))[0]
        filled[fold[g]] += share[g]
    return fold
