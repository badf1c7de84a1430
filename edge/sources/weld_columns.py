"""Welds as they are collected: a row each and the curves' bytes, made into a batch at the end."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.sources.rejects import RefusedError, count
from models.welds.batch import WeldBatch

SAMPLE_BYTES = 4


class WeldRow(NamedTuple):
    """One accepted weld but for its curves, in the terms of `WeldBatch`."""

    names: tuple[str, str, str, str, str]
    """id, spot, gun, body, programme."""
    time_ns: int
    dt_us: int
    wear_count: int
    historical: bool
    samples: int


class WeldCurves(NamedTuple):
    """The curves of one weld, each as many little-endian float32 bytes, or None for one that it does not have."""

    current_ka: bytes | memoryview | None
    voltage_v: bytes | memoryview
    force_kn: bytes | memoryview | None
    displacement_mm: bytes | memoryview | None


class WeldColumns:
    """Grows by one weld at a time."""

    def __init__(self) -> None:
        self._rows: list[WeldRow] = []
        self._curves: list[WeldCurves] = []

    def add(self, row: WeldRow, curves: WeldCurves) -> None:
        """Add a weld that has been checked."""
        self._rows.append(row)
        self._curves.append(curves)

    def batch(self) -> WeldBatch:
        """Return all welds added."""
        rows = self._rows
        names = [list(column) for column in zip(*(row.names for row in rows), strict=True)] or [[], [], [], [], []]
        samples = [row.samples for row in rows]
        offsets = np.zeros(len(rows) + 1, dtype=np.int64)
        np.cumsum(samples, out=offsets[1:])
        return WeldBatch(
            id=names[0],
            spot=names[1],
            gun=names[2],
            body=names[3],
            program=names[4],
            time_ns=np.array([row.time_ns for row in rows], dtype=np.int64),
            dt_us=np.array([row.dt_us for row in rows], dtype=np.int64),
            wear_count=np.array([row.wear_count for row in rows], dtype=np.int64),
            historical=np.array([row.historical for row in rows], dtype=np.bool_),
            offsets=offsets,
            current_ka=_floats([curves.current_ka for curves in self._curves], samples),
            voltage_v=_floats([curves.voltage_v for curves in self._curves], samples),
            force_kn=_floats([curves.force_kn for curves in self._curves], samples),
            displacement_mm=_floats([curves.displacement_mm for curves in self._curves], samples),
        )


def curve_bytes(curve: list[float] | memoryview, path: str, max_samples: int) -> bytes | memoryview:
    """Return a curve as little-endian float32 bytes; what overflows float32 becomes infinite.

    Raises `RefusedError` for an empty curve, one of more than `max_samples`, or bytes that are no whole number of
    samples.
    """
    if isinstance(curve, memoryview):
        if len(curve) % SAMPLE_BYTES:
            raise RefusedError(
                path, count(len(curve), "raw byte"), "little-endian float32 samples, hence a multiple of 4 bytes"
            )
        samples = len(curve) // SAMPLE_BYTES
    else:
        samples = len(curve)
    if samples == 0:
        raise RefusedError(path, "an empty curve", "at least one sample")
    if samples > max_samples:
        raise RefusedError(path, count(samples, "sample"), f"at most {max_samples} samples")
    if isinstance(curve, memoryview):
        return curve
    made = array("f", curve)  # twice as fast as numpy makes an array of a list
    if sys.byteorder == "big":
        made.byteswap()
    return made.tobytes()


def _floats(curves: Sequence[bytes | memoryview | None], samples: Sequence[int]) -> NDArray[np.float32]:
    """Lay curves end to end, NaN for those that are None."""
    lacking = {n for n, curve in zip(samples, curves, strict=True) if curve is None}
    nan = {n: np.full(n, np.nan, dtype="<f4").tobytes() for n in lacking}
    parts = [nan[n] if curve is None else curve for n, curve in zip(samples, curves, strict=True)]
    return np.frombuffer(bytearray().join(parts), dtype="<f4").astype(np.float32, copy=False)
