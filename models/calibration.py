"""From probabilities to decisions: are they what they say, and where is the line drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.rates import wilson

BINS = 5


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Welds of similar probability: what was said, and what came."""

    n: int
    said: float
    """Mean probability."""
    came: float
    """Share of positives."""
    low: float
    """Wilson 95 % interval of the share."""
    high: float


def brier(probability: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Return the mean squared error of `probability` (n,): 0 is perfect (G. W. Brier, 1950). NaN for n = 0."""
    return float(np.square(probability - positive).mean()) if len(probability) else float("nan")


def reliability(
    probability: NDArray[np.float64], positive: NDArray[np.bool_], bins: int = BINS
) -> list[ReliabilityBin]:
    """Return the reliability table of `n` probabilities, from low to high, in bins of about equal n."""
    order = np.argsort(probability, kind="stable")
    found = []
    for part in np.array_split(order, min(bins, len(order)) or 1):
        if not len(part):
            continue
        came = int(positive[part].sum())
        low, high = wilson(came, len(part))
        found.append(
            ReliabilityBin(len(part), float(probability[part].mean()), came / len(part), float(low), float(high))
        )
    return found


@dataclass(frozen=True, slots=True)
class Threshold:
    """Where a risk becomes a defect, and what the good welds say about it."""

    value: float
    """A weld with this risk or more is a defect."""
    budget: float
    """False alarms allowed, share of the good welds."""
    good: int
    """Good welds it was chosen on."""
    above: int
    """Of those at or above the threshold."""

    @property
    def shown(self) -> float:
        """The upper 95 % Wilson bound of the share of false alarms: all that this many good welds can show."""
        return float(wilson(self.above, self.good)[1])


def choose_threshold(good: NDArray[np.float64], bad: NDArray[np.float64], budget: float) -> Threshold:
    """Return the lowest threshold that keeps the budget on the `good` risks, given those of the `bad` welds.

    Of n good welds `floor(budget * n)` may lie at or above it; it stands half-way to the next higher risk of any weld.
    Raises `ValueError` without a good weld.
    """
    if not len(good):
        raise ValueError("no good weld; expected at least one to choose a threshold by")
    allowed = int(np.floor(budget * len(good)))
    ordered = np.sort(good)[::-1]
    below = float(ordered[allowed]) if allowed < len(ordered) else 0.0
    higher = np.concatenate((ordered[:allowed], bad))
    higher = higher[higher > below]
    value = 0.5 * (below + (float(higher.min()) if len(higher) else 1.0))
    if value <= below:  # two risks with no number between them, or a good weld at risk 1
        value = float(np.nextafter(below, 2.0))
    return Threshold(value, budget, len(good), int((good >= value).sum()))
