"""What each fault does to a joint: it changes what the weld meets, never what is measured of it."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from edge.simulator.faults import CODE, Faults
from edge.simulator.joint import Setup


def harm(setup: Setup, faults: Faults) -> Setup:
    """Return the setups with each fault at its severity; welds without one stay as they are."""
    if not faults.code.any():
        return setup
    new = Setup(*(getattr(setup, field.name).copy() for field in fields(Setup)))
    s = faults.severity

    def hit(name: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return np.flatnonzero(faults.code == CODE[name])

    at = hit("over_current")
    new.main_ka[at] *= np.float32(1.12) + np.float32(0.13) * s[at]
    at = hit("low_force")
    new.force_kn[at] *= np.float32(0.76) - np.float32(0.30) * s[at]
    at = hit("edge_weld")
    new.bearing[at] *= np.float32(0.80) - np.float32(0.25) * s[at]
    new.containment[at] *= np.float32(0.72) - np.float32(0.25) * s[at]
    at = hit("under_current")
    new.main_ka[at] *= np.float32(0.86) - np.float32(0.14) * s[at]
    at = hit("shunting")
    new.shunt_per_uohm[at] += 1 / (np.float32(620) - np.float32(370) * s[at])
    at = hit("secondary_cable")
    # Grown until the voltage drives only this share of the set current through a joint of 130 µΩ.
    share = np.float32(0.86) - np.float32(0.14) * s[at]
    new.secondary_uohm[at] = np.float32(1000) * new.open_v[at] / (share * new.main_ka[at]) - np.float32(130)
    at = hit("wrong_program")
    new.main_ms[at] = np.rint(new.main_ms[at] * (np.float32(1.30) + np.float32(0.35) * s[at]))
    new.main_ka[at] *= np.float32(1.04) + np.float32(0.04) * s[at]
    new.force_kn[at] *= np.float32(1.20)
    new.force_set_kn[at] *= np.float32(1.20)
    at = hit("no_current")
    new.main_ka[at] = 0
    new.preheat_ka[at] = 0
    at = hit("missing_sheet")
    left = new.faces[at] / (new.faces[at] + 1)  # sheets left, as a share
    new.total_mm[at] *= left
    new.faces[at] -= 1
    at = hit("fit_up")
    new.gap[at] = np.float32(0.45) + np.float32(0.5) * s[at]
    new.containment[at] *= np.float32(0.9)
    at = hit("worn_electrode")
    new.tip_mm[at] *= np.float32(1.14) + np.float32(0.18) * s[at]
    return new
