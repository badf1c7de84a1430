"""How good a score is: ranking quality with its uncertainty."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from models.rates import Z95


def auc(score: ArrayLike, positive: ArrayLike) -> tuple[float, float, float]:
    """Return the area under the ROC curve and its 95 % interval (auc, low, high), each 0..1.

    `score` (n,) higher means more likely positive; `positive` (n,) bool. Ties count half. All three are NaN when there
    is no positive or no negative. Interval: J. A. Hanley, B. J. McNeil, Radiology 143 (1982) 29-36.
    """
    x = np.asarray(score, dtype=np.float64)
    y = np.asarray(positive, dtype=np.bool_)
    if x.shape != y.shape or x.ndim != 1:
        raise ValueError(f"score and positive must be vectors of one length, not {x.shape} and {y.shape}")
    n_pos, n_neg = int(y.sum()), int((~y).sum())
    if not n_pos or not n_neg:
        return float("nan"), float("nan"), float("nan")
    negatives = np.sort(x[~y])
    below = np.searchsorted(negatives, x[y], side="left")
    not_above = np.searchsorted(negatives, x[y], side="right")
    a = float((below + not_above).sum() / (2 * n_pos * n_neg))
    q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
    variance = (a * (1 - a) + (n_pos - 1) * (q1 - a * a) + (n_neg - 1) * (q2 - a * a)) / (n_pos * n_neg)
    half = Z95 * float(np.sqrt(max(variance, 0.0)))
    return a, max(0.0, a - half), min(1.0, a + half)
