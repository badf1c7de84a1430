"""Does this broker keep what it acknowledges, for a collector that is away? Asked of the broker, as far as it tells.

What a client can find out: which limits the broker announces (MQTT 5's CONNACK), whether it has dropped messages
already ($SYS), and, by a session of its own that leaves and comes back, whether that session and a number of small
messages, and one large one, are kept. What it cannot: whether the queue is on disk, how long a session is kept, and
limits beyond what was tried. Those stand in the broker's settings (`edge.mosquitto_conf`).
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.broker_trouble import refusal
from edge.findings import Finding
from edge.mosquitto_conf import FEW_IN_FLIGHT, LOOPBACK, ConfError, check_conf, running_conf
from edge.mqtt import BrokerSettings, new_client, secure
from edge.topics import ROOT

ANSWER_S = 5.0
SEND_S = 20.0
QUIET_S = 3.0
"""A session to which nothing came for so long, and whose broker answers, has got all there is."""
TOPIC = f"{ROOT}/_/_/_/_/status"
"""Of our own outputs, so that no collector takes a probe for data and nobody's ACL needs a line more."""
NEVER = 0xFFFFFFFF
HEADER_BYTES = 256
"""Room for topic and packet header beside a payload."""
DROPPED = "$SYS/broker/publish/messages/dropped"
VERSION = "$SYS/broker/version"
_log = logging.getLogger("lineside.broker-check")


@dataclass(frozen=True, slots=True)
class Wants:
    """What the broker must be able to do."""

    max_payload_bytes: int
    """The largest message that must come through."""
    queued: int = 1
    """Small messages that it must keep for a session that is away; mosquitto's default limit shows from 1,021 on."""
    try_largest: bool = False
    """Also let it keep one message of `max_payload_bytes`."""


def check_broker(broker: BrokerSettings, wants: Wants, conf: Path | None = None) -> list[Finding]:
    """Ask the broker, probe it, and read its settings if they lie here. Takes seconds; leaves nothing behind.

    `conf` names its settings file; without it that of a mosquitto that runs here is looked for. Clients connect under
    `broker.client_id` with endings of their own, and never displace it. Raises `OSError` when the broker cannot be
    reached, `SettingsError` when the files for TLS cannot be used.
    """
    limits: dict[str, int] = {}
    findings = list(_announced(broker, wants, limits))
    largest = min(wants.max_payload_bytes, limits.get("MaximumPacketSize", NEVER) - HEADER_BYTES)
    findings += _probe(broker, [0] * wants.queued + [largest] * wants.try_largest)
    if conf is None and broker.host in LOOPBACK:
        conf = running_conf(broker.port)
    if conf is None:
        return [*findings, UNSEEN]
    try:
        read = check_conf(conf, wants.max_payload_bytes)
    except ConfError as error:
        return [*findings, Finding("unknown", "broker", f"its settings cannot be read: {error}", UNSEEN.do)]
    if not any(finding.loses for finding in read):
        kept = f"by {conf} what it acknowledges is queued without a limit, and on disk"
        findings.append(Finding("fine", "broker", kept))
    return findings + read


UNSEEN = Finding(
    "unknown",
    "broker",
    "its settings file is not in sight; no client can see whether its queue is on disk or how long a session lasts",
    "compare it with deploy/mosquitto/mosquitto.conf, or name it: lineside doctor --mosquitto-conf FILE",
)


def _announced(broker: BrokerSettings, wants: Wants, limits: dict[str, int]) -> Iterator[Finding]:
    """Yield what follows from the broker's answer to a client of MQTT 5, and from its $SYS topics; fill in `limits`."""
    client = Client(CallbackAPIVersion.VERSION2, f"{broker.client_id}-ask", protocol=MQTTv5, reconnect_on_failure=False)
    secure(client, broker)
    answered, told = threading.Event(), threading.Event()
    reasons: list[ReasonCode] = []
    figures: dict[str, str] = {}

    def on_connect(_c: Client, _d: object, _f: object, reason: ReasonCode, properties: Properties | None) -> None:
        reasons.append(reason)
        limits.update(properties.json() if properties else {})
        answered.set()

    def on_message(_c: Client, _d: object, message: MQTTMessage) -> None:
        figures[message.topic] = message.payload.decode("utf-8", "replace")
        if {DROPPED, VERSION} <= figures.keys():
            told.set()

    client.on_connect, client.on_message = on_connect, on_message
    asked = Properties(PacketTypes.CONNECT)
    asked.SessionExpiryInterval = NEVER
    client.connect(broker.host, broker.port, clean_start=True, properties=asked)
    client.loop_start()
    try:
        if not answered.wait(ANSWER_S) or reasons[0].is_failure:
            why = str(reasons[0]) if reasons else "no answer"
            yield Finding("unknown", "broker", f"it does not speak MQTT 5 ({why}), so its limits cannot be asked")
            return
        client.subscribe([(DROPPED, 0), (VERSION, 0)])
        told.wait(1.0)
    finally:
        ending = Properties(PacketTypes.DISCONNECT)
        ending.SessionExpiryInterval = 0
        client.disconnect(properties=ending)
        client.loop_stop()
    yield from judge_limits(limits, wants)
    dropped = int(figures.get(DROPPED, "0")) if figures.get(DROPPED, "0").isdigit() else 0
    if dropped:
        yield Finding(
            "warning",
            "broker",
            f"it has dropped {dropped:,} message(s) for full queues since it started, of this or another client",
            "raise max_queued_messages and max_queued_bytes",
        )
    if "SessionExpiryInterval" not in limits:
        yield Finding("fine", "broker", f"{figures.get(VERSION, 'it')} announces no end to a session")


def judge_limits(limits: dict[str, int], wants: Wants) -> Iterator[Finding]:
    """Yield what is wrong with the limits of a CONNACK, named as MQTT 5 (3.2.2.3) and paho name them."""
    expiry, largest = limits.get("SessionExpiryInterval", NEVER), limits.get("MaximumPacketSize", NEVER)
    if expiry != NEVER:
        yield Finding(
            "wrong",
            "broker",
            f"it ends a session that is away for {expiry} s, and drops its queue",
            "raise its session expiry (mosquitto: persistent_client_expiration; EMQX: session_expiry_interval)",
        )
    if largest < wants.max_payload_bytes + HEADER_BYTES:
        yield Finding(
            "warning",
            "broker",
            f"it cuts off who sends more than {largest:,} bytes; Lineside takes payloads up to "
            f"{wants.max_payload_bytes:,} (judge.max_payload_bytes)",
            "raise max_packet_size, or lower judge.max_payload_bytes to what your devices send",
        )
    if limits.get("MaximumQoS", 2) == 0:
        yield Finding("wrong", "broker", "it allows QoS 0 only: nothing is acknowledged", "allow QoS 1")
    if limits.get("RetainAvailable", 1) == 0:
        yield Finding(
            "warning",
            "broker",
            "it keeps no retained messages: which AGVs are there is unknown until each connects anew",
            "write `retain_available true`",
        )
    window = limits.get("ReceiveMaximum", 65_535)
    if window < FEW_IN_FLIGHT:
        yield Finding(
            "warning",
            "broker",
            f"it has {window} unacknowledged messages on the way: so few share one fsync, which bounds the rate",
            "write `max_inflight_messages 20000`",
        )


def _probe(broker: BrokerSettings, sizes: list[int]) -> Iterator[Finding]:
    """Let a session leave, publish for it messages of these sizes, let it come back, and compare."""
    session = replace(broker, client_id=f"{broker.client_id}-probe")
    by, end = session.client_id, f"{session.client_id}-end"
    sender = _Peer(replace(broker, client_id=""), end, keep=False)
    try:
        sender.connect()
        peer = _Peer(session, by, keep=True)
        peer.connect()
        peer.subscribe()
        sender.send(by, [0])
        heard = peer.wait_for(1)
        peer.leave()
        if not heard and not peer.answered:
            yield SLOW
            return
        if not heard:
            yield Finding(
                "unknown",
                "broker",
                f"whether it keeps messages cannot be tried: user {broker.username!r} does not hear itself on {TOPIC}",
                "let it write and read there, as deploy/mosquitto/acl does",
            )
            return
        sent = sender.send(by, sizes)
        # A broker may acknowledge before it hands on; what comes later on the same topic is handed on later.
        sender.subscribe()
        sender.send(end, [0])
        sender.wait_for(1)
        back = _Peer(session, by, keep=True)
        back.connect()
        back.wait_for(sent)
        back.leave()
        yield from _judge_probe(back, sent, sizes)
    finally:
        sender.leave()
        last = _Peer(session, by, keep=False)  # without a session: what the broker kept under this name is dropped
        with contextlib.suppress(OSError):
            last.connect()
        last.leave()


SLOW = Finding(
    "warning",
    "broker",
    f"it answers so slowly that within {SEND_S:.0f} s nobody can tell what it keeps",
    "see what holds up the broker or the network to it, and ask again",
)


def _judge_probe(back: _Peer, sent: int, sizes: list[int]) -> Iterator[Finding]:
    largest = max(sizes)
    small, large = len(back.came) - back.large, back.large
    told = f"{sizes.count(0):,} small message(s)" + (f" and one of {largest:,} bytes" if largest else "")
    if not back.kept:
        do = "it must keep sessions (clean session off) on disk or at least in memory"
        yield Finding("wrong", "broker", "it forgot a session that left and came back", do)
    elif sent < len(sizes):
        what = f"it acknowledged {sent:,} of {len(sizes):,} messages ({told}) within {SEND_S:.0f} s"
        yield Finding("warning", "broker", what, "its log says why; on a slow disk it may be its autosave")
    elif len(back.came) < len(sizes) and not back.answered:
        yield SLOW
    elif len(back.came) < len(sizes) and small == sizes.count(0) and not large:
        what = f"it acknowledged a message of {largest:,} bytes and dropped it"
        yield Finding("wrong", "broker", what, "write `message_size_limit 0` and `max_queued_bytes 0`")
    elif len(back.came) < len(sizes):
        what = f"it acknowledged {told} for a session that was away, and kept {len(back.came):,}"
        do = "raise its limits (mosquitto: max_queued_messages, max_queued_bytes)"
        yield Finding("wrong", "broker", what, do if back.came else "use a broker that does, such as mosquitto")
    else:
        yield Finding("fine", "broker", f"it kept {told} for a session that was away")


def _head(by: str) -> bytes:
    """Return how the payload of a probe begins."""
    return msgspec.json.encode({"kind": "probe", "by": by})[:-1] + b","


class _Peer:
    """One connection, with what came of the probes sent `by` a name."""

    def __init__(self, broker: BrokerSettings, by: str, *, keep: bool) -> None:
        self._broker, self._by, self._keep = broker, _head(by), keep
        self.kept = False
        """Whether the broker still had the session."""
        self.came: list[int] = []
        """Payload sizes."""
        self.large = 0
        self.answered = True
        """Whether the broker has answered when it was last asked, be it after a while."""
        self._reason: ReasonCode | None = None
        self._answered, self._subscribed, self._news = threading.Event(), threading.Event(), threading.Condition()
        self._client = new_client(broker, _log, keep_session=keep)
        self._client.disable_logger()
        self._client.max_inflight_messages_set(FEW_IN_FLIGHT)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._on_message

    def connect(self) -> None:
        """Connect. Raises `ConnectionError` when the broker refuses or does not answer."""
        self._client.connect(self._broker.host, self._broker.port)
        self._client.loop_start()
        if not self._answered.wait(ANSWER_S) or self._reason is None:
            raise TimeoutError(f"no answer within {ANSWER_S:.0f} s")
        if self._reason.is_failure:
            raise ConnectionRefusedError(refusal(self._reason, self._broker))

    def subscribe(self) -> bool:
        """Subscribe to probes, as often as one likes; return whether the broker has answered."""
        self._subscribed.clear()
        self._client.subscribe(TOPIC, 1)
        self.answered = self._subscribed.wait(ANSWER_S)
        return self.answered

    def send(self, by: str, sizes: list[int]) -> int:
        """Publish a probe of each size (0: as small as it is) and return how many were acknowledged in time."""
        head, tail = _head(by) + b'"padding":"', b'"}'
        empty = len(head) + len(tail)
        sent = [self._client.publish(TOPIC, head + b"x" * max(0, size - empty) + tail, qos=1) for size in sizes]
        for info in sent:
            with contextlib.suppress(RuntimeError):
                info.wait_for_publish(SEND_S)
            if not info.is_published():
                break
        return sum(info.is_published() for info in sent)

    def wait_for(self, count: int) -> bool:
        """Return True when so many came, False when nothing comes any more.

        Silence alone may be a broker that is slow; it counts when the broker has answered since on this connection.
        """
        end = time.monotonic() + SEND_S
        while True:
            with self._news:
                while len(self.came) < count and self._news.wait(QUIET_S):
                    end = time.monotonic() + SEND_S
                came = len(self.came)
            if came >= count:
                return True
            if (self.subscribe() and len(self.came) == came) or time.monotonic() > end:
                return False

    def leave(self) -> None:
        """Disconnect, and return when the broker knows; a session that is kept stays with it.

        It is to close the connection when it has taken note (MQTT 3.1.1, 3.14.4). Paho does not wait for that, and
        what another connection sends meanwhile may be handled first: as if we were still there.
        """
        with contextlib.ExitStack() as held:
            wire = None
            with contextlib.suppress(OSError):  # closed already
                ours = self._client.socket()
                wire = held.enter_context(socket.socket(fileno=os.dup(ours.fileno()))) if ours else None
            self._client.disconnect()
            self._client.loop_stop()
            end = time.monotonic() + ANSWER_S
            with contextlib.suppress(OSError):
                while wire and (left := end - time.monotonic()) > 0:
                    wire.settimeout(left)
                    if not wire.recv(65_536):
                        break

    def _on_connect(self, _c: Client, _d: object, flags: object, reason: ReasonCode, _p: object) -> None:
        self.kept = bool(getattr(flags, "session_present", False))
        self._reason = reason
        self._answered.set()

    def _on_message(self, client: Client, _data: object, message: MQTTMessage) -> None:
        if self._keep:
            client.ack(message.mid, message.qos)
        if message.payload.startswith(self._by):
            with self._news:
                self.came.append(len(message.payload))
                self.large += len(message.payload) > 1024
                self._news.notify()
