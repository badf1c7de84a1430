"""The collector's connection to the broker: a persistent MQTT session, read into the inbox, acknowledged from it.

One thread does all that concerns paho, by its interface for outside loops: so an acknowledgement cannot slip from one
connection into the next, and reading can pause.
"""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import threading
import time
from collections.abc import Sequence
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.broker_trouble import diagnose, explain, refusal
from edge.inbox import Inbox, Received
from edge.mqtt import BACK_OFF_S, BrokerSettings, new_client
from edge.topics import JOURNAL, SUBSCRIPTIONS, is_own_output

KEEP_ALIVE_S = 20
POLL_S = 0.1
READ_PACKETS = 256
"""Packets read before acknowledgements get their turn."""
FAREWELL = "lineside-farewell"
"""A topic that nobody subscribes to."""
NOT_UTF8 = "(topic is not UTF-8)"
FORGED = f"{JOURNAL}, says the broker"


class Session:
    """Connects, and connects again with back-off, until told to leave."""

    def __init__(self, broker: BrokerSettings, inbox: Inbox, log: logging.Logger) -> None:
        self._broker, self._inbox, self._log = broker, inbox, log
        self._address = f"{broker.host}:{broker.port}"
        self._leaving = threading.Event()
        self._finishing = threading.Event()
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self._packets = 0
        self._subscribed = False
        self._answered = False
        self.connected_since_ns: int | None = None
        self.last_error = ""
        """The newest trouble with the broker; stays after it is over."""
        self._complaint = ""
        self._client = self._new_client()

    def run(self) -> None:
        """Work until told to finish; then the session stays with the broker, which keeps what comes."""
        wait = BACK_OFF_S[0]
        while not self._leaving.is_set():
            started = time.monotonic()
            self._answered = False
            try:
                self._client.connect(self._broker.host, self._broker.port, KEEP_ALIVE_S)
            except OSError as error:
                self._complain(explain(error, self._broker))
            else:
                self._serve()
                if not self._answered and not self._leaving.is_set():
                    self._complain(diagnose(self._broker) or f"the broker at {self._address} closes our connection")
            if time.monotonic() - started > BACK_OFF_S[1]:
                wait = BACK_OFF_S[0]
            self._leaving.wait(wait)
            wait = min(2 * wait, BACK_OFF_S[1])

    def wake(self) -> None:
        """Make the session look at the inbox now."""
        with contextlib.suppress(BlockingIOError):  # then it has more wakings before it than it needs
            self._waker.send(b"\0")

    def close(self) -> None:
        """Let go of what wakes it, after it has ended."""
        self._woken.close()
        self._waker.close()

    def stop_receiving(self) -> None:
        """Read no more; what is settled is still acknowledged."""
        self._leaving.set()
        self.wake()

    def finish(self) -> None:
        """Acknowledge what is settled, then disconnect and end."""
        self._leaving.set()
        self._finishing.set()
        self.wake()

    def _new_client(self) -> Client:
        client = new_client(self._broker, self._log, keep_session=True)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_unsubscribe = self._on_farewell
        client.on_message = self._on_message
        # With it set, paho queues what is to be sent, and sends it when `_serve` says so.
        client.on_socket_register_write = lambda *_: None
        return client

    def _serve(self) -> None:
        """Move packets both ways until the connection is gone."""
        client, sock = self._client, self._client.socket()
        asked = False
        while sock is not None:
            stands = self.connected_since_ns is not None
            for mid in self._inbox.acks() if stands else ():
                client.ack(mid, 1)
            if self._leaving.is_set() and not stands:
                client.disconnect()
            elif self._finishing.is_set() and not asked:
                # Closing with something unread resets the connection, and the broker may then never read our last
                # acknowledgements. It answers in order: when it has answered this, it has read them.
                client.unsubscribe(FAREWELL)
                asked = True
            reading = not stands or self._finishing.is_set() or (not self._leaving.is_set() and self._inbox.has_room())
            # TLS may have taken in more than was read: then the socket will not say that there is something.
            pending = reading and bool(getattr(sock, "pending", int)())
            wait_s = 0.0 if pending else POLL_S
            readers = [self._woken, sock] if reading else [self._woken]
            readable, writable, _ = select.select(readers, [sock] if client.want_write() else [], [], wait_s)
            if self._woken in readable:
                self._woken.recv(4096)
            if pending or sock in readable:
                self._read()
            if writable and client.socket() is sock:
                client.loop_write()
            client.loop_misc()
            sock = client.socket()

    def _read(self) -> None:
        for _ in range(READ_PACKETS):
            packets = self._packets
            self._client.loop_read()
            if self._packets == packets:  # nothing, no message, or the end of the connection
                break

    def _on_connect(
        self, client: Client, _data: Any, flags: ConnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        self._answered = True
        if reason.is_failure:
            self._complain(refusal(reason, self._broker))
            return
        self._inbox.begin()
        self.connected_since_ns = time.time_ns()
        self._complaint = ""
        kept = "the session was kept" if flags.session_present else "a new session"
        self._log.info(
            "connected to %s as %r, %s", self._address, self._broker.client_id, kept, extra={"broker": self._address}
        )
        # Subscribing makes the broker send all retained messages again: only when it may have changed or be unknown.
        if not self._subscribed or not flags.session_present:
            client.subscribe([(topic, 1) for topic in SUBSCRIPTIONS])

    def _on_subscribe(
        self, _client: Client, _data: Any, _mid: int, reasons: Sequence[ReasonCode], _properties: Properties | None
    ) -> None:
        refused = [topic for topic, reason in zip(SUBSCRIPTIONS, reasons, strict=False) if reason.is_failure]
        self._subscribed = not refused
        if refused:
            self._complain(f"the broker at {self._address} refuses the subscription of {', '.join(refused)}")

    def _on_farewell(
        self, client: Client, _data: Any, _mid: int, _reasons: Sequence[ReasonCode], _properties: Properties | None
    ) -> None:
        client.disconnect()

    def _on_disconnect(
        self, _client: Client, _data: Any, _flags: DisconnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if self.connected_since_ns is None:
            return  # it never stood, which was said already
        self.connected_since_ns = None
        if self._leaving.is_set():
            self._log.info("disconnected from %s", self._address)
        else:
            why = "" if reason == "Unspecified error" else f": {reason}"
            self._complain(f"the connection to {self._address} is lost{why}")

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        self._packets += 1
        if self._leaving.is_set():
            return  # not acknowledged: the broker keeps it for the next time
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = NOT_UTF8
        if topic == JOURNAL:  # only a broker that delivers what nobody subscribed to can say so
            topic = FORGED
        own = is_own_output(topic)
        payload = b"" if own else bytes(message.payload)
        received = Received(topic, payload, time.time_ns(), message.qos, message.mid, journaled=not own)
        self._inbox.put(received, dup=message.dup)

    def _complain(self, text: str) -> None:
        """Log trouble once, however often it is met in a row."""
        self.last_error = text
        if text != self._complaint:
            self._log.warning("%s; trying again", text, extra={"broker": self._address})
            self._complaint = text
