"""What is normal in a programme: where its spots lie, how they differ, how each scatters. For spots that are new.

Worked out anew from the references of the programme's streams at fixed counts of judged welds only, so that any split
of a batch gives the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from models.welds.features import FEATURES

FEW = 10
"""With few spots it is hardly known how much spots differ: the variance of k is taken (1 + 10/k) times as large. So 6
sigmas are passed by one spot of 2,000 at k = 5 (Student's t with 4 degrees of freedom), by none at 20."""


class Priors:
    """One row per programme; NaN where too few of its streams have learnt a feature."""

    ARRAYS: ClassVar[tuple[str, ...]] = ("centre", "between", "within", "slope", "wear", "wear_variance")

    def __init__(self) -> None:
        self.centre = np.zeros((0, len(FEATURES)))
        """(programmes, F) median of the streams' centres, at the wear `wear`."""
        self.between = np.zeros((0, len(FEATURES)))
        """(programmes, F) variance of their centres: how much spots differ."""
        self.within = np.zeros((0, len(FEATURES)))
        """(programmes, F) mean of their variances: how much welds of one spot differ."""
        self.slope = np.zeros((0, len(FEATURES)))
        """(programmes, F) median of their slopes per hundred welds; 0 where unknown."""
        self.wear = np.zeros(0)
        """(programmes,) mean wear, hundreds of welds ..."""
        self.wear_variance = np.zeros(0)
        """... and its variance."""

    def reserve(self, programs: int) -> None:
        """Make room for `programs` programmes."""
        for name in self.ARRAYS:
            have = getattr(self, name)
            more = np.zeros((max(0, programs - len(have)), *have.shape[1:]))
            if name in {"centre", "between", "within"}:
                more[:] = np.nan
            setattr(self, name, np.concatenate((have, more)))

    def forget(self, program: int) -> None:
        """Drop what is known of a programme: it is another one now."""
        for name in ("centre", "between", "within"):
            getattr(self, name)[program] = np.nan
        self.slope[program] = 0.0

    def learn(
        self,
        program: NDArray[np.int64],
        wear: tuple[NDArray[np.float64], NDArray[np.float64]],
        centre: NDArray[np.float64],
        variance: NDArray[np.float64],
        slope: NDArray[np.float64],
        streams_n: int,
    ) -> None:
        """Take the references of all streams that have learnt, each of `program` (k,).

        `wear` are mean and variance (k,) of the wear that each has seen, `centre` (k, F) holds at that mean. A feature
        is known for a programme when at least `streams_n` of its streams have it.
        """
        order = np.argsort(program, kind="stable")
        ordered = program[order]
        for begin, end in zip(*_runs(ordered), strict=True):
            mine, row = order[begin:end], int(ordered[begin])
            if len(mine) < streams_n:
                continue
            self.wear[row] = wear[0][mine].mean()
            self.wear_variance[row] = wear[1][mine].mean() + wear[0][mine].var()
            there = centre[mine] + slope[mine] * (self.wear[row] - wear[0][mine])[:, None]
            for column in np.flatnonzero((~np.isnan(there)).sum(axis=0) >= streams_n):
                seen = ~np.isnan(there[:, column])
                values = there[seen, column]
                self.centre[row, column] = np.median(values)
                self.between[row, column] = values.var(ddof=1) * (1 + FEW / len(values))
                self.within[row, column] = variance[mine, column][seen].mean()
                self.slope[row, column] = np.median(slope[mine, column][seen])

    def snapshot(self) -> dict[str, NDArray[np.generic]]:
        """Return the whole state as plain arrays."""
        return {name: getattr(self, name) for name in self.ARRAYS}

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Take over a snapshot."""
        for name in self.ARRAYS:
            setattr(self, name, state[name].copy())


def _runs(ordered: NDArray[np.int64]) -> tuple[list[int], list[int]]:
    """Return where each run of equal values begins and ends."""
    begins = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(ordered) else np.empty(0, dtype=np.int64)
    return begins.tolist(), [*begins[1:].tolist(), len(ordered)][: len(begins)]
