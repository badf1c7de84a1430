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

from models.snapshots import put_under, take_from
from models.welds.batch import WeldBatch
from models.welds.conditioning import wear_of
from models.welds.features import Features, extract
from models.welds.inductance import Loops
from models.welds.limits import Limits
from models.welds.noise import Noise
from models.welds.priors import Priors
from models.welds.reference import References
from models.welds.rules import CHECKS, INDEPENDENT_CHECKS, classify, learn, starved
from models.welds.shape import Bands, Directions
from models.welds.trained import TrainedModel
from models.welds.verdicts import CODE, DEFECT, OK, Verdicts, decide, use_model

BLOCK = 4096
"""State that spans streams changes after every so many welds and at no other time, whatever the batches."""
BLOCKS_PER_LEARNING = 64
"""What streams have in common is worked out anew after so many blocks; at first after 1, 2, 4, 8, 16 and 32."""


@dataclass(frozen=True, slots=True)
class JudgeSettings:
    """How welds are judged."""

    learn_n: int = 20
    """Welds of a stream before it is judged by itself alone."""
    prior_streams: int = 5
    """Streams of a programme that must have learnt before others of it are judged by them; until then, and for what
    they do not know, the welds of a new stream are `unjudged: learning`."""
    limit_sigma: float = 6.0
    """Distance from the reference beyond which a weld is a defect, until the plant's own scatter is known."""
    conditioning_n: int = 40
    """Welds of a gun after a cap change that are not judged."""
    false_alarms_per_1000: float = 1.0
    """Good welds of a thousand that may be called defects; limits follow from it and from how welds scatter."""


REFERENCE_KINDS = frozenset(
    {"program_change", "reference_reset", "reference_pin", "reference_unpin", "spot_exclude", "spot_include"}
)
"""Kinds of events that concern references or spots."""


@dataclass(frozen=True, slots=True)
class GunEvent:
    """Something done at a machine that changes what is normal."""

    kind: str
    """`cap_change` conditions a gun; `program_change` and `reference_reset` begin new versions of references;
    `reference_pin` and `reference_unpin`, `spot_exclude` and `spot_include` do what they say; others are only recorded.
    """
    time_ns: int
    gun: str = ""
    program: str = ""
    spot: str = ""


class WeldJudge:
    """Judges welds and learns what is normal. Holds all state; the same welds in the same order give the same bits."""

    def __init__(self, settings: JudgeSettings) -> None:
        self.settings = settings
        self.references = References.empty(settings.learn_n)
        self.bands = Bands.empty()
        self.directions = Directions()
        self.loops = Loops()
        self.priors = Priors()
        self.noise = Noise()
        budget = settings.false_alarms_per_1000 / 1000 / INDEPENDENT_CHECKS
        self.limits = Limits(len(CHECKS), budget, settings.limit_sigma)
        self.count = 0
        """Welds judged so far."""
        self._model: TrainedModel | None = None
        self._shadow: TrainedModel | None = None
        self._rows: dict[tuple[str, str], int] = {}
        self._conditioning: dict[str, tuple[int, int]] = {}  # gun -> welds left, since (ns)
        self._excluded: dict[str, int] = {}  # spot -> since (ns)

    @property
    def streams(self) -> list[tuple[str, str]]:
        """Every (spot, program) seen, in the order of their rows."""
        return list(self._rows)

    def rows_of_spot(self, spot: str) -> list[tuple[str, int]]:
        """Return (program, row) of every stream of a spot, for reading its references."""
        return [(program, row) for (name, program), row in self._rows.items() if name == spot]

    def excluded_since_ns(self, spot: str) -> int | None:
        """Return since when the welds of a spot are not judged, or None when they are."""
        return self._excluded.get(spot)

    def use(self, model: TrainedModel | None, shadow: TrainedModel | None) -> None:
        """Let `model` refine verdicts from now on, and `shadow` say what it would; they are no part of a snapshot."""
        self._model, self._shadow = model, shadow

    def judge(self, batch: WeldBatch) -> Verdicts:
        """Judge a batch in its order and learn from what conforms."""
        parts, start = [], 0
        while start < len(batch):
            stop = min(len(batch), start + BLOCK - self.count % BLOCK)
            parts.append(self._judge_part(batch.take(start, stop)))
            start = stop
        return Verdicts.join(parts) if parts else Verdicts.empty(extract(batch))

    def _judge_part(self, batch: WeldBatch) -> Verdicts:
        """Judge welds of one block."""
        loop_uh = self.loops.of(batch.gun)
        features = extract(batch, loop_uh)
        out = Verdicts.empty(features)
        out.loop_uh[:] = loop_uh
        rows = self._find_rows(batch)
        programs = self.references.program[rows]
        self.priors.reserve(len(self.directions.filled))
        wear = wear_of(batch.wear_count)
        excluded = np.zeros(len(batch), dtype=np.bool_)
        if self._excluded:
            excluded[:] = [spot in self._excluded for spot in batch.spot]
        conditioning = self._count_conditioning(batch)
        learnt = self._model.probabilities(batch) if self._model else None
        if self._shadow:
            out.shadow_risk[:] = 1.0 - self._shadow.probabilities(batch)[:, 0]
        residual = np.full_like(features.band, np.nan)
        for at in rounds(rows):
            says = None if learnt is None else learnt[at]
            residual[at] = self._judge_round(
                at, rows[at], batch.time_ns[at], wear[at], features, conditioning[at], excluded[at], says, out
            )
        known = np.flatnonzero(~np.isnan(residual[:, 0]))
        self.directions.keep(self.count + known, programs[known], residual[known])
        self.loops.add(batch.gun, features.loop_uh)
        self.count += len(batch)
        if self.count % BLOCK == 0:
            self._end_block(self.count // BLOCK)
        return out

    def apply(self, event: GunEvent) -> int:
        """Take note of an event: welds judged from now on are judged in its light. Return how many streams it concerns.

        A cap change and a dress begin no new versions: references know the wear count, which both set back, and a
        spot's metal is the same.
        """
        match event.kind:
            case "cap_change":
                if self.settings.conditioning_n:
                    self._conditioning[event.gun] = (self.settings.conditioning_n, event.time_ns)
            case "maintenance":
                self.loops.forget(event.gun)
            case "spot_exclude":
                self._excluded.setdefault(event.spot, event.time_ns)
            case "spot_include":
                self._excluded.pop(event.spot, None)
        if event.kind not in REFERENCE_KINDS:
            return 0
        rows = np.array(
            [
                row
                for (spot, program), row in self._rows.items()
                if event.spot in {"", spot} and event.program in {"", program}
            ],
            dtype=np.int64,
        )
        if event.kind in {"program_change", "reference_reset"}:
            whole = event.kind == "program_change" and not event.spot
            if whole and len(rows):
                self.priors.forget(int(self.references.program[rows[0]]))
            self.references.reset(rows, event.time_ns, event.kind, alone=not whole)
            self.bands.reset(rows)
        elif event.kind in {"reference_pin", "reference_unpin"}:
            self.references.pinned[rows] = event.kind == "reference_pin"
        return len(rows)

    def _end_block(self, blocks: int) -> None:
        if blocks % BLOCKS_PER_LEARNING == 0 or (blocks < BLOCKS_PER_LEARNING and blocks & (blocks - 1) == 0):
            self.directions.learn()
            self.references.teach(self.priors, self.settings.prior_streams)
        self.loops.end_block()
        self.noise.end_block()
        self.limits.end_block()

    @property
    def _shared(self) -> dict[str, Priors | Noise | Limits | Directions]:
        """What spans streams, by the name of its part of a snapshot."""
        return {"priors": self.priors, "noise": self.noise, "limits": self.limits, "directions": self.directions}

    def snapshot(self) -> dict[str, NDArray[np.generic]]:
        """Return the whole state as plain arrays, from which `restore` goes on to the bit."""
        text = json.dumps(
            {
                "streams": self.streams,
                "conditioning": self._conditioning,
                "excluded": self._excluded,
                "count": self.count,
                "loops": self.loops.snapshot(),
            }
        )
        state: dict[str, NDArray[np.generic]] = {"keys": np.frombuffer(text.encode(), dtype=np.uint8)}
        state |= self.references.arrays(len(self._rows))
        state |= put_under("band", self.bands.arrays(len(self._rows)))
        for name, part in self._shared.items():
            state |= put_under(name, part.snapshot())
        return state

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Take over a snapshot. Raises `ValueError` when it was made with another `learn_n`."""
        learn_n = state["first"].shape[1]
        if learn_n != self.settings.learn_n:
            raise ValueError(f"the snapshot has learn_n {learn_n}; the settings say {self.settings.learn_n}")
        keys = json.loads(bytes(state["keys"].astype(np.uint8)))
        self._rows = {(spot, program): row for row, (spot, program) in enumerate(keys["streams"])}
        self._conditioning = {gun: (left, since) for gun, (left, since) in keys["conditioning"].items()}
        self._excluded = dict(keys["excluded"])
        self.loops.restore(keys["loops"])
        rows = max(len(self._rows), 64)
        self.references = References.empty(learn_n, rows)
        for name in References.ARRAYS:
            getattr(self.references, name)[: len(self._rows)] = state[name]
        self.bands = Bands.empty(rows)
        bands = take_from("band", state)
        for name in Bands.ARRAYS:
            getattr(self.bands, name)[: len(self._rows)] = bands[name]
        for name, part in self._shared.items():
            part.restore(take_from(name, state))
        self.count = keys["count"]

    def _find_rows(self, batch: WeldBatch) -> NDArray[np.int64]:
        known = self._rows
        rows = list(map(known.get, zip(batch.spot, batch.program, strict=True)))
        if None in rows:
            rows = [known.setdefault(key, len(known)) for key in zip(batch.spot, batch.program, strict=True)]
            self.references.reserve(len(known))
            self.bands.reserve(len(known))
            self.references.program[np.array(rows)] = self.directions.rows(batch.program)
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
        time_ns: NDArray[np.int64],
        wear: NDArray[np.float64],
        features: Features,
        conditioning: NDArray[np.bool_],
        excluded: NDArray[np.bool_],
        learnt: NDArray[np.float64] | None,
        out: Verdicts,
    ) -> NDArray[np.float32]:
        """Judge at most one weld per stream; return the residuals of those that teach what residuals are like."""
        reference, bands, programs = self.references, self.bands, self.references.program[rows]
        values, sensor, band = features.values.take(at, axis=0), features.sensor[at], features.band.take(at, axis=0)
        late = reference.arrive(rows, time_ns)
        sound = sensor == 0
        young = reference.learning(rows)
        expected = reference.expect(rows, values, wear, self.priors)
        centre, sigma = expected.centre, expected.sigma
        compared = sound & expected.known & ~conditioning & ~excluded
        z = np.where(compared[:, None], (values - centre) / sigma, np.nan)
        residual = bands.residual(rows, band)
        banded = compared & (bands.n[rows] >= self.settings.learn_n)
        scores = np.where(banded[:, None], self.directions.scores(programs, residual), np.nan)
        usual = self.directions.centre[programs], self.directions.spread[programs]
        shape = bands.distance(rows, scores, usual)
        found = classify(z, values, centre, shape, self.noise, self.limits)
        cause, lead, score = found.cause, found.lead, found.ratio * self.settings.limit_sigma

        unjudged = {"learning": ~expected.known, "conditioning": conditioning, "excluded": excluded}
        verdict, code = decide(cause, unjudged, sensor, starved(values, centre))
        distance = np.where(compared, np.maximum(score, 0), np.nan)
        risk = distance / (distance + self.settings.limit_sigma)
        risk[code == CODE["no_current"]] = 1.0
        if self._model and learnt is not None:
            out.by_model[at] = use_model(self._model, learnt, verdict, code, risk)

        led = np.where(compared, lead, -1)
        k = np.arange(len(at))
        has = led >= 0
        out.put(
            at,
            z=z,
            verdict=verdict,
            cause=code,
            lead=led,
            score=np.where(compared, score, np.nan),
            value=np.where(has, values[k, led], np.nan),
            centre=np.where(has, centre[k, led], np.nan),
            sigma=np.where(has, sigma[k, led], np.nan),
            reference_n=reference.n[rows],
            reference_version=reference.version[rows],
            late=late,
            shape=shape,
            risk=risk,
            cause_scores=found.scores,
        )

        # The first welds teach whatever their programme's other spots make of them: this spot may be unlike them.
        # Of the others only those do that neither the references nor a model calls a defect.
        agreed = (verdict == OK) & ~(found.ratio >= 1)
        conforms = agreed | (young & ~((verdict == DEFECT) & out.by_model[at]))
        teaches = sound & ~late & ~conditioning & ~excluded & conforms & (young | ~reference.pinned[rows])
        taught = np.flatnonzero(teaches)
        reference.learn(rows[taught], values.take(taught, axis=0), wear[taught], expected.take(taught), self.priors)
        bands.learn(rows[taught], band.take(taught, axis=0), features.span_ms[at[taught]])
        told = compared & ~late & ~young
        learn(z, centre, sigma, told, teaches, found.checks, self.noise, self.limits)
        compares = teaches & banded
        bands.learn_scores(rows[compares], scores[compares])
        return np.where(compares[:, None], residual, np.float32(np.nan))


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
