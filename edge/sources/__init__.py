r"""Wire formats: one module per format, each turning the bytes of one message into typed items or into rejects.

    (topic, payload) --envelope--> items --weld | event | vda5050--> Decoded
                                     \--> Reject (which item, which field, what came, what was expected)

Decoders never raise on bad input and never touch a neighbour: a reject concerns one item. `FORMATS` is the one place
where formats are registered; the key is `edge.topics.Route.format`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edge.sources import event, vda5050, weld
from edge.sources.clock import ClockBounds
from edge.sources.decoded import Decoded, Origin, PlacedAgv, PlacedEvent, PlacedReject
from edge.sources.envelope import Frame, split
from edge.sources.message import Limits, Message
from edge.sources.reading import Format, Reading, Sink
from edge.sources.rejects import RefusedError, show
from edge.topics import SUBSCRIPTIONS, UNROUTED, TopicError, route

__all__ = ["FORMATS", "Decoded", "Limits", "Message", "PlacedAgv", "PlacedEvent", "PlacedReject", "decode"]

FORMATS: Mapping[str, Format] = {"weld": weld.read, "event": event.read, "vda5050": vda5050.read}


def decode(messages: Sequence[Message], limits: Limits) -> Decoded:
    """Decode messages, in the order of the journal, into typed items and rejects.

    Deterministic: the result for a message depends on that message and `limits` alone, neither on the clock nor on
    which messages are decoded together. Never raises on what a message holds.
    """
    sink = Sink()
    for message in messages:
        _read(message, limits, sink)
    return sink.decoded()


def _read(message: Message, limits: Limits, sink: Sink) -> None:
    size = len(message.payload)
    try:
        way = route(message.topic)
    except TopicError as error:
        origin = Origin(message.received_ns, UNROUTED, message.topic, size)
        _reject_all(message, origin, _misrouted(message.topic, error), sink)
        return
    origin = Origin(message.received_ns, way.source, message.topic, size)
    try:
        frame = _frame(message, limits)
    except RefusedError as refused:
        _reject_all(message, origin, refused, sink)
        return
    bounds = ClockBounds.of(message.received_ns, limits)
    FORMATS[way.format](Reading(message.seq, way, origin, frame, limits, bounds), sink)


def _frame(message: Message, limits: Limits) -> Frame:
    """Split the payload into as many items as the message counts for. Raises `RefusedError`."""
    size = len(message.payload)
    if size > limits.max_payload_bytes:
        raise RefusedError("$", f"a payload of {size} bytes", f"at most {limits.max_payload_bytes} bytes")
    frame = split(message.payload)
    if len(frame.items) != message.items:  # counted by another version, or at the very limit of nesting
        raise RefusedError("$", f"{len(frame.items)} items", f"{message.items}, as counted when it came")
    return frame


def _misrouted(topic: str, error: TopicError) -> RefusedError:
    shape = str(error).partition("; expected ")[2]
    expected = shape.partition(": ")[2] or shape or f"one that {' or '.join(SUBSCRIPTIONS)} matches"
    return RefusedError("topic", show(topic), expected)


def _reject_all(message: Message, origin: Origin, refused: RefusedError, sink: Sink) -> None:
    """Reject each item by which the message counts, so that the account adds up."""
    sink.rejects.extend(origin.reject(message.seq, refused.of(item)) for item in range(max(1, message.items)))
