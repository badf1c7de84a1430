"""What people order through the API, published as event messages: so it is journalled, replayed and on record.

route --send--> broker --collector--> journal --pipeline--> judge, event table

A command is answered when the broker has acknowledged it; its effect comes a moment later, at its place in the journal.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import aiomqtt
import msgspec

from edge.broker_trouble import explain
from edge.sources import Message, decode
from edge.topics import Place
from services.api.connecting import new_client
from services.api.gate import Asking
from services.api.problems import RETRY_AFTER_S, ProblemError, wrong
from services.broker_access import broker_settings
from services.config import Config
from services.message_limits import message_limits

TIMEOUT_S = 5.0
"""A broker that does not acknowledge within this is away."""

_log = logging.getLogger(__name__)


class Commands:
    """Publishes events. Each call has a connection of its own: what failed is not sent after all when nobody waits."""

    def __init__(self, config: Config, clock: Callable[[], int]) -> None:
        self._broker, self._clock = config.broker, clock
        self._limits = message_limits(config)

    def send(self, place: Place, event: Mapping[str, Any], who: Asking) -> str:
        """Publish one event at a place with QoS 1, wait for its acknowledgement, and return its id.

        `event` is an event message (`docs/reference/messages.md`); without `id` and `time` it gets a fresh id and the
        time now. Its `by` becomes the name under which `who` may order. Blocks: not for an event loop.

        Raises `ProblemError`: 400 for an event that the pipeline would reject, naming the field; 503 when the broker
        does not acknowledge.
        """
        return self.send_all(place, [event], who)[0]

    def send_all(self, place: Place, events: Sequence[Mapping[str, Any]], who: Asking) -> list[str]:
        """Publish events as one message, all or none, and return their ids; see `send`."""
        now_ns = self._clock()
        items = [{"id": uuid.uuid4().hex, "time": now_ns, **_signed(event, who)} for event in events]
        topic, payload = place.topic("event"), msgspec.json.encode(items)
        decoded = decode([Message(0, topic, payload, now_ns, len(items))], self._limits)
        if decoded.rejects:
            reject = decoded.rejects[0].reject
            raise wrong(reject.path.removeprefix("$."), reject.came, reject.expected)
        try:
            asyncio.run(self._publish(topic, payload))
        except (aiomqtt.MqttError, OSError) as error:
            _log.warning("command not acknowledged: %s", explain(error, broker_settings(self._broker, "command")))
            detail = "the broker did not acknowledge the command; it may or may not take effect. Send it again"
            raise ProblemError(503, detail, headers={"Retry-After": str(RETRY_AFTER_S)}) from None
        who.told += [f"{event.kind} {event.id}" for event in decoded.events]
        return [event.id for event in decoded.events]

    async def _publish(self, topic: str, payload: bytes) -> None:
        async with new_client(self._broker, "command", timeout_s=TIMEOUT_S) as client:
            await client.publish(topic, payload, qos=1)


def _signed(event: Mapping[str, Any], who: Asking) -> dict[str, Any]:
    by = who.caller.sign(event.get("by") or "")
    return {**event, "by": by} if by else dict(event)
