"""Evidence read where it lies: beside a running pipeline from its memory, elsewhere from the files it writes."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np

from edge.collector_status import CollectorStatus, read_status, status_path
from models.welds.features import BAND_POINTS
from models.welds.judge import WeldJudge
from models.welds.reference import REASONS
from models.welds.wear import WearTracker
from models.welds.wear_state import GunWear
from services.curves import CurveReader
from services.deadletter import read_dead_letter
from services.evidence import Curve, StreamReference
from services.layout import DataLayout
from services.state import load_for_reading


class FolderEvidence:
    """Evidence in a data folder. References and electrodes come from live models under `lock`, or their snapshot."""

    def __init__(
        self,
        data: Path,
        curves: CurveReader | None = None,
        models: tuple[WeldJudge, WearTracker] | None = None,
        lock: threading.Lock | None = None,
    ) -> None:
        self._layout = DataLayout(data)
        self._curves = curves or CurveReader(self._layout.curves)
        self._live = models
        self._lock = lock or threading.Lock()
        self._saved: tuple[int, tuple[WeldJudge, WearTracker]] | None = None

    def curve(self, ordinal: int) -> Curve | None:
        """Return the curves of the weld with that ordinal, or None when they were not kept."""
        return self._curves.curve(ordinal)

    def kept(self, ordinals: list[int]) -> set[int]:
        """Return those of `ordinals` whose curves are kept."""
        return self._curves.kept(ordinals)

    def references(self, spot: str) -> list[StreamReference]:
        """Return the reference of each programme seen on a spot."""
        with self._lock:
            models = self._live or self._load()
            return stream_references(models[0], spot) if models else []

    def guns(self) -> list[GunWear]:
        """Return the electrodes of every gun seen, by name."""
        with self._lock:
            models = self._live or self._load()
            return models[1].guns() if models else []

    def reject_payload(self, seq: int) -> bytes | None:
        """Return the bytes of a rejected message, or None when they are no longer kept."""
        return read_dead_letter(self._layout.rejects, seq)

    def collector(self) -> CollectorStatus | None:
        """Return how the collector last said that it is, None when it never did."""
        return read_status(status_path(self._layout.journal))

    def _load(self) -> tuple[WeldJudge, WearTracker] | None:
        try:
            written = self._layout.state.stat().st_mtime_ns
        except FileNotFoundError:
            return None
        if self._saved is None or self._saved[0] != written:
            self._saved = (written, load_for_reading(self._layout.state))
        return self._saved[1]


def stream_references(judge: WeldJudge, spot: str) -> list[StreamReference]:
    """Return what is normal for each programme of a spot."""
    found = []
    for program, row in judge.rows_of_spot(spot):
        reference, bands, rows = judge.references, judge.bands, np.array([row])
        found.append(
            StreamReference(
                program=program,
                n=int(reference.n[row]),
                version=int(reference.version[row]),
                since_ns=int(reference.since_ns[row]),
                why=REASONS[reference.reason[row]],
                learning=bool(reference.learning(rows)[0]),
                pinned=bool(reference.pinned[row]),
                excluded=judge.excluded_since_ns(spot) is not None,
                centre=reference.centre[row].copy(),
                sigma=reference.sigma(rows)[0],
                band_ms=np.linspace(0.0, float(bands.span_ms[row]), BAND_POINTS),
                band_centre_uohm=np.where(bands.n[row] > 0, bands.centre[row].astype(np.float64), np.nan),
                band_sigma_uohm=bands.sigma(rows)[0].astype(np.float64),
            )
        )
    return found
