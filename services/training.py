r"""Learning from labels: which labels suffice, out-of-fold probabilities, threshold, final model, model card.

    labels --families, classes--> split --fit per fold--> out-of-fold probabilities --> threshold, figures --> card
                                     \--fit on all------> TrainedModel

Every figure comes from labels that the scoring model had not seen, nor any of their group (`models.splits`).
"""

from __future__ import annotations

import hashlib
import platform
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import sklearn
import skops
from numpy.typing import NDArray

from models.calibration import Threshold, choose_threshold
from models.rates import wilson
from models.splits import MIN_FAULT, MIN_GOOD, Split, grouped_split
from models.welds.batch import WeldBatch
from models.welds.learned import LearnedModel
from models.welds.trained import GOOD, OTHER, Family, TrainedModel
from services.errors import OperatorError
from services.model_card import ModelCard, ThresholdCard
from services.model_figures import family_card
from services.times import rfc3339
from services.version import VERSION

DEFAULT_BUDGET = 0.001
"""One false alarm per 1,000 good welds."""


class TrainingError(OperatorError):
    """There is nothing to learn from; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """`n` welds whose labels are known."""

    welds: WeldBatch
    label: list[str]
    """`GOOD` or the name of a fault."""
    family: list[str]
    """Programme family of each weld."""
    source: str
    """Where they come from, for the card."""


@dataclass(frozen=True, slots=True)
class Scored:
    """One family's labels, with what models said that had not seen their group."""

    name: str
    welds: WeldBatch
    label: NDArray[np.object_]
    """(n,) with rare faults together as `OTHER`."""
    split: Split
    classes: tuple[str, ...]
    """`GOOD` first."""
    probabilities: NDArray[np.float64]
    """(n, C) by `classes`, out of fold; NaN rows where the model could not say."""
    forward: NDArray[np.float64]
    """(n,) risk by models of earlier labels of other groups; NaN where there was none, and for the earlier labels."""

    @property
    def risk(self) -> NDArray[np.float64]:
        """(n,) P(not ok), out of fold."""
        risk: NDArray[np.float64] = 1.0 - self.probabilities[:, 0]
        return risk


def train(
    data: Labelled, budget: float, now_ns: int, progress: Callable[[str], None] = lambda _: None
) -> tuple[TrainedModel, ModelCard]:
    """Fit and validate one model per family; `now_ns` dates the card, `progress` gets what is being done.

    `budget` is the share of good welds that may be called defects. Raises `TrainingError` when no family has labels
    enough; families that have not are left out, and told in the card.
    """
    families, left_out, reasons = _families(data)
    if not families:
        raise TrainingError("; ".join(reasons))
    scored, fitted = [], []
    for name, (welds, label) in families.items():
        one = _validate(name, welds, label, progress)
        progress(f"{name}: fitting on all {len(label)} labels")
        learnt = LearnedModel.fit(welds, label.tolist(), one.split.group)
        scored.append(one)
        fitted.append(Family(name, tuple(sorted(set(welds.program))), learnt))
    threshold = _threshold(scored, budget)
    digest = data_digest(data)
    model_id = f"welds-{rfc3339(now_ns)[:19].translate(str.maketrans('', '', '-:')).replace('T', '-')}-{digest[:8]}"
    ids = [weld_id for one in scored for weld_id in one.welds.id]
    model = TrainedModel(model_id, tuple(fitted), threshold.value, frozenset(ids))
    times = np.concatenate([one.welds.time_ns for one in scored])
    card = ModelCard(
        id=model_id,
        created=rfc3339(now_ns),
        source=data.source,
        welds=len(ids),
        labels=dict(Counter(str(label) for one in scored for label in one.label)),
        left_out=left_out,
        first=rfc3339(int(times.min())),
        last=rfc3339(int(times.max())),
        data_sha256=digest,
        threshold=ThresholdCard(
            threshold.value, threshold.budget, threshold.good, threshold.above, round(threshold.shown, 6)
        ),
        families=[family_card(one, threshold.value) for one in scored],
        software={
            "lineside": VERSION,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scikit-learn": sklearn.__version__,
            "skops": skops.__version__,
        },
    )
    return model, card


def data_digest(data: Labelled) -> str:
    """Return the SHA-256 of what is learnt from: ids, labels, families and curves, in the order of time."""
    welds = data.welds
    digest = hashlib.sha256()
    for k in np.lexsort((np.array(welds.id), welds.time_ns)).tolist():
        names = (welds.id[k], welds.spot[k], welds.program[k], data.label[k], data.family[k])
        digest.update("\0".join(names).encode())
        digest.update(np.array([welds.time_ns[k], welds.dt_us[k], welds.wear_count[k]], "<i8").tobytes())
        part = slice(welds.offsets[k], welds.offsets[k + 1])
        for curve in (welds.current_ka, welds.voltage_v, welds.force_kn, welds.displacement_mm):
            digest.update(curve[part].astype("<f4").tobytes())
    return digest.hexdigest()


def _families(
    data: Labelled,
) -> tuple[dict[str, tuple[WeldBatch, NDArray[np.object_]]], dict[str, int], list[str]]:
    """Return the families with labels enough, the labels left out with their number, and why families were."""
    family, label = np.array(data.family, dtype=object), np.array(data.label, dtype=object)
    taken: dict[str, tuple[WeldBatch, NDArray[np.object_]]] = {}
    left_out: Counter[str] = Counter()
    reasons = [] if len(label) else ["there is no label"]
    for name in sorted(set(data.family)):
        mine = family == name
        known = _classes(label[mine])
        why = _too_few(name, label[mine], known)
        if why:
            reasons.append(why)
            left_out.update(label[mine].tolist())
            continue
        keep = mine & np.array([text in known for text in data.label])
        left_out.update(label[mine & ~keep].tolist())
        taken[name] = (data.welds.select(keep), np.array([known[text] for text in label[keep]], dtype=object))
    return taken, dict(left_out), reasons


def _classes(label: NDArray[np.object_]) -> dict[str, str]:
    """Return the class of each label that can be learnt: itself, or `OTHER` when only all rare ones suffice."""
    count = Counter(label.tolist())
    rare = [name for name, n in count.items() if name != GOOD and n < MIN_FAULT]
    known = {name: name for name in count if name not in rare}
    if sum(count[name] for name in rare) >= MIN_FAULT:
        known |= dict.fromkeys(rare, OTHER)
    return known


def _too_few(family: str, label: NDArray[np.object_], known: dict[str, str]) -> str:
    count = Counter(label.tolist())
    if count[GOOD] >= MIN_GOOD and set(known) - {GOOD}:
        return ""
    have = ", ".join(f"{n} {name}" for name, n in sorted(count.items()))
    recall, alarms = float(wilson(MIN_FAULT, MIN_FAULT)[0]), float(wilson(0, MIN_GOOD)[1])
    return (
        f"too few labels in family {family!r} ({have}); expected {MIN_GOOD} {GOOD} and {MIN_FAULT} of a fault. "
        f"All of {MIN_FAULT} found show a recall of {recall:.2f} or more, no alarm on {MIN_GOOD} good welds shows "
        f"{100 * alarms:.0f} % or less, and fewer show next to nothing. The references go on judging alone"
    )


def _validate(name: str, welds: WeldBatch, label: NDArray[np.object_], progress: Callable[[str], None]) -> Scored:
    try:
        split = grouped_split(welds.spot, welds.time_ns, label.tolist())
    except ValueError as error:
        raise TrainingError(f"family {name!r} cannot be validated: {error}") from None
    classes = (GOOD, *sorted(set(label.tolist()) - {GOOD}))
    probabilities = np.full((len(label), len(classes)), np.nan)
    for k, (learn, test) in enumerate(split.rounds()):
        progress(f"{name}: fold {k + 1} of {split.folds}")
        probabilities[test] = _fit_and_say(welds, label, split, learn, test, classes)
    forward = np.full(len(label), np.nan)
    for k, (learn, test) in enumerate(split.forward(welds.time_ns)):
        if _enough(label[learn], classes) and test.any():
            progress(f"{name}: forward in time, fold {k + 1} of {split.folds}")
            forward[test] = 1.0 - _fit_and_say(welds, label, split, learn, test, classes)[:, 0]
    return Scored(name, welds, label, split, classes, probabilities, forward)


def _fit_and_say(
    welds: WeldBatch,
    label: NDArray[np.object_],
    split: Split,
    learn: NDArray[np.bool_],
    test: NDArray[np.bool_],
    classes: Sequence[str],
) -> NDArray[np.float64]:
    """Return (tests, C) what a model of `learn` says of `test`; a class it was not shown has probability 0."""
    model = LearnedModel.fit(welds.select(learn), label[learn].tolist(), split.group[learn])
    said = model.probabilities(welds.select(test))
    out = np.zeros((len(said), len(classes)))
    out[:, [classes.index(name) for name in model.classes]] = said
    out[np.isnan(said).any(axis=1)] = np.nan
    return out


def _enough(label: NDArray[np.object_], classes: Sequence[str]) -> bool:
    count = Counter(label.tolist())
    return count[GOOD] >= MIN_GOOD // 2 and all(count[name] >= MIN_FAULT // 2 for name in classes[1:])


def _threshold(scored: Sequence[Scored], budget: float) -> Threshold:
    risk = np.concatenate([one.risk for one in scored])
    good = np.concatenate([one.label == GOOD for one in scored])
    said = np.isfinite(risk)
    if not (good & said).any():
        raise TrainingError("the models can say nothing of any good weld: no curve of theirs can be read")
    return choose_threshold(risk[good & said], risk[~good & said], budget)
