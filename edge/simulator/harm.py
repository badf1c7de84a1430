"""What each fault does to a joint: it changes what the weld meets, never what is measured of it.

How much at which severity is defined in `severity`.
"""

from __future__ import annotations

from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from edge.simulator.faults import CODE, Faults
from edge.simulator.joint import Setup
from edge.simulator.severity import (
    EDGE_CONTAINMENT,
    EXTENT,
    GRADE_FILM,
    GRADE_RHO_HOT,
    GRADE_STRENGTH,
    JOINT_UOHM,
    WRONG_CURRENT,
    WRONG_FORCE,
)


def harm(setup: Setup, faults: Faults) -> Setup:
    """Return the setups with each fault at its severity; welds without one stay as they are."""
    if not faults.code.any():
        return setup
    new = Setup(*(getattr(setup, field.name).copy() for field in fields(Setup)))

    def hit(name: str) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return which welds have this fault, and to what extent: `EXTENT` at their severity."""
        at = np.flatnonzero(faults.code == CODE[name])
        return at, np.float32(EXTENT[name].at_one) * faults.severity[at]

    for name in ("over_current", "under_current"):
        at, x = hit(name)
        new.main_ka[at] *= 1 + x
    at, x = hit("low_force")
    new.force_kn[at] *= 1 + x
    at, x = hit("edge_weld")
    new.bearing[at] *= 1 + x
    new.containment[at] *= 1 + np.float32(EDGE_CONTAINMENT) * x
    at, x = hit("misaligned")
    new.bearing[at] *= 1 + x
    at, x = hit("shunting")
    new.shunt_per_uohm[at] += x / np.float32(1000)
    at, x = hit("secondary_cable")
    new.secondary_uohm[at] = np.float32(1000) * new.open_v[at] / ((1 + x) * new.main_ka[at]) - np.float32(JOINT_UOHM)
    at, x = hit("wrong_program")
    new.main_ms[at] = np.rint(new.main_ms[at] * (1 + x))
    new.main_ka[at] *= 1 + np.float32(WRONG_CURRENT) * x
    new.force_kn[at] *= 1 + np.float32(WRONG_FORCE) * x
    new.force_set_kn[at] *= 1 + np.float32(WRONG_FORCE) * x
    at, _ = hit("no_current")
    new.main_ka[at] = 0
    new.preheat_ka[at] = 0
    at, _ = hit("missing_sheet")
    left = new.faces[at] / (new.faces[at] + 1)  # sheets left, as a share
    new.total_mm[at] *= left
    new.faces[at] -= 1
    for name in ("thin_stack", "thick_stack"):
        at, x = hit(name)
        new.total_mm[at] *= 1 + x
    at, x = hit("wrong_grade")
    new.rho_cold[at] *= 1 + x
    new.rho_hot[at] *= 1 + np.float32(GRADE_RHO_HOT) * x
    new.strength[at] *= 1 + np.float32(GRADE_STRENGTH) * x
    new.film_uohm[at] *= 1 + np.float32(GRADE_FILM) * x
    new.electrode_film_uohm[at] *= 1 + np.float32(GRADE_FILM) * x
    at, x = hit("fit_up")
    new.gap[at] = np.minimum(new.gap[at] + x, np.float32(EXTENT["fit_up"].at_one))
    at, x = hit("worn_electrode")
    new.tip_mm[at] *= 1 + x
    return new
