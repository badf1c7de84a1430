"""How bad a fault is, in physical terms: the one place where severity 0..1 and the words for it are defined.

Every effect grows in proportion to severity, so that 0 is no fault at all. Severity 1 is what an engineer sees at a
glance. The scale of each fault was set by the simulated joint alone (`weld.simulate` over all programmes), never by
what a judge finds:

- *slight*: within what production does by itself, or little more, and the nugget keeps its diameter. Normal scatter
  from weld to weld is 0.3 % of current, 0.8 % of force, 1.2 % of bearing face, 0.9 % of sheet thickness from coil to
  coil, 3 % of tip diameter between two dresses.
- *medium*: the nugget is near or under its minimum, melt leaves the joint, or (for a wrong sheet, which does not always
  hurt the nugget) the departure is beyond ten times that scatter.
- *gross*: no or nearly no nugget, melt leaves for certain, or another stack altogether.
"""

from __future__ import annotations

from typing import NamedTuple

LEVELS = {"slight": 0.0, "medium": 0.35, "gross": 0.65}
"""Word -> the severity at which it begins."""
GRADE_STRENGTH, GRADE_FILM, GRADE_RHO_HOT = 0.74, 0.53, 0.065
"""What a harder grade of sheet changes besides its cold resistivity, in units of that (`materials.MATERIALS`)."""
JOINT_UOHM = 130.0
"""A joint while it is welded, for faults of the circuit around it."""
EDGE_CONTAINMENT = 0.9
"""An edge that takes this share of the bearing face's loss from the ring of solid that holds the melt."""
WRONG_FORCE, WRONG_CURRENT = 0.4, 0.12
"""A programme for a thicker stack has more force and current too, in units of its longer weld time."""
DIP_DEPTH, DIP_MS = 0.5, 40.0
"""The inverter makes up for a dip that takes half the mains voltage; less is no fault. The shortest is two periods."""


class Extent(NamedTuple):
    """What severity 1 of a fault means."""

    at_one: float
    text: str
    """Says it in words: {x} is the number at a severity."""


EXTENT = {
    "over_current": Extent(0.25, "current {x:+.0%}"),
    "low_force": Extent(-0.50, "electrode force {x:+.0%}"),
    "edge_weld": Extent(-0.50, "bearing face {x:+.0%} at an edge"),
    "misaligned": Extent(-0.50, "bearing face {x:+.0%}, off axis"),
    "under_current": Extent(-0.25, "current {x:+.0%}"),
    "shunting": Extent(4.0, "neighbouring spots take {y:.0%} of the current"),
    "secondary_cable": Extent(-0.25, "current {x:+.0%} through 130 µΩ, by a weak cable"),
    "wrong_program": Extent(0.50, "weld time {x:+.0%}, with force and current"),
    "no_current": Extent(-1.0, "no current at all, at any severity"),
    "missing_sheet": Extent(-1.0, "one sheet is not there, at any severity"),
    "thin_stack": Extent(-0.30, "total thickness {x:+.0%}"),
    "thick_stack": Extent(0.30, "total thickness {x:+.0%}"),
    "wrong_grade": Extent(0.68, "cold resistivity {x:+.0%}, with strength and coating"),
    "fit_up": Extent(0.95, "{x:.0%} of the gap at which sheets barely touch"),
    "worn_electrode": Extent(0.25, "tip diameter {x:+.0%} unknown to the stepper"),
    "mains_dip": Extent(0.30, "mains voltage down by 50 % {x:+.0%}, for 40 to 200 ms"),
    "dead_voltage": Extent(-1.0, "the voltage pick-up reads a few mV, at any severity"),
    "dead_current": Extent(-1.0, "the current sensor reads a few A, at any severity"),
    "clipped": Extent(-0.30, "voltage cut off 5 % below its peak and {x:+.0%} of it"),
    "sample_gap": Extent(0.30, "{x:.0%} of the samples are missing"),
}
NO_DEGREE = frozenset({"no_current", "missing_sheet", "dead_voltage", "dead_current"})
"""Faults that are there or not: gross whatever their severity says."""


def extent(fault: str, severity: float) -> str:
    """Say in words what a fault of this severity is."""
    at_one, text = EXTENT[fault]
    x = at_one * severity
    beside = x * JOINT_UOHM / 1000
    return text.format(x=x, y=beside / (1 + beside))


def level_of(fault: str, severity: float) -> str:
    """Return `slight`, `medium` or `gross`."""
    if fault in NO_DEGREE:
        return "gross"
    return [name for name, begins in LEVELS.items() if severity >= begins][-1]
