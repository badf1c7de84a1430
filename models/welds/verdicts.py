"""What is decided about welds, and the codes it is kept in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from models.welds.causes import CAUSES
from models.welds.features import Features
from models.welds.rules import SCORED
from models.welds.sensors import SENSORS
from models.welds.trained import TrainedModel, refine

VERDICTS = ("ok", "defect", "unjudged")
OK, DEFECT, UNJUDGED = range(3)
CAUSE_CODES = ("", *CAUSES)
CODE = {cause: code for code, cause in enumerate(CAUSE_CODES)}
_SENSOR_CODE = np.array([CODE[name] for name in SENSORS], dtype=np.int8)


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What was decided about `n` welds, and what decided it."""

    features: NDArray[np.float32]
    """(n, F) by `FEATURES`."""
    z: NDArray[np.float32]
    """(n, F) distance from the reference in sigmas, NaN where not compared."""
    verdict: NDArray[np.int8]
    """(n,) index into `VERDICTS`."""
    cause: NDArray[np.int8]
    """(n,) index into `CAUSE_CODES`."""
    lead: NDArray[np.int8]
    """(n,) index into `FEATURES` of the feature that decided, -1 for none."""
    score: NDArray[np.float32]
    """(n,) the furthest check, scaled so that its limit is `JudgeSettings.limit_sigma`; NaN when not compared."""
    value: NDArray[np.float32]
    """(n,) the lead feature."""
    centre: NDArray[np.float32]
    """(n,) its reference when this weld was judged."""
    sigma: NDArray[np.float32]
    """(n,) and its sigma."""
    reference_n: NDArray[np.int64]
    """(n,) welds that the reference had learnt from."""
    reference_version: NDArray[np.int64]
    """(n,)"""
    late: NDArray[np.bool_]
    """(n,) not newer than what its stream had already judged: did not teach the reference."""
    shape: NDArray[np.float32]
    """(n, 2) how far T² and Q of the whole curve (`models.welds.shape`) lie above the stream's own, in its sigmas; NaN
    where not compared."""
    channels: NDArray[np.uint8]
    """(n,) what the curves have: bits of `models.welds.prepare`."""
    risk: NDArray[np.float32]
    """(n,) 0..1, of a defect: by the model in use, where it can say, the probability that the weld is not ok; else a
    mere rank of the distance, 0.5 at the limit. NaN for a weld that neither could look at."""
    shadow_risk: NDArray[np.float32]
    """(n,) what the model in the shadow says, NaN where it cannot."""
    by_model: NDArray[np.bool_]
    """(n,) the verdict is the model's."""
    loop_uh: NDArray[np.float32]
    """(n,) inductance that was taken for the pick-up's loop, µH: with it the features are read off the curve again."""
    cause_scores: NDArray[np.float32]
    """(n, C) by `rules.SCORED`, sum 1: what the references and physics make of the weld; NaN where not compared."""

    @classmethod
    def empty(cls, read: Features) -> Verdicts:
        """Return verdicts still to be filled in, for these features."""
        features = read.values
        n = len(features)
        nan = np.full((6, n), np.nan, dtype=np.float32)
        return cls(
            features=features,
            z=np.full_like(features, np.nan),
            verdict=np.full(n, UNJUDGED, dtype=np.int8),
            cause=np.zeros(n, dtype=np.int8),
            lead=np.full(n, -1, dtype=np.int8),
            score=nan[0],
            value=nan[1],
            centre=nan[2],
            sigma=nan[3],
            reference_n=np.zeros(n, dtype=np.int64),
            reference_version=np.zeros(n, dtype=np.int64),
            late=np.zeros(n, dtype=np.bool_),
            shape=np.full((n, 2), np.nan, dtype=np.float32),
            channels=read.channels,
            risk=nan[4],
            shadow_risk=nan[5],
            by_model=np.zeros(n, dtype=np.bool_),
            loop_uh=np.zeros(n, dtype=np.float32),
            cause_scores=np.full((n, len(SCORED)), np.nan, dtype=np.float32),
        )

    def put(self, at: NDArray[np.int64], **columns: NDArray[np.generic]) -> None:
        """Fill in columns by name, for the welds `at`."""
        for name, column in columns.items():
            getattr(self, name)[at] = column

    @classmethod
    def join(cls, parts: Sequence[Verdicts]) -> Verdicts:
        """Return the verdicts of several parts, one after the other."""
        if len(parts) == 1:
            return parts[0]
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))


def decide(
    cause: NDArray[np.object_],
    unjudged: Mapping[str, NDArray[np.bool_]],
    sensor: NDArray[np.int8],
    weak: NDArray[np.bool_],
) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """Return verdict and cause code (n,), from the cause found, why nothing can be said, and the sensor check.

    Where too little is left to read because the current was `weak` throughout (n,), that is the finding.
    """
    weak = weak & (sensor == SENSORS.index("too_short"))
    sensor = np.where(weak, 0, sensor)
    code = np.zeros(len(cause), dtype=np.int8)
    found = np.flatnonzero(cause != "")
    code[found] = [CODE[name] for name in cause[found]]
    code[weak] = CODE["low_heat"]
    verdict = np.where(code > 0, DEFECT, OK).astype(np.int8)
    for name, mask in unjudged.items():
        verdict[mask], code[mask] = UNJUDGED, CODE[name]
    broken = sensor != 0
    verdict[broken] = UNJUDGED
    code[broken] = _SENSOR_CODE[sensor[broken]]
    # Nothing to compare is needed to know that a weld was not made; but not of a spot that is not to be judged.
    verdict[(code == CODE["no_current"]) & ~unjudged["excluded"]] = DEFECT
    return verdict, code


def use_model(
    model: TrainedModel,
    learnt: NDArray[np.float64],
    verdict: NDArray[np.int8],
    code: NDArray[np.int8],
    risk: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Let a model's probabilities (n, C) change verdict, cause and risk in place; return where the verdict is its."""
    refined = refine(model, learnt, [CAUSE_CODES[k] for k in code])
    own = refined.decides
    verdict[own] = np.where(refined.defect[own], DEFECT, OK)
    found = zip(refined.cause[own], refined.defect[own], strict=True)
    code[own] = [CODE[cause] if defect else 0 for cause, defect in found]
    says = ~np.isnan(refined.risk) & (code != CODE["no_current"])
    risk[says] = refined.risk[says]
    return own
