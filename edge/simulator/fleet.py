"""The AGVs: where each is and what it says, as a function of time."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache

import msgspec

from edge.simulator.draws import uniform
from edge.simulator.layout import Layout
from edge.simulator.mission import HOME_EARLY_S, Mission, Note, Plan, build, duration_s, round_length_s
from edge.simulator.roads import Roads
from edge.simulator.schedule import MS, S
from edge.simulator.settings import SimulatorSettings
from edge.simulator.vda5050 import MAKES, Make, Snapshot, connection, state, visualization

CHARGE_EVERY = 16
"""Rounds from one charging to the next; the last two are spent on it."""
OFF_SHARE = 0.004
"""Rounds that a vehicle spends switched off."""
ERRORS = {
    "blocked": (("obstacleDetected", "WARNING", "obstacle in the protective field"),),
    "error": (("driveFault", "FATAL", "drive unit: overcurrent, reset needed"),),
}
DRAWS = (
    "manual", "stop", "pause", "load", "error", "where", "unload", "broken", "broken at", "broken for", "off",
    "cell", "kind",
)  # fmt: skip
TOPICS = ("state", "visualization", "connection")

Message = tuple[str, bytes, int, bool]
"""Topic, payload, QoS, retain."""


@dataclass(frozen=True, slots=True)
class Vehicle:
    """What does not change about one vehicle."""

    index: int
    make: Make
    serial: str
    aisle: int
    bay: int
    speed_m_s: float
    phase_ns: int
    """How far its rounds are shifted."""
    full: float
    empty: float
    """Battery after and before charging, percent."""


class Fleet:
    """All AGVs. Header ids count from 0 at `since_ns`, when the vehicles are switched on."""

    def __init__(self, settings: SimulatorSettings, layout: Layout, since_ns: int) -> None:
        self._seed, self._lost, self._cells = settings.seed, settings.agv_lost, layout.cell
        self._map, self._roads, self._since_ns = f"{settings.site}-{settings.area}", Roads(layout), since_ns
        self._round_ns = int(round_length_s(self._roads)) * S
        self.vehicles = [self._vehicle(k, settings) for k in range(settings.agvs)]
        self._counts: dict[int, list[tuple[int, int, int]]] = {}
        self.mission = lru_cache(maxsize=4 * max(1, settings.agvs))(self._mission)

    def messages(self, start_ns: int, stop_ns: int) -> list[Message]:
        """Return what reaches the broker within `[start_ns, stop_ns)`, in order of time. `start_ns` >= `since_ns`."""
        found: list[tuple[int, int, Message]] = []
        for vehicle in self.vehicles:
            first, last = self._round(vehicle, start_ns), self._round(vehicle, stop_ns - 1)
            for number in range(first, last + 1):
                begin_ns = self._begin_ns(vehicle, number)
                notes = self.mission(vehicle.index, number).notes
                low = bisect_left(notes, -((begin_ns - start_ns) // MS), key=lambda note: note.at_ms)
                for note in notes[low:]:
                    at_ns = begin_ns + note.at_ms * MS
                    if at_ns >= stop_ns:
                        break
                    if note.arrives:
                        found.append((at_ns, vehicle.index, self._write(vehicle, number, note)))
        found.sort(key=lambda item: item[:2])
        return [message for _, _, message in found]

    def connections(self, time_ns: int) -> list[Message]:
        """Return the retained connection message of every vehicle as it stands at `time_ns` >= `since_ns`."""
        result = []
        for vehicle in self.vehicles:
            number = self._round(vehicle, time_ns)
            mission = self.mission(vehicle.index, number)
            said = "ONLINE"
            into_ms = (time_ns - self._begin_ns(vehicle, number)) // MS
            for note in mission.notes:
                if note.topic == "connection" and note.at_ms <= into_ms:
                    said = note.connection
            header_id = max(0, self._sent(vehicle, time_ns)[2] - 1)
            result.append(self._connection(vehicle, header_id, time_ns, said))
        return result

    def farewell(self, time_ns: int) -> list[Message]:
        """Return the messages with which all vehicles take their leave when the simulator stops."""
        return [
            self._connection(vehicle, self._sent(vehicle, time_ns)[2], time_ns, "OFFLINE") for vehicle in self.vehicles
        ]

    def snapshot(self, vehicle: Vehicle, time_ns: int) -> Snapshot:
        """Return one vehicle at one moment."""
        number = self._round(vehicle, time_ns)
        into_s = (time_ns - self._begin_ns(vehicle, number)) / S
        mission = self.mission(vehicle.index, number)
        phase = mission.phase(into_s)
        x, y, theta, speed = mission.pose(into_s)
        order_id = f"{vehicle.serial}-{number % 100_000:05d}"
        target = self._cells[mission.cell] if mission.cell >= 0 else f"charger-{vehicle.index + 1}"
        home = f"dock-{vehicle.aisle + 1}"
        stops = zip((target, home), mission.legs, strict=True)
        nodes = [(name, 2 * k + 2, *leg.end) for k, (name, leg) in enumerate(stops)]
        kind = phase.kind
        resting = kind in {"idle", "manual"}
        if resting:
            ahead: tuple[tuple[str, int, float, float], ...] = ()
        elif kind == "charging":
            ahead = ()
        else:
            ahead = tuple(nodes[phase.leg :])
        done = resting and phase.start_s > 0
        action = {
            "loading": ("pick", "RUNNING"),
            "unloading": ("drop", "RUNNING"),
            "charging": ("startCharging", "RUNNING"),
        }.get(kind)
        if done:
            action = ("drop", "FINISHED")
        return Snapshot(
            serial=vehicle.serial,
            time_ns=time_ns,
            x_m=x,
            y_m=y,
            theta_rad=theta,
            speed_m_s=speed,
            map_id=self._map,
            driving=phase.to_m > phase.from_m,
            battery_percent=self._battery(vehicle, time_ns),
            charging=kind == "charging",
            mode="MANUAL" if kind == "manual" else "AUTOMATIC",
            stopped=kind == "error",
            errors=ERRORS.get(kind, ()),
            order_id=order_id,
            nodes_ahead=ahead,
            last_node=(home, 4) if done else (target, 2) if phase.leg else (home, 0),
            action=(f"{order_id}-{action[0]}", *action) if action else None,
            loaded=mission.cell >= 0 and phase.leg == 0 and kind in {"driving", "blocked", "error"},
            state_header_id=max(0, self._sent(vehicle, time_ns)[0] - 1) if vehicle.make.is_v3 else 0,
        )

    def _write(self, vehicle: Vehicle, number: int, note: Note) -> Message:
        time_ns = self._begin_ns(vehicle, number) + note.at_ms * MS
        header_id = self._before(vehicle, number)[TOPICS.index(note.topic)] + note.number
        if note.topic == "connection":
            return self._connection(vehicle, header_id, time_ns, note.connection)
        snap = self.snapshot(vehicle, time_ns)
        write = state if note.topic == "state" else visualization
        payload = msgspec.json.encode(write(vehicle.make, snap, header_id))
        return vehicle.make.topic(vehicle.serial, note.topic), payload, 0, False

    def _connection(self, vehicle: Vehicle, header_id: int, time_ns: int, said: str) -> Message:
        payload = msgspec.json.encode(connection(vehicle.make, vehicle.serial, header_id, time_ns, said))
        return vehicle.make.topic(vehicle.serial, "connection"), payload, 1, True

    def _before(self, vehicle: Vehicle, number: int) -> tuple[int, int, int]:
        """Return how many messages of each topic were sent since the start before a round began.

        In the round in which the vehicle was switched on that is negative: what it would have said before.
        """
        first = self._round(vehicle, self._since_ns)
        counts = self._counts.get(vehicle.index)
        if counts is None:
            into_ms = -((self._begin_ns(vehicle, first) - self._since_ns) // MS)
            missed = [note.topic for note in self.mission(vehicle.index, first).notes if note.at_ms < into_ms]
            # The connection message of switching on is number 0.
            start = (-missed.count("state"), -missed.count("visualization"), 1 - missed.count("connection"))
            counts = self._counts[vehicle.index] = [start]
        while len(counts) <= number - first:
            notes = [note.topic for note in self.mission(vehicle.index, first + len(counts) - 1).notes]
            a, b, c = counts[-1]
            counts.append((a + notes.count("state"), b + notes.count("visualization"), c + notes.count("connection")))
        return counts[number - first]

    def _sent(self, vehicle: Vehicle, time_ns: int) -> tuple[int, int, int]:
        """Return how many messages of each topic were sent up to and including `time_ns`."""
        number = self._round(vehicle, time_ns)
        into_ms = (time_ns - self._begin_ns(vehicle, number)) // MS
        said = [note.topic for note in self.mission(vehicle.index, number).notes if note.at_ms <= into_ms]
        a, b, c = self._before(vehicle, number)
        return a + said.count("state"), b + said.count("visualization"), c + said.count("connection")

    def _round(self, vehicle: Vehicle, time_ns: int) -> int:
        return (time_ns + vehicle.phase_ns) // self._round_ns

    def _begin_ns(self, vehicle: Vehicle, number: int) -> int:
        return number * self._round_ns - vehicle.phase_ns

    def _battery(self, vehicle: Vehicle, time_ns: int) -> float:
        """Return percent: falling from one charging to the next, rising while charging."""
        way, back = self._roads.way(vehicle.aisle, vehicle.bay, -1, vehicle.index)
        round_s = self._round_ns / S
        starts = CHARGE_EVERY - 2 + duration_s(way.length_m, vehicle.speed_m_s) / round_s
        charges = CHARGE_EVERY - (duration_s(back.length_m, vehicle.speed_m_s) + HOME_EARLY_S) / round_s - starts
        since = ((time_ns + vehicle.phase_ns) / self._round_ns + self._shift(vehicle) - starts) % CHARGE_EVERY
        span = vehicle.full - vehicle.empty
        if since < charges:
            return round(vehicle.empty + span * since / charges, 1)
        return round(vehicle.full - span * (since - charges) / (CHARGE_EVERY - charges), 1)

    @staticmethod
    def _shift(vehicle: Vehicle) -> int:
        return vehicle.index * 5 % CHARGE_EVERY

    def _mission(self, index: int, number: int) -> Mission:
        vehicle = self.vehicles[index]
        draws = {label: float(uniform(self._seed, "agv " + label, index, number)[()]) for label in DRAWS}
        turn = (number + self._shift(vehicle)) % CHARGE_EVERY
        charging = max(0, turn - (CHARGE_EVERY - 3))
        off = self._is_off(index, number, charging)
        before = max(0, (turn - 1) % CHARGE_EVERY - (CHARGE_EVERY - 3))
        cells = self._roads.cells_of_aisle[vehicle.aisle]
        cell = -1 if charging else cells[int(draws["cell"] * len(cells))]
        legs = self._roads.way(vehicle.aisle, vehicle.bay, cell, index)
        plan = Plan(
            draws, charging, off, self._is_off(index, number - 1, before), vehicle.make.is_v3 and draws["kind"] < 0.5
        )
        return build(legs, cell, plan, vehicle.speed_m_s, self._round_ns / S, (self._seed, index, number, self._lost))

    def _is_off(self, index: int, number: int, charging: int) -> bool:
        return not charging and float(uniform(self._seed, "agv off", index, number)[()]) < OFF_SHARE

    def _vehicle(self, index: int, settings: SimulatorSettings) -> Vehicle:
        draw = {
            label: float(uniform(settings.seed, "vehicle " + label, index)[()]) for label in ("phase", "speed", "full")
        }
        mix = settings.agv_mix
        weights = [mix.v2_0, mix.v2_1, mix.v3_0]
        # Evenly through the fleet: the k-th vehicle takes the version whose turn it is by weight.
        place = (index * 0.6180339887498949) % 1 * math.fsum(weights)
        version = next(k for k in range(3) if place < sum(weights[: k + 1]) or k == 2)
        makes = MAKES[("v2_0", "v2_1", "v3_0")[version]]
        make = makes[index % len(makes)]
        return Vehicle(
            index=index,
            make=make,
            serial=f"{make.manufacturer[:2].upper()}{index + 1:04d}",
            aisle=index % self._roads.aisles,
            bay=index // self._roads.aisles,
            speed_m_s=1.25 + 0.4 * draw["speed"],
            phase_ns=int(draw["phase"] * self._round_ns) // MS * MS,
            full=88 + 10 * draw["full"],
            empty=22 + 18 * draw["speed"],
        )
