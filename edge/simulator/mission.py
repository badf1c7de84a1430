"""One round of one AGV: load, drive to the line, unload, drive home, wait; or drive to a charger and charge."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property

from edge.simulator.draws import uniform
from edge.simulator.roads import Leg, Roads

ACCELERATION_M_S2 = 0.5
STATE_DRIVING_S, STATE_RESTING_S, VISUALIZATION_S = 5.0, 20.0, 1.0
"""A state comes on every event, and this often besides; VDA 5050 allows 30 s."""
HOME_EARLY_S = 5.0
"""From coming home from charging to the end of the round."""
KEEP_ALIVE_S = 15.0
"""The broker publishes the last will this long after a vehicle fell silent."""


@dataclass(frozen=True, slots=True)
class Phase:
    """What the vehicle does from `start_s` after the beginning of the round until the next phase."""

    start_s: float
    kind: str
    """loading, driving, unloading, blocked, error, manual, idle, to_charger, charging, offline or hibernating."""
    leg: int = 0
    """0 on the way out, 1 on the way home."""
    from_m: float = 0.0
    """Where on the leg the phase begins; driving goes on to `to_m`."""
    to_m: float = 0.0


@dataclass(frozen=True, slots=True)
class Note:
    """One message that is due."""

    at_ms: int
    """After the beginning of the round."""
    topic: str
    number: int
    """Counts the round's messages of its topic, from 0."""
    arrives: bool
    """The wireless network delivers it."""
    connection: str = ""
    """For the topic connection, in the words of version 3.0."""


@dataclass(frozen=True)
class Mission:
    """One round. All that happens in it is drawn when it is made; the rest is a function of time."""

    legs: tuple[Leg, Leg]
    phases: tuple[Phase, ...]
    cell: int
    """Index of the cell it delivers to; -1 without one."""
    speed_m_s: float
    length_s: float
    broken: tuple[float, float]
    """Wireless connection lost from .. to, s; empty when both are 0."""
    wakes: bool
    """It was switched off in the round before."""
    loss: tuple[int, int, int, float]
    """Seed, vehicle, round and share of the messages that are lost."""

    def phase(self, into_s: float) -> Phase:
        """Return the phase at a time from the beginning of the round."""
        return self.phases[max(bisect_right(self._starts, into_s) - 1, 0)]

    def pose(self, into_s: float) -> tuple[float, float, float, float]:
        """Return x, y (m), heading (rad) and speed (m/s)."""
        phase = self.phase(into_s)
        distance, speed = phase.from_m, 0.0
        if phase.to_m > phase.from_m:
            distance, speed = travelled(into_s - phase.start_s, phase.to_m - phase.from_m, self.speed_m_s)
            distance += phase.from_m
        return *self.legs[phase.leg].pose(distance), speed

    @cached_property
    def notes(self) -> tuple[Note, ...]:
        """Return every message of the round, in order of time."""
        due: list[tuple[float, str, str]] = []
        ends = [*self._starts[1:], self.length_s]
        for phase, end in zip(self.phases, ends, strict=True):
            if phase.kind in {"offline", "hibernating"}:
                due.append((phase.start_s, "connection", phase.kind.upper()))
                continue
            if self.wakes and phase.start_s == 0:
                due.append((0.0, "connection", "ONLINE"))
            moving = phase.to_m > phase.from_m
            due += [
                (at, "state", "") for at in _grid(phase.start_s, end, STATE_DRIVING_S if moving else STATE_RESTING_S)
            ]
            if moving:
                due += [(at, "visualization", "") for at in _grid(phase.start_s + 0.3, end, VISUALIZATION_S)]
        lost, found = self.broken
        if found > lost:
            due += [(lost + KEEP_ALIVE_S, "connection", "CONNECTION_BROKEN"), (found, "connection", "ONLINE")]
        due.sort(key=lambda item: item[0])
        seed, vehicle, number, share = self.loss
        chance = uniform(seed, "agv loss", vehicle, number, list(range(len(due))))
        counts: dict[str, int] = {}
        notes = []
        for k, (at, topic, connection) in enumerate(due):
            index = counts[topic] = counts.get(topic, -1) + 1
            heard = topic == "connection" or (not lost <= at < found and bool(chance[k] >= share))
            notes.append(Note(round(at * 1000), topic, index, heard, connection))
        return tuple(notes)

    @cached_property
    def _starts(self) -> list[float]:
        return [phase.start_s for phase in self.phases]


def travelled(after_s: float, distance_m: float, top_m_s: float) -> tuple[float, float]:
    """Return distance (m) and speed (m/s) after a time, driving from stop to stop: speed up, cruise, slow down."""
    a = ACCELERATION_M_S2
    top = min(top_m_s, math.sqrt(distance_m * a))
    ramp, total = top / a, duration_s(distance_m, top_m_s)
    t = min(max(after_s, 0.0), total)
    if t < ramp:
        return a * t * t / 2, a * t
    if t > total - ramp:
        left = total - t
        return distance_m - a * left * left / 2, a * left
    return top * (t - ramp / 2), top


def duration_s(distance_m: float, top_m_s: float) -> float:
    """Return how long it takes to drive from stop to stop."""
    top = min(top_m_s, math.sqrt(distance_m * ACCELERATION_M_S2))
    return distance_m / top + top / ACCELERATION_M_S2


def round_length_s(roads: Roads) -> float:
    """Return the length of a round in which the longest loop fits, with all that can delay it."""
    return round(roads.longest_m / 1.2 + 200)


@dataclass(frozen=True, slots=True)
class Plan:
    """What decides a round; `draw` gives a number in (0, 1) per label."""

    draw: dict[str, float]
    charging: int
    """0 not, 1 goes to charge and stays, 2 comes back from charging."""
    off: bool
    wakes: bool
    hibernates: bool


def build(
    legs: tuple[Leg, Leg], cell: int, plan: Plan, speed_m_s: float, length_s: float, loss: tuple[int, int, int, float]
) -> Mission:
    """Lay out one round of `length_s`."""
    draw = plan.draw
    phases: list[Phase] = []
    now = 0.0

    def add(kind: str, lasts_s: float, leg: int = 0, from_m: float = 0.0, to_m: float = 0.0) -> None:
        nonlocal now
        phases.append(Phase(now, kind, leg, from_m, to_m))
        now += lasts_s

    def drive(leg: int, stop_at: float, kind: str, stop_s: float) -> None:
        """Drive a leg; with a halt of `stop_s` on the way when `kind` says why."""
        length = legs[leg].length_m
        first = stop_at * length if kind else length
        add("driving", duration_s(first, speed_m_s), leg, 0.0, first)
        if kind:
            add(kind, stop_s, leg, first, first)
            add("driving", duration_s(length - first, speed_m_s), leg, first, length)

    if plan.off:
        add("hibernating" if plan.hibernates else "offline", length_s)
    elif plan.charging == 1:
        drive(0, 0.0, "", 0.0)
        add("charging", 0.0, 1)
    elif plan.charging == 2:
        add("charging", length_s - duration_s(legs[1].length_m, speed_m_s) - HOME_EARLY_S, 1)
        drive(1, 0.0, "", 0.0)
        add("idle", 0.0)
    elif draw["manual"] < 0.01:
        add("manual", 60 + 240 * draw["stop"])
        add("idle", 0.0)
    else:
        add("idle", 25 * draw["pause"])
        add("loading", 15 + 20 * draw["load"])
        trouble = "error" if draw["error"] < 0.015 else "blocked" if draw["error"] < 0.2 else ""
        drive(0, 0.25 + 0.5 * draw["where"], trouble, 8 + (110 if trouble == "error" else 45) * draw["stop"])
        add("unloading", 12 + 20 * draw["unload"], 1)
        drive(1, 0.0, "", 0.0)
        add("idle", 0.0)
    broken = (0.0, 0.0)
    if not plan.off and draw["broken"] < 0.006:
        start = length_s * 0.6 * draw["broken at"]
        broken = (start, start + 40 + 80 * draw["broken for"])
    return Mission(legs, tuple(phases), cell, speed_m_s, length_s, broken, plan.wakes, loss)


def _grid(start: float, end: float, step: float) -> list[float]:
    return [start + k * step for k in range(int(max(end - start - 1e-9, -1) // step) + 1)]
