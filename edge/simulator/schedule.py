"""Which weld happens when: bodies enter at known times, and everything else follows from the time alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from edge.simulator.draws import bits, uniform
from edge.simulator.layout import Layout
from edge.simulator.maintenance import Maintenance
from edge.simulator.settings import SimulatorSettings

S, MS = 10**9, 10**6
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Slots:
    """`n` welds in order of time, then spot."""

    body: Ints
    """(n,) index of the body; bodies are counted from 1970."""
    spot: Ints
    """(n,) index into the layout."""
    time_ns: Ints
    """(n,) start, whole ms."""
    wear_count: Ints
    """(n,) welds of the gun since its tips were last dressed or changed."""
    cap_count: Ints
    """(n,) welds of the gun since its caps were changed."""
    dress: Ints
    """(n,) counts the gun's dresses and cap changes."""

    def __len__(self) -> int:
        return len(self.body)


@dataclass(frozen=True, slots=True)
class GunEvent:
    """Something done to a gun between two bodies."""

    kind: str
    """`tip_dress`, `cap_change` or `maintenance`."""
    gun: int
    time_ns: int
    note: str = ""


class Schedule:
    """The timetable of a plant."""

    def __init__(self, settings: SimulatorSettings, layout: Layout, maintenance: Maintenance | None = None) -> None:
        self.seed, self.layout = settings.seed, layout
        self._maintenance = maintenance or Maintenance()
        # In millionths of a body an hour, so that entry times are exact integers for any speed.
        self._rate = round(settings.bodies_per_hour * settings.speed * 1e6)
        self._takt_ns = 3600 * S * 10**6 // self._rate
        self._busy_ns = self._takt_ns // S * S * 9 // 10  # two bodies are at least the whole seconds of a takt apart
        electrodes = settings.electrodes
        self.conditioning_welds = electrodes.conditioning_welds
        self.dress_bodies = np.maximum(1, np.rint(electrodes.dress_welds / layout.gun_spots)).astype(np.int64)
        self.cap_bodies = self.dress_bodies * electrodes.dresses_per_cap
        guns = np.arange(len(layout.gun))
        drawn = bits(self.seed, "electrode age", guns) % self.cap_bodies.astype(np.uint64)
        self._age = drawn.astype(np.int64)

    @property
    def takt_s(self) -> float:
        """Time between two bodies, mean."""
        return self._takt_ns / S

    @property
    def welds_per_s(self) -> float:
        """Load of the whole plant."""
        return len(self.layout.spot) / self.takt_s

    def entry_s(self, body: Ints) -> Ints:
        """Return when bodies enter the first cell, whole seconds since 1970 UTC."""
        return body * (3600 * 10**6) // self._rate

    def body_name(self, body: int) -> str:
        """Return a body's id, made of the second at which it entered: no two speeds give the same id to two bodies."""
        entry = int(self.entry_s(np.array([body]))[0])
        return f"{datetime.fromtimestamp(entry, UTC):%y%m%d}-{entry % 86400:05d}"

    def bodies_within(self, cell: int, start_ns: int, stop_ns: int) -> Ints:
        """Return the bodies that are in a cell within `[start_ns, stop_ns)`, and perhaps one more each side."""
        shift = cell * self._takt_ns
        first = (start_ns - shift) // self._takt_ns - 1 - S // self._takt_ns
        last = (stop_ns - shift) // self._takt_ns + 1 + S // self._takt_ns
        return np.arange(first, last + 1, dtype=np.int64)

    def arrival_ns(self, body: Ints, cell: int) -> Ints:
        """Return when bodies arrive in a cell."""
        return self.entry_s(body) * S + cell * self._takt_ns

    def welds(self, start_ns: int, stop_ns: int) -> Slots:
        """Return the welds that start within `[start_ns, stop_ns)`."""
        layout = self.layout
        found = []
        for cell in range(len(layout.cell)):
            spots = np.flatnonzero(layout.cell_of_spot == cell)
            bodies = self.bodies_within(cell, start_ns, stop_ns)
            body, spot = (grid.ravel() for grid in np.meshgrid(bodies, spots, indexing="ij"))
            gun = layout.gun_of_spot[spot]
            slot = (layout.place[spot] + 0.6 * uniform(self.seed, "pace", body, spot)) / layout.gun_spots[gun]
            into = (self._takt_ns // 25 + slot * self._busy_ns) // MS
            time_ns = self.arrival_ns(body, cell) // MS * MS + into.astype(np.int64) * MS
            keep = (time_ns >= start_ns) & (time_ns < stop_ns)
            found.append((body[keep], spot[keep], time_ns[keep]))
        body, spot, time_ns = (np.concatenate(parts) for parts in zip(*found, strict=True))
        order = np.lexsort((spot, time_ns))
        body, spot, time_ns = body[order], spot[order], time_ns[order]
        gun = layout.gun_of_spot[spot]
        age = body + self._age[gun]
        since_cap, since_dress = age % self.cap_bodies[gun], age % self.dress_bodies[gun]
        since_dress, dressed = self._dressed_meanwhile(body, gun, since_dress)
        per_body, place = layout.gun_spots[gun], layout.place[spot]
        return Slots(
            body=body,
            spot=spot,
            time_ns=time_ns,
            wear_count=since_dress * per_body + place,
            cap_count=since_cap * per_body + place,
            dress=age // self.dress_bodies[gun] + dressed,
        )

    def _dressed_meanwhile(self, body: Ints, gun: Ints, since_dress: Ints) -> tuple[Ints, Ints]:
        """Return bodies since the last dress, those out of turn included, and how many of these each gun has had.

        A dress is done between two bodies: the first that arrives afterwards meets the fresh tips.
        """
        cell = self.layout.cell_of_gun[gun]
        arrival_ns = self.entry_s(body) * S + cell * self._takt_ns
        done_ns = self._maintenance.last_ns("tip_dress", gun, arrival_ns)
        after_s = -((cell * self._takt_ns - done_ns) // S)  # whole seconds, rounded up
        first = -(-after_s * self._rate // (3600 * 10**6))  # the first body that enters at that second or later
        since = np.where(done_ns >= 0, np.minimum(since_dress, body - first), since_dress)
        return since, self._maintenance.count("tip_dress", gun, arrival_ns)

    def events(self, start_ns: int, stop_ns: int) -> list[GunEvent]:
        """Return the dresses and cap changes within `[start_ns, stop_ns)`, in order of time."""
        found = []
        for gun, cell in enumerate(self.layout.cell_of_gun):
            body = self.bodies_within(int(cell), start_ns, stop_ns)
            age = body + self._age[gun]
            time_ns = self.arrival_ns(body, int(cell)) // MS * MS + gun % 20 * MS
            due = (age % self.dress_bodies[gun] == 0) & (time_ns >= start_ns) & (time_ns < stop_ns)
            found += [
                GunEvent("cap_change" if had % self.cap_bodies[gun] == 0 else "tip_dress", gun, int(when))
                for had, when in zip(age[due], time_ns[due], strict=True)
            ]
        return sorted(found, key=lambda event: (event.time_ns, event.gun))
