"""What the journal itself has to say, at its place among the messages: that it was damaged, or had no room for one.

Such records stand under a topic that no broker can deliver, for nobody subscribes to it.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

SHOWN_GAPS = 5


class Damage(msgspec.Struct, frozen=True, tag="damage"):
    """The journal was damaged; what is whole was kept."""

    reason: str
    gaps: list[tuple[int, int]]
    """Numbers of messages that are lost, from the first to the last of each stretch, in order."""
    received: dict[str, int]
    """Items received by each source in all messages before this record, as far as the journal still knows."""

    @property
    def lost(self) -> int:
        """How many messages are lost."""
        return sum(last - first + 1 for first, last in self.gaps)

    @property
    def numbers(self) -> str:
        """Which ones, for people; the first stretches of many."""
        shown = [str(first) if first == last else f"{first} to {last}" for first, last in self.gaps[:SHOWN_GAPS]]
        more = len(self.gaps) - len(shown)
        return ", ".join(shown) + (f" and {more} more stretches" if more else "")


class TooLarge(msgspec.Struct, frozen=True, tag="too_large"):
    """A message that the journal cannot hold, whatever is trimmed; this record stands for it."""

    topic: str
    bytes: int
    room: int
    """The largest payload that it can hold, bytes."""


@dataclass(frozen=True, slots=True)
class PlacedDamage:
    """A damage, and where in the journal it is recorded."""

    seq: int
    received_ns: int
    damage: Damage


_DECODER: msgspec.json.Decoder[Damage | TooLarge] = msgspec.json.Decoder(Damage | TooLarge)


def encode_record(record: Damage | TooLarge) -> bytes:
    """Return the payload of a record."""
    return msgspec.json.encode(record)


def decode_record(payload: bytes) -> Damage | TooLarge:
    """Return what a payload under `edge.topics.JOURNAL` says. Raises `msgspec.MsgspecError` when it is none of ours."""
    return _DECODER.decode(payload)
