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
from edge.sources.envelope import DECODE_ERRORS, Frame, show_bytes, split
from edge.sources.journal_record import Damage, PlacedDamage, decode_record
from edge.sources.message import Limits, Message
from edge.sources.reading import Format, Reading, Sink
from edge.sources.rejects import RefusedError, shorten, show
from edge.topics import CROWDED, JOURNAL, MAX_LEVEL, SUBSCRIPTIONS, UNROUTED, TopicError, route, source_of

__all__ = [
    "FORMATS",
    "Decoded",
    "Limits",
    "Message",
    "PlacedAgv",
    "PlacedDamage",
    "PlacedEvent",
    "PlacedReject",
    "decode",
]

MAX_TOPIC = 8 * MAX_LEVEL
"""Characters of a topic that are kept with a reject; MQTT's may have 64 KiB, and each item of a list gets a reject."""
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
    if message.topic == JOURNAL:
        _read_record(message, sink)
        return
    if message.crowded:
        origin = Origin(message.received_ns, CROWDED, shorten(message.topic, MAX_TOPIC), size)
        expected = f"one of the sources that are known; there may be {limits.max_sources} (limits.sources)"
        _reject_all(message, origin, RefusedError("topic", show(message.topic), expected), sink)
        return
    try:
        way = route(message.topic)
    except TopicError as error:
        origin = Origin(message.received_ns, UNROUTED, shorten(message.topic, MAX_TOPIC), size)
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


def _read_record(message: Message, sink: Sink) -> None:
    try:
        record = decode_record(message.payload)
    except DECODE_ERRORS:
        origin = Origin(message.received_ns, JOURNAL, JOURNAL, len(message.payload))
        came = show_bytes(message.payload)
        _reject_all(message, origin, RefusedError("$", came, "a record that the journal itself has written"), sink)
        return
    if isinstance(record, Damage):
        sink.damages.append(PlacedDamage(message.seq, message.received_ns, record))
        return
    source = CROWDED if message.crowded else source_of(record.topic)
    origin = Origin(message.received_ns, source, shorten(record.topic, MAX_TOPIC), record.bytes)
    expected = f"at most {record.room} bytes, for which the journal has room (journal.max_bytes)"
    _reject_all(message, origin, RefusedError("$", f"a payload of {record.bytes} bytes", expected), sink)


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
