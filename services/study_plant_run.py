"""One plant on one seed, run twice side by side: with the maintenance that alarms ask for, and without.

Both runs see the same bodies, sheets and bad luck: they differ only in what is done to the guns. Welds that an action
cannot have touched are welded once and shared by both runs, bit for bit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge.simulator.faults import SENSOR_FAULTS, SpellRecord
from edge.simulator.maintenance import CURES, Action
from edge.simulator.schedule import Slots
from edge.simulator.settings import SimulatorSettings
from edge.simulator.shop import Made, Shop, Truth
from models.signals import Watcher
from models.welds.batch import WeldBatch
from models.welds.bursts import BurstDetector
from models.welds.judge import GunEvent, JudgeSettings, WeldJudge
from models.welds.signal import gather
from models.welds.verdicts import DEFECT, OK
from models.welds.wear import WearTracker
from models.welds.wear_state import WearSettings

HOUR_NS = 3600 * 10**9
START_NS = 1_764_050_400 * 10**9
"""2025-11-25 06:00 UTC, when a shift begins."""
WARM_UP_H = 2
"""Both runs learn their references first: nothing is counted."""
WINDOW_MIN = 30
WRONG_STACK = frozenset({"missing_sheet", "thin_stack", "thick_stack", "wrong_grade"})
"""A sound nugget in the wrong sheets is no good joint."""
SEAT_OF_CAUSE = {"missing_sheet": "part", "poor_fit_up": "part", "edge_weld": "part", "shunting": "part"}
"""Where the technician looks first; every other cause sends them to the gun and its tips."""
ESCALATE_NS = 4 * HOUR_NS
"""An alarm within this time of the gun's last maintenance: that was not it, so everything is checked, parts and gun."""


@dataclass(frozen=True, slots=True)
class StudyOptions:
    """What both runs assume."""

    hours: float = 8.0
    """Counted production, after the warm-up."""
    delay_min: float = 30.0
    """From an alarm, or an inspection's finding, until its action is done; the gun goes on welding meanwhile."""
    inspect_h: float = 4.0
    """One body is taken apart this often, in both runs."""


@dataclass(slots=True)
class Tally:
    """What one run made and what was said of it, counted."""

    welds: int = 0
    bad: int = 0
    """Truly: nugget under its minimum, melt expelled, or the wrong sheets."""
    ok: int = 0
    """Verdicts ..."""
    defect: int = 0
    unjudged: int = 0
    inspections_found: int = 0
    """Guns sent to maintenance by an inspection."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """A signal that asked for maintenance of a gun."""

    time_ns: int
    kind: str
    gun: int
    cause: str
    actions: tuple[str, ...]
    real: bool
    """Something was wrong with the gun or its parts."""
    apt: bool
    """... and the actions cure it."""


@dataclass(frozen=True, slots=True)
class SpellStory:
    """A bad spell as both runs had it."""

    gun: int
    fault: str
    start_ns: int
    plain_end_ns: int
    """Without alarms."""
    end_ns: int
    """With them."""
    alarm_ns: int | None
    """The first alarm of the gun while it ran; None without."""


@dataclass(frozen=True, slots=True)
class SeedResult:
    """Both runs of one seed."""

    seed: int
    plain: Tally
    monitored: Tally
    alarms: list[Alarm]
    spells: list[SpellStory]


def run_seed(
    settings: SimulatorSettings, options: StudyOptions, progress: Callable[[float], None] = lambda _: None
) -> SeedResult:
    """Run both; `progress` gets the share done, 0..1. The same arguments give the same result."""
    shop = Shop(settings)
    plain, monitored = _Run(shop, options, monitored=False), _Run(shop, options, monitored=True)
    windows = list(_windows(options))
    for k, (start_ns, stop_ns) in enumerate(windows):
        made = plain.shop.welds(start_ns, stop_ns)
        plain.take(made, start_ns, stop_ns)
        monitored.take(_with_changes(made, plain.shop, monitored.shop, start_ns, stop_ns), start_ns, stop_ns)
        progress((k + 1) / len(windows))
    return SeedResult(
        settings.seed, plain.tally, monitored.tally, monitored.alarms, _stories(plain, monitored, windows[-1][1])
    )


def is_bad(truth: Truth) -> bool:
    """Tell whether a weld is truly no good."""
    small = truth.nugget_mm < truth.min_nugget_mm or not truth.fault  # without a fault it is told of for that alone
    return truth.expelled or small or truth.fault in WRONG_STACK


class _Run:
    """One run: its shop as maintained so far, its judge, its watchers, and what came of it."""

    def __init__(self, shop: Shop, options: StudyOptions, *, monitored: bool) -> None:
        self.shop, self._options, self._monitored = shop, options, monitored
        layout = shop.layout
        self._judge = WeldJudge(JudgeSettings())
        cells = {gun: layout.cell[cell] for gun, cell in zip(layout.gun, layout.cell_of_gun, strict=True)}
        watchers: tuple[Watcher, ...] = (BurstDetector(cells), WearTracker(WearSettings()))
        self._watchers = watchers if monitored else ()
        self._gun = {name: k for k, name in enumerate(layout.gun)}
        self._delay_ns = int(options.delay_min * 60e9) // 10**6 * 10**6
        self._counted_ns = START_NS + WARM_UP_H * HOUR_NS
        self._actions: list[Action] = []
        self.tally = Tally()
        self.alarms: list[Alarm] = []

    def take(self, made: Made, start_ns: int, stop_ns: int) -> None:
        """Judge a window, and plan what its alarms and inspections ask for."""
        events = self.shop.events(start_ns, stop_ns)
        cuts = np.searchsorted(made.batch.time_ns, [event.time_ns for event in events])
        signals = []
        verdicts = []
        begin = 0
        for cut, event in [*zip(cuts.tolist(), events, strict=True), (len(made.batch), None)]:
            if cut > begin:
                batch = made.batch.take(begin, cut)
                judged = self._judge.judge(batch)
                verdicts.append(judged.verdict)
                signals += [raised for watcher in self._watchers for raised in watcher.add(batch, judged)]
                begin = cut
            if event is not None:
                told = GunEvent(kind=event.kind, time_ns=event.time_ns, gun=self.shop.layout.gun[event.gun])
                self._judge.apply(told)
                for watcher in self._watchers:
                    watcher.apply(told)
        verdict = np.concatenate(verdicts)
        if start_ns >= self._counted_ns:
            self._count(made, verdict)
        if self._monitored:
            worst = self._worst_gun(made, verdict)
            for signal in sorted((signal for _, signal in signals), key=lambda signal: signal.time_ns):
                gun = self._gun[signal.gun] if signal.gun else worst[str(signal.details["cell"])]
                self._alarm(signal.time_ns, signal.kind, gun, str(signal.details.get("cause", "worn_electrode")))
        every_ns = int(self._options.inspect_h * HOUR_NS)
        if (stop_ns - START_NS) // every_ns > (start_ns - START_NS) // every_ns:
            self._inspect(stop_ns)
        self.shop = self.shop.with_actions(self._actions)

    def _count(self, made: Made, verdict: NDArray[np.int8]) -> None:
        tally = self.tally
        tally.welds += len(made.batch)
        tally.bad += sum(is_bad(truth) for _, truth in made.truth)
        ok, defect = int((verdict == OK).sum()), int((verdict == DEFECT).sum())
        tally.ok += ok
        tally.defect += defect
        tally.unjudged += len(verdict) - ok - defect

    def _worst_gun(self, made: Made, verdict: NDArray[np.int8]) -> dict[str, int]:
        """Return the gun with the most defects of this window in each cell: where an alarm of the cell leads."""
        layout = self.shop.layout
        defects = np.zeros(len(layout.gun), dtype=np.int64)
        for k in np.flatnonzero(verdict == DEFECT):
            defects[self._gun[made.batch.gun[k]]] += 1
        return {
            cell: int(max(np.flatnonzero(layout.cell_of_gun == c), key=lambda gun: (defects[gun], -gun)))
            for c, cell in enumerate(layout.cell)
        }

    def _alarm(self, time_ns: int, kind: str, gun: int, cause: str) -> None:
        """Send a technician, unless one is on the way to that gun."""
        if any(a.gun == gun and a.time_ns > time_ns for a in self._actions):
            return
        if kind != "defect_burst":
            actions: tuple[str, ...] = ("tip_dress",)
        elif any(a.gun == gun and time_ns - ESCALATE_NS < a.time_ns <= time_ns for a in self._actions):
            actions = tuple(CURES)
        else:
            actions = ("quarantine",) if SEAT_OF_CAUSE.get(cause) == "part" else ("repair", "tip_dress")
        if time_ns >= self._counted_ns:
            self._record(time_ns, kind, gun, cause, actions)
        self._act(actions, gun, time_ns)

    def _record(self, time_ns: int, kind: str, gun: int, cause: str, actions: tuple[str, ...]) -> None:
        running = [spell for spell in self._running(time_ns) if spell.gun == gun]
        apt = any(CURES[action] == spell.seat for spell in running for action in actions)
        self.alarms.append(Alarm(time_ns, kind, gun, cause, actions, real=bool(running), apt=apt))

    def _running(self, time_ns: int) -> list[SpellRecord]:
        spells = self.shop.faults.spells(time_ns, time_ns + 12 * HOUR_NS)
        return [spell for spell in spells if spell.start_ns <= time_ns < spell.end_ns]

    def _inspect(self, now_ns: int) -> None:
        """Take apart the body that has just left: a gun with a bad weld in it gets everything, for what is seen."""
        layout = self.shop.layout
        made = self.shop.welds(now_ns - int((len(layout.cell) + 1) * self.shop.schedule.takt_s * 1e9), now_ns)
        whole = [body for body, n in Counter(made.batch.body).items() if n == len(layout.spot)]
        guns = {
            self._gun[made.batch.gun[k]]
            for k, truth in made.truth
            if is_bad(truth) and made.batch.body[k] == whole[0]
        }  # fmt: skip
        for gun in sorted(guns):
            self.tally.inspections_found += 1
            self._act(tuple(CURES), gun, now_ns)

    def _act(self, actions: tuple[str, ...], gun: int, asked_ns: int) -> None:
        done_ns = -(-(asked_ns + self._delay_ns) // 10**6) * 10**6
        self._actions += [Action(kind, gun, done_ns) for kind in actions]


def _windows(options: StudyOptions) -> Iterator[tuple[int, int]]:
    """Yield windows of time no longer than the delay, so that what one asks for is done after it."""
    length_ns = int(min(options.delay_min, WINDOW_MIN) * 60e9)
    for first, last in ((0.0, WARM_UP_H), (WARM_UP_H, WARM_UP_H + options.hours)):
        start_ns, stop_ns = (START_NS + int(hour * HOUR_NS) for hour in (first, last))
        for begin in range(start_ns, stop_ns, length_ns):
            yield begin, min(begin + length_ns, stop_ns)


def _with_changes(made: Made, plain: Shop, other: Shop, start_ns: int, stop_ns: int) -> Made:
    """Return the window's welds in the `other` shop: those that its maintenance touched are welded anew."""
    before, slots = plain.schedule.welds(start_ns, stop_ns), other.schedule.welds(start_ns, stop_ns)
    old, new = plain.faults.draw(before), other.faults.draw(slots)
    changed = (old.code != new.code) | (old.severity != new.severity)
    changed |= (before.wear_count != slots.wear_count) | (before.dress != slots.dress)
    if not changed.any():
        return made
    fresh = other.weld(_some(slots, changed))
    at = np.flatnonzero(changed)
    truth = [(k, what) for k, what in made.truth if not changed[k]]
    truth += [(int(at[k]), what) for k, what in fresh.truth]
    end_ns = made.end_ns.copy()
    end_ns[at] = fresh.end_ns
    return Made(splice(made.batch, fresh.batch, at), made.cell, end_ns, sorted(truth, key=lambda item: item[0]))


def _some(slots: Slots, keep: NDArray[np.bool_]) -> Slots:
    return Slots(*(getattr(slots, name)[keep] for name in Slots.__dataclass_fields__))


def splice(batch: WeldBatch, fresh: WeldBatch, at: NDArray[np.int64]) -> WeldBatch:
    """Return `batch` with the welds of `fresh` (m) in the places `at` (m); the same spots at the same times."""
    start, stop = batch.offsets[:-1].copy(), batch.offsets[1:].copy()
    start[at] = fresh.offsets[:-1] + batch.offsets[-1]
    stop[at] = fresh.offsets[1:] + batch.offsets[-1]
    index, begin = gather(start, stop)
    wear = batch.wear_count.copy()
    wear[at] = fresh.wear_count

    def curve(name: str) -> NDArray[np.float32]:
        both: NDArray[np.float32] = np.concatenate((getattr(batch, name), getattr(fresh, name)))
        return both[index]

    return replace(
        batch,
        wear_count=wear,
        offsets=np.append(begin, len(index)),
        current_ka=curve("current_ka"),
        voltage_v=curve("voltage_v"),
        force_kn=curve("force_kn"),
        displacement_mm=curve("displacement_mm"),
    )


def _stories(plain: _Run, monitored: _Run, stop_ns: int) -> list[SpellStory]:
    """Return the spells that began while it counted; those of a sensor, which spoil no weld, are left out."""
    since_ns = START_NS + WARM_UP_H * HOUR_NS
    ends = {
        (spell.gun, spell.start_ns): spell.end_ns
        for spell in monitored.shop.faults.spells(since_ns, stop_ns + 12 * HOUR_NS)
    }
    stories = []
    for spell in plain.shop.faults.spells(since_ns, stop_ns + 12 * HOUR_NS):
        if not since_ns <= spell.start_ns < stop_ns or spell.fault in SENSOR_FAULTS:
            continue
        end_ns = ends[spell.gun, spell.start_ns]
        alarms = [a.time_ns for a in monitored.alarms if a.gun == spell.gun and spell.start_ns <= a.time_ns < end_ns]
        stories.append(
            SpellStory(spell.gun, spell.fault, spell.start_ns, spell.end_ns, end_ns, min(alarms, default=None))
        )
    return stories
