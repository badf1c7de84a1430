"""The plant and its spots with their latest state."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends
from msgspec import structs
from starlette.responses import Response

from edge.plant import Plant, Spot
from services.api.context import Context, Ctx
from services.api.documenting import problems_of
from services.api.query import no_parameters
from services.api.schemas import CellOut, FloorOut, LineOut, PlantOut, PlantSpot
from services.api.tables import JSON
from services.api.wire import shift_out, short
from services.store.protocol import Filters
from services.times import utc

router = APIRouter(prefix="/api/v1", tags=["plant"])


@router.get(
    "/plant",
    summary="The plant and the latest state of each spot",
    dependencies=[Depends(no_parameters)],
    response_model=PlantOut,
    responses=problems_of(400, 503),
)
async def read_plant(ctx: Ctx) -> Response:
    """Give lines and cells, every spot with its position and latest verdict, and the shift now running.

    What is not in the plant model but has been seen on the wire is listed too, with `known` false.
    """
    # Each page asks it first, and after a restart all pages ask at once: for thousands of spots the dearest answer.
    answer = await ctx.plant_json.get(lambda: _plant(ctx).model_dump_json())
    return Response(answer, media_type=JSON)


def _plant(ctx: Context) -> PlantOut:
    plant = ctx.plant
    latest = _latest(ctx.store.spots(Filters()).to_pylist())
    known = [_known_spot(plant, spot, latest.get(spot.spot)) for spot in plant.spots.values()]
    new = [_new_spot(row) for name, row in latest.items() if name not in plant.spots]
    shift = ctx.running_shift()
    return PlantOut(
        site=plant.site,
        area=plant.area,
        name=plant.name,
        timezone=plant.timezone,
        lines=_lines(plant, new),
        spots=known + new,
        shift=shift_out([shift] if shift else []),
    )


def _latest(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the newest state of every spot over its programmes."""
    latest: dict[str, dict[str, Any]] = {}
    for row in rows:
        have = latest.get(row["spot"])
        if have is None or row["time_ns"] >= have["time_ns"]:
            latest[row["spot"]] = row
    return latest


def _known_spot(plant: Plant, spot: Spot, row: dict[str, Any] | None) -> PlantSpot:
    return PlantSpot(
        spot=spot.spot,
        program=row["program"] if row else spot.program,
        line=plant.place_of_cell[spot.cell].line,
        cell=spot.cell,
        gun=spot.gun,
        x_mm=spot.x_mm,
        y_mm=spot.y_mm,
        z_mm=spot.z_mm,
        known=True,
        **_state(row),
    )


def _new_spot(row: dict[str, Any]) -> PlantSpot:
    place = {name: row[name] for name in ("spot", "program", "line", "cell", "gun")}
    return PlantSpot(**place, x_mm=None, y_mm=None, z_mm=None, known=False, **_state(row))


def _state(row: dict[str, Any] | None) -> dict[str, Any]:
    if row is None:
        return {"verdict": "", "cause": "", "score": None, "time": None}
    return {
        "verdict": row["verdict"],
        "cause": row["cause"],
        "score": short(row["score"]),
        "time": utc(row["time_ns"]),
    }


def _lines(plant: Plant, new: list[PlantSpot]) -> list[LineOut]:
    """Return the lines of the model, then those that new spots have shown."""
    lines = [
        LineOut(
            id=line.id,
            name=line.name,
            cells=[
                CellOut(
                    id=cell.id,
                    guns=list(cell.guns),
                    floor=FloorOut.model_validate(structs.asdict(cell.floor)) if cell.floor else None,
                )
                for cell in line.cells
            ],
        )
        for line in plant.lines
    ]
    seen: dict[str, dict[str, set[str]]] = {}
    for spot in new:
        if spot.cell not in plant.place_of_cell:
            seen.setdefault(spot.line, {}).setdefault(spot.cell, set()).add(spot.gun)
    for name in sorted(seen):
        cells = [CellOut(id=cell, guns=sorted(guns), floor=None) for cell, guns in sorted(seen[name].items())]
        at = next((k for k, line in enumerate(lines) if line.id == name), None)
        if at is None:
            lines.append(LineOut(id=name, name="", cells=cells))
        else:
            lines[at] = lines[at].model_copy(update={"cells": [*lines[at].cells, *cells]})
    return lines
