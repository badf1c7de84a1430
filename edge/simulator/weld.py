"""Welding many spots at once: what each meets, and the traces of what it does, before any sensor sees it.

Arrays are (n,) float32, one element per weld, and every operation is elementwise: a weld's curve does not depend on
its neighbours in the batch.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from edge.simulator.joint import POST_MS, PRE_MS, Array, Fixed, Setup, State, advance, head

STEP_MS = 1.0
"""Longest integration step."""
NARROW_EVERY = 8
"""Samples after which finished welds are left out of the arithmetic."""


@dataclass(frozen=True, slots=True)
class Traces:
    """What `n` welds did. Curves are (T, n) float32, one column per weld in the order that `column` says."""

    column: NDArray[np.int64]
    """(n,) the column of each weld."""
    samples: NDArray[np.int64]
    """(n,) samples of each weld; rows beyond are not part of it."""
    current_ka: Array
    voltage_v: Array
    force_share: Array
    """Electrode force in units of the applied force."""
    displacement_mm: Array
    """Electrodes apart is positive."""
    nugget_mm: Array
    """(n,) largest nugget diameter at the worst interface, less what was expelled."""
    expelled_ms: Array
    """(n,) time of the first expulsion from the start of the record; NaN without."""


def duration_ms(setup: Setup) -> NDArray[np.int64]:
    """Return the length of each weld's record, ms."""
    on_ms: NDArray[np.int64] = np.rint(setup.preheat_ms + setup.gap_ms + setup.main_ms).astype(np.int64)
    return on_ms + (PRE_MS + POST_MS)


def simulate(setup: Setup, sample_us: int) -> Traces:
    """Weld `n` joints and sample them every `sample_us`."""
    samples = duration_ms(setup) * 1000 // sample_us
    order = np.argsort(-samples, kind="stable")  # longest first: those still going are a prefix
    lengths = samples[order]
    setup = Setup(*(getattr(setup, field.name)[order] for field in fields(setup)))
    substeps = max(1, int(np.ceil(sample_us / 1000.0 / STEP_MS)))
    step_ms = np.float32(sample_us / 1000.0 / substeps)
    fixed, state = Fixed.of(setup, step_ms), State.of(setup)
    end, all_faces = state, setup.faces
    rows = int(lengths[0]) if len(lengths) else 0
    current, voltage, force, displacement = (np.zeros((rows, len(order)), dtype=np.float32) for _ in range(4))
    live = np.searchsorted(-lengths, -np.arange(rows), side="left")
    n = len(order)
    for row in range(rows):
        if row % NARROW_EVERY == 0 and live[row] < n:
            n = int(live[row])
            setup, fixed, state = head(setup, n), head(fixed, n), head(state, n)
        current[row, :n], voltage[row, :n] = state.current, state.voltage
        force[row, :n], displacement[row, :n] = state.force_share, state.displacement
        for step in range(row * substeps, (row + 1) * substeps):
            advance(state, setup, fixed, np.float32(step) * step_ms, step_ms)
    column = np.empty_like(order)
    column[order] = np.arange(len(order))
    nugget = np.sqrt(end.nugget_sq) * (1 - np.float32(0.5) * end.lost)
    nugget[all_faces == 0] = 0  # one sheet alone is melted, not joined
    return Traces(column, samples, current, voltage, force, displacement, nugget[column], end.expelled_ms[column])
