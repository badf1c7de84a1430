"""What is received and not yet on disk: between the thread that talks to the broker and the one that commits.

    broker session --put--> Inbox --take--> committer --settle--> Inbox --acks--> broker session

An acknowledgement names a message by a packet id that means something on one connection only. Each message therefore
carries the connection it came on, and only acknowledgements of the present one are given out. When a connection
breaks, what is in here stays: perhaps the broker has lost it. What the broker delivers again is recognised by its
`dup` flag, topic and payload and takes the place of the copy in here, so that it is journaled once and acknowledged
under its new packet id.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from dataclasses import dataclass

MAX_KEPT = 50_000
MAX_KEPT_BYTES = 64 * 2**20
"""Bounds for QoS 1; at them the session stops reading, and what comes waits in the broker."""
MAX_LOOSE = 20_000
MAX_LOOSE_BYTES = 16 * 2**20
"""Bounds for QoS 0, which nobody keeps for us; beyond them the oldest are dropped and counted."""


@dataclass(slots=True, eq=False)
class Received:
    """One MQTT message as it came."""

    topic: str
    payload: bytes
    received_ns: int
    qos: int
    mid: int
    """Packet id, by which a message of QoS 1 is acknowledged."""
    journaled: bool
    """False for our own outputs: they are acknowledged, no more."""
    connection: int = 0
    """The connection on which `mid` is valid."""
    number: int = 0
    """Order of arrival."""


class Inbox:
    """Thread-safe for one session and one committer."""

    def __init__(
        self,
        max_kept: int = MAX_KEPT,
        max_kept_bytes: int = MAX_KEPT_BYTES,
        max_loose: int = MAX_LOOSE,
        max_loose_bytes: int = MAX_LOOSE_BYTES,
    ) -> None:
        self._max_kept, self._max_kept_bytes = max_kept, max_kept_bytes
        self._max_loose, self._max_loose_bytes = max_loose, max_loose_bytes
        self._changed = threading.Condition()
        self._kept: deque[Received] = deque()
        self._kept_bytes = 0
        self._loose: deque[Received] = deque()
        self._loose_bytes = 0
        self._held: list[Received] = []
        self._stale: dict[tuple[str, bytes], list[Received]] = {}
        self._acks: list[int] = []
        self._connection = 0
        self.received = 0
        """Messages that came, redelivered ones included."""
        self.dropped = 0
        """Messages of QoS 0 that were dropped."""

    def __len__(self) -> int:
        return len(self._kept) + len(self._loose) + len(self._held)

    @property
    def size_bytes(self) -> int:
        """Payload bytes that wait, those of the group under way not counted."""
        return self._kept_bytes + self._loose_bytes

    def begin(self) -> None:
        """Note that a new connection stands: acknowledgements of the last one are void."""
        with self._changed:
            self._connection += 1
            self._acks.clear()
            stale: dict[tuple[str, bytes], list[Received]] = defaultdict(list)
            for message in (*self._held, *self._kept):
                if message.qos:
                    stale[message.topic, message.payload].append(message)
            self._stale = dict(stale)

    def put(self, message: Received, *, dup: bool) -> None:
        """Take in one message of the present connection; `dup` says that the broker sends it again."""
        with self._changed:
            self.received += 1
            message.connection, message.number = self._connection, self.received
            if message.qos == 0:
                self._loose.append(message)
                self._loose_bytes += len(message.payload)
                while len(self._loose) > self._max_loose or self._loose_bytes > self._max_loose_bytes:
                    self._loose_bytes -= len(self._loose.popleft().payload)
                    self.dropped += 1
            elif not (dup and self._adopt(message)):
                self._kept.append(message)
                self._kept_bytes += len(message.payload)
            self._changed.notify()

    def has_room(self) -> bool:
        """Tell whether more of QoS 1 may be read."""
        return len(self._kept) < self._max_kept and self._kept_bytes < self._max_kept_bytes

    def take(self, max_messages: int, max_bytes: int, timeout_s: float) -> list[Received]:
        """Return the next group in order of arrival, or nothing after `timeout_s`.

        A message larger than `max_bytes` is a group of its own. The group counts as under way until it is settled.
        """
        with self._changed:
            if not self._kept and not self._loose:
                self._changed.wait(timeout_s)
            size = 0
            while len(self._held) < max_messages and (queue := self._next_queue()) is not None:
                size += len(queue[0].payload)
                if self._held and size > max_bytes:
                    break
                message = queue.popleft()
                if queue is self._kept:
                    self._kept_bytes -= len(message.payload)
                else:
                    self._loose_bytes -= len(message.payload)
                self._held.append(message)
            return list(self._held)

    def settle(self) -> None:
        """Note that the group under way is on disk: it may be acknowledged."""
        with self._changed:
            for message in self._held:
                if message.qos and message.connection == self._connection:
                    self._acks.append(message.mid)
                elif message.qos:
                    self._forget(message)
            self._held = []

    def acks(self) -> list[int]:
        """Return the packet ids to acknowledge on the present connection, in order of arrival; each once."""
        with self._changed:
            acks, self._acks = self._acks, []
            return acks

    def _next_queue(self) -> deque[Received] | None:
        if self._kept and self._loose:
            return self._kept if self._kept[0].number < self._loose[0].number else self._loose
        return self._kept or self._loose or None

    def _adopt(self, message: Received) -> bool:
        """Let a message take the place of its copy from an earlier connection, if there is one."""
        copies = self._stale.get((message.topic, message.payload))
        if not copies:
            return False
        copy = copies[0]
        self._forget(copy)
        copy.mid, copy.connection = message.mid, message.connection
        return True

    def _forget(self, message: Received) -> None:
        key = message.topic, message.payload
        copies = self._stale.get(key, [])
        if message in copies:
            copies.remove(message)
        if not copies:
            self._stale.pop(key, None)
