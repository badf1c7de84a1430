"""One spot: where it is, what is normal for it, how it has been."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query

from models.welds.features import FEATURES
from services.api.context import Context, Ctx
from services.api.documenting import problems_of
from services.api.problems import not_found
from services.api.query import SpotQuery
from services.api.schemas import BandOut, FeatureReference, SpotOut, SpotStream
from services.api.wire import rate_out, shorts, weld_detail
from services.evidence import StreamReference
from services.store.protocol import Filters
from services.times import utc

router = APIRouter(prefix="/api/v1", tags=["spots"])


@router.get("/spots/{spot:path}", summary="One spot", responses=problems_of(400, 404, 503))
def read_spot(spot: str, query: Annotated[SpotQuery, Query()], ctx: Ctx) -> SpotOut:
    """Give position and stack, the reference of each programme, the rate and the last welds (newest first)."""
    since_ns, until_ns = query.range_ns(ctx.clock())
    filters = Filters(spot=spot, program=query.program, since_ns=since_ns, until_ns=until_ns)
    place = place_of_spot(ctx, spot)
    rows = ctx.store.welds(filters, query.limit).to_pylist()
    kept = ctx.evidence.kept([row["ordinal"] for row in rows])
    counts = ctx.store.tally(filters).to_pylist()[0]
    references = ctx.evidence.references(spot)
    return SpotOut(
        **place,
        streams=[_stream(stream) for stream in references if query.program in {"", stream.program}],
        rate=rate_out(counts["ok"], counts["defect"], counts["unjudged"]),
        welds=[weld_detail(row, curve_kept=row["ordinal"] in kept) for row in rows],
    )


def place_of_spot(ctx: Context, name: str) -> Mapping[str, Any]:
    """Return where a spot is: by the plant model, or by its latest weld when it is new. Raises `ProblemError` (404)."""
    spot = ctx.plant.spots.get(name)
    if spot is not None:
        place = ctx.plant.place_of_cell[spot.cell]
        return {
            "spot": name,
            "known": True,
            "site": place.site,
            "area": place.area,
            "line": place.line,
            "cell": place.cell,
            "gun": spot.gun,
            "stack": spot.stack,
            "x_mm": spot.x_mm,
            "y_mm": spot.y_mm,
            "z_mm": spot.z_mm,
        }
    states = ctx.store.spots(Filters(spot=name)).to_pylist()
    if not states:
        raise not_found("spot", name)
    newest = max(states, key=lambda state: int(state["time_ns"]))
    seen = {key: newest[key] for key in ("spot", "site", "area", "line", "cell", "gun")}
    return {**seen, "known": False, "stack": "", "x_mm": None, "y_mm": None, "z_mm": None}


def _stream(reference: StreamReference) -> SpotStream:
    centre, sigma = shorts(reference.centre), shorts(reference.sigma)
    band = None
    if np.isfinite(reference.band_centre_uohm).any() and np.isfinite(reference.band_ms).all():
        band = BandOut(
            time_ms=reference.band_ms.tolist(),
            centre_uohm=shorts(reference.band_centre_uohm),
            sigma_uohm=shorts(reference.band_sigma_uohm),
        )
    return SpotStream(
        program=reference.program,
        n=reference.n,
        version=reference.version,
        since=utc(reference.since_ns),
        why=reference.why,
        learning=reference.learning,
        pinned=reference.pinned,
        excluded=reference.excluded,
        features=[FeatureReference(name=name, centre=centre[k], sigma=sigma[k]) for k, name in enumerate(FEATURES)],
        band=band,
    )
