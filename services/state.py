"""Everything the pipeline remembers, and its snapshot: one file that is either old or new.

Loading a snapshot and replaying the journal from its cursor gives the state to the bit; the snapshot only makes that
quick, and lets the journal be trimmed.
"""

from __future__ import annotations

import contextlib
import logging
import os
import zipfile
import zlib
from collections.abc import Iterator
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
from services.admission import Admission, Admitted
from services.config import Config
from services.errors import OperatorError
from services.files import replace_file
from services.models_in_use import ModelsInUse
from services.seen import Seen

LAYOUT = 4
"""Version of the snapshot's layout. 4 has what was let in and vehicles' messages; 3, of the second release, is read as
one that has none of them. In 1, of the first, curves were read otherwise: of such a snapshot everything goes on but the
references, which are learnt anew."""
FIRST_KEPT = 3
REMEMBER_AGV_MESSAGES = 100_000
"""Far more than a broker can have under way; a vehicle re-sends nothing by itself."""
JUDGE = "judge"
_UNREADABLE = (
    OSError, ValueError, LookupError, TypeError, AttributeError, EOFError, NotImplementedError, MemoryError,
    zipfile.BadZipFile, zlib.error, msgspec.DecodeError,
)  # fmt: skip


class StateError(OperatorError):
    """A snapshot cannot be used; the message says why and what to do."""


@dataclass(slots=True)
class SourceCount:
    """What became of one source's items, and its clock."""

    stored: int = 0
    rejected: int = 0
    duplicate: int = 0
    recovered: int = 0
    """Items that the journal no longer knows to have received, since a damage took its newest counting."""
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
    models: ModelsInUse = field(default_factory=ModelsInUse)
    admitted: Admitted = field(default_factory=Admitted)


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
    admission: Admission
    seen_agvs: Seen = field(default_factory=lambda: Seen(REMEMBER_AGV_MESSAGES))
    """Messages of vehicles taken."""
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
            admission=Admission(config.limits),
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
            self.admission.snapshot(),
        )
        arrays = put_under(JUDGE, self.judge.snapshot())
        for name, watcher in self.watchers.items():
            arrays |= put_under(name, watcher.snapshot())
        arrays["meta"] = np.frombuffer(msgspec.json.encode(meta), dtype=np.uint8)
        arrays["seen_ids"] = self.seen_ids.snapshot()
        arrays["seen_times"] = self.seen_times.snapshot()
        arrays["seen_agvs"] = self.seen_agvs.snapshot()

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
        if meta.layout >= FIRST_KEPT and meta.learn_n != config.judge.learn_n:
            raise StateError(
                f"{path} was learnt with judge.learn_n = {meta.learn_n}; the settings say {config.judge.learn_n}. "
                "Set it back, or move the file away to learn anew"
            )
        with _readable(path):
            if meta.layout >= FIRST_KEPT:
                state.judge.restore(take_from(JUDGE, arrays))
                for name, watcher in state.watchers.items():
                    watcher.restore(take_from(name, arrays))
            state.bodies.restore(meta.bodies)
            state.seen_ids = Seen(config.judge.remember_ids, arrays["seen_ids"].tolist())
            state.seen_times = Seen(config.judge.remember_ids, arrays["seen_times"].tolist())
            if meta.layout >= LAYOUT:
                state.seen_agvs = Seen(REMEMBER_AGV_MESSAGES, arrays["seen_agvs"].tolist())
        state.fleet.agvs = {agv.agv: agv for agv in meta.agvs}
        state.counts, state.models = meta.counts, meta.models
        state.admission = Admission(config.limits, meta.admitted)
        state.cursor, state.next_ordinal = meta.cursor, meta.next_ordinal
        return state


def load_for_reading(path: Path) -> tuple[WeldJudge, WearTracker]:
    """Return the judge and the electrodes of a snapshot, as they were saved. Raises `StateError`."""
    arrays, meta = _read(path)
    if meta.layout < FIRST_KEPT:
        raise StateError(f"{path} has layout {meta.layout}; its pipeline brings it up to date when it starts")
    with _readable(path):
        judge = WeldJudge(JudgeSettings(learn_n=meta.learn_n))
        judge.restore(take_from(JUDGE, arrays))
        return judge, WearTracker.of(take_from("wear", arrays))


def snapshot_cursor(path: Path) -> int:
    """Return up to which message a snapshot goes, 0 when there is none. Raises `StateError`."""
    return _read(path)[1].cursor if path.exists() else 0


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn whatever a damaged snapshot raises while it is read into a `StateError`."""
    try:
        yield
    except _UNREADABLE as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise StateError(f"{path} is not a readable snapshot ({why}); move it away to learn anew") from None


def keep_older(path: Path, log: logging.Logger) -> None:
    """Before a pipeline writes its first snapshot over one of an older layout, keep that under a name of its own.

    Raises `StateError`.
    """
    layout = _read(path)[1].layout if path.exists() else LAYOUT
    if layout == LAYOUT:
        return
    old = path.with_name(f"{path.name}.layout-{layout}")
    with contextlib.suppress(FileExistsError):  # a pipeline that was killed before its first snapshot
        os.link(path, old)
    lost = "" if layout >= FIRST_KEPT else "; references are learnt anew, since curves are read otherwise now"
    log.warning("%s is of layout %d and is brought up to date; the old one stays as %s%s", path, layout, old.name, lost)


def wear_settings(config: Config) -> WearSettings:
    """Return what electrode wear is measured against."""
    judge, wear = config.judge, config.wear
    return WearSettings(judge.limit_sigma, judge.conditioning_n, wear.density_loss, wear.warn_welds)


def _read(path: Path) -> tuple[dict[str, np.ndarray], _Meta]:
    with _readable(path):
        with zipfile.ZipFile(path) as packed:
            claimed = sum(entry.file_size for entry in packed.infolist())
        if claimed > path.stat().st_size:  # ours are not compressed: this one would swell
            raise ValueError(f"it claims to hold {claimed} bytes")
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        meta = msgspec.json.decode(arrays["meta"].tobytes(), type=_Meta)
    if meta.layout > LAYOUT:
        raise StateError(
            f"{path} has layout {meta.layout}; this Lineside reads up to {LAYOUT}: install the newer one again"
        )
    return arrays, meta
