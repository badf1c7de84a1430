"""Welds of the simulated plant, packed once, to be sent again and again as new ones.

Making 10,000 welds a second would take the machine that is to be measured. So some bodies are made beforehand, as
messages of one cell each, and what must be new in each round (id, body, time) has a fixed width and a known place in
the bytes. Curves repeat from round to round; every id is new, and every body.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.path.load import items
from edge.simulator.layout import Layout, build_layout
from edge.simulator.settings import SimulatorSettings
from edge.topics import Place

ROUND_DIGITS = 8
"""An id is the round in so many digits, then the weld's number; a body likewise."""
TIME = 0x7E57_7E57_7E57_7E57
"""Stands for the time; an integer of eight bytes in MessagePack, as each real one is."""
US = 1000
WELDS = 24_000


class Pattern(msgspec.Struct, frozen=True):
    """One message, and where in it is to be written what is new."""

    topic: str
    payload: bytes
    rounds: list[int]
    """Where the digits of the round stand: of each id and body."""
    times: list[int]
    """Where the time of each weld stands, big-endian."""


def make_patterns(settings: SimulatorSettings, size: int, welds: int = WELDS) -> list[Pattern]:
    """Return messages of `size` welds of one cell each, in the order of time, MessagePack."""
    layout = build_layout(settings)
    topics = _topics(layout, settings)
    waiting: dict[str, list[bytes]] = {}
    found = []
    numbers: dict[str, int] = {}
    for number, item in enumerate(islice(items(packed=True), welds)):
        topic = topics[str(item["gun"])]
        body = numbers.setdefault(str(item["body"]), len(numbers))
        new = {"id": f"{0:0{ROUND_DIGITS}d}w{number:010d}", "body": f"{0:0{ROUND_DIGITS}d}b{body:06d}", "time": TIME}
        waiting.setdefault(topic, []).append(msgspec.msgpack.encode(item | new))
        if len(waiting[topic]) == size:
            found.append(_pattern(topic, waiting.pop(topic)))
    return found + [_pattern(topic, left) for topic, left in waiting.items()]


def _topics(layout: Layout, settings: SimulatorSettings) -> dict[str, str]:
    places = [
        Place(settings.site, settings.area, line, cell)
        for cell, line in zip(layout.cell, layout.cell_line, strict=True)
    ]
    return {gun: places[cell].topic("weld") for gun, cell in zip(layout.gun, layout.cell_of_gun, strict=True)}


def _pattern(topic: str, packed: list[bytes]) -> Pattern:
    head = b"" if len(packed) == 1 else b"\xdd" + len(packed).to_bytes(4, "big")
    rounds, times, at = [], [], len(head)
    zero = b"0" * ROUND_DIGITS
    mark = TIME.to_bytes(8, "big")
    for item in packed:
        places = [item.index(zero + b"w"), item.index(zero + b"b")]
        if item.count(mark) != 1:
            raise ValueError("a curve holds the bytes that stand for the time")
        rounds += [at + place for place in places]
        times.append(at + item.index(mark))
        at += len(item)
    return Pattern(topic, head + b"".join(packed), rounds, times)


@dataclass(frozen=True, slots=True)
class _Places:
    bytes_: NDArray[np.uint8]
    rounds: NDArray[np.int64]
    times: NDArray[np.int64]


class Renewed:
    """Gives the patterns as messages without end, each with new ids, bodies and times."""

    def __init__(self, patterns: list[Pattern]) -> None:
        self.topics = [pattern.topic for pattern in patterns]
        self._places = [
            _Places(
                np.frombuffer(pattern.payload, dtype=np.uint8).copy(),
                np.asarray(pattern.rounds)[:, None] + np.arange(ROUND_DIGITS),
                np.asarray(pattern.times)[:, None] + np.arange(8),
            )
            for pattern in patterns
        ]

    def message(self, number: int, now_ns: int) -> tuple[str, bytes, int]:
        """Return topic, payload and how many welds: message `number` ever, whose welds end at `now_ns`, 1 µs apart."""
        turn, k = divmod(number, len(self._places))
        places = self._places[k]
        welds = len(places.times)
        times = now_ns - US * np.arange(welds - 1, -1, -1, dtype=np.int64)
        places.bytes_[places.times] = times.astype(">i8").view(np.uint8).reshape(-1, 8)
        places.bytes_[places.rounds] = np.frombuffer(f"{turn:0{ROUND_DIGITS}d}".encode(), dtype=np.uint8)
        return self.topics[k], places.bytes_.tobytes(), welds


def write_patterns(path: Path, patterns: list[Pattern]) -> None:
    """Write them for the pacer."""
    path.write_bytes(msgspec.msgpack.encode(patterns))


def read_patterns(path: Path) -> list[Pattern]:
    """Read what `write_patterns` wrote."""
    return msgspec.msgpack.decode(path.read_bytes(), type=list[Pattern])
