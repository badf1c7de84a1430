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
        return self._replace(slice(start, stop), self.offsets[start : stop + 1] - low, slice(low, high))

    def select(self, keep: NDArray[np.bool_]) -> WeldBatch:
        """Return the welds for which `keep` (n,) holds, in order, as a batch of their own."""
        lengths = self.samples[keep]
        offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
        np.cumsum(lengths, out=offsets[1:])
        return self._replace(np.flatnonzero(keep), offsets, np.repeat(keep, self.samples))

    def _replace(
        self,
        welds: slice | NDArray[np.int64],
        offsets: NDArray[np.int64],
        samples: slice | NDArray[np.bool_],
    ) -> WeldBatch:
        def text(values: list[str]) -> list[str]:
            return values[welds] if isinstance(welds, slice) else [values[k] for k in welds]

        return WeldBatch(
            id=text(self.id),
            spot=text(self.spot),
            gun=text(self.gun),
            body=text(self.body),
            program=text(self.program),
            time_ns=self.time_ns[welds],
            dt_us=self.dt_us[welds],
            wear_count=self.wear_count[welds],
            historical=self.historical[welds],
            offsets=offsets,
            current_ka=self.current_ka[samples],
            voltage_v=self.voltage_v[samples],
            force_kn=self.force_kn[samples],
            displacement_mm=self.displacement_mm[samples],
        )

    @property
    def samples(self) -> NDArray[np.int64]:
        """(n,) number of samples of each weld."""
        return np.diff(self.offsets)
