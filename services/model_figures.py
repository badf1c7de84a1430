"""How well one family's out-of-fold probabilities do, for its model card."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.calibration import brier, reliability
from models.rates import wilson
from models.scoring import auc
from models.welds.trained import GOOD, cause_of
from services.model_card import CalibrationBin, ClassFigures, FamilyCard, Figure, figure

if TYPE_CHECKING:
    from services.training import Scored


def family_card(scored: Scored, threshold: float) -> FamilyCard:
    """Return the figures of one family; a weld of which the model could say nothing is in none but `unsaid`."""
    said = np.isfinite(scored.risk)
    label, risk = scored.label[said], scored.risk[said]
    good, alarm = label == GOOD, risk >= threshold
    called = _called(scored.probabilities[said], alarm, scored.classes)
    spot = np.array(scored.welds.spot, dtype=object)[said]
    split, later = scored.split, np.isfinite(scored.forward)
    forward_good = scored.label[later] == GOOD
    table = reliability(risk, ~good)
    return FamilyCard(
        name=scored.name,
        programs=_programs(scored.welds.program, scored.label.tolist()),
        folds=split.folds,
        groups=len(np.unique(split.group)),
        cut=list(split.cut),
        classes=[_class(name, label, risk, alarm, called, spot) for name in scored.classes[1:]],
        all_faults=figure(auc(risk, ~good)),
        forward=figure(auc(scored.forward[later], ~forward_good)),
        forward_n=(int(forward_good.sum()), int((~forward_good).sum())),
        false_alarms=share(int((good & alarm).sum()), int(good.sum())),
        unsaid=int((~said).sum()),
        confusion={
            name: {other: int(((label == name) & (called == other)).sum()) for other in scored.classes}
            for name in scored.classes
        },
        brier=brier(risk, ~good),
        brier_base=brier(np.full(len(risk), float((~good).mean())), ~good),
        reliability=[CalibrationBin(b.n, b.said, b.came, b.low, b.high) for b in table],
    )


def share(part: int, whole: int) -> Figure:
    """Return a share with its Wilson interval; null of nothing."""
    if not whole:
        return None, None, None
    low, high = wilson(part, whole)
    return figure((part / whole, float(low), float(high)))


def _class(
    name: str,
    label: NDArray[np.object_],
    risk: NDArray[np.float64],
    alarm: NDArray[np.bool_],
    called: NDArray[np.object_],
    spot: NDArray[np.object_],
) -> ClassFigures:
    mine, n = label == name, int((label == name).sum())
    either = mine | (label == GOOD)
    return ClassFigures(
        label=name,
        cause=cause_of(name),
        n=n,
        spots=len(set(spot[mine].tolist())),
        recall=share(int((mine & alarm).sum()), n),
        precision=share(int((mine & alarm).sum()), int((either & alarm).sum())),
        auc=figure(auc(risk[either], mine[either])),
        named=share(int((mine & (called == name)).sum()), n),
    )


def _called(
    probabilities: NDArray[np.float64], alarm: NDArray[np.bool_], classes: tuple[str, ...]
) -> NDArray[np.object_]:
    faults = np.array(classes[1:], dtype=object)
    likeliest: NDArray[np.object_] = faults[np.argmax(probabilities[:, 1:], axis=1)]
    return np.where(alarm, likeliest, GOOD)


def _programs(program: list[str], label: list[str]) -> dict[str, dict[str, int]]:
    return {
        name: dict(sorted(Counter(what for where, what in zip(program, label, strict=True) if where == name).items()))
        for name in sorted(set(program))
    }
