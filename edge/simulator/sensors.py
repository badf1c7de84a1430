"""What the weld controller records of the traces: noise, resolution, missing channels, and sensors that fail."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.simulator.draws import bits, noise_table, uniform
from edge.simulator.faults import CODE, Faults
from edge.simulator.joint import Array
from edge.simulator.layout import Layout
from edge.simulator.schedule import Slots
from edge.simulator.severity import EXTENT
from edge.simulator.weld import Traces

TABLE_BITS = 18
RIPPLE = 0.0025
"""Of the regulated current, share; the voltage follows it."""
CURRENT_NOISE_KA, VOLTAGE_NOISE_V, FORCE_NOISE_KN, DISPLACEMENT_NOISE_MM = 0.008, 0.005, 0.012, 0.004
CURRENT_STEPS, VOLTAGE_STEPS, FORCE_STEPS, DISPLACEMENT_STEPS = 200, 1000, 200, 500
"""Resolution, steps per kA, V, kN and mm."""
DEAD_SHARE = 0.002
"""Of the signal that a broken wire still picks up."""
CLIP_LEVEL = 0.95
"""Of the voltage's 95th percentile: where a slightly clipped sensor stops."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Curves of `n` welds end to end, as in `models.welds.batch.WeldBatch`."""

    offsets: NDArray[np.int64]
    current_ka: Array
    voltage_v: Array
    force_kn: Array
    displacement_mm: Array


class Sensors:
    """Reads traces; which gun has which channel follows from its number."""

    def __init__(self, seed: int, layout: Layout) -> None:
        self._seed, self._layout = seed, layout
        self._table = noise_table(seed, 1 << TABLE_BITS)
        guns = np.arange(len(layout.gun))
        self.has_force = guns % 5 != 4
        self.has_displacement = guns % 3 == 0

    def record(self, traces: Traces, slots: Slots, faults: Faults, force_kn: Array) -> Recording:
        """Return what the controllers keep of the welds of `slots`."""
        samples = traces.samples
        offsets = np.zeros(len(samples) + 1, dtype=np.int64)
        np.cumsum(samples, out=offsets[1:])
        weld = np.repeat(np.arange(len(samples)), samples)
        row = np.arange(offsets[-1]) - offsets[weld]
        at = row * len(samples) + traces.column[weld]
        mask = (1 << TABLE_BITS) - 1
        start = (bits(self._seed, "noise place", slots.body, slots.spot) & np.uint64(mask)).astype(np.int64)
        place = start[weld] + row

        def noise(channel: int, scale: float) -> Array:
            result: Array = self._table[(place + channel * 65_537) & mask] * np.float32(scale)
            return result

        ripple = 1 + noise(0, RIPPLE)
        current = traces.current_ka.ravel()[at] * ripple
        voltage = traces.voltage_v.ravel()[at] * ripple + noise(1, VOLTAGE_NOISE_V)
        gun = self._layout.gun_of_spot[slots.spot]
        force = traces.force_share.ravel()[at] * force_kn[weld] + noise(2, FORCE_NOISE_KN)
        force[~self.has_force[gun][weld]] = np.nan
        displacement = traces.displacement_mm.ravel()[at] + noise(3, DISPLACEMENT_NOISE_MM)
        displacement[~self.has_displacement[gun][weld]] = np.nan
        recording = Recording(
            offsets,
            _quantise(current + noise(4, CURRENT_NOISE_KA), CURRENT_STEPS),
            _quantise(voltage, VOLTAGE_STEPS),
            _quantise(force, FORCE_STEPS),
            _quantise(displacement, DISPLACEMENT_STEPS),
        )
        return self._fail(recording, slots, faults)

    def _fail(self, recording: Recording, slots: Slots, faults: Faults) -> Recording:
        """Let sensors fail, weld by weld: there are few."""
        offsets = recording.offsets
        for fault, curve, steps in (
            ("dead_voltage", recording.voltage_v, VOLTAGE_STEPS),
            ("dead_current", recording.current_ka, CURRENT_STEPS),
        ):
            for weld in np.flatnonzero(faults.code == CODE[fault]):
                part = curve[offsets[weld] : offsets[weld + 1]]
                part[:] = _quantise(part * np.float32(DEAD_SHARE), steps)
        for weld in np.flatnonzero(faults.code == CODE["clipped"]):
            voltage = recording.voltage_v[offsets[weld] : offsets[weld + 1]]
            level = np.sort(voltage)[-len(voltage) // 20] * (
                np.float32(CLIP_LEVEL) + np.float32(EXTENT["clipped"].at_one) * faults.severity[weld]
            )
            np.minimum(voltage, _quantise(level, VOLTAGE_STEPS), out=voltage)
        cut = np.ones(offsets[-1], dtype=np.bool_)
        cell = self._layout.cell_of_spot[slots.spot]
        for weld in np.flatnonzero(faults.code == CODE["sample_gap"]):
            n = int(offsets[weld + 1] - offsets[weld])
            lost = max(3, round(n * EXTENT["sample_gap"].at_one * float(faults.severity[weld])))
            if self._layout.json[cell[weld]]:  # JSON knows no NaN: the rest of the record is missing instead
                cut[offsets[weld] + 4 : offsets[weld + 1]] = False
                continue
            first = int(uniform(self._seed, "gap place", slots.body[weld], slots.spot[weld])[()] * (n - lost))
            hole = slice(offsets[weld] + first, offsets[weld] + first + lost)
            recording.current_ka[hole] = np.nan
            recording.voltage_v[hole] = np.nan
        if cut.all():
            return recording
        kept = np.zeros_like(offsets)
        np.cumsum(np.add.reduceat(cut, offsets[:-1], dtype=np.int64), out=kept[1:])
        return Recording(
            kept,
            recording.current_ka[cut],
            recording.voltage_v[cut],
            recording.force_kn[cut],
            recording.displacement_mm[cut],
        )


def _quantise(values: Array, steps: int) -> Array:
    """Round to whole steps; dividing the whole number gives the float32 nearest to the decimal, as JSON would."""
    result: Array = np.rint(values * np.float32(steps)) / np.float32(steps)
    return result
