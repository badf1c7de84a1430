"""Which models are in use, as the store's events tell it, and whether one may judge: the figures behind that."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.comparison import compare_auc
from models.splits import MIN_FAULT, MIN_GOOD
from models.welds.trained import GOOD, TrainedModel
from services.model_card import ComparisonCard
from services.model_figures import share
from services.models_in_use import MODEL_KINDS, ModelsInUse
from services.store.protocol import Filters, Store
from services.times import rfc3339

READ_AT_ONCE = 1000


@dataclass(slots=True)
class Use:
    """What is in use, and since when by the time at which Lineside received the order, ns UTC."""

    models: ModelsInUse = field(default_factory=ModelsInUse)
    active_since_ns: int = 0
    shadow_since_ns: int = 0


def read_use(store: Store, known: Collection[str]) -> Use:
    """Return what all model events add up to; those of models that are not `known` here have no effect."""
    rows = [row for kind in MODEL_KINDS for row in _all_events(store, Filters(kind=kind))]
    use = Use()
    for row in sorted(rows, key=lambda row: (row["received_ns"], row["time_ns"], row["event_id"])):
        model = json.loads(row["details"])["model"]
        if model not in known:
            continue
        was = (use.models.active, use.models.shadow)
        use.models.apply(row["kind"], model)
        if use.models.active != was[0]:
            use.active_since_ns = row["received_ns"]
        if use.models.shadow != was[1]:
            use.shadow_since_ns = row["received_ns"]
    return use


@dataclass(frozen=True, slots=True)
class Held:
    """`n` inspected welds that neither the model in the shadow nor what judged them was trained on."""

    faulty: NDArray[np.bool_]
    risk: NDArray[np.float64]
    """(n,) of what was in use."""
    shadow_risk: NDArray[np.float64]
    """(n,) of the model in the shadow."""
    defect: NDArray[np.bool_]
    """(n,) verdict of what was in use."""

    @property
    def enough(self) -> bool:
        """Whether they can show anything."""
        return int(self.faulty.sum()) >= MIN_FAULT and int((~self.faulty).sum()) >= MIN_GOOD


def held_out(store: Store, use: Use, trained_on: Collection[str]) -> Held:
    """Return the inspected welds by which the shadow is compared with what is in use.

    Welds received after both came to their place, so both said what they think without knowing the result, none of
    them in `trained_on`. Of several inspections of one weld the newest counts. A weld of which either could say
    nothing is left out.
    """
    since_ns = max(use.active_since_ns, use.shadow_since_ns)
    result: dict[str, str] = {}
    for row in _all_events(store, Filters(kind="inspection")):  # newest first
        if row["received_ns"] > since_ns:
            details = json.loads(row["details"])
            result.setdefault(details["weld"], details["result"])
    rows = [
        row
        for row in store.welds_of(result).to_pylist()
        if row["received_ns"] > since_ns
        and row["weld_id"] not in trained_on
        and row["risk"] is not None
        and row["shadow_risk"] is not None
    ]
    return Held(
        faulty=np.array([result[row["weld_id"]] != GOOD for row in rows], dtype=np.bool_),
        risk=np.array([row["risk"] for row in rows], dtype=np.float64),
        shadow_risk=np.array([row["shadow_risk"] for row in rows], dtype=np.float64),
        defect=np.array([row["verdict"] == "defect" for row in rows], dtype=np.bool_),
    )


def compare(model: TrainedModel, against: str, held: Held, now_ns: int) -> ComparisonCard:
    """Compare a model in the shadow with what is in use on `held`, of which there are enough."""
    areas = compare_auc(held.shadow_risk, held.risk, held.faulty)
    alarm, good = held.shadow_risk >= model.threshold, ~held.faulty
    faulty_n, good_n = int(held.faulty.sum()), int(good.sum())
    return ComparisonCard(
        at=rfc3339(now_ns),
        against=against,
        good=good_n,
        faulty=faulty_n,
        auc=areas.first,
        auc_in_use=areas.second,
        difference=areas.difference,
        low=areas.low,
        high=areas.high,
        better=areas.better,
        recall=share(int((alarm & held.faulty).sum()), faulty_n),
        recall_in_use=share(int((held.defect & held.faulty).sum()), faulty_n),
        false_alarms=share(int((alarm & good).sum()), good_n),
        false_alarms_in_use=share(int((held.defect & good).sum()), good_n),
    )


def say(comparison: ComparisonCard) -> str:
    """Return the figures of a comparison in one sentence."""
    against = comparison.against or "the references alone"
    return (
        f"on {comparison.good} good and {comparison.faulty} faulty welds that neither was trained on its AUC is "
        f"{comparison.auc:.3f}, that of {against} {comparison.auc_in_use:.3f}; difference {comparison.difference:+.3f} "
        f"[{comparison.low:+.3f}, {comparison.high:+.3f}]"
    )


def _all_events(store: Store, filters: Filters) -> list[Mapping[str, Any]]:
    """Return every event, newest first."""
    rows: list[Mapping[str, Any]] = []
    before: tuple[int, str] | None = None
    while page := store.events(filters, READ_AT_ONCE, before).to_pylist():
        rows += page
        if len(page) < READ_AT_ONCE:
            break
        before = (page[-1]["time_ns"], page[-1]["event_id"])
    return rows
