"""The judge: features against references, weld by weld in the order of each stream, vectorised over streams.

A batch is taken in rounds, the k-th weld of every stream together, so that any split of the same welds into batches
gives the same verdicts and the same state, bit for bit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.welds.batch import WeldBatch
from models.welds.causes import CAUSES
from models.welds.features import Features, extract
from models.welds.reference import References
from models.welds.rules import classify
from models.welds.sensors import SENSORS
from models.welds.shape import Bands, Directions
from models.welds.trained import TrainedModel, refine

VERDICTS = ("ok", "defect", "unjudged")
OK, DEFECT, UNJUDGED = range(3)
CAUSE_CODES = ("", *CAUSES)
_CODE = {cause: code for code, cause in enumerate(CAUSE_CODES)}
_SENSOR_CODE = np.array([_CODE[name] for name in SENSORS], dtype=np.int8)
_NEVER = np.iinfo(np.int64).min
BAND_PREFIX, DIRECTIONS_PREFIX = "band.", "directions."
"""Of the names of their arrays in a snapshot."""
BLOCK = 4096
"""State that spans streams changes after every so many welds and at no other time, whatever the batches."""
BLOCKS_PER_LEARNING = 16
"""What residuals have in common is worked out anew after so many blocks; at first after 1, 2, 4 and 8."""


@dataclass(frozen=True, slots=True)
class JudgeSettings:
    """How welds are judged."""

    learn_n: int = 20
    """Welds of a stream before its reference is used."""
    limit_sigma: float = 6.0
    """Distance from the reference beyond which a weld is a defect."""
    conditioning_n: int = 40
    """Welds of a gun after a cap change that are not judged."""


@dataclass(frozen=True, slots=True)
class GunEvent:
    """Something done at a machine that changes what is normal."""

    kind: str
    """`cap_change` conditions a gun; `program_change` resets references; others are only recorded."""
    time_ns: int
    gun: str = ""
    program: str = ""
    spot: str = ""


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
    """(n,) largest deciding distance, sigmas; NaN when not compared."""
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
        )


class WeldJudge:
    """Judges welds and learns what is normal. Holds all state; the same welds in the same order give the same bits."""

    def __init__(self, settings: JudgeSettings) -> None:
        self.settings = settings
        self.references = References.empty(settings.learn_n)
        self.bands = Bands.empty()
        self.directions = Directions()
        self.count = 0
        """Welds judged so far."""
        self._model: TrainedModel | None = None
        self._shadow: TrainedModel | None = None
        self._rows: dict[tuple[str, str], int] = {}
        self._conditioning: dict[str, tuple[int, int]] = {}  # gun -> welds left, since (ns)

    @property
    def streams(self) -> list[tuple[str, str]]:
        """Every (spot, program) seen, in the order of their rows."""
        return list(self._rows)

    def rows_of_spot(self, spot: str) -> list[tuple[str, int]]:
        """Return (program, row) of every stream of a spot, for reading its references."""
        return [(program, row) for (name, program), row in self._rows.items() if name == spot]

    def use(self, model: TrainedModel | None, shadow: TrainedModel | None) -> None:
        """Let `model` refine verdicts from now on, and `shadow` say what it would; they are no part of a snapshot."""
        self._model, self._shadow = model, shadow

    def judge(self, batch: WeldBatch) -> Verdicts:
        """Judge a batch in its order and learn from what conforms."""
        features = extract(batch)
        out = Verdicts.empty(features)
        rows, programs = self._find_rows(batch), self.directions.rows(batch.program)
        conditioning = self._count_conditioning(batch)
        learnt = self._model.probabilities(batch) if self._model else None
        if self._shadow:
            out.shadow_risk[:] = 1.0 - self._shadow.probabilities(batch)[:, 0]
        start = 0
        while start < len(batch):
            stop = min(len(batch), start + BLOCK - self.count % BLOCK)
            residual = np.full((stop - start, features.band.shape[1]), np.nan, dtype=np.float32)
            for part in rounds(rows[start:stop]):
                at = start + part
                says = None if learnt is None else learnt[at]
                residual[part] = self._judge_round(
                    at, rows[at], programs[at], batch.time_ns[at], features, conditioning[at], says, out
                )
            known = np.flatnonzero(~np.isnan(residual[:, 0]))
            self.directions.keep(self.count + known, programs[start + known], residual[known])
            self.count += stop - start
            if self.count % BLOCK == 0:
                self._end_block(self.count // BLOCK)
            start = stop
        return out

    def apply(self, event: GunEvent) -> None:
        """Take note of an event: welds judged from now on are judged in its light."""
        if event.kind == "cap_change" and self.settings.conditioning_n:
            self._conditioning[event.gun] = (self.settings.conditioning_n, event.time_ns)
        elif event.kind == "program_change":
            rows = [
                row
                for (spot, program), row in self._rows.items()
                if program == event.program and event.spot in {"", spot}
            ]
            self.references.reset(np.array(rows, dtype=np.int64))
            self.bands.reset(np.array(rows, dtype=np.int64))

    def _end_block(self, blocks: int) -> None:
        if blocks % BLOCKS_PER_LEARNING == 0 or (blocks < BLOCKS_PER_LEARNING and blocks & (blocks - 1) == 0):
            self.directions.learn()

    def snapshot(self) -> dict[str, NDArray[np.generic]]:
        """Return the whole state as plain arrays, from which `restore` goes on to the bit."""
        text = json.dumps({"streams": self.streams, "conditioning": self._conditioning, "count": self.count})
        state: dict[str, NDArray[np.generic]] = {"keys": np.frombuffer(text.encode(), dtype=np.uint8)}
        state |= self.references.arrays(len(self._rows))
        state |= {BAND_PREFIX + name: array for name, array in self.bands.arrays(len(self._rows)).items()}
        return state | {DIRECTIONS_PREFIX + name: array for name, array in self.directions.snapshot().items()}

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Take over a snapshot. Raises `ValueError` when it was made with another `learn_n`."""
        learn_n = state["first"].shape[1]
        if learn_n != self.settings.learn_n:
            raise ValueError(f"the snapshot has learn_n {learn_n}; the settings say {self.settings.learn_n}")
        keys = json.loads(bytes(state["keys"].astype(np.uint8)))
        self._rows = {(spot, program): row for row, (spot, program) in enumerate(keys["streams"])}
        self._conditioning = {gun: (left, since) for gun, (left, since) in keys["conditioning"].items()}
        rows = max(len(self._rows), 64)
        self.references = References.empty(learn_n, rows)
        for name in References.ARRAYS:
            getattr(self.references, name)[: len(self._rows)] = state[name]
        self.bands = Bands.empty(rows)
        for name in Bands.ARRAYS:
            getattr(self.bands, name)[: len(self._rows)] = state[BAND_PREFIX + name]
        self.directions.restore({name.removeprefix(DIRECTIONS_PREFIX): state[name] for name in state})
        self.count = keys["count"]

    def _find_rows(self, batch: WeldBatch) -> NDArray[np.int64]:
        known = self._rows
        rows = [known.setdefault(key, len(known)) for key in zip(batch.spot, batch.program, strict=True)]
        self.references.reserve(len(known))
        self.bands.reserve(len(known))
        return np.array(rows, dtype=np.int64)

    def _count_conditioning(self, batch: WeldBatch) -> NDArray[np.bool_]:
        """Tell which welds are among the first of their gun's new caps, and count them off."""
        result = np.zeros(len(batch), dtype=np.bool_)
        if not self._conditioning:
            return result
        guns = np.array(batch.gun, dtype=object)
        for gun, (left, since_ns) in list(self._conditioning.items()):
            mine = np.flatnonzero((guns == gun) & (batch.time_ns >= since_ns))[:left]
            result[mine] = True
            if left - len(mine) > 0:
                self._conditioning[gun] = (left - len(mine), since_ns)
            else:
                del self._conditioning[gun]
        return result

    def _judge_round(
        self,
        at: NDArray[np.int64],
        rows: NDArray[np.int64],
        programs: NDArray[np.int64],
        time_ns: NDArray[np.int64],
        features: Features,
        conditioning: NDArray[np.bool_],
        learnt: NDArray[np.float64] | None,
        out: Verdicts,
    ) -> NDArray[np.float32]:
        """Judge at most one weld per stream; return the residuals of those that teach what residuals are like."""
        reference, bands = self.references, self.bands
        values, sensor, band = features.values[at], features.sensor[at], features.band[at]
        late = time_ns <= reference.last_time_ns[rows]
        reference.last_time_ns[rows] = np.maximum(reference.last_time_ns[rows], time_ns)
        sound = sensor == 0
        learning = reference.learning(rows)
        centre, sigma = reference.centre[rows], reference.sigma(rows)
        compared = sound & ~learning & ~conditioning
        z = np.where(compared[:, None], (values - centre) / sigma, np.nan)
        residual = bands.residual(rows, band)
        banded = compared & (bands.n[rows] >= self.settings.learn_n)
        scores = np.where(banded[:, None], self.directions.scores(programs, residual), np.nan)
        usual = self.directions.centre[programs], self.directions.spread[programs]
        shape = bands.distance(rows, scores, usual)
        cause, lead, score = classify(z, values, centre, self.settings.limit_sigma, shape)

        verdict = np.where(cause != "", DEFECT, OK).astype(np.int8)
        code = np.array([_CODE[name] for name in cause], dtype=np.int8)
        for mask, name in ((learning, "learning"), (conditioning, "conditioning")):
            verdict[mask], code[mask] = UNJUDGED, _CODE[name]
        verdict[~sound] = UNJUDGED
        code[~sound] = _SENSOR_CODE[sensor[~sound]]
        verdict[code == _CODE["no_current"]] = DEFECT  # nothing to compare is needed: the weld was not made
        distance = np.where(compared, np.maximum(score, 0), np.nan)
        risk = distance / (distance + self.settings.limit_sigma)
        risk[code == _CODE["no_current"]] = 1.0
        if self._model and learnt is not None:
            out.by_model[at] = _refine(self._model, learnt, verdict, code, risk)

        led = np.where(compared, lead, -1)
        k = np.arange(len(at))
        has = led >= 0
        out.z[at] = z
        out.verdict[at] = verdict
        out.cause[at] = code
        out.lead[at] = led
        out.score[at] = np.where(compared, score, np.nan)
        out.value[at] = np.where(has, values[k, led], np.nan)
        out.centre[at] = np.where(has, centre[k, led], np.nan)
        out.sigma[at] = np.where(has, sigma[k, led], np.nan)
        out.reference_n[at] = reference.n[rows]
        out.reference_version[at] = reference.version[rows]
        out.late[at] = late
        out.shape[at] = shape
        out.risk[at] = risk

        teaches = sound & ~late & ~conditioning & ((verdict == OK) | (learning & (verdict != DEFECT)))
        reference.learn(rows[teaches], values[teaches])
        bands.learn(rows[teaches], band[teaches], features.span_ms[at][teaches])
        compares = teaches & banded
        bands.learn_scores(rows[compares], scores[compares])
        return np.where(compares[:, None], residual, np.float32(np.nan))


def _refine(
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
    code[own] = [_CODE[cause] if defect else 0 for cause, defect in found]
    says = ~np.isnan(refined.risk) & (code != _CODE["no_current"])
    risk[says] = refined.risk[says]
    return own


def rounds(rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Split positions into rounds: the k-th round holds the k-th occurrence of every row, in the order of arrival."""
    if not len(rows):
        return []
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    begins = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    occurrence = np.arange(len(rows)) - np.repeat(begins, np.diff(np.r_[begins, len(rows)]))
    nth = np.empty(len(rows), dtype=np.int64)
    nth[order] = occurrence
    by_round = np.argsort(nth, kind="stable")
    return np.split(by_round, np.flatnonzero(np.diff(nth[by_round])) + 1)
