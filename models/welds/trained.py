"""A model learnt from labels, as the judge uses it: which programmes it knows, its threshold, its causes.

    batch --family by programme--> LearnedModel --> probabilities (n, C) --> risk = 1 - P(ok), cause of the likeliest

It refines the verdict that the references gave and never makes one where a sensor cannot be trusted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.welds.batch import WeldBatch
from models.welds.causes import DEFECT_CAUSES, UNJUDGED_CAUSES

GOOD = "ok"
"""The label of a good weld; every other label is a fault of its own."""
OTHER = "other"
"""Faults that are each too rare to be learnt by name."""
CLASS_CAUSE = {"stick": "low_heat", "undersize": "low_heat", "no_weld": "low_heat"}
"""What the cause of a label is, where it is not called the same. Any other name means that the curve departs."""
RESULTS = (GOOD, "stick", "undersize", "expulsion", "no_weld", OTHER)
"""What an inspection may find; a defect's cause by name is taken as well."""
REFINED = ("learning",)
"""Why the references could not judge a weld that a model can: it needs none."""
SPECIFIC = ("no_current", "expulsion", "missing_sheet", "mains_dip")
"""Findings that are events of their own and no mere distance: a model that has no such class cannot absolve them."""


class Probabilities(Protocol):
    """What a family's model can do (`models.welds.learned.LearnedModel`)."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Labels, `GOOD` among them."""

    def probabilities(self, batch: WeldBatch) -> NDArray[np.float64]:
        """Return (n, C) by `classes`, rows of sum 1, or of NaN where it cannot say; row by row, whatever the batch."""


@dataclass(frozen=True, slots=True)
class Family:
    """Programmes whose welds are alike enough to be learnt together."""

    name: str
    programs: tuple[str, ...]
    """Sorted: those with labels in the training data."""
    model: Probabilities


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """One model per programme family, under one id and one threshold."""

    id: str
    families: tuple[Family, ...]
    threshold: float
    """A weld whose risk is this or more is a defect."""
    trained_on: frozenset[str]
    """Ids of the welds that it was trained on: on these it proves nothing."""
    any_program: bool = False
    """With a single family, also judge programmes that had no labels in training: what an experiment asks for."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Every class of every family, `GOOD` first, the others sorted."""
        faults = {name for family in self.families for name in family.model.classes} - {GOOD}
        return (GOOD, *sorted(faults))

    def probabilities(self, batch: WeldBatch) -> NDArray[np.float64]:
        """Return (n, C) by `classes`, rows of NaN where the model cannot say, as for a programme it was not taught."""
        classes = self.classes
        out = np.full((len(batch), len(classes)), np.nan)
        open_to_all = self.any_program and len(self.families) == 1
        for family in self.families:
            known = set(family.programs)
            mine = np.array([open_to_all or program in known for program in batch.program], dtype=np.bool_)
            if mine.any():
                at = np.array([classes.index(name) for name in family.model.classes])
                part = family.model.probabilities(batch if mine.all() else batch.select(mine))
                rows = np.zeros((len(part), len(classes)))
                rows[:, at] = part
                rows[np.isnan(part).any(axis=1)] = np.nan
                out[mine] = rows
        return out


@dataclass(frozen=True, slots=True)
class Refined:
    """What a model makes of `n` verdicts."""

    risk: NDArray[np.float64]
    """(n,) P(not ok), NaN where the model cannot say."""
    defect: NDArray[np.bool_]
    """(n,) the risk is at the threshold or beyond."""
    cause: NDArray[np.object_]
    """(n,) the cause of the likeliest fault."""
    decides: NDArray[np.bool_]
    """(n,) the model's verdict takes the place of the references'."""


def refine(model: TrainedModel, probabilities: NDArray[np.float64], cause: Sequence[str]) -> Refined:
    """Return what `model` makes of welds, given its probabilities (n, C) and the cause the references found.

    `cause` is "" for a weld that conforms. Welds that no sensor can vouch for, excluded and conditioning ones keep
    their verdict and get a risk; so does a `SPECIFIC` finding that the model has no class for.
    """
    classes = model.classes
    with np.errstate(invalid="ignore"):
        risk = np.clip(1.0 - probabilities[:, 0], 0.0, 1.0)
        faults = probabilities[:, 1:]
        defect = risk >= model.threshold
    can = np.isfinite(risk)
    causes = np.array([cause_of(name) for name in classes[1:]], dtype=object)
    likeliest = causes[np.argmax(np.where(np.isnan(faults), -1.0, faults), axis=1)]
    kept = (set(UNJUDGED_CAUSES) - set(REFINED)) | (set(SPECIFIC) - set(causes)) | {"no_current"}
    decides = can & ~np.isin(np.array(cause, dtype=object).astype(str), sorted(kept))
    return Refined(risk, defect & can, likeliest, decides)


def cause_of(label: str) -> str:
    """Return the cause that a fault's label stands for."""
    cause = CLASS_CAUSE.get(label, label)
    return cause if cause in DEFECT_CAUSES else "shape"


def is_result(name: str) -> bool:
    """Tell whether an inspection may find this."""
    return name in RESULTS or name in DEFECT_CAUSES
