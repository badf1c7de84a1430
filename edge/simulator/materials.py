"""Sheets, stacks and weld programmes of the simulated body.

Handbook values, rounded: resistivity of steel rises about sevenfold from room temperature to 900 °C and is flat from
there to melting, whatever the grade; stronger grades start higher. AlSi on press-hardened steel makes a resistive film.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Material:
    """One grade of sheet with its coating."""

    rho_cold_uohm_mm: float
    """Resistivity at 20 °C, µΩ·mm (100 µΩ·mm is 0.1 µΩ·m)."""
    rho_hot_uohm_mm: float
    """At 900 °C and above."""
    strength: float
    """Yield strength relative to deep-drawing steel: a harder sheet makes smaller contacts."""
    film_uohm: float
    """Resistance of the surface film of one interface before it breaks down, at 3 kN."""


MATERIALS = {
    "DC04+Z": Material(140.0, 1140.0, 1.0, 70.0),
    "HX340+Z": Material(190.0, 1170.0, 1.25, 85.0),
    "DP600+Z": Material(235.0, 1190.0, 1.5, 95.0),
    "DP800+Z": Material(260.0, 1200.0, 1.7, 105.0),
    "22MnB5+AS": Material(270.0, 1210.0, 1.9, 190.0),
}


@dataclass(frozen=True, slots=True)
class Stack:
    """Sheets from one electrode to the other."""

    sheets: tuple[tuple[str, float], ...]
    """(material, thickness mm)."""

    @property
    def total_mm(self) -> float:
        """Thickness of all sheets."""
        return sum(thickness for _, thickness in self.sheets)

    @property
    def governing_mm(self) -> float:
        """Thickness that the nugget must suit: the thinner of two, the second thickest of three (AWS D8.1M)."""
        ordered = sorted((thickness for _, thickness in self.sheets), reverse=True)
        return ordered[1]

    @property
    def reach(self) -> float:
        """How far the nugget reaches the outermost interface, relative to the middle of the stack.

        The nugget grows from the middle; an interface under a thin outer sheet lies near the cooled electrode.
        """
        middle = self.total_mm / 2
        first, last = self.sheets[0][1], self.total_mm - self.sheets[-1][1]
        return 1.0 - 0.35 * (max(abs(middle - first), abs(last - middle)) / middle) ** 2

    def mean(self, name: str) -> float:
        """Return a property of the materials, averaged over thickness."""
        total: float = sum(getattr(MATERIALS[material], name) * mm for material, mm in self.sheets)
        return total / self.total_mm

    def film_uohm(self) -> float:
        """Return the film resistance of one faying interface: of the worse side of each pair, averaged."""
        films = [MATERIALS[material].film_uohm for material, _ in self.sheets]
        pairs = [max(pair) for pair in pairwise(films)]
        return sum(pairs) / len(pairs)

    def __str__(self) -> str:
        """Return the stack as `plant.toml`'s CSV of spots writes it; the coating's plus becomes a dash."""
        return "+".join(f"{material.replace('+', '-')}:{mm:g}" for material, mm in self.sheets)


@dataclass(frozen=True, slots=True)
class Schedule:
    """What a weld programme is set to, but for its main current, which follows from the stack's weld lobe."""

    name: str
    stack: Stack
    force_kn: float
    main_ms: int
    preheat_ka: float = 0.0
    """0: no preheat pulse."""
    preheat_ms: int = 0
    gap_ms: int = 0
    """Cool time without current between the pulses."""


def _stack(*sheets: tuple[str, float]) -> Stack:
    return Stack(sheets)


SCHEDULES = (
    Schedule("11", _stack(("DC04+Z", 0.7), ("DC04+Z", 0.8)), 2.3, 180),
    Schedule("12", _stack(("DC04+Z", 0.8), ("HX340+Z", 1.0)), 2.6, 210),
    Schedule("21", _stack(("HX340+Z", 1.0), ("DP600+Z", 1.2)), 2.9, 240),
    Schedule("22", _stack(("HX340+Z", 1.2), ("DP600+Z", 1.5)), 3.2, 230, 5.5, 60, 14),
    Schedule("23", _stack(("DP600+Z", 1.2), ("DP800+Z", 1.4)), 3.5, 240, 5.5, 70, 14),
    Schedule("31", _stack(("DC04+Z", 0.8), ("HX340+Z", 1.0), ("HX340+Z", 1.2)), 3.2, 280),
    Schedule("32", _stack(("HX340+Z", 1.0), ("DP600+Z", 1.4), ("HX340+Z", 1.2)), 3.6, 300, 6.0, 80, 16),
    Schedule("33", _stack(("DC04+Z", 0.8), ("22MnB5+AS", 1.4), ("DP600+Z", 1.2)), 3.9, 310, 6.0, 100, 18),
    Schedule("41", _stack(("22MnB5+AS", 1.2), ("DP800+Z", 1.4)), 3.9, 260, 5.5, 90, 16),
)
"""The nine programmes of the body; a spot's programme follows from its stack."""
