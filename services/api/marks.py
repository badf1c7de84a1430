"""The evidence on one curve (`models.welds.evidence`) beside its stream's reference, as the shapes on the wire."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.welds.batch import ABSENT_WEAR, WeldBatch
from models.welds.evidence import CurveEvidence, Departure, Mark, departures, grid_ms, read_evidence
from models.welds.features import AT
from services.api.schemas_evidence import DepartureOut, EvidenceOut, MarkOut, PhaseOut, StepOut, TraceBand, TraceOut
from services.api.wire import Row, short, shorts
from services.evidence import Curve, StreamReference

VOLTS_PER_MV = 1e-3
"""A band of a weld without a current channel is in mV, its trace in V."""
T_BETA = AT["t_beta_ms"]


def evidence_out(row: Row, curve: Curve, reference: StreamReference | None) -> EvidenceOut:
    """Return what is to be drawn over the curve of a row of `schema.WELD`; `reference` is its stream's, now."""
    found = read_evidence(_batch(row, curve), row["loop_uh"] or 0.0)
    known = reference if reference is not None and not reference.learning else None
    band = None
    stretches: list[Departure] = []
    farthest = None
    if known is not None and found.origin_ms is not None and np.isfinite(known.band_centre_uohm).any():
        unit = VOLTS_PER_MV if found.quantity == "voltage_v" else 1.0
        stretches, farthest = departures(found, known.band_centre_uohm, known.band_sigma_uohm)
        band = TraceBand(
            time_ms=_milliseconds(grid_ms(found)),
            centre=shorts(known.band_centre_uohm * unit),
            sigma=shorts(known.band_sigma_uohm * unit),
        )
    return EvidenceOut(
        origin_ms=found.origin_ms,
        phases=[PhaseOut.model_validate(asdict(phase)) for phase in found.phases],
        marks=[_mark(mark, row, found, known) for mark in found.marks],
        trace=TraceOut(quantity=found.quantity, time_ms=_milliseconds(found.time_ms), value=shorts(found.trace)),
        band=band,
        reference_version=known.version if known else None,
        departures=[_departure(stretch) for stretch in stretches],
        farthest=_departure(farthest) if farthest else None,
    )


def _batch(row: Row, curve: Curve) -> WeldBatch:
    """Return the curve as the judge had it."""
    n = len(curve.current_ka)
    absent = np.full(n, np.nan, dtype=np.float32)
    return WeldBatch(
        id=[row["weld_id"]],
        spot=[row["spot"]],
        gun=[row["gun"]],
        body=[row["body"]],
        program=[row["program"]],
        time_ns=np.array([row["time_ns"]], dtype=np.int64),
        dt_us=np.array([curve.dt_us], dtype=np.int64),
        wear_count=np.array([ABSENT_WEAR], dtype=np.int64),
        historical=np.zeros(1, dtype=np.bool_),
        offsets=np.array([0, n], dtype=np.int64),
        current_ka=curve.current_ka,
        voltage_v=curve.voltage_v,
        force_kn=absent if curve.force_kn is None else curve.force_kn,
        displacement_mm=absent if curve.displacement_mm is None else curve.displacement_mm,
    )


def _mark(mark: Mark, row: Row, found: CurveEvidence, reference: StreamReference | None) -> MarkOut:
    where: dict[str, Any] = {"expected": None, "sigma": None, "expected_ms": None, "sigma_ms": None}
    if reference is not None:
        where["expected"] = short(reference.centre[AT[mark.feature]])
        where["sigma"] = short(reference.sigma[AT[mark.feature]])
        if mark.kind == "beta" and found.origin_ms is not None and np.isfinite(reference.centre[T_BETA]):
            where["expected_ms"] = short(found.origin_ms + reference.centre[T_BETA])
            where["sigma_ms"] = short(reference.sigma[T_BETA])
    return MarkOut(
        kind=mark.kind,
        feature=mark.feature,
        ms=mark.ms,
        value=float(str(np.float32(mark.value))),
        z=short(row[f"z_{mark.feature}"]),
        step=StepOut.model_validate(asdict(mark.step)) if mark.step else None,
        **where,
    )


def _departure(stretch: Departure) -> DepartureOut:
    return DepartureOut.model_validate({name: round(value, 3) for name, value in asdict(stretch).items()})


def _milliseconds(time_ms: NDArray[np.float64]) -> list[float]:
    rounded: list[float] = np.round(time_ms, 3).tolist()
    return rounded
