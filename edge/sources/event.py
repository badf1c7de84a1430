"""Event messages: `lineside/v1/<site>/<area>/<line>/<cell>/event`: what was done at a machine."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from edge.sources.clock import TIME_EXPECTED
from edge.sources.decoded import PlacedEvent
from edge.sources.envelope import DECODE_ERRORS
from edge.sources.explain import explain
from edge.sources.fields import MaybeName, Name, Time, about, as_text, check_text, expectations, maybe_named, named
from edge.sources.reading import Reading, Sink
from edge.sources.rejects import RefusedError
from edge.topics import Place

Kind = Literal["cap_change", "tip_dress", "program_change", "maintenance"]
KINDS: tuple[str, ...] = get_args(Kind)
MAX_NOTE = 1000

NEEDS = {"cap_change": "gun", "tip_dress": "gun", "program_change": "program"}
"""The field without which an event of that kind says nothing."""


class EventMessage(Struct, frozen=True, gc=False):
    """Something done at a machine that may change what is normal there."""

    id: Annotated[Name, named("Identity of the event, unique within the cell.")]
    kind: Annotated[Kind, about("What was done.", f"one of {', '.join(KINDS)}")]
    time: Annotated[Time, about("When it was done, by the source's clock.", TIME_EXPECTED)]
    gun: Annotated[MaybeName | None, maybe_named("The gun; a cap_change and a tip_dress need it.")] = None
    spot: Annotated[
        MaybeName | None, maybe_named("The weld spot; without it a program_change concerns all its spots.")
    ] = None
    program: Annotated[MaybeName | None, maybe_named("The weld schedule; a program_change needs it.")] = None
    note: Annotated[
        Annotated[str, Meta(max_length=MAX_NOTE)] | None,
        about("Anything worth knowing.", f"text of at most {MAX_NOTE} characters"),
    ] = None


WHOLE = "an object with the keys of an event message"
_EXPECTED = expectations(EventMessage)
_JSON = msgspec.json.Decoder(EventMessage)
_MSGPACK = msgspec.msgpack.Decoder(EventMessage)


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


def _place(event: EventMessage, item: int, reading: Reading, place: Place) -> PlacedEvent:
    optional = {"gun": event.gun, "spot": event.spot, "program": event.program}
    names = {field: "" if name is None else as_text(name) for field, name in optional.items()}
    for field, name in (("id", as_text(event.id)), *names.items()):
        check_text(name, f"$.{field}")
    needed = NEEDS.get(event.kind)
    if needed and not names[needed]:
        raise RefusedError(f"$.{needed}", "absent or empty", f"the {needed} that the {event.kind} concerns")
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
        note=event.note or "",
    )
