"""Everything the pipeline remembers, and its snapshot: one file that is either old or new.

Loading a snapshot and replaying the journal from its cursor gives the state to the bit; the snapshot only makes that
quick, and lets the journal be trimmed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from edge.plant import Plant
from models.fleet.track import Agv, FleetTracker
from models.signals import Watcher
from models.snapshots import put_under, take_from
from models.welds.bodies import BodyState, BodyTracker
from models.welds.bursts import BurstDetector
from models.welds.drift import DriftMonitor
from models.welds.judge import JudgeSettings, WeldJudge
from models.welds.wear import WearTracker
from models.welds.wear_state import WearSettings
from services.config import Config
from services.errors import OperatorError
from services.files import replace_file
from services.models_in_use import ModelsInUse
from services.seen import Seen

LAYOUT = 3
"""Version of the snapshot's layout."""
JUDGE = "judge"


class StateError(OperatorError):
    """A snapshot cannot be used; the message says why and what to do."""


@dataclass(slots=True)
class SourceCount:
    """What became of one source's items, and its clock."""

    stored: int = 0
    rejected: int = 0
    duplicate: int = 0
    last_time_ns: int = 0
    """Newest source time; 0 when none was readable."""
    clock_offset_ms: float | None = None
    """Receive time minus source time of the newest live item."""


@dataclass(frozen=True, slots=True)
class _Meta:
    layout: int
    learn_n: int
    cursor: int
    next_ordinal: int
    counts: dict[str, SourceCount]
    bodies: BodyState
    agvs: list[Agv]
    models: ModelsInUse


@dataclass(slots=True)
class PipelineState:
    """The state after the message with sequence number `cursor`."""

    judge: WeldJudge
    wear: WearTracker
    drift: DriftMonitor
    bursts: BurstDetector
    bodies: BodyTracker
    seen_ids: Seen
    """Ids of welds taken."""
    seen_times: Seen
    """(spot, program, time) of welds taken: what stores know a weld by."""
    fleet: FleetTracker = field(default_factory=FleetTracker)
    counts: dict[str, SourceCount] = field(default_factory=dict)
    models: ModelsInUse = field(default_factory=ModelsInUse)
    cursor: int = 0
    next_ordinal: int = 1

    @classmethod
    def new(cls, config: Config, plant: Plant) -> PipelineState:
        """Return the state of a pipeline that has seen nothing."""
        judge = config.judge
        return cls(
            judge=WeldJudge(
                JudgeSettings(
                    learn_n=judge.learn_n,
                    prior_streams=judge.prior_streams,
                    limit_sigma=judge.limit_sigma,
                    conditioning_n=judge.conditioning_n,
                    false_alarms_per_1000=judge.false_alarms_per_1000,
                )
            ),
            wear=WearTracker(wear_settings(config)),
            drift=DriftMonitor(config.spc.alarms_per_hour, judge.learn_n),
            bursts=BurstDetector(plant.cell_of_gun),
            bodies=BodyTracker(plant.spots, int(plant.body_complete_min * 60e9)),
            seen_ids=Seen(judge.remember_ids),
            seen_times=Seen(judge.remember_ids),
        )

    @property
    def watchers(self) -> dict[str, Watcher]:
        """What follows the judged welds and raises signals, by the name of its part of the snapshot."""
        return {"wear": self.wear, "drift": self.drift, "bursts": self.bursts}

    def save(self, path: Path) -> None:
        """Write the snapshot."""
        meta = _Meta(
            LAYOUT,
            self.judge.settings.learn_n,
            self.cursor,
            self.next_ordinal,
            self.counts,
            self.bodies.snapshot(),
            list(self.fleet.agvs.values()),
            self.models,
        )
        arrays = put_under(JUDGE, self.judge.snapshot())
        for name, watcher in self.watchers.items():
            arrays |= put_under(name, watcher.snapshot())
        arrays["meta"] = np.frombuffer(msgspec.json.encode(meta), dtype=np.uint8)
        arrays["seen_ids"] = self.seen_ids.snapshot()
        arrays["seen_times"] = self.seen_times.snapshot()

        def write(fresh: Path) -> None:
            with fresh.open("wb") as stream:
                np.savez(stream, allow_pickle=False, **arrays)

        replace_file(path, write)

    @classmethod
    def load(cls, path: Path, config: Config, plant: Plant) -> PipelineState:
        """Return the state of a snapshot, or a new one when there is none. Raises `StateError`."""
        state = cls.new(config, plant)
        if not path.exists():
            return state
        arrays, meta = _read(path)
        if meta.learn_n != config.judge.learn_n:
            raise StateError(
                f"{path} was learnt with judge.learn_n = {meta.learn_n}; the settings say {config.judge.learn_n}. "
                "Set it back, or move the file away to learn anew"
            )
        state.judge.restore(take_from(JUDGE, arrays))
        for name, watcher in state.watchers.items():
            watcher.restore(take_from(name, arrays))
        state.bodies.restore(meta.bodies)
        state.seen_ids = Seen(config.judge.remember_ids, arrays["seen_ids"].tolist())
        state.seen_times = Seen(config.judge.remember_ids, arrays["seen_times"].tolist())
        state.fleet.agvs = {agv.agv: agv for agv in meta.agvs}
        state.counts, state.models = meta.counts, meta.models
        state.cursor, state.next_ordinal = meta.cursor, meta.next_ordinal
        return state


def load_for_reading(path: Path) -> tuple[WeldJudge, WearTracker]:
    """Return the judge and the electrodes of a snapshot, as they were saved. Raises `StateError`."""
    arrays, meta = _read(path)
    judge = WeldJudge(JudgeSettings(learn_n=meta.learn_n))
    judge.restore(take_from(JUDGE, arrays))
    return judge, WearTracker.of(take_from("wear", arrays))


def wear_settings(config: Config) -> WearSettings:
    """Return what electrode wear is measured against."""
    judge, wear = config.judge, config.wear
    return WearSettings(judge.limit_sigma, judge.conditioning_n, wear.density_loss, wear.warn_welds)


def _read(path: Path) -> tuple[dict[str, np.ndarray], _Meta]:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        meta = msgspec.json.decode(arrays["meta"].tobytes(), type=_Meta)
    except (OSError, ValueError, KeyError, EOFError, msgspec.DecodeError) as error:
        raise StateError(f"{path} is not a readable snapshot ({error}); move it away to learn anew") from None
    if meta.layout != LAYOUT:
        raise StateError(f"{path} has layout {meta.layout}; this version reads layout {LAYOUT}")
    return arrays, meta
