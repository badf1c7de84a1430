"""A batch of welds as a struct of arrays: the one form in which curves travel through Lineside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ABSENT_WEAR = -1
"""`wear_count` of a weld whose controller does not count electrode wear."""


@dataclass(frozen=True, slots=True)
class WeldBatch:
    """`n` welds whose curves lie end to end in flat arrays of `m` samples.

    Weld `i` owns the samples `offsets[i]:offsets[i + 1]` of every curve. A weld without force or displacement holds
    NaN there. Samples are evenly spaced by `dt_us`.
    """

    id: list[str]
    """Identity given by the controller, unique per weld."""
    spot: list[str]
    gun: list[str]
    body: list[str]
    program: list[str]
    """The weld schedule; a stream is a (spot, program) pair."""
    time_ns: NDArray[np.int64]
    """(n,) start of the weld by the source's clock, ns since 1970 UTC."""
    dt_us: NDArray[np.int64]
    """(n,) sample interval, µs, > 0."""
    wear_count: NDArray[np.int64]
    """(n,) welds since the last cap change or dress, or `ABSENT_WEAR`."""
    historical: NDArray[np.bool_]
    """(n,) the source says the weld is not live: it corrects figures and raises no alarm."""
    offsets: NDArray[np.int64]
    """(n + 1,) first sample of each weld, and m at the end."""
    current_ka: NDArray[np.float32]
    """(m,) welding current, kA."""
    voltage_v: NDArray[np.float32]
    """(m,) voltage between the electrode tips, V."""
    force_kn: NDArray[np.float32]
    """(m,) electrode force, kN, or NaN."""
    displacement_mm: NDArray[np.float32]
    """(m,) electrode displacement, mm, or NaN."""

    def __len__(self) -> int:
        return len(self.id)

    def take(self, start: int, stop: int) -> WeldBatch:
        """Return welds `start:stop` as a batch of their own (curves are views, not copies)."""
        low, high = self.offsets[start], self.offsets[stop]
        return WeldBatch(
            id=self.id[start:stop],
            spot=self.spot[start:stop],
            gun=self.gun[start:stop],
            body=self.body[start:stop],
            program=self.program[start:stop],
            time_ns=self.time_ns[start:stop],
            dt_us=self.dt_us[start:stop],
            wear_count=self.wear_count[start:stop],
            historical=self.historical[start:stop],
            offsets=self.offsets[start : stop + 1] - low,
            current_ka=self.current_ka[low:high],
            voltage_v=self.voltage_v[low:high],
            force_kn=self.force_kn[low:high],
            displacement_mm=self.displacement_mm[low:high],
        )

    @property
    def samples(self) -> NDArray[np.int64]:
        """(n,) number of samples of each weld."""
        return np.diff(self.offsets)
