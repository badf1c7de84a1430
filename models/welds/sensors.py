"""Whether a weld's sensors can be trusted: a curve that cannot be is never judged ok."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.welds.signal import Ranges

SENSORS = ("", "no_current", "dead_current", "dead_voltage", "clipped", "too_short", "gap")
"""What the sensor checks say, by code; 0 is sound. Causes of `models.welds.causes`."""

NO_CURRENT_KA = 0.5
"""A weld whose current peaks below this was not made."""
TIP_VOLTAGE_V = (0.3, 3.0)
"""Between the tips while current flows; more than that is an open circuit."""
DEAD_VOLTAGE_V = 0.1
DEAD_RESISTANCE_UOHM = 15.0
"""A joint of car-body sheet has tens of µΩ at least; a pick-up that reads less is dead."""
CLIPPED_SHARE_CURRENT, CLIPPED_SHARE_VOLTAGE = 0.6, 0.3
"""Share of core samples that sit exactly on the curve's maximum: of the current (regulated, hence flat), of the
voltage (never flat on a live joint)."""
CLIPPED_MIN_SAMPLES = 8
LOOKS = 16
"""Evenly spaced samples of a core, of which at least one lies on the maximum of a curve that is cut off."""


def check(
    voltage_peak_v: NDArray[np.float32],
    current_peak_ka: NDArray[np.float32] | None,
    voltage_rms_v: NDArray[np.float32],
    current_rms_ka: NDArray[np.float32],
    clipped: NDArray[np.bool_],
) -> NDArray[np.int8]:
    """Return a code of `SENSORS` per weld, the first that applies: no signal, too little of it, a bad one.

    All (n,): the peaks over the whole curve (`current_peak_ka` None: there is no current channel), the effective
    values over the core of the main pulse, NaN for a weld without one; `clipped` by `is_clipped`. Curves that miss
    samples ("gap") never come here: see `models.welds.prepare`.
    """
    code = np.zeros(len(clipped), dtype=np.int8)
    code[clipped] = SENSORS.index("clipped")
    mean_r = np.float32(1000) * voltage_rms_v / current_rms_ka
    dead = (voltage_rms_v < DEAD_VOLTAGE_V) | (mean_r < DEAD_RESISTANCE_UOHM)
    code[dead] = SENSORS.index("dead_voltage")
    code[np.isnan(voltage_rms_v)] = SENSORS.index("too_short")
    tip = (voltage_peak_v >= TIP_VOLTAGE_V[0]) & (voltage_peak_v <= TIP_VOLTAGE_V[1])
    if current_peak_ka is None:
        code[voltage_peak_v < TIP_VOLTAGE_V[0]] = SENSORS.index("dead_voltage")
    else:
        idle = current_peak_ka < NO_CURRENT_KA
        code[idle & ~tip] = SENSORS.index("no_current")
        code[idle & tip] = SENSORS.index("dead_current")
    return code


def is_clipped(size: NDArray[np.float32], core: Ranges, share: float) -> NDArray[np.bool_]:
    """Tell which cores (n,) have at least `share` of their samples on their maximum.

    `size` (m,) is the absolute curve.
    """
    top = core.reduce(np.maximum, size)
    # A curve that is cut off lies on its maximum for stretches: the few that do so where it is looked at are counted.
    sample = core.start + core.length * np.arange(1, 2 * LOOKS, 2)[:, None] // (2 * LOOKS)
    flat = np.flatnonzero((size.take(sample, mode="clip") == top).any(axis=0))
    result = np.zeros(len(top), dtype=np.bool_)
    if len(flat):
        start, stop, length = core.start[flat], core.stop[flat], core.length[flat]
        at_top = Ranges(start, stop, len(size)).hits(size, top[flat])
        count = np.searchsorted(at_top, stop) - np.searchsorted(at_top, start)
        result[flat] = (count >= CLIPPED_MIN_SAMPLES) & (count >= share * length)
    return result
