"""The whole body shop: the welds of any window of time, with the truth about them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from edge.simulator.conditions import Conditions
from edge.simulator.faults import CAUSE, CODE, FAULTS, SENSOR_FAULTS, FaultPlan, Faults
from edge.simulator.harm import harm
from edge.simulator.layout import build_layout
from edge.simulator.lobe import min_nugget_mm
from edge.simulator.maintenance import TOLD_AS, Action, Maintenance
from edge.simulator.materials import SCHEDULES
from edge.simulator.schedule import MS, GunEvent, S, Schedule, Slots
from edge.simulator.sensors import Sensors
from edge.simulator.settings import SimulatorSettings
from edge.simulator.severity import level_of
from edge.simulator.weld import Traces, simulate
from models.welds.batch import WeldBatch

_SENSOR_CODES = [CODE[name] for name in SENSOR_FAULTS]


class Truth(Struct, frozen=True):
    """What the simulator knows about a weld that is not as it should be."""

    id: str
    spot: str
    time_ns: int
    cause: str
    """As in `models.welds.causes`."""
    fault: str
    """What was injected, of `faults.FAULTS`; empty when physics alone went wrong."""
    severity: float
    level: str
    """`slight`, `medium` or `gross`, as `severity.LEVELS` has them; empty when physics alone went wrong."""
    nugget_mm: float
    min_nugget_mm: float
    expelled: bool


@dataclass(frozen=True, slots=True)
class Made:
    """The welds of one window, in order of time."""

    batch: WeldBatch
    cell: NDArray[np.int64]
    """(n,) index into `layout.cell`."""
    end_ns: NDArray[np.int64]
    """(n,) when the controller has its record."""
    truth: list[tuple[int, Truth]]
    """(index of the weld, what is wrong with it), in order."""


class Shop:
    """A simulated body shop. Any window, at any time, in any split gives the same welds, bit for bit."""

    def __init__(self, settings: SimulatorSettings, actions: Sequence[Action] = ()) -> None:
        """`actions` are what people do to guns besides the timetable."""
        self.settings = settings
        self.layout = build_layout(settings)
        self._act(actions)
        self._conditions = Conditions(settings, self.layout)
        self._sensors = Sensors(settings.seed, self.layout)
        self._min_nugget_mm = np.array([min_nugget_mm(schedule) for schedule in SCHEDULES])

    def with_actions(self, actions: Sequence[Action]) -> Shop:
        """Return the same shop with these actions instead of its own."""
        other = copy(self)
        other._act(actions)
        return other

    def _act(self, actions: Sequence[Action]) -> None:
        self._maintenance = Maintenance(actions)
        self.schedule = Schedule(self.settings, self.layout, self._maintenance)
        self.faults = FaultPlan(self.settings, self.layout, self._maintenance)

    def welds(self, start_ns: int, stop_ns: int) -> Made:
        """Return the welds that start within `[start_ns, stop_ns)`."""
        return self.weld(self.schedule.welds(start_ns, stop_ns))

    def events(self, start_ns: int, stop_ns: int) -> list[GunEvent]:
        """Return what was done to guns within `[start_ns, stop_ns)`, in order of time."""
        events = self.schedule.events(start_ns, stop_ns) + self.faults.repairs(start_ns, stop_ns)
        events += [
            GunEvent(TOLD_AS[action.kind], action.gun, action.time_ns, action.kind.replace("_", " "))
            for action in self._maintenance.actions
            if start_ns <= action.time_ns < stop_ns
        ]
        return sorted(events, key=lambda event: (event.time_ns, event.gun, event.kind))

    def weld(self, slots: Slots, given: Faults | None = None) -> Made:
        """Make the welds of `slots`, with the faults `given` (a study's) instead of those that come by themselves."""
        faults = given or self.faults.draw(slots)
        setup = harm(self._conditions.setups(slots), faults)
        if given:
            setup = self.faults.dip_inside(slots, setup, faults)
        else:
            setup, faults = self.faults.dip(slots, setup, faults)
        traces = simulate(setup, self.settings.sample_us)
        recording = self._sensors.record(traces, slots, faults, setup.force_kn)
        layout, n = self.layout, len(slots)
        spot = [layout.spot[k] for k in slots.spot]
        bodies = {int(body): self.schedule.body_name(int(body)) for body in np.unique(slots.body)}
        batch = WeldBatch(
            id=[f"{name}-{ms:x}" for name, ms in zip(spot, (slots.time_ns // MS).tolist(), strict=True)],
            spot=spot,
            gun=[layout.gun[k] for k in layout.gun_of_spot[slots.spot]],
            body=[bodies[k] for k in slots.body.tolist()],
            program=[SCHEDULES[k].name for k in layout.program[slots.spot]],
            time_ns=slots.time_ns,
            dt_us=np.full(n, self.settings.sample_us, dtype=np.int64),
            wear_count=slots.wear_count,
            historical=np.zeros(n, dtype=np.bool_),
            offsets=recording.offsets,
            current_ka=recording.current_ka,
            voltage_v=recording.voltage_v,
            force_kn=recording.force_kn,
            displacement_mm=recording.displacement_mm,
        )
        end_ns = slots.time_ns + traces.samples * (self.settings.sample_us * 1000)
        return Made(batch, layout.cell_of_spot[slots.spot], end_ns, self._truth(batch, slots, faults, traces))

    def _truth(self, batch: WeldBatch, slots: Slots, faults: Faults, traces: Traces) -> list[tuple[int, Truth]]:
        least = self._min_nugget_mm[self.layout.program[slots.spot]]
        expelled = np.isfinite(traces.expelled_ms)
        small = traces.nugget_mm < least
        found = []
        for k in np.flatnonzero((faults.code > 0) | expelled | small).tolist():
            fault = FAULTS[faults.code[k]]
            cause = CAUSE.get(fault, "low_heat")
            if expelled[k] and faults.code[k] not in _SENSOR_CODES:
                cause = "expulsion"
            found.append(
                (
                    k,
                    Truth(
                        id=batch.id[k],
                        spot=batch.spot[k],
                        time_ns=int(batch.time_ns[k]),
                        cause=cause,
                        fault=fault,
                        severity=round(float(faults.severity[k]), 3),
                        level=level_of(fault, float(faults.severity[k])) if fault else "",
                        nugget_mm=round(float(traces.nugget_mm[k]), 2),
                        min_nugget_mm=round(float(least[k]), 2),
                        expelled=bool(expelled[k]),
                    ),
                )
            )
        return found


def generate(
    settings: SimulatorSettings, start_ns: int, stop_ns: int, welds_per_batch: int = 4000
) -> Iterator[tuple[WeldBatch, list[Truth]]]:
    """Yield the welds of `[start_ns, stop_ns)` in order of time, about `welds_per_batch` at once, with their truth."""
    shop = Shop(settings)
    window_ns = max(S // 10, int(welds_per_batch / shop.schedule.welds_per_s * S))
    for begin in range(start_ns, stop_ns, window_ns):
        made = shop.welds(begin, min(begin + window_ns, stop_ns))
        if len(made.batch):
            yield made.batch, [truth for _, truth in made.truth]
