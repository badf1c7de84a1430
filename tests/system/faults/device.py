"""A device that loses nothing: it publishes in order with QoS 1, and sends again what was not acknowledged.

After each reconnect it goes back to the first message without an acknowledgement, so that the first copies of all
messages reach the broker in the order of the load, whatever was sent how often.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from tests.system.faults.load import Sent

WINDOW = 40
"""Messages under way at a time."""
RETRY_S = 0.2
TICK_S = 0.01
RESERVE = 400
"""Messages that are left for the faults after one that takes as many as it needs."""
LOST_WITH_BROKER = 200
"""So many messages are sent again after the broker was killed: what it had acknowledged in its last moment may not be
on its disk (deploy/README.md)."""


class Device:
    """Publishes a load in a thread of its own."""

    def __init__(self, port: int, load: Sequence[Sent], per_s: float) -> None:
        self._port, self._load, self._per_s = port, load, per_s
        self._lock = threading.Lock()
        self._ended, self._held = threading.Event(), threading.Event()
        self.end = len(load)
        """No message from this number on is sent."""
        self._next = self._acked = self._back = self.sent = 0
        self._mids: dict[int, int] = {}
        self._published: deque[int] = deque()
        self._lost = threading.Event()
        self._thread = threading.Thread(target=self._run, name="device", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def acked(self) -> int:
        """So many messages, from the first on, the broker has acknowledged."""
        with self._lock:
            return self._acked

    @property
    def position(self) -> int:
        """The message that is sent next."""
        with self._lock:
            return self._next

    def broker_was_killed(self) -> None:
        """Send again what the broker may have lost although it had acknowledged it."""
        with self._lock:
            self._acked = max(0, self._acked - LOST_WITH_BROKER)
        self._lost.set()

    def send_on(self) -> None:
        """Let it send what was meant for later, too, but for what later faults need."""
        self.end = max(self.end, len(self._load) - RESERVE)

    def close(self) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._ended.is_set():
            client = Client(CallbackAPIVersion.VERSION2)
            client.max_inflight_messages_set(WINDOW)
            # Called with paho's own lock held, which publishing needs: only ever note it here.
            client.on_publish = lambda _client, _data, mid, _reason, _properties: self._published.append(mid)
            client.on_disconnect = lambda *_: self._lost.set()
            connected = threading.Event()
            client.on_connect = lambda _c, _d, _f, reason, _p, up=connected: None if reason.is_failure else up.set()
            self._lost.clear()
            try:
                client.connect("127.0.0.1", self._port, keepalive=10)
            except OSError:
                self._ended.wait(RETRY_S)
                continue
            client.loop_start()
            if connected.wait(5):
                with self._lock:
                    self._next, self._mids = self._acked, {}
                    self._published.clear()
                self._send(client)
            client.disconnect()
            client.loop_stop()
            self._ended.wait(RETRY_S)

    def _send(self, client: Client) -> None:
        begun, done = time.monotonic(), 0
        while not (self._lost.is_set() or self._ended.is_set()):
            self._take_acknowledgements()
            due = (time.monotonic() - begun) * self._per_s - done
            with self._lock:
                free = min(self.end - self._next, WINDOW - (self._next - self._acked), int(due))
            for _ in range(free):
                with self._lock:
                    message = self._load[self._next]
                    self._mids[client.publish(message.topic, message.payload, qos=1).mid] = self._next
                    self._next += 1
                    self.sent += 1
                done += 1
            if due > self._per_s:  # held up: what was not sent in time is not made up for at once
                begun, done = time.monotonic(), 0
            time.sleep(TICK_S)

    def _take_acknowledgements(self) -> None:
        while self._published:
            number = self._mids.pop(self._published.popleft(), None)
            if number is not None:
                with self._lock:  # the broker answers in order, so everything before is acknowledged too
                    self._acked = max(self._acked, number + 1)
