"""What lies behind a verdict, as the API reads it: curves, references and rejected payloads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge.collector_status import CollectorStatus
from models.welds.wear_state import GunWear


@dataclass(frozen=True, slots=True)
class Curve:
    """The curves of one weld, each of the same length, evenly spaced by `dt_us`."""

    dt_us: int
    current_ka: NDArray[np.float32]
    """NaN throughout when the source has no such channel."""
    voltage_v: NDArray[np.float32]
    force_kn: NDArray[np.float32] | None
    displacement_mm: NDArray[np.float32] | None


@dataclass(frozen=True, slots=True)
class StreamReference:
    """What is normal for one (spot, program)."""

    program: str
    n: int
    """Welds learnt from."""
    version: int
    since_ns: int
    """When the version began."""
    why: str
    """The kind of event that began it, empty for the first."""
    learning: bool
    pinned: bool
    """Learns no more, by order of an engineer."""
    excluded: bool
    """The spot's welds are not judged, by order of an engineer."""
    centre: NDArray[np.float64]
    """(F,) per feature of `models.welds.features.FEATURES`, NaN while unknown."""
    sigma: NDArray[np.float64]
    """(F,) likewise."""
    band_ms: NDArray[np.float64]
    """(G,) time from the first to the last sample with current, ms."""
    band_centre_uohm: NDArray[np.float64]
    """(G,) resistance, NaN where no current flows."""
    band_sigma_uohm: NDArray[np.float64]
    """(G,) likewise."""


class Evidence(Protocol):
    """Methods are safe to call from any thread."""

    def curve(self, ordinal: int) -> Curve | None:
        """Return the curves of the weld with that ordinal, or None when they were not kept."""

    def kept(self, ordinals: list[int]) -> set[int]:
        """Return those of `ordinals` whose curves are kept."""

    def references(self, spot: str) -> list[StreamReference]:
        """Return the reference of each programme seen on a spot."""

    def guns(self) -> list[GunWear]:
        """Return the electrodes of every gun seen, by name."""

    def reject_payload(self, seq: int) -> bytes | None:
        """Return the bytes of a rejected message, or None when they are no longer kept."""

    def collector(self) -> CollectorStatus | None:
        """Return how the collector last said that it is, None when it never did."""
