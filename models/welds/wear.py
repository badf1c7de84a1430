"""Electrode wear of each gun: how far its tips have gone since the last dress, how long they last, whether it worked.

    welds --per gun, in order--> stretches between dresses --blocks of 16--> wear line (wear_trend) --> forecast, check

A dress is an event (`tip_dress`, `cap_change`) or a fall of the controller's wear count, whichever is seen; both are
one when they come together. Without a wear count the welds since the last event are counted here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from models.signals import Raised
from models.snapshots import put_under, take_from
from models.welds.batch import WeldBatch
from models.welds.judge import GunEvent
from models.welds.sensors import SENSORS
from models.welds.verdicts import CAUSE_CODES, Verdicts
from models.welds.wear_report import CANDIDATES, CHECK_BLOCKS, Report
from models.welds.wear_signals import dress_signal, wear_signal
from models.welds.wear_state import GUN_SPEC, NEVER, POINTS, Forecast, GunWear, WearSettings
from models.welds.wear_trend import BLOCK, COLUMNS, LEAST, PER, Floats, Ints, Rows, Trends

DRESSES = ("tip_dress", "cap_change")
NEAR_WELDS = 10
"""An event and a fall of the wear count no further apart than this are one dress."""
_BLIND = np.array([CAUSE_CODES.index(name) for name in SENSORS if name])
"""Curves whose sensors, or lack of current, leave nothing to be read."""


@dataclass(slots=True)
class _Run:
    """The welds of one gun in a batch, in order, and how far they are taken."""

    gun: int
    welds: Ints
    """(m,) positions in the batch."""
    breaks: list[int]
    """Positions in `welds` before which the tips may have been dressed."""
    at: int = 0


@dataclass(frozen=True, slots=True)
class _Batch:
    """The columns that the tracker reads; (n,), `y` (n, K)."""

    time_ns: Ints
    counter: Ints
    stream: Ints
    y: Floats


class WearTracker:
    """Follows the electrodes of all guns. Holds all state; the same welds in the same order give the same bits."""

    def __init__(self, settings: WearSettings) -> None:
        self.settings = settings
        self._guns: dict[str, int] = {}
        self._streams: dict[tuple[str, str, str], int] = {}
        self._rows = Rows(GUN_SPEC)
        self._trends = Trends()
        self._report = Report(settings, self._rows, self._trends)

    def add(self, welds: WeldBatch, verdicts: Verdicts) -> list[Raised]:
        """Take judged welds in their order; return warnings and dresses that did not work.

        Welds that are older than what their gun has already done are passed over, as are those without a gun.
        """
        batch, runs = self._read(welds, verdicts)
        raised: list[Raised] = []
        while runs:
            runs = [run for run in runs if self._advance(run, batch)]
            if not runs:
                break
            guns = np.array([run.gun for run in runs])
            whole = self._rows["fill"][guns] == BLOCK
            self._take_blocks(guns)
            # What is found at the end of a block is told at its last weld; one that a dress cut short tells nothing.
            last = {run.gun: int(run.welds[run.at - 1]) for run, is_whole in zip(runs, whole, strict=True) if is_whole}
            raised += self._tell(last, welds)
        return raised

    def _tell(self, last: Mapping[int, int], welds: WeldBatch) -> list[Raised]:
        """Check the dresses and forecasts of guns that have just completed a block with the weld given."""
        g = self._rows
        raised = []
        for gun in [gun for gun in last if g["check_blocks"][gun] >= CHECK_BLOCKS]:
            check = self._report.check(gun)
            if check.effective is False:
                weld = last[gun]
                raised.append((weld, dress_signal(welds.gun[weld], int(welds.time_ns[weld]), check)))
        rows = np.array([gun for gun in last if not g["warned"][gun]], dtype=np.int64)
        for gun, forecast in self._report.alarming(rows):
            g["warned"][gun] = True
            weld = last[gun]
            wear = int(g["wear"][gun]) + 1
            raised.append((weld, wear_signal(welds.gun[weld], int(welds.time_ns[weld]), wear, forecast)))
        return raised

    def apply(self, event: GunEvent) -> None:
        """Note a dress or cap change; it takes effect with the first weld that follows it."""
        if event.kind not in DRESSES or not event.gun:
            return
        g, gun = self._rows, self._row(event.gun)
        cap = event.kind == "cap_change"
        if event.time_ns <= g["before_ns"][gun]:
            return  # older than the dress that is known
        seen = g["begun_ns"][gun] != NEVER and not g["by_event"][gun]
        if seen and (event.time_ns <= g["begun_ns"][gun] or g["count"][gun] <= NEAR_WELDS):
            g["by_event"][gun] = True  # the wear count told of it first
            if cap:
                self._new_caps(gun, event.time_ns)
            return
        g["due_ns"][gun] = event.time_ns
        g["due_cap"][gun] |= cap

    def guns(self) -> list[GunWear]:
        """Return what is known of every gun, in the order of their names."""
        return [self._report.gun(name, row) for name, row in sorted(self._guns.items())]

    def limits(self, gun: str) -> list[Forecast]:
        """Return when wear brings a gun that has welded to each of its limits; infinite where that is not known."""
        answers = self._report.wear_limits(np.array([self._guns[gun]]))
        columns = zip(CANDIDATES, *(part[0].tolist() for part in answers), strict=True)
        return [Forecast(limit, feature, *welds) for (limit, feature), *welds in columns]

    def snapshot(self) -> dict[str, NDArray[np.generic]]:
        """Return the whole state as plain arrays, from which `restore` goes on to the bit."""
        keys = {"settings": asdict(self.settings), "guns": list(self._guns), "streams": list(self._streams)}
        text = json.dumps(keys)
        state: dict[str, NDArray[np.generic]] = {"keys": np.frombuffer(text.encode(), dtype=np.uint8)}
        guns, streams = len(self._guns), len(self._streams)
        for part, rows, n in self._parts(guns, streams):
            state |= put_under(part, rows.snapshot(n))
        return state

    @classmethod
    def of(cls, state: Mapping[str, NDArray[np.generic]]) -> WearTracker:
        """Return a tracker with the state and the settings of a snapshot."""
        keys = json.loads(bytes(state["keys"].astype(np.uint8)))
        tracker = cls(WearSettings(**keys["settings"]))
        tracker.restore(state)
        return tracker

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Take over a snapshot; the settings stay those of now."""
        keys = json.loads(bytes(state["keys"].astype(np.uint8)))
        self._guns = {name: row for row, name in enumerate(keys["guns"])}
        self._streams = {(gun, spot, program): row for row, (gun, spot, program) in enumerate(keys["streams"])}
        for part, rows, n in self._parts(len(self._guns), len(self._streams)):
            rows.restore(take_from(part, state), n)

    def _parts(self, guns: int, streams: int) -> tuple[tuple[str, Rows, int], ...]:
        trends = self._trends
        return ("gun", self._rows, guns), ("trend", trends.gun, guns), ("stream", trends.stream, streams)

    def _row(self, gun: str) -> int:
        row = self._guns.setdefault(gun, len(self._guns))
        self._rows.reserve(len(self._guns))
        self._trends.gun.reserve(len(self._guns))
        return row

    def _read(self, welds: WeldBatch, verdicts: Verdicts) -> tuple[_Batch, list[_Run]]:
        known = self._streams
        keys = zip(welds.gun, welds.spot, welds.program, strict=True)
        stream = np.array([known.setdefault(key, len(known)) if key[0] else -1 for key in keys], dtype=np.int64)
        self._trends.stream.reserve(len(known))
        row_of = {gun: self._row(gun) if gun else -1 for gun in dict.fromkeys(welds.gun)}
        rows = np.array([row_of[gun] for gun in welds.gun], dtype=np.int64)
        values = verdicts.features[:, COLUMNS].astype(np.float64)
        values[np.isin(verdicts.cause, _BLIND) | ~(stream >= 0)] = np.nan
        y = np.log(np.where((values > 0) & np.isfinite(values), values, np.nan))
        order = np.argsort(rows, kind="stable")
        order = order[rows[order] >= 0]
        cuts = np.flatnonzero(np.diff(rows[order])) + 1
        batch = _Batch(welds.time_ns, welds.wear_count, stream, y)
        runs = [self._run(int(rows[part[0]]), part, batch) for part in np.split(order, cuts) if len(part)]
        return batch, [run for run in runs if len(run.welds)]

    def _run(self, gun: int, welds: Ints, batch: _Batch) -> _Run:
        g = self._rows
        time_ns = batch.time_ns[welds]
        newest = np.maximum.accumulate(np.concatenate((g["time_ns"][gun : gun + 1], time_ns)))
        in_order = time_ns >= newest[:-1]
        welds, time_ns = welds[in_order], time_ns[in_order]
        counter = np.concatenate((g["counter"][gun : gun + 1], batch.counter[welds]))
        breaks = set(np.flatnonzero((counter[1:] >= 0) & (counter[1:] < counter[:-1])).tolist())
        if g["due_ns"][gun] != NEVER:
            breaks |= set(np.flatnonzero(time_ns >= g["due_ns"][gun])[:1].tolist())
        return _Run(gun, welds, sorted(breaks))

    def _advance(self, run: _Run, batch: _Batch) -> bool:
        """Gather welds until a block is full; return whether one is. Fewer than a block stay for the next batch."""
        g, gun = self._rows, run.gun
        while run.at < len(run.welds):
            if run.breaks and run.breaks[0] == run.at:
                if g["fill"][gun] >= LEAST:
                    return True  # what was gathered belongs to the tips as they were
                run.breaks.pop(0)
                self._break(gun, int(run.welds[run.at]), batch)
            stop = run.breaks[0] if run.breaks else len(run.welds)
            skip = int(g["skip"][gun])
            room = skip or BLOCK - int(g["fill"][gun])
            stop = min(stop, run.at + room)
            self._gather(gun, run.welds[run.at : stop], batch, keep=not skip)
            run.at = stop
            if g["fill"][gun] == BLOCK:
                return True
        return False

    def _gather(self, gun: int, welds: Ints, batch: _Batch, *, keep: bool) -> None:
        g, n = self._rows, len(welds)
        counter = batch.counter[welds]
        counted = g["count"][gun] + np.arange(n)
        wear = np.where(counter >= 0, counter - g["base"][gun], counted).astype(np.float64)
        if keep:
            at = slice(int(g["fill"][gun]), int(g["fill"][gun]) + n)
            g["held_stream"][gun, at], g["held_wear"][gun, at] = batch.stream[welds], wear
            g["held_y"][gun, at] = batch.y[welds]
            g["fill"][gun] += n
        else:
            g["skip"][gun] -= n
        g["count"][gun] += n
        g["cap_welds"][gun] += n
        g["wear"][gun], g["counter"][gun], g["time_ns"][gun] = wear[-1], counter[-1], batch.time_ns[welds[-1]]

    def _break(self, gun: int, weld: int, batch: _Batch) -> None:
        """Begin with dressed tips at this weld, unless its wear count only follows up on an event."""
        g = self._rows
        time_ns, counter = int(batch.time_ns[weld]), int(batch.counter[weld])
        fell = 0 <= counter < g["counter"][gun]
        told = g["due_ns"][gun] != NEVER and time_ns >= g["due_ns"][gun]
        if g["begun_ns"][gun] != NEVER and g["count"][gun] <= NEAR_WELDS:
            if not told and g["by_event"][gun]:
                g["base"][gun] = 0  # the counter follows
                return
            if told and not fell and not g["by_event"][gun]:
                self._recognise(gun)  # the event follows
                return
        self._end(gun)
        g["base"][gun] = counter if told and not fell and g["counter"][gun] >= 0 else 0
        g["before_ns"][gun] = g["time_ns"][gun]
        g["begun_ns"][gun] = g["due_ns"][gun] if told else time_ns
        g["by_event"][gun] = told
        if told:
            self._recognise(gun)

    def _recognise(self, gun: int) -> None:
        """Take the event that is due as the one that began the present tips."""
        g = self._rows
        g["by_event"][gun] = True
        if g["due_cap"][gun]:
            self._new_caps(gun, int(g["due_ns"][gun]))
        g["due_ns"][gun], g["due_cap"][gun] = NEVER, False

    def _end(self, gun: int) -> None:
        """Close what is known of the tips as they were, and note what their dress must undo."""
        g, trend = self._rows, self._trends.gun
        if g["begun_ns"][gun] != NEVER or g["counter"][gun] >= 0:
            g["past"][gun] = np.roll(g["past"][gun], 1)
            g["past"][gun, 0] = g["wear"][gun] + 1
        g["check_before"][gun] = (
            trend["level"][gun] - trend["fresh"][gun] + trend["slope"][gun] * (g["wear"][gun] / PER)
        )
        g["check_blocks"][gun], g["check_sum"][gun] = 0, 0.0
        self._trends.begin(gun)
        g["dresses"][gun] += 1
        g["points"][gun], g["point_step"][gun], g["point_skip"][gun] = 0, 1, 0
        g["fill"][gun], g["count"][gun], g["warned"][gun] = 0, 0, False
        g["held_stream"][gun] = -1

    def _new_caps(self, gun: int, time_ns: int) -> None:
        g = self._rows
        if g["cap_ns"][gun] != NEVER:
            g["past_caps"][gun] = np.roll(g["past_caps"][gun], 1)
            g["past_caps"][gun, 0] = g["dresses"][gun] - 1  # the change itself is no dress
        g["cap_ns"][gun], g["dresses"][gun] = time_ns, 0
        g["cap_welds"][gun] = g["count"][gun]
        g["skip"][gun] = max(0, self.settings.conditioning_n - int(g["count"][gun]))
        g["check_blocks"][gun] = min(int(g["check_blocks"][gun]), 0)

    def _take_blocks(self, guns: Ints) -> None:
        """Take what these guns have gathered."""
        g, trends = self._rows, self._trends
        level, wear = trends.take(guns, g["held_stream"][guns], g["held_wear"][guns], g["held_y"][guns])
        g["held_stream"][guns], g["fill"][guns] = -1, 0
        checking = guns[g["check_blocks"][guns] >= 0]
        g["check_sum"][checking] += level[g["check_blocks"][guns] >= 0]
        g["check_blocks"][checking] += 1
        change = level - trends.gun["fresh"][guns] + trends.gun["slope"][guns] * (wear / PER)[:, None]
        for k, gun in enumerate(guns.tolist()):
            self._draw(gun, float(wear[k]), change[k])

    def _draw(self, gun: int, wear: float, change: Floats) -> None:
        g = self._rows
        if g["point_skip"][gun] > 0:
            g["point_skip"][gun] -= 1
            return
        n = int(g["points"][gun])
        if n == POINTS:
            n //= 2
            for name in ("point_wear", "point_change"):
                g[name][gun, :n] = g[name][gun, ::2].copy()
            g["point_step"][gun] *= 2
        g["point_wear"][gun, n], g["point_change"][gun, n] = wear, change
        g["points"][gun] = n + 1
        g["point_skip"][gun] = g["point_step"][gun] - 1
