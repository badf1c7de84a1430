"""Labelled welds made for tests: a plant of some spots with a few per cent of faults, and a model learnt from them."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import sklearn

from models.welds.learned import LearnedModel
from models.welds.trained import Family, TrainedModel
from services.model_card import ModelCard, ThresholdCard
from services.training import Labelled
from tests.unit.models.welds import making

T0 = 1_790_000_000 * 10**9
S = 10**9
FAULTS = ("stick", "expulsion")
SIGNAL = {"stick": "low_heat", "expulsion": "expulsion"}


def labelled(
    n: int = 240, *, spots: int = 8, every: int = 8, seed: int = 1, family: str = "all", harmless: int = 0
) -> Labelled:
    """Return `n` welds in order of time; every `every`-th is faulty, stick and expulsion in turn.

    With `harmless` every so many-th good weld is hot, which tests found to be no fault: only labels can tell that.
    """
    rng = np.random.default_rng(seed)
    label = [FAULTS[k // every % 2] if k % every == every - 1 else "ok" for k in range(n)]
    signal = [SIGNAL.get(name, "excess_heat" if harmless and k % harmless == 0 else "") for k, name in enumerate(label)]
    spot = rng.integers(0, spots, n)
    made = [
        making.curve(
            rng, fault=signal[k], samples=130, spot=f"S{spot[k]}", program=f"{7 + spot[k] % 2}",
            time_ns=T0 + k * 60 * S, force=False,
        )
        for k in range(n)
    ]  # fmt: skip
    return Labelled(making.batch(made), label, [family] * n, "made")


@lru_cache(maxsize=1)
def _learnt() -> LearnedModel:
    data = labelled(120, every=4)
    return LearnedModel.fit(data.welds, data.label, np.arange(120) // 20)


def a_model(model_id: str, threshold: float = 0.5, trained_on: frozenset[str] = frozenset({"w0"})) -> TrainedModel:
    """Return a model that can tell the faults of `labelled`, without validation: for what is done with models."""
    return TrainedModel(model_id, (Family("all", ("7", "8"), _learnt()),), threshold, trained_on)


def a_card(model: TrainedModel, created: str = "2026-11-25T07:00:00.000000Z") -> ModelCard:
    """Return the least of a card."""
    return ModelCard(
        id=model.id, created=created, source="made", welds=120, labels={"ok": 90, "stick": 15, "expulsion": 15},
        left_out={}, first=created, last=created, data_sha256="0" * 64, families=[],
        software={"scikit-learn": sklearn.__version__},
        threshold=ThresholdCard(model.threshold, 0.001, 90, 0, 0.041),
    )  # fmt: skip
