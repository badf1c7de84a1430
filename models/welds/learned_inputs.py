"""What a learned model sees of a weld: logarithms of heat, resistance and their ratios, from the judge's features.

Logarithms, because what one current does to a joint another does to a thicker one: scales multiply. Identity, place
and time of a weld are no inputs; a model could otherwise learn which spot was bad and not what makes a weld bad.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.welds.features import AT, Features
from models.welds.prepare import CURRENT, VOLTAGE
from models.welds.sensors import SENSORS

SETTING = ("weld_time", "current")
"""What the controller was told: two welds that agree in it (and are of one stream) are repeats of each other."""
HEAT = (*SETTING, "r_first", "r_mean", "r_fall", "voltage_end")
"""Natural logarithms of: conducting time; effective current; first, mean, and end over mean resistance; and voltage at
the end. They say what was asked of the joint and how it answered, and are read well even off a few samples."""
SIGNS = ("r_beta", "r_alpha", "slope", "step", "step_left", "dip", "force_step", "force_level", "expansion")
"""Signs that need a good sampling rate or a further channel: β and α over mean R (logarithms), the slope from β in
1/ms, the step as a share of R, what was left of the pulse, the dip of the current, the fall of force as a share,
the logarithm of the mean force, and the electrodes' opening in mm. NaN where there is no such channel."""
INPUTS = (*HEAT, *SIGNS)
BLIND_INPUTS = ("weld_time", "mean_current")
"""What is left when the voltage pick-up is dead, or the weld too short for a curve: logarithms of the conducting time
and of the mean current over it."""


def read_blind_inputs(features: Features) -> NDArray[np.float64]:
    """Return (n, 2) by `BLIND_INPUTS`, NaN where undefined."""
    time_ms = features.values[:, AT["weld_time_ms"]].astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        table = np.log(np.column_stack((time_ms, features.values[:, AT["charge_c"]] / time_ms)))
    table[~np.isfinite(table)] = np.nan
    return table


def read_inputs(features: Features) -> NDArray[np.float64]:
    """Return (n, Q) by `INPUTS`, NaN where undefined."""
    value = {name: features.values[:, column].astype(np.float64) for name, column in AT.items()}
    r_mean = value["r_mean_uohm"]
    with np.errstate(invalid="ignore", divide="ignore"):
        columns = {
            "weld_time": np.log(value["weld_time_ms"]),
            "current": np.log(value["current_rms_ka"]),
            "r_first": np.log(value["r_first_uohm"]),
            "r_mean": np.log(r_mean),
            "r_fall": np.log(value["r_end_uohm"] / r_mean),
            "voltage_end": np.log(value["voltage_end_v"]),
            "r_beta": np.log(value["r_beta_uohm"] / r_mean),
            "r_alpha": np.log(value["r_alpha_uohm"] / r_mean),
            "slope": value["r_slope_uohm_per_ms"] / r_mean,
            "step": value["step_uohm"] / r_mean,
            "step_left": value["step_left"],
            "dip": value["current_dip_share"],
            "force_step": value["force_step_kn"] / value["force_mean_kn"],
            "force_level": np.log(value["force_mean_kn"]),
            "expansion": value["expansion_mm"],
        }
    table = np.column_stack([columns[name] for name in INPUTS])
    table[~np.isfinite(table)] = np.nan
    return table


def seen(features: Features) -> NDArray[np.bool_]:
    """Tell (n,) which welds have a current and a voltage that can be trusted."""
    both = (features.channels & (CURRENT | VOLTAGE)) == CURRENT | VOLTAGE
    result: NDArray[np.bool_] = (features.sensor == 0) & both & np.isfinite(features.values[:, AT["r_mean_uohm"]])
    return result


def blind(features: Features) -> NDArray[np.bool_]:
    """Tell (n,) which welds have a current that can be trusted and nothing else."""
    why = np.isin(features.sensor, [SENSORS.index("dead_voltage"), SENSORS.index("too_short")])
    charge = features.values[:, AT["charge_c"]]
    result: NDArray[np.bool_] = why & ((features.channels & CURRENT) != 0) & (charge > 0)
    return result
