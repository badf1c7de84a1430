r"""The judge that learns from labels: P(ok), P(stick), P(expulsion), … of a weld from its curves alone.

    batch --extract, inputs--> trees (all inputs) ------\
                          \--> trend + memory of repeats --> mean of logarithms --> temperature --> probabilities

Two kinds of model that fail differently: extremely randomised trees (P. Geurts et al., Machine Learning 63 (2006) 3-42)
and `models.welds.learned_kernel`. The temperature (C. Guo et al., On calibration of modern neural networks, ICML 2017)
is found on groups that the fitted models had not seen. A weld with a dead voltage pick-up, or too short for a curve,
gets what its current alone says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.model_selection import GroupKFold

from models.welds.batch import WeldBatch
from models.welds.features import extract
from models.welds.learned_inputs import BLIND_INPUTS, HEAT, blind, read_blind_inputs, read_inputs, seen
from models.welds.learned_kernel import RepeatKernel
from models.welds.learned_repeats import repeat_sigma

GOOD = "ok"
TREES = 100
SEED = 0
"""Of the trees: the same welds give the same model."""
FOLDS = 5
"""Inner folds by group, for the temperature."""
TEMPERATURE = (0.5, 5.0)
"""Between these: below 1 the models are too timid, above too sure."""
CHUNK = 4096
"""Welds whose working arrays are held at once."""


@dataclass(frozen=True, slots=True)
class View:
    """A model of `C` classes over `Q` inputs, the first of which are those of the kernel."""

    trees: ExtraTreesClassifier
    kernel: RepeatKernel
    fill: NDArray[np.float64]
    """(Q,) what stands in for a missing input in the trees: the mean."""
    temperature: float

    def probabilities(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (n, C) for inputs (n, Q)."""
        return _temper(self.log_mean(x), self.temperature)

    def log_mean(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (n, C), the mean logarithm of the two models' probabilities."""
        classes = len(self.kernel.bias)
        votes = TREES * self.trees.predict_proba(np.where(np.isnan(x), self.fill, x))
        share = (votes + 1 / classes) / (TREES + 1)  # that no tree says so is no proof
        known = self.kernel.probabilities(x[:, : len(self.kernel.centre)])
        mean: NDArray[np.float64] = (np.log(share) + np.log(np.maximum(known, 1e-9))) / 2
        return mean


@dataclass(frozen=True, slots=True)
class LearnedModel:
    """Calibrated probabilities of classes from the curves of welds. Fit it with `fit`."""

    classes: tuple[str, ...]
    """`C` labels, `ok` first, the others sorted."""
    whole: View
    """For welds whose current and voltage can be trusted."""
    blind: View
    """For welds that have only a current."""

    @classmethod
    def fit(cls, batch: WeldBatch, labels: Sequence[str], groups: ArrayLike) -> LearnedModel:
        """Fit to `n` welds, their labels ("ok", names of faults, "" unknown) and groups (n,) that belong together.

        Welds of one group are never on both sides when the model is calibrated. Unlabelled welds tell how far repeats
        scatter. Raises `ValueError` without two labelled welds of each of at least two classes, "ok" among them.
        """
        label, group = np.array(labels, dtype=object), np.asarray(groups)
        if not len(batch) == len(label) == len(group):
            raise ValueError(
                f"{len(batch)} welds, {len(label)} labels and {len(group)} groups; expected as many of each"
            )
        features = extract(batch)
        whole = seen(features)
        faults = sorted(set(label[whole].tolist()) - {"", GOOD})
        classes = (GOOD, *faults)
        code = np.array([classes.index(name) if name in classes else -1 for name in label], dtype=np.int64)
        count = np.bincount(code[whole & (code >= 0)], minlength=len(classes))
        if len(classes) < 2 or count.min() < 2:
            found = ", ".join(f"{n} of {name!r}" for name, n in zip(classes, count.tolist(), strict=True))
            raise ValueError(f"labelled welds with sound sensors: {found}; expected two classes of two at least")
        stream = list(zip(batch.spot, batch.program, strict=True))

        def view(x: NDArray[np.float64], usable: NDArray[np.bool_], kernel_inputs: int) -> View:
            at = np.flatnonzero(usable)
            sigma = repeat_sigma(x[at, :kernel_inputs], [stream[k] for k in at], batch.time_ns[at])
            known = at[code[at] >= 0]
            return _fit_calibrated(x[known], code[known], group[known], sigma)

        current_only = read_blind_inputs(features)
        return cls(
            classes,
            view(read_inputs(features), whole, len(HEAT)),
            view(current_only, (whole | blind(features)) & np.isfinite(current_only).all(axis=1), len(BLIND_INPUTS)),
        )

    def probabilities(self, batch: WeldBatch) -> NDArray[np.float64]:
        """Return (n, C) float64 by `classes`, rows of sum 1; rows of NaN for welds without a current to go by.

        Each row depends on its own weld alone, to the bit.
        """
        features = extract(batch)
        out = np.full((len(batch), len(self.classes)), np.nan)
        current_only = read_blind_inputs(features)
        for view, x, rows in (
            (self.whole, read_inputs(features), seen(features)),
            (self.blind, current_only, blind(features) & np.isfinite(current_only).all(axis=1)),
        ):
            at = np.flatnonzero(rows)
            for start in range(0, len(at), CHUNK):
                part = at[start : start + CHUNK]
                out[part] = view.probabilities(x[part])
        return out

    def state(self) -> dict[str, Any]:
        """Return the model as plain arrays, texts and scikit-learn estimators, as skops can store it."""
        return {"classes": list(self.classes), "whole": _view_state(self.whole), "blind": _view_state(self.blind)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> LearnedModel:
        """Take over what `state` returned. Raises `KeyError` for another layout."""
        classes = tuple(str(name) for name in state["classes"])
        return cls(classes, _view_from(state["whole"]), _view_from(state["blind"]))


def _fit_calibrated(
    x: NDArray[np.float64], code: NDArray[np.int64], group: NDArray[np.generic], sigma: NDArray[np.float64]
) -> View:
    """Fit a view to all of `x` (n, Q), with the temperature that suits groups a fit has not seen."""
    classes = int(code.max()) + 1
    unseen, truth = [], []
    folds = min(FOLDS, len(np.unique(group)))
    splits = GroupKFold(folds).split(x, code, group) if folds > 1 else []
    for train, test in splits:
        if len(np.unique(code[train])) == classes:  # else the fold would be another problem
            unseen.append(_fit(x[train], code[train], sigma).log_mean(x[test]))
            truth.append(code[test])
    view = _fit(x, code, sigma)
    return replace(view, temperature=_temperature(np.vstack(unseen), np.concatenate(truth))) if unseen else view


def _fit(x: NDArray[np.float64], code: NDArray[np.int64], sigma: NDArray[np.float64]) -> View:
    known = np.isfinite(x)
    fill = np.where(known, x, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    trees = ExtraTreesClassifier(TREES, random_state=SEED, n_jobs=1)
    trees.fit(np.where(known, x, fill), code)
    return View(trees, RepeatKernel.fit(x[:, : len(sigma)], code, sigma), fill, 1.0)


def _temperature(log_mean: NDArray[np.float64], code: NDArray[np.int64]) -> float:
    """Return the temperature with the least log loss on (n, C) and the true classes (n,)."""
    rows = np.arange(len(code))

    def loss(temperature: float) -> float:
        return float(-np.log(np.maximum(_temper(log_mean, temperature)[rows, code], 1e-12)).mean())

    return float(minimize_scalar(loss, bounds=TEMPERATURE, method="bounded").x)


def _temper(log_mean: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    logits = log_mean / temperature
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    result: NDArray[np.float64] = p / p.sum(axis=1, keepdims=True)
    return result


def _view_state(view: View) -> dict[str, Any]:
    return {
        "trees": view.trees,
        "kernel": view.kernel.state(),
        "fill": view.fill,
        "temperature": view.temperature,
    }


def _view_from(state: Mapping[str, Any]) -> View:
    return View(
        state["trees"], RepeatKernel.from_state(state["kernel"]), np.asarray(state["fill"]), float(state["temperature"])
    )
