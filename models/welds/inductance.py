"""The loop that the pick-up's wires make with the gun: what a changing current induces there is no joint's voltage.

U = R·I + L·dI/dt. Over the falling edge, from the end of the main pulse until the current is gone, R hardly changes:
∫U dt − R·∫I dt = L·(I_after − I_before), which needs no derivative of a noisy curve. L is a property of the gun and
its wiring, so the mean of some welds is taken, once, and anew after maintenance.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.welds.signal import Ranges

EDGE_MS = 30.0
"""Longest time the current of an inverter takes to run out."""
GONE_SHARE = 0.1
"""Of the current at the end of the pulse: less is gone."""
RESOLVED_SAMPLES, NEXT_SHARE = 1.0, 0.2
"""Time constant of the falling edge below which it is sampled too coarsely; then less than this share of the current
is left in the first sample after the pulse, which is quickly seen."""
MAX_UH = 1.0
"""More is no pick-up's loop: the whole secondary circuit of a gun has a few µH."""
ENOUGH_N = 50
"""Welds of a gun from whose mean its loop is known."""


def estimate_uh(
    current_ka: NDArray[np.float32],
    voltage_v: NDArray[np.float32],
    r_uohm: NDArray[np.float32],
    stop: NDArray[np.int64],
    weld_stop: NDArray[np.int64],
    dt_ms: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Return L of each of `k` welds, µH, NaN where its falling edge is missing, hidden or too coarsely sampled.

    Curves (m,) hold the welds end to end; `r_uohm` (k,) is the resistance shortly before the end, `stop` (k,) one past
    the core of the main pulse, `weld_stop` (k,) one past the weld. V / (kA/ms) is µH.
    """
    result = np.full(len(stop), np.nan, dtype=np.float32)
    following = np.abs(current_ka[np.minimum(stop, weld_stop - 1)])
    slow = np.flatnonzero(following >= np.float32(NEXT_SHARE) * np.abs(current_ka[stop - 1]))
    if not len(slow):
        return result
    begin, dt = stop[slow] - 1, dt_ms[slow]
    end = np.minimum(begin + 1 + np.ceil(np.float32(EDGE_MS) / dt).astype(np.int64), weld_stop[slow])
    before, after = current_ka[begin], current_ka[end - 1]
    half = np.float32(0.5)  # of the first and the last sample: the trapezoidal rule
    edge = Ranges(begin, end, len(current_ka))
    charge = edge.reduce(np.add, current_ka) - half * (before + after)
    flux = edge.reduce(np.add, voltage_v) - half * (voltage_v[begin] + voltage_v[end - 1])
    uh = (flux - r_uohm[slow] / np.float32(1000) * charge) * dt / (after - before)
    seen = (np.abs(after) <= np.float32(GONE_SHARE) * np.abs(before)) & (charge / before >= RESOLVED_SAMPLES)
    result[slow] = np.where(seen & (np.abs(uh) <= MAX_UH), uh, np.float32(np.nan))
    return result


def compensate(
    current_ka: NDArray[np.float32],
    voltage_v: NDArray[np.float32],
    offsets: NDArray[np.int64],
    dt_ms: NDArray[np.float32],
    loop_uh: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Return U − L·dI/dt (m,), V; the derivative by central differences, none at the ends of a weld.

    `loop_uh` (n,) and `dt_ms` (n,) are per weld.
    """
    if not loop_uh.any():
        return voltage_v
    slope = np.zeros_like(current_ka)
    np.subtract(current_ka[2:], current_ka[:-2], out=slope[1:-1])
    slope[offsets[:-1]] = 0
    slope[offsets[1:] - 1] = 0
    slope *= np.repeat(loop_uh / (2 * dt_ms), np.diff(offsets))
    joint: NDArray[np.float32] = voltage_v - slope
    return joint


class Loops:
    """What is known of the loop of every gun. Changes at the ends of the judge's blocks only (`end_block`)."""

    def __init__(self) -> None:
        self._sums: dict[str, tuple[int, float]] = {}
        self._known: dict[str, float] = {}

    def of(self, guns: list[str]) -> NDArray[np.float32]:
        """Return L of each gun, µH; 0 while it is not known."""
        known = self._known
        if not known:
            return np.zeros(len(guns), dtype=np.float32)
        return np.array([known.get(gun, 0.0) for gun in guns], dtype=np.float32)

    def add(self, guns: list[str], estimate_uh: NDArray[np.float32]) -> None:
        """Take the estimates of sound welds, in their order; NaN is passed over."""
        for k in np.flatnonzero(~np.isnan(estimate_uh)).tolist():
            gun = guns[k]
            if gun not in self._known:
                n, total = self._sums.get(gun, (0, 0.0))
                self._sums[gun] = (n + 1, total + float(estimate_uh[k]))

    def end_block(self) -> None:
        """Take over what enough welds agree on."""
        for gun, (n, total) in list(self._sums.items()):
            if n >= ENOUGH_N:
                self._known[gun] = total / n
                del self._sums[gun]

    def forget(self, gun: str) -> None:
        """Learn a gun's loop anew: its wiring may have changed."""
        self._sums.pop(gun, None)
        self._known.pop(gun, None)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON holds it."""
        return {"sums": self._sums, "known": self._known}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a snapshot."""
        self._sums = {gun: (int(n), float(total)) for gun, (n, total) in state["sums"].items()}
        self._known = {gun: float(uh) for gun, uh in state["known"].items()}
