"""Probabilities from a physical trend plus the memory of repeats: kernel logistic regression with two scales.

    logits = bias + trend · z + Σ alpha_l exp(−d²(x, landmark_l) / 2ℓ²)

The trend (linear and quadratic in standardised inputs) says what more heat does, also at settings never tried. The
kernel remembers what happened at this very setting: it measures distance in units of the scatter between repeats, so
that it reaches as far as a repeat may fall and no farther. Both have the prior of a Gaussian process: a linear one plus
a squared exponential one, fitted at its mode (Rasmussen, Williams, Gaussian Processes for Machine Learning, 2006, §3.3
and §6.2). More than `LANDMARKS` welds are represented by so many of them (Nyström; ibid. §8.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

LANDMARKS = 512
REACH = 2.0
"""Range ℓ of the kernel in sigmas of a repeat (root mean square over the inputs): two repeats are √2 apart."""
TREND_SIGMA, SQUARE_SIGMA, REPEAT_SIGMA = 1.5, 0.5, 3.0
"""Prior scales of the logits: per standardised input, per product of two, and of the memory of repeats."""
FAR = 4.0
"""Standardised inputs are clipped here: a trend is not trusted beyond."""


@dataclass(frozen=True, slots=True)
class RepeatKernel:
    """A fitted model of `C` classes over `T` trend inputs, of which the first `K` also enter the kernel."""

    centre: NDArray[np.float64]
    """(T,) mean of the inputs; also stands in for a missing one."""
    scale: NDArray[np.float64]
    """(T,) their standard deviation, > 0."""
    noise: NDArray[np.float64]
    """(K,) their scatter between repeats, > 0."""
    landmarks: NDArray[np.float64]
    """(L, K) inputs of remembered welds."""
    bias: NDArray[np.float64]
    """(C,)"""
    trend: NDArray[np.float64]
    """(T + K(K + 1)/2, C) weights of the standardised inputs and of the products of the first `K`."""
    memory: NDArray[np.float64]
    """(L, C) weight of each remembered weld."""

    @classmethod
    def fit(cls, x: NDArray[np.float64], label: NDArray[np.int64], noise: NDArray[np.float64]) -> RepeatKernel:
        """Fit to inputs `x` (n, T; NaN where missing) and `label` (n,) 0..C-1, each at least once, C >= 2."""
        centre = np.nanmean(x, axis=0)
        scale = np.nanstd(x, axis=0)
        scale[scale < 1e-9] = 1.0
        filled = np.where(np.isnan(x), centre, x)
        local = len(noise)
        landmarks = filled[_spread(label), :local]
        gram = _similar(landmarks, landmarks, noise)
        values, vectors = np.linalg.eigh(gram)
        strong = values > 1e-8 * values[-1]
        root = vectors[:, strong] / np.sqrt(values[strong])
        trend = _trend(filled, centre, scale, local)
        sigma = np.r_[np.full(x.shape[1], TREND_SIGMA), np.full(trend.shape[1] - x.shape[1], SQUARE_SIGMA)]
        repeat = _similar(filled[:, :local], landmarks, noise) @ root
        fitted = LogisticRegression(C=1.0, max_iter=5000, tol=1e-6)
        fitted.fit(np.hstack((trend * sigma, repeat * REPEAT_SIGMA)), label)
        weights, bias = fitted.coef_.T, fitted.intercept_
        if weights.shape[1] == 1:  # two classes: one logit, of the second
            weights, bias = np.hstack((0 * weights, weights)), np.r_[0.0, bias]
        split = trend.shape[1]
        return cls(
            centre,
            scale,
            np.array(noise, dtype=np.float64),
            landmarks,
            np.asarray(bias, dtype=np.float64),
            weights[:split] * sigma[:, None],
            root @ weights[split:] * REPEAT_SIGMA,
        )

    def probabilities(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (n, C) for inputs (n, T), row by row: sums along a row, for a matrix product depends on the batch."""
        filled = np.where(np.isnan(x), self.centre, x)
        local = len(self.noise)
        trend = _trend(filled, self.centre, self.scale, local)
        repeat = _similar(filled[:, :local], self.landmarks, self.noise)
        logits = np.column_stack(
            [
                (trend * self.trend[:, c]).sum(axis=1) + (repeat * self.memory[:, c]).sum(axis=1) + self.bias[c]
                for c in range(len(self.bias))
            ]
        )
        logits -= logits.max(axis=1, keepdims=True)
        p = np.exp(logits)
        result: NDArray[np.float64] = p / p.sum(axis=1, keepdims=True)
        return result

    def state(self) -> dict[str, NDArray[np.float64]]:
        """Return plain arrays."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> RepeatKernel:
        """Take over what `state` returned."""
        return cls(**{field.name: np.asarray(state[field.name], dtype=np.float64) for field in fields(cls)})


def _trend(
    x: NDArray[np.float64], centre: NDArray[np.float64], scale: NDArray[np.float64], local: int
) -> NDArray[np.float64]:
    z = np.clip((x - centre) / scale, -FAR, FAR)
    first, second = np.triu_indices(local)
    return np.hstack((z, np.clip(z[:, first] * z[:, second], -FAR, FAR)))


def _similar(x: NDArray[np.float64], landmarks: NDArray[np.float64], noise: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (n, L) similarity 0..1; a loop over the few inputs keeps the working arrays two-dimensional."""
    squared = np.zeros((len(x), len(landmarks)))
    for k, sigma in enumerate(noise):
        squared += np.square((x[:, k, None] - landmarks[None, :, k]) / sigma)
    similar: NDArray[np.float64] = np.exp(squared / (-2.0 * REACH**2 * len(noise)))
    return similar


def _spread(label: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return which welds to remember: of each class evenly over time, the rare classes whole."""
    if len(label) <= LANDMARKS:
        return np.arange(len(label))
    left, chosen = LANDMARKS, []
    classes = sorted(set(label.tolist()), key=lambda c: int((label == c).sum()))
    for k, c in enumerate(classes):
        mine = np.flatnonzero(label == c)
        take = min(len(mine), left // (len(classes) - k))
        chosen.append(mine[np.linspace(0, len(mine) - 1, take).astype(np.int64)])
        left -= take
    return np.sort(np.concatenate(chosen))
