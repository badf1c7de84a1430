"""What each cause does to a weld's numbers: directions argued from the physics of the joint, in rounded proportions.

A signature gives the relative change of each feature per unit of what drives it, at constant current unless the current
itself changes. Only ratios within a signature matter, and a third of them is taken to be uncertain (`rules`). The
arguments, after R. Holm (Electric Contacts, 1967) and J. Dickinson et al. (Welding Journal 59 (1980) 170-s):

- Bulk resistance is ρ·l/A: a wider face (wear) lowers it and a smaller one (edge, misalignment) raises it throughout,
  but hardly at the very start, where films between the sheets rule and depend on force, not on area. Heat density goes
  with 1/A², so that a small face melts more (R falls more after β) and a large one less.
- A path beside the joint takes more current the higher the joint's resistance is: R falls most at the start and at β.
- Fewer or thinner sheets scale the bulk; a whole missing sheet takes an interface and its film with it.
- A harder or heavier coated grade is a higher cold resistance and film; hot steels are all alike (ρ at 900 °C).
- A gap between sheets, or too little force, is contact resistance: high at the start, gone when the sheets are soft.
- Too little current or time: the electrical input itself is off, resistance follows only through temperature.

Which features move, and which way, is argument; how much each does beside the others was rounded from the simulated
joint's sweeps (`benchmarks.causes`, seeds 1 and 2), for want of real curves with known causes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

USED = (
    "weld_time_ms", "current_rms_ka", "energy_j", "r_first_uohm", "r_alpha_uohm", "r_beta_uohm", "r_mean_uohm",
    "r_end_uohm", "force_mean_kn", "voltage_rms_v", "voltage_end_v",
)  # fmt: skip
"""Features that signatures are made of; R_β − R_end is not, being the difference of two. The two voltages count for
welds without a current channel only: elsewhere they are the product of two others."""
VOLTAGES = tuple(USED.index(name) for name in ("voltage_rms_v", "voltage_end_v"))
USUAL_SCATTER = np.array([0.010, 0.010, 0.025, 0.070, 0.030, 0.025, 0.025, 0.030, 0.010, 0.025, 0.030])
"""(F,) sigma as a share of the centre, until the plant's own is known."""


class Signature(NamedTuple):
    """One way in which one cause shows."""

    cause: str
    change: dict[str, float]


def _bulk(start: float, alpha: float, beta: float, mean: float, end: float) -> dict[str, float]:
    """Return the changes of a weld at unchanged current: energy and voltage follow the mean resistance."""
    return {
        "energy_j": mean,
        "r_first_uohm": start,
        "r_alpha_uohm": alpha,
        "r_beta_uohm": beta,
        "r_mean_uohm": mean,
        "r_end_uohm": end,
        "voltage_rms_v": mean,
        "voltage_end_v": end,
    }


_CURRENT = {
    "current_rms_ka": 1.0, "energy_j": 1.9, "r_end_uohm": 0.3, "r_first_uohm": -0.1,
    "voltage_rms_v": 0.9, "voltage_end_v": 1.3,
}  # fmt: skip
_TIME = {"weld_time_ms": 1.0, "energy_j": 1.05}
_THIN = _bulk(start=-0.30, alpha=-0.75, beta=-1.0, mean=-1.0, end=-1.05)


def _less(change: dict[str, float]) -> dict[str, float]:
    return {name: -value for name, value in change.items()}


SIGNATURES = (
    Signature("low_heat", _less(_CURRENT)),
    Signature("low_heat", _less(_TIME)),
    Signature("excess_heat", _CURRENT),
    Signature("excess_heat", _TIME),
    Signature("missing_sheet", _bulk(start=-1.35, alpha=-1.0, beta=-1.0, mean=-1.0, end=-1.0)),
    Signature("missing_sheet", _THIN),
    Signature("missing_sheet", _less(_THIN)),
    Signature("missing_sheet", _bulk(start=1.30, alpha=1.0, beta=0.50, mean=0.50, end=0.50)),
    Signature("shunting", _bulk(start=-1.0, alpha=-0.90, beta=-1.0, mean=-0.68, end=-0.75)),
    Signature("shunting", _bulk(start=-1.0, alpha=-0.90, beta=-1.0, mean=-0.70, end=-0.50)),
    Signature("edge_weld", _bulk(start=0.20, alpha=1.05, beta=0.95, mean=0.90, end=1.25)),
    Signature("edge_weld", _bulk(start=0.25, alpha=1.25, beta=1.0, mean=1.15, end=1.10)),
    Signature("worn_electrode", _bulk(start=-0.18, alpha=-1.0, beta=-1.0, mean=-0.80, end=-1.15)),
    Signature("worn_electrode", _bulk(start=-0.15, alpha=-1.0, beta=-1.0, mean=-0.78, end=-0.80)),
    Signature("poor_fit_up", _bulk(start=0.85, alpha=1.0, beta=0.80, mean=0.30, end=0.05)),
    Signature("poor_fit_up", _bulk(start=1.0, alpha=1.0, beta=0.55, mean=0.20, end=0.0)),
    Signature("poor_fit_up", _bulk(start=0.40, alpha=0.23, beta=0.30, mean=0.40, end=0.60) | {"force_mean_kn": -1.0}),
)
"""Shunting, wear and edge have a second form, of the same cause when it is gross: where nothing melts any more R hardly
falls after β; where all is hot at once it stays high until the end."""


def directions(scatter: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (K, F) the signatures in sigmas, given sigma as a share of the centre (F,)."""
    table = np.array([[one.change.get(name, 0.0) for name in USED] for one in SIGNATURES])
    return table / scatter
