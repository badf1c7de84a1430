"""Event messages: `lineside/v1/<site>/<area>/<line>/<cell>/event`: what was done at a machine, or said about it.

What an engineer orders (pin a reference, exclude a spot, use a model) and what an inspection found come as events as
well: so they are in the journal, take effect at one place in the order of the welds, and are on record.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from edge.sources.clock import TIME_EXPECTED
from edge.sources.decoded import PlacedEvent
from edge.sources.envelope import DECODE_ERRORS
from edge.sources.explain import explain
from edge.sources.fields import MaybeName, Name, Time, about, as_text, check_text, expectations, maybe_named, named
from edge.sources.packed import PackedDecoder
from edge.sources.reading import Reading, Sink
from edge.sources.rejects import RefusedError
from edge.topics import Place

Kind = Literal[
    "cap_change",
    "tip_dress",
    "program_change",
    "maintenance",
    "sheet_change",
    "reference_reset",
    "reference_pin",
    "reference_unpin",
    "spot_exclude",
    "spot_include",
    "inspection",
    "model_activate",
    "model_shadow",
    "model_retire",
]
KINDS: tuple[str, ...] = get_args(Kind)
MAX_NOTE = 1000
MAX_NUGGET_MM = 50
NUGGET_EXPECTED = f"a number above 0 and at most {MAX_NUGGET_MM}"

NEEDS: Mapping[str, tuple[str, ...]] = {
    "cap_change": ("gun",),
    "tip_dress": ("gun",),
    "program_change": ("program",),
    "sheet_change": ("batch",),
    "reference_reset": ("spot",),
    "reference_pin": ("spot",),
    "reference_unpin": ("spot",),
    "spot_exclude": ("spot",),
    "spot_include": ("spot",),
    "inspection": ("weld", "result"),
    "model_activate": ("model",),
    "model_shadow": ("model",),
    "model_retire": ("model",),
}
"""The fields without which an event of that kind says nothing."""


class EventMessage(Struct, frozen=True, gc=False):
    """Something done at a machine, or said about it, that may change what is normal there or how it is judged."""

    id: Annotated[Name, named("Identity of the event, unique within the cell.")]
    kind: Annotated[Kind, about("What was done.", f"one of {', '.join(KINDS)}")]
    time: Annotated[Time, about("When it was done, by the source's clock.", TIME_EXPECTED)]
    gun: Annotated[MaybeName | None, maybe_named("The gun; a cap_change and a tip_dress need it.")] = None
    spot: Annotated[
        MaybeName | None,
        maybe_named(
            "The weld spot; what is ordered for a reference or a spot needs it, a program_change without it concerns "
            "all spots."
        ),
    ] = None
    program: Annotated[
        MaybeName | None,
        maybe_named("The weld schedule; a program_change needs it, an order without it concerns all of the spot."),
    ] = None
    batch: Annotated[MaybeName | None, maybe_named("The batch (coil) of sheet; a sheet_change needs it.")] = None
    weld: Annotated[MaybeName | None, maybe_named("Identity of the weld that was inspected.")] = None
    result: Annotated[MaybeName | None, maybe_named("What the inspection found.")] = None
    method: Annotated[
        MaybeName | None, maybe_named("How it was inspected, as chisel, peel, section or ultrasonic.")
    ] = None
    nugget_mm: Annotated[
        Annotated[float, Meta(gt=0, le=MAX_NUGGET_MM)] | None,
        about("Diameter of the nugget that was found.", NUGGET_EXPECTED, unit="mm"),
    ] = None
    model: Annotated[MaybeName | None, maybe_named("Identity of the model that is put to use or away.")] = None
    by: Annotated[MaybeName | None, maybe_named("Who did or ordered it.")] = None
    note: Annotated[
        Annotated[str, Meta(max_length=MAX_NOTE)] | None,
        about("Anything worth knowing.", f"text of at most {MAX_NOTE} characters"),
    ] = None


_PLACED = ("gun", "spot", "program", "by")
_DETAILS = ("batch", "weld", "result", "method", "model")
WHOLE = "an object with the keys of an event message"
_EXPECTED = expectations(EventMessage)
_JSON = msgspec.json.Decoder(EventMessage)
_MSGPACK = PackedDecoder(EventMessage)


def read(reading: Reading, sink: Sink) -> None:
    """Read the events of a message; an item that cannot be taken becomes a reject."""
    place = reading.route.place
    if place is None:
        raise AssertionError("edge.topics gives every event topic a place")
    frame = reading.frame
    decode = _JSON.decode if frame.json else _MSGPACK.decode
    for item, raw in enumerate(frame.items):
        try:
            sink.events.append(_place(decode(raw), item, reading, place))
        except DECODE_ERRORS as error:
            sink.reject(reading, explain(error, frame, item, _EXPECTED, WHOLE))
        except RefusedError as refused:
            sink.reject(reading, refused.of(item))
        else:
            sink.origins[reading.seq] = reading.origin


def _place(event: EventMessage, item: int, reading: Reading, place: Place) -> PlacedEvent:
    said = {field: getattr(event, field) for field in (*_PLACED, *_DETAILS)}
    names = {field: "" if name is None else as_text(name) for field, name in said.items()}
    for field, name in (("id", as_text(event.id)), *names.items()):
        check_text(name, f"$.{field}")
    for needed in NEEDS.get(event.kind, ()):
        if not names[needed]:
            raise RefusedError(f"$.{needed}", "absent or empty", f"the {needed} that the {event.kind} concerns")
    details: dict[str, str | float] = {field: names[field] for field in _DETAILS if names[field]}
    if event.nugget_mm is not None:
        if math.isnan(event.nugget_mm):  # no comparison of msgspec's holds or fails for it
            raise RefusedError("$.nugget_mm", "NaN", NUGGET_EXPECTED)
        details["nugget_mm"] = event.nugget_mm
    return PlacedEvent(
        seq=reading.seq,
        item=item,
        received_ns=reading.origin.received_ns,
        place=place,
        source=reading.origin.source,
        id=as_text(event.id),
        kind=event.kind,
        time_ns=reading.bounds.read(event.time, "$.time"),
        gun=names["gun"],
        spot=names["spot"],
        program=names["program"],
        by=names["by"],
        note=event.note or "",
        details=details,
    )
