"""How the distances of good welds vary together: what a pattern must stand out from.

Tips wear, coils differ: the features of good welds move together, along a few directions that every plant has its own
amounts of. Their second moments are learnt from conforming welds of all streams, and turn a signature (`signatures`)
into a matched filter: the sum of distances that is most sensitive to it among what is usual here, in units of its own
scatter. After G. L. Turin, IRE Transactions on Information Theory 6 (1960) 311-329.

Everything is learnt at the end of blocks of welds. Within a block only exact sums are kept (distances are rounded to
multiples of 2⁻¹⁰), so that neither order nor batches change a bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from models.welds.signatures import SIGNATURES, USED, USUAL_SCATTER, VOLTAGES, directions

STEP = 2.0**-10
CUT_SIGMA = 4.0
"""A distance counts as this at most, so that no single weld decides what is usual."""
PRIOR_N = 200
"""Independent unit scatter, as if seen on so many welds."""
MEMORY_N = 500_000
"""Welds after which the past counts half."""
KNOWN_N = 4000
"""Conforming welds from which on the filters may make a defect; before, they only name a cause."""
TILE = 64
RIDGE = 0.2
"""Added to every variance: where features are nearly redundant the plant's scatter may be tiny, and is not trusted to
be. It is the square of 0.45 sigma, what a difference of two sigmas learnt from few welds is known to."""


class Noise:
    """Second moments of distances (F,) by `signatures.USED`, and the filters that follow from them."""

    ARRAYS: ClassVar[tuple[str, ...]] = ("moment", "pairs", "scatter", "seen", "block_moment", "block_pairs",
                                         "block_scatter", "block_seen")  # fmt: skip

    def __init__(self) -> None:
        f = len(USED)
        self.moment, self.pairs = np.zeros((f, f)), np.zeros((f, f))
        self.scatter, self.seen = np.zeros(f), np.zeros(f)
        self.block_moment, self.block_pairs = np.zeros((f, f)), np.zeros((f, f))
        self.block_scatter, self.block_seen = np.zeros(f), np.zeros(f)
        self._filters: dict[int, NDArray[np.float64]] = {}

    @property
    def known(self) -> bool:
        """Tell whether enough welds were seen."""
        return bool(self.pairs.max() >= KNOWN_N)

    def add(self, z: NDArray[np.float64], scatter: NDArray[np.float64]) -> None:
        """Take the distances (n, F) of conforming welds, and sigma as a share of the centre (n, F); NaN is absent."""
        there = np.isfinite(z) & np.isfinite(scatter)
        size = np.where(there, np.rint(np.clip(z, -CUT_SIGMA, CUT_SIGMA) / STEP), 0.0)
        count = there.astype(np.float64)
        # Whole numbers throughout: a matrix product in any order is exact.
        self.block_moment += size.T @ size
        self.block_pairs += count.T @ count
        self.block_scatter += np.where(there, np.rint(np.clip(scatter, 0, 1) * 2.0**20), 0.0).sum(axis=0)
        self.block_seen += count.sum(axis=0)

    def end_block(self) -> None:
        """Let what the block has brought take effect."""
        self.moment += self.block_moment * STEP**2
        self.pairs += self.block_pairs
        self.scatter += self.block_scatter * 2.0**-20
        self.seen += self.block_seen
        for name in self.ARRAYS[4:]:
            getattr(self, name)[...] = 0
        if self.pairs.max() > 2 * MEMORY_N:
            for name in self.ARRAYS[:4]:
                getattr(self, name)[...] /= 2
        self._filters.clear()

    def apply(self, z: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
        """Return what the filters make of distances (n, F): (n, K) by `SIGNATURES`, T² (n,), and its degrees (n,).

        A filter's value is nearly standard normal for good welds, T², the size of the whole, nearly χ². A weld's
        numbers depend on its own distances only.
        """
        n = len(z)
        there = np.isfinite(z)
        there[:, VOLTAGES] &= ~there[:, 1:2]
        pattern = there @ (1 << np.arange(len(USED)))
        clean = np.where(there, z, 0.0)
        out, size = np.zeros((n, len(SIGNATURES))), np.zeros(n)
        for mask in np.unique(pattern).tolist():
            at = np.flatnonzero(pattern == mask)
            part = clean[at] if len(at) < n else clean
            both = _product(part, self._filter(mask))
            out[at] = both[:, : len(SIGNATURES)]
            size[at] = np.einsum("nf,nf->n", both[:, len(SIGNATURES) :], part)
        return out, size, there.sum(axis=1)

    def snapshot(self) -> dict[str, NDArray[np.generic]]:
        """Return the whole state as plain arrays."""
        return {name: getattr(self, name).copy() for name in self.ARRAYS}

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Take over a snapshot."""
        for name in self.ARRAYS:
            getattr(self, name)[...] = state[name]
        self._filters.clear()

    def covariance(self) -> NDArray[np.float64]:
        """Return the second moments (F, F) as filters use them."""
        f = len(USED)
        return (PRIOR_N * np.eye(f) + self.moment) / (PRIOR_N + self.pairs) + RIDGE * np.eye(f)

    def _filter(self, mask: int) -> NDArray[np.float64]:
        """Return weights (F, K), beside them the inverse of the covariance (F, F); zero where a feature is absent."""
        if mask not in self._filters:
            f = len(USED)
            there = np.flatnonzero(mask >> np.arange(f) & 1)
            inside = np.ix_(there, there)
            # Pairs of features seen on different welds may disagree: keep what is a covariance.
            values, vectors = np.linalg.eigh(self.covariance()[inside])
            inverse = np.zeros((f, f))
            inverse[inside] = (vectors / np.maximum(values, RIDGE)) @ vectors.T
            usual = (PRIOR_N * USUAL_SCATTER + self.scatter) / (PRIOR_N + self.seen)
            along = directions(usual)
            norm = np.sqrt(np.einsum("kf,fg,kg->k", along, inverse, along))
            weights = (along @ inverse / np.where(norm > 0, norm, np.inf)[:, None]).T
            self._filters[mask] = np.hstack((weights, inverse))
        return self._filters[mask]


def _product(x: NDArray[np.float64], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return x @ matrix in tiles of `TILE` rows: BLAS chooses its kernel by shape, and so each row keeps its bits."""
    n = len(x)
    tiles = np.zeros((-(-n // TILE), TILE, x.shape[1]))
    tiles.reshape(-1, x.shape[1])[:n] = x
    product: NDArray[np.float64] = (tiles @ matrix).reshape(-1, matrix.shape[1])[:n]
    return product
