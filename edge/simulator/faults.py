"""What goes wrong: which weld has which fault, how badly, and what that does to the joint.

Faults come singly at a low rate, in bad spells of a gun that grow worse until someone repairs it, and as dips of the
mains that meet every weld under way. Sensor faults are applied by `sensors`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from edge.simulator.draws import uniform
from edge.simulator.joint import POST_MS, PRE_MS, Setup
from edge.simulator.layout import Layout
from edge.simulator.maintenance import Maintenance
from edge.simulator.schedule import MS, GunEvent, S, Slots
from edge.simulator.settings import FaultRates, SimulatorSettings
from edge.simulator.severity import DIP_DEPTH, DIP_MS, EXTENT
from edge.simulator.weld import duration_ms

CAUSE = {
    "over_current": "excess_heat",
    "low_force": "poor_fit_up",
    "edge_weld": "edge_weld",
    "misaligned": "edge_weld",
    "under_current": "low_heat",
    "shunting": "shunting",
    "secondary_cable": "low_heat",
    "wrong_program": "excess_heat",
    "no_current": "no_current",
    "missing_sheet": "missing_sheet",
    "thin_stack": "missing_sheet",
    "thick_stack": "missing_sheet",
    "wrong_grade": "missing_sheet",
    "fit_up": "poor_fit_up",
    "worn_electrode": "worn_electrode",
    "dead_voltage": "dead_voltage",
    "dead_current": "dead_current",
    "clipped": "clipped",
    "sample_gap": "gap",
    "mains_dip": "mains_dip",
}
"""Fault -> what it is called in `models.welds.causes`, unless melt was expelled."""
FAULTS = ("", *CAUSE)
"""By code; 0 is none. All but the last are drawn per weld, in the order of `FaultRates`."""
CODE = {name: code for code, name in enumerate(FAULTS)}
SENSOR_FAULTS = ("dead_voltage", "dead_current", "clipped", "sample_gap")

SPELL_BLOCK_S = 6 * 3600
"""At most one spell of a gun starts in each block."""
SPELL_FAULTS = (
    "over_current", "low_force", "under_current", "secondary_cable", "worn_electrode", "dead_voltage",
    "edge_weld", "shunting", "fit_up",
)  # fmt: skip
LOCAL = frozenset({"edge_weld", "shunting", "fit_up"})
"""Faults of the part, not of the gun: their spells concern a few neighbouring spots."""
LOCAL_SPOTS = 6
TIP = frozenset({"worn_electrode"})
"""Faults that a dress ends; the other faults of a gun need a repair."""
SEATS = np.array(["part" if name in LOCAL else "tip" if name in TIP else "gun" for name in SPELL_FAULTS])
"""Where the trouble of each of `SPELL_FAULTS` lies, as in `maintenance.CURES`."""
DIP_BLOCK_S = 600
LEAST_SEVERITY = 0.3
"""Of a fault that comes singly; a spell begins with less and grows."""


@dataclass(frozen=True, slots=True)
class Faults:
    """The faults of `n` welds."""

    code: NDArray[np.int8]
    """(n,) index into `FAULTS`."""
    severity: NDArray[np.float32]
    """(n,) 0..1; 0 without a fault."""


@dataclass(frozen=True, slots=True)
class SpellRecord:
    """A bad spell of a gun, as it went."""

    gun: int
    fault: str
    """One of `SPELL_FAULTS`."""
    seat: str
    """Where the trouble lies, as in `maintenance.CURES`."""
    start_ns: int
    end_ns: int
    """When it ended, by itself or by an action."""
    cured: bool
    """An action ended it."""


@dataclass(frozen=True, slots=True)
class _Spell:
    """The spell that starts in given blocks of given guns, if any; every field (n,)."""

    real: NDArray[np.bool_]
    start_s: NDArray[np.float64]
    length_s: NDArray[np.float64]
    kind: NDArray[np.int64]
    """Index into `SPELL_FAULTS`."""
    first: NDArray[np.float64]
    """0..1: where along the gun's sequence the spots of a local spell begin."""

    @property
    def start_ns(self) -> NDArray[np.int64]:
        """(n,) the start in whole ms."""
        return (self.start_s * 1000).astype(np.int64) * MS


def dip_ms(severity: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how long a mains dip lasts, ms (n,)."""
    result: NDArray[np.float32] = np.float32(DIP_MS) * (1 + 4 * severity)
    return result


def dipped(setup: Setup, met: NDArray[np.bool_], start_ms: NDArray[np.float64], severity: NDArray[np.float32]) -> Setup:
    """Return the setups with a dip of the mains for the welds `met`; all (n,), the start from that of the record."""
    start = np.where(met, start_ms, np.nan).astype(np.float32)
    return replace(
        setup,
        dip_from_ms=start,
        dip_to_ms=start + dip_ms(severity),
        dip_depth=np.where(met, DIP_DEPTH + EXTENT["mains_dip"].at_one * severity, 0).astype(np.float32),
    )


class FaultPlan:
    """Draws faults; knows nothing but the settings and what was done to the guns."""

    def __init__(self, settings: SimulatorSettings, layout: Layout, maintenance: Maintenance | None = None) -> None:
        self._maintenance = maintenance or Maintenance()
        self._seed, self._layout, self._spells = settings.seed, layout, settings.spells
        self._edges = np.cumsum([getattr(settings.faults, name) for name in FaultRates.__struct_fields__])
        if tuple(structs.asdict(settings.faults)) != FAULTS[1 : len(self._edges) + 1]:
            raise AssertionError("FAULTS and FaultRates must name the same faults in the same order")

    def draw(self, slots: Slots) -> Faults:
        """Return the fault of each weld, mains dips excepted."""
        chance = uniform(self._seed, "fault", slots.body, slots.spot)
        code = np.searchsorted(self._edges, chance, side="right") + 1
        code = np.where(chance < self._edges[-1], code, 0)
        severity = uniform(self._seed, "severity", slots.body, slots.spot)
        severity = np.where(code > 0, LEAST_SEVERITY + (1 - LEAST_SEVERITY) * severity, 0.0)
        edge = np.full(len(slots), self._edges[-1])
        for back in (1, 0):  # a spell may reach into the next block
            rate, kind, progress = self._spell_rate(slots, back)
            hit = (chance >= edge) & (chance < edge + rate)
            code = np.where(hit, kind, code)
            worse = 0.2 + 0.8 * progress * uniform(self._seed, "spell severity", slots.body, slots.spot)
            severity = np.where(hit, worse, severity)
            edge = edge + rate
        return Faults(code.astype(np.int8), severity.astype(np.float32))

    def repairs(self, start_ns: int, stop_ns: int) -> list[GunEvent]:
        """Return the maintenance that ends a gun's bad spell when no action has, within `[start_ns, stop_ns)`."""
        found = [
            GunEvent("maintenance", spell.gun, spell.end_ns, spell.fault.replace("_", " "))
            for spell in self.spells(start_ns, stop_ns)
            if not spell.cured
        ]
        return sorted(found, key=lambda event: (event.time_ns, event.gun))

    def spells(self, start_ns: int, stop_ns: int) -> list[SpellRecord]:
        """Return the bad spells that end within `[start_ns, stop_ns)`, in order of their start."""
        found = []
        gun = np.arange(len(self._layout.gun))
        for block in range(start_ns // S // SPELL_BLOCK_S - 1, stop_ns // S // SPELL_BLOCK_S + 1):
            spell = self._spell(gun, np.full(len(gun), block))
            end_ns = ((spell.start_s + spell.length_s) * 1000).astype(np.int64) * MS
            seat = SEATS[spell.kind]
            cured_ns = self._maintenance.cured_ns(seat, gun, spell.start_ns, end_ns)
            ended_ns = np.where(cured_ns >= 0, cured_ns, end_ns)
            due = spell.real & (ended_ns >= start_ns) & (ended_ns < stop_ns)
            found += [
                SpellRecord(
                    gun=int(g),
                    fault=SPELL_FAULTS[spell.kind[g]],
                    seat=str(seat[g]),
                    start_ns=int(spell.start_ns[g]),
                    end_ns=int(ended_ns[g]),
                    cured=bool(cured_ns[g] >= 0),
                )
                for g in np.flatnonzero(due)
            ]
        return sorted(found, key=lambda record: (record.start_ns, record.gun))

    def dip(self, slots: Slots, setup: Setup, faults: Faults) -> tuple[Setup, Faults]:
        """Let the mains dip where they do; a weld that has no other fault is labelled with it."""
        block = slots.time_ns // (DIP_BLOCK_S * S)
        real = uniform(self._seed, "dip", block) < self._spells.mains_dips_per_day * DIP_BLOCK_S / 86400
        # Never within a second of a block's edge, so that a weld can only meet the dip of the block it starts in.
        into_s = 1 + (DIP_BLOCK_S - 2) * uniform(self._seed, "dip start", block)
        severity = uniform(self._seed, "dip severity", block).astype(np.float32)
        start = into_s * 1000 - (slots.time_ns % (DIP_BLOCK_S * S)) / MS + PRE_MS
        stop = start + dip_ms(severity)
        met = real & (stop > PRE_MS) & (start < duration_ms(setup) - POST_MS)
        if not met.any():
            return setup, faults
        alone = met & (faults.code == 0)
        code = np.where(alone, CODE["mains_dip"], faults.code).astype(np.int8)
        strength = np.where(alone, severity, faults.severity).astype(np.float32)
        return dipped(setup, met, start, severity), Faults(code, strength)

    def dip_inside(self, slots: Slots, setup: Setup, faults: Faults) -> Setup:
        """Let the mains dip during the main pulse of the welds whose fault says so, whatever the time."""
        met = faults.code == CODE["mains_dip"]
        begin = PRE_MS + setup.preheat_ms + setup.gap_ms
        room = np.maximum(setup.main_ms - dip_ms(faults.severity), 0)
        start = begin + room * uniform(self._seed, "dip inside", slots.body, slots.spot)
        return dipped(setup, met, start, faults.severity) if met.any() else setup

    def _spell(self, gun: NDArray[np.int64], block: NDArray[np.int64]) -> _Spell:
        def draw(label: str) -> NDArray[np.float64]:
            return uniform(self._seed, "spell " + label, gun, block)

        spells = self._spells
        return _Spell(
            real=draw("real") < spells.per_gun_and_day * SPELL_BLOCK_S / 86400,
            start_s=(block + draw("start")) * SPELL_BLOCK_S,
            length_s=3600 * (spells.min_h + draw("length") * (spells.max_h - spells.min_h)),
            kind=(draw("kind") * len(SPELL_FAULTS)).astype(np.int64),
            first=draw("first"),
        )

    def _spell_rate(
        self, slots: Slots, back: int
    ) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
        """Return rate, fault code and progress (0..1) of the spell that began `back` blocks before each weld's own."""
        layout = self._layout
        gun = layout.gun_of_spot[slots.spot]
        spell = self._spell(gun, slots.time_ns // (SPELL_BLOCK_S * S) - back)
        progress = (slots.time_ns / S - spell.start_s) / spell.length_s
        running = spell.real & (progress >= 0) & (progress < 1)
        cured_ns = self._maintenance.cured_ns(SEATS[spell.kind], gun, spell.start_ns, slots.time_ns + 1)
        running &= cured_ns < 0
        local = np.array([name in LOCAL for name in SPELL_FAULTS])[spell.kind]
        spots = layout.gun_spots[gun]
        begin = (spell.first * np.maximum(spots - LOCAL_SPOTS, 1)).astype(np.int64)
        place = layout.place[slots.spot]
        within = (place >= begin) & (place < begin + LOCAL_SPOTS)
        worst = np.where(local, np.minimum(0.5, self._spells.worst_rate * spots / LOCAL_SPOTS), self._spells.worst_rate)
        rate = np.where(running & (within | ~local), worst * progress, 0.0)
        codes = np.array([CODE[name] for name in SPELL_FAULTS])
        return rate, codes[spell.kind], np.clip(progress, 0, 1)
