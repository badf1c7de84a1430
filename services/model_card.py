"""What is known of a trained model, for programs (`<id>.json`) and for people (`<id>.md`).

After M. Mitchell et al., Model Cards for Model Reporting, FAT* 2019: what it was trained on, how it was validated, how
well it does with which doubt, and when it came to use.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
from msgspec import Struct

LAYOUT = 1
Figure = tuple[float | None, float | None, float | None]
"""Value and its 95 % interval; null where undefined."""


def figure(value: Sequence[float]) -> Figure:
    """Return (value, low, high) with null for NaN, which JSON has not."""
    first, low, high = (None if math.isnan(x) else float(x) for x in value)
    return first, low, high


class ClassFigures(Struct, frozen=True):
    """How one fault is found, on labels that the scoring model had not seen."""

    label: str
    cause: str
    """What its welds are called."""
    n: int
    spots: int
    recall: Figure
    """Share at or above the threshold (Wilson)."""
    precision: Figure
    """Of the welds at or above the threshold, among this label and the good ones, the share with this label."""
    auc: Figure
    """Of the risk, this label against the good welds (Hanley-McNeil)."""
    named: Figure
    """Share found and called by this very name."""


class CalibrationBin(Struct, frozen=True):
    """Welds of similar risk."""

    n: int
    said: float
    came: float
    low: float
    high: float


class FamilyCard(Struct, frozen=True):
    """One programme family."""

    name: str
    programs: dict[str, dict[str, int]]
    """Labels by programme."""
    folds: int
    groups: int
    cut: list[str]
    """Spots that were split by blocks of time, since each holds most of a label."""
    classes: list[ClassFigures]
    all_faults: Figure
    """AUC of the risk, any fault against good."""
    forward: Figure
    """The same on the later labels, by models trained on earlier labels of other groups only; null: too few."""
    forward_n: tuple[int, int]
    """Good and faulty welds of that check."""
    false_alarms: Figure
    """Share of the good welds at or above the threshold."""
    unsaid: int
    """Labelled welds of which the model could say nothing; they are in no figure."""
    confusion: dict[str, dict[str, int]]
    """Label -> what it was called -> welds."""
    brier: float
    brier_base: float
    """Of a forecast that always says the share of faults."""
    reliability: list[CalibrationBin]


class ThresholdCard(Struct, frozen=True):
    """Where risk becomes a defect, and how that was chosen."""

    value: float
    budget: float
    """False alarms allowed, share of good welds."""
    good: int
    above: int
    shown: float
    """Upper 95 % bound of the false alarms: what that many good welds can show."""


class ComparisonCard(Struct, frozen=True):
    """The model against the one in use, on welds that neither was trained on."""

    at: str
    against: str
    """Id of the model in use; empty: the references alone."""
    good: int
    faulty: int
    auc: float
    auc_in_use: float
    difference: float
    low: float
    high: float
    better: bool
    recall: Figure
    recall_in_use: Figure
    false_alarms: Figure
    false_alarms_in_use: Figure


class ModelCard(Struct, frozen=True):
    """Everything."""

    id: str
    created: str
    source: str
    welds: int
    labels: dict[str, int]
    left_out: dict[str, int]
    """Labels too rare to be learnt."""
    first: str
    last: str
    data_sha256: str
    """Of ids, labels and curves in the order of time."""
    threshold: ThresholdCard
    families: list[FamilyCard]
    software: dict[str, str]
    file_sha256: str = ""
    """Of the model's file; a file that differs is not used."""
    comparisons: list[ComparisonCard] = msgspec.field(default_factory=list)
    layout: int = LAYOUT
    """Version of the card; those of the release that began with cards do not say theirs."""


NOTES = (
    """\
- Every figure is from labels that the scoring model had not seen, nor any of their group (a spot, or a block of time of
  a spot). Brackets are 95 % intervals that take welds as independent.""",
    """\
- The risk is calibrated to the share of faults among the labels. Where suspicious welds are inspected more often than
  others, that share, and so the risk, is higher than the plant's; the threshold is not moved by it.""",
)


def render(card: ModelCard) -> str:
    """Return the card as Markdown."""
    parts = [_head(card)]
    parts += [_family(family) for family in card.families]
    if card.comparisons:
        parts.append(_comparisons(card.comparisons))
    return "\n\n".join(parts) + "\n"


def _head(card: ModelCard) -> str:
    labels = ", ".join(f"{n} {label}" for label, n in card.labels.items())
    out = ", ".join(f"{n} {label}" for label, n in card.left_out.items())
    lines = [
        f"# Model {card.id}",
        "",
        f"- Trained {card.created} on {card.welds} labelled welds ({labels}) of {card.source}.",
        f"- The welds were made from {card.first} to {card.last}; SHA-256 of the data {card.data_sha256}.",
        _threshold(card.threshold),
        *([f"- Left out, too few to learn from: {out}."] if out else []),
        *NOTES,
        f"- Software: {', '.join(f'{name} {version}' for name, version in card.software.items())}.",
    ]
    return "\n".join(lines)


def _threshold(threshold: ThresholdCard) -> str:
    return (
        f"- A weld is a defect from a risk of {threshold.value:.4f} on: the lowest threshold that keeps "
        f"{1000 * threshold.budget:g} false alarms per 1,000 good welds on {threshold.good} good welds, of which "
        f"{threshold.above} lie at or above it. So many can show that there are at most "
        f"{1000 * threshold.shown:.1f} per 1,000."
    )


def _family(family: FamilyCard) -> str:
    programs = "; ".join(
        f"{program}: {', '.join(f'{n} {label}' for label, n in labels.items())}"
        for program, labels in family.programs.items()
    )
    cut = f" Cut by time: {', '.join(family.cut)}." if family.cut else ""
    lines = [
        f"## Family {family.name}",
        "",
        f"Programmes: {programs}.",
        "",
        f"Split: {family.groups} groups in {family.folds} folds, each label scored once.{cut}",
        "",
        "| label | called | n | spots | recall | precision | AUC against ok | called by its name |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in family.classes:
        figures = (row.recall, row.precision, row.auc, row.named)
        cells = [row.label, row.cause, str(row.n), str(row.spots), *(_figure(value) for value in figures)]
        lines.append(f"| {' | '.join(cells)} |")
    (good, faulty), forward = family.forward_n, f"AUC {_figure(family.forward)}"
    lines += [
        "",
        f"- Any fault against ok: AUC {_figure(family.all_faults)}.",
        f"- Later welds by models of earlier welds of other groups ({good} good, {faulty} faulty): {forward}.",
        f"- False alarms among good welds: {_figure(family.false_alarms)}.",
        f"- Labelled welds it could say nothing of: {family.unsaid}.",
        f"- Brier score {family.brier:.4f}; always saying the share of faults gives {family.brier_base:.4f}.",
        "",
        "| n | risk said | share faulty |",
        "|---|---|---|",
        *(f"| {b.n} | {b.said:.3f} | {_figure((b.came, b.low, b.high))} |" for b in family.reliability),
    ]
    names = list(family.confusion)
    lines += ["", f"| label \\ called | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for label, called in family.confusion.items():
        lines.append(f"| {label} | {' | '.join(str(called[name]) for name in names)} |")
    return "\n".join(lines)


def _comparisons(comparisons: Sequence[ComparisonCard]) -> str:
    lines = [
        "## Compared with what was in use",
        "",
        "| at | against | good | faulty | AUC | AUC in use | difference | better | recall | false alarms |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in comparisons:
        cells = [
            row.at, row.against or "references", str(row.good), str(row.faulty), f"{row.auc:.3f}",
            f"{row.auc_in_use:.3f}", _figure((row.difference, row.low, row.high)), "yes" if row.better else "no",
            f"{_figure(row.recall)}, in use {_figure(row.recall_in_use)}",
            f"{_figure(row.false_alarms)}, in use {_figure(row.false_alarms_in_use)}",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _figure(value: Figure) -> str:
    if value[0] is None or value[1] is None or value[2] is None:
        return "–"
    return f"{value[0]:.3f} [{value[1]:.3f}, {value[2]:.3f}]"
