"""The live feed: the broker's verdict and status topics, fanned out to every browser (`docs/reference/live.md`).

broker --listen--> waiting items --flush--> Outbox per browser --pump--> WebSocket
store  --compute (worker thread, only while someone looks)--^

One slow browser delays neither the hub nor another browser: its outbox drops and replaces instead.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import aiomqtt
import msgspec
from starlette.websockets import WebSocket

from edge.broker_trouble import explain
from edge.topics import ROOT
from services.api.connecting import new_client
from services.api.context import Context
from services.api.outbox import Batch, Dropped, Outbox, State
from services.api.overview import rate_message, sources_message
from services.broker_access import broker_settings
from services.config import Broker
from services.store.protocol import StoreError
from services.times import rfc3339
from services.version import VERSION

VERDICTS = f"{ROOT}/+/+/+/+/verdict"
STATUS = f"{ROOT}/+/+/+/+/status"
WELDS_EVERY_S = 0.1
GATHER_S = 0.01
"""The first verdict waits so long for others: the pipeline tells those of one batch in a message per cell."""
AGVS_EVERY_S = 0.2
RATE_EVERY_S = 1.0
SOURCES_EVERY_S = 2.0
QUERY_SHARE = 5
"""A query is not repeated before this many times as long as it took, so that it never keeps a store busy."""
RETRY_S = (0.5, 10.0)
"""First and longest wait before the broker is tried again."""
FOLLOW_S = 2.0
"""A page whose broker takes longer than this to begin sending verdicts is greeted before."""
LINGER_S = 5.0
"""Verdicts are sent on for so long after the last page was closed: it may just be loaded anew."""
SEND_S = 30.0
"""A browser that takes nothing for this long is gone."""
MAX_CLIENTS = 256
TRY_LATER = 1013
SESSION_ENDED = 4401
"""Of the range that is an application's own; after HTTP's 401."""

_log = logging.getLogger(__name__)


class _Identified(msgspec.Struct):
    id: str


class Hub:
    """Every browser's outbox, and the tasks that fill them. Used in one event loop."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._outboxes: set[Outbox] = set()
        self._dropped = Dropped()
        self._watched, self._unwatched = asyncio.Event(), asyncio.Event()
        self._unwatched.set()
        self._followed = asyncio.Event()
        self._welds: list[str] = []
        self._welds_came = asyncio.Event()
        self._agvs: dict[str, str] = {}
        self.connected = False
        """Whether the broker's messages arrive."""

    @property
    def clients(self) -> int:
        """How many browsers are connected."""
        return len(self._outboxes)

    @property
    def dropped(self) -> Dropped:
        """What slow browsers missed, since the start."""
        return sum((outbox.dropped for outbox in tuple(self._outboxes)), self._dropped)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the tasks going inside the block."""
        context = self._context
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._listen(context.config.broker)),
                group.create_task(self._flush_welds()),
                group.create_task(self._flush_agvs()),
                group.create_task(self._compute("rate", RATE_EVERY_S, rate_message)),
                group.create_task(self._compute("sources", SOURCES_EVERY_S, sources_message)),
            ]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()

    async def serve(self, socket: WebSocket, until_ended: Callable[[], Coroutine[None, None, None]]) -> None:
        """Send to one browser until it leaves, or until `until_ended` returns: its session is over."""
        if self.clients >= MAX_CLIENTS:
            await socket.close(TRY_LATER, f"more than {MAX_CLIENTS} live pages are open")
            return
        await socket.accept()
        hello = {"type": "hello", "server_time": rfc3339(self._context.clock()), "version": VERSION}
        with self._attached() as outbox:
            with suppress(TimeoutError):  # the greeting says that from now on nothing is missed
                async with asyncio.timeout(FOLLOW_S):
                    await self._followed.wait()
            pump = asyncio.create_task(_pump(socket, outbox, msgspec.json.encode(hello).decode()))
            listen = asyncio.create_task(_until_closed(socket))
            ended = asyncio.create_task(until_ended())
            tasks = (pump, listen, ended)
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                over = ended.done() and not listen.done()
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            if over:
                with suppress(RuntimeError, OSError):  # it may have left just now
                    async with asyncio.timeout(SEND_S):
                        await socket.close(SESSION_ENDED, "the session has ended")

    @contextmanager
    def _attached(self) -> Iterator[Outbox]:
        outbox = Outbox()
        self._outboxes.add(outbox)
        self._watched.set()
        self._unwatched.clear()
        try:
            yield outbox
        finally:
            self._outboxes.discard(outbox)
            self._dropped += outbox.dropped
            if not self._outboxes:
                self._watched.clear()
                self._unwatched.set()

    async def _listen(self, broker: Broker) -> None:
        """Receive from the broker, for ever; while it is away the rest goes on."""
        wait = RETRY_S[0]
        while True:
            try:
                async with new_client(broker, "live") as client, asyncio.TaskGroup() as group:
                    await client.subscribe([(STATUS, 1), (VERDICTS, 1)])
                    group.create_task(self._follow(client))
                    self.connected, wait = True, RETRY_S[0]
                    _log.info("live feed: listening at %s:%d", broker.host, broker.port)
                    async for message in client.messages:
                        self._take(str(message.topic), message.payload)
            except* (aiomqtt.MqttError, OSError) as failed:
                if self.connected or wait == RETRY_S[0]:
                    why = explain(_first(failed), broker_settings(broker, "live"))
                    _log.warning("live feed: %s; trying again", why)
            finally:
                self.connected = False
            await asyncio.sleep(wait)
            wait = min(2 * wait, RETRY_S[1])

    async def _follow(self, client: aiomqtt.Client) -> None:
        """Have the broker send verdicts while someone looks: at a full line's rate nobody else should pay for them."""
        try:
            while True:
                self._followed.set()
                await self._unwatched.wait()
                await asyncio.sleep(LINGER_S)
                if not self._outboxes:
                    self._followed.clear()
                    await client.unsubscribe(VERDICTS)
                    await self._watched.wait()
                    await client.subscribe(VERDICTS, 1)
        finally:
            self._followed.clear()

    def _take(self, topic: str, payload: object) -> None:
        data = payload if isinstance(payload, bytes) else b""
        try:
            if topic.endswith("/verdict"):
                if self._outboxes:
                    self._welds += _objects(data)
                    self._welds_came.set()
            else:
                self._take_status(data)
        except (msgspec.MsgspecError, ValueError) as error:
            _log.warning("live feed: message on %s is not understood: %s", topic, error)

    def _take_status(self, payload: bytes) -> None:
        status = msgspec.json.decode(payload, type=dict[str, msgspec.Raw])
        kind = msgspec.json.decode(status.pop("kind", b'""'), type=str)
        if kind == "pipeline":
            fields = "".join(f',"{name}":{bytes(value).decode()}' for name, value in status.items())
            self._broadcast("pipeline", f'{{"type":"pipeline"{fields}}}')
        elif kind == "agvs":
            for text in _objects(bytes(status.get("items", b"[]"))):
                if self._outboxes:
                    self._agvs[msgspec.json.decode(text, type=_Identified).id] = text

        elif kind == "signals":
            items = _objects(bytes(status.get("items", b"[]")))
            for outbox in self._outboxes:
                outbox.put_signals(items)

    def _broadcast(self, kind: State, text: str) -> None:
        for outbox in self._outboxes:
            outbox.put_state(kind, text)

    async def _flush_welds(self) -> None:
        while True:
            await self._welds_came.wait()
            await asyncio.sleep(GATHER_S)
            self._welds_came.clear()
            if self._welds:
                batch, self._welds = Batch("welds", self._welds), []
                for outbox in self._outboxes:
                    outbox.put_welds(batch)
            await asyncio.sleep(WELDS_EVERY_S - GATHER_S)

    async def _flush_agvs(self) -> None:
        while True:
            await asyncio.sleep(AGVS_EVERY_S)
            if self._agvs:
                agvs, self._agvs = self._agvs, {}
                batch = Batch("agvs", list(agvs.values()))
                for outbox in self._outboxes:
                    outbox.put_agvs(agvs, batch)

    async def _compute(self, kind: State, every_s: float, compute: Callable[[Context], str]) -> None:
        """Read a message from the store while someone looks; a store that does not answer is tried again."""
        failing = False
        while True:
            await self._watched.wait()
            started = time.monotonic()
            try:
                self._broadcast(kind, await asyncio.to_thread(compute, self._context))
                failing = False
            except StoreError as error:
                if not failing:
                    _log.warning("live feed: no %s, the store does not answer: %s", kind, error)
                failing = True
            except Exception:  # noqa: BLE001 - a feed of figures must not take the verdicts down
                if not failing:
                    _log.exception("live feed: no %s", kind)
                failing = True
            took = time.monotonic() - started
            await asyncio.sleep(max(every_s, QUERY_SHARE * took) - took)


def _first(failed: BaseExceptionGroup[Exception]) -> Exception:
    """Return the first of what failed together."""
    error = failed.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


def _objects(payload: bytes) -> list[str]:
    """Return the objects of a JSON list, each as the text it came in."""
    items = [bytes(raw).strip() for raw in msgspec.json.decode(payload, type=list[msgspec.Raw])]
    if not all(item.startswith(b"{") for item in items):
        raise ValueError("expected a list of objects")
    return [item.decode() for item in items]


async def _pump(socket: WebSocket, outbox: Outbox, hello: str) -> None:
    await socket.send_text(hello)
    while True:
        text = await outbox.take()
        # Not `wait_for`: in Python 3.11 it loses a cancellation that comes as the message goes out.
        async with asyncio.timeout(SEND_S):
            await socket.send_text(text)


async def _until_closed(socket: WebSocket) -> None:
    """Read on, so that a close is seen; what a browser says is not listened to."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass
