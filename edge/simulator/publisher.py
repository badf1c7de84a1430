"""Publishing a simulated body shop: the past at full speed, then live, for as long as it is left to run."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from typing import Protocol

import aiomqtt

from edge.broker_trouble import diagnose, explain
from edge.mqtt import BrokerSettings, new_async_client
from edge.simulator.feeder import Feeder
from edge.simulator.fleet import Fleet, Message
from edge.simulator.outbox import Outbox
from edge.simulator.schedule import S
from edge.simulator.settings import SimulatorSettings
from edge.topics import ROOT

MAX_PENDING = 20_000
"""Items that the pipeline may have before it; beyond that the past waits."""
STATUS_GOOD_S = 10.0
"""A status older than this holds nothing back: the pipeline may not be running at all."""
MAX_WAITING_WELDS = 10_000
"""Bound on what is made but not acknowledged."""
PAST_NS, LIVE_NS = 3 * S, 2 * S
"""Welds further back than this go out in lists; live ones are made in windows of this length ..."""
AHEAD_NS = 3 * S // 2
"""... this long before they are due, so that making them never delays sending them."""
WELDS_PER_WINDOW = 4000
IN_FLIGHT = 32
"""Messages sent before the first must be acknowledged."""
INLINE_WELDS = 100
"""More welds than this are encoded in a thread: the loop must go on publishing."""
FLEET_NS = S // 4
FLEET_RESUMES_NS = 5 * S
"""After a longer pause the vehicles go on with now; what they said meanwhile is lost, as their headerIds show."""
RETRY_S = (0.5, 15.0)


class Stop(Protocol):
    """Says when to end; `threading.Event` and `asyncio.Event` both do."""

    def is_set(self) -> bool:
        """Return True once it is time."""


async def run_simulator(
    settings: SimulatorSettings,
    broker: BrokerSettings,
    *,
    since_ns: int | None,
    stop: Stop,
    progress: Callable[[int], object],
    log: logging.Logger,
    with_agvs: bool = True,
    max_pending: int = MAX_PENDING,
) -> None:
    """Publish from `since_ns` (None: now) until `stop` is set.

    `progress` is called about once a second with the source time (ns) before which the broker has everything: with
    that as `since_ns` a later run goes on where this one ended. A broker that is away or goes away is tried again with
    growing pauses; what it had not acknowledged is sent again under the same ids. Raises `SettingsError` when the files
    for TLS cannot be used.
    """
    now_ns = time.time_ns()
    feeder = await asyncio.to_thread(Feeder, settings)
    fleet = Fleet(settings, feeder.shop.layout, now_ns) if with_agvs and settings.agvs else None
    outbox = Outbox(now_ns if since_ns is None else since_ns)
    publisher = _Publisher(settings, feeder, fleet, outbox, max_pending)
    reporter = asyncio.create_task(_report(outbox, progress))
    pause_s = RETRY_S[0]
    try:
        while not stop.is_set():
            outbox.restore()
            client = new_async_client(broker, log, max_inflight=2 * IN_FLIGHT)
            # Vehicles' messages go out beside the welds; aiomqtt warns beyond this number.
            client.pending_calls_threshold = 10 * IN_FLIGHT + 2 * settings.agvs
            connected = False
            try:
                async with client:
                    log.info("connected to %s", broker.address)
                    connected = True
                    pause_s = RETRY_S[0]
                    await publisher.session(client, stop)
            except aiomqtt.MqttError as error:
                # What the library saw as a mere end of the connection or a time-out has a reason that can be had.
                seen = connected or isinstance(error.__context__, OSError)
                why = explain(error, broker) if seen else await asyncio.to_thread(diagnose, broker)
                log.warning("%s; trying again in %.1f s", why or explain(error, broker), pause_s)
                await _sleep(pause_s, stop)
                pause_s = min(2 * pause_s, RETRY_S[1])
    finally:
        reporter.cancel()
        await asyncio.gather(reporter, return_exceptions=True)
        progress(min(outbox.published_until_ns(), time.time_ns()))


class _Publisher:
    """One simulator over any number of connections."""

    def __init__(
        self, settings: SimulatorSettings, feeder: Feeder, fleet: Fleet | None, outbox: Outbox, max_pending: int
    ) -> None:
        self._feeder, self._fleet, self._outbox, self._max_pending = feeder, fleet, outbox, max_pending
        self._window_ns = max(S, int(WELDS_PER_WINDOW / feeder.shop.schedule.welds_per_s * S))
        self._status_topic = f"{ROOT}/{settings.site}/_/_/_/status"
        self._pending, self._pending_at = 0, -STATUS_GOOD_S

    async def session(self, client: aiomqtt.Client, stop: Stop) -> None:
        """Publish until `stop` is set. Raises `MqttError` when the connection is lost."""
        await client.subscribe(self._status_topic)
        jobs = [self._listen(client), self._feed(), self._send(client)]
        if self._fleet is not None:
            jobs.append(self._drive(client, self._fleet))
        tasks = [asyncio.create_task(job) for job in jobs]
        tasks.append(asyncio.create_task(_wait(stop)))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result
        if self._fleet is not None:
            await _publish_all(client, self._fleet.farewell(time.time_ns()))

    async def _feed(self) -> None:
        """Keep the outbox filled: the past as fast as it is taken, the present a little ahead of time."""
        while True:
            now_ns, cursor_ns = time.time_ns(), self._outbox.cursor_ns
            late_ns = now_ns - cursor_ns
            if self._outbox.welds > MAX_WAITING_WELDS or (late_ns > PAST_NS and self._held_back()):
                await asyncio.sleep(0.1)
            elif late_ns > PAST_NS:
                until_ns = min(cursor_ns + self._window_ns, now_ns - S)
                self._outbox.push(await asyncio.to_thread(self._feeder.past, cursor_ns, until_ns), until_ns)
            elif late_ns > -AHEAD_NS:
                until_ns = cursor_ns + LIVE_NS
                self._outbox.push(await asyncio.to_thread(self._feeder.live, cursor_ns, until_ns), until_ns)
            else:
                await asyncio.sleep(0.1)

    def _held_back(self) -> bool:
        return self._pending > self._max_pending and time.monotonic() - self._pending_at < STATUS_GOOD_S

    async def _send(self, client: aiomqtt.Client) -> None:
        while True:
            now_ns = time.time_ns()
            taken = self._outbox.take(now_ns, IN_FLIGHT)
            if not taken:
                await asyncio.sleep(0.01)
                continue
            parcels = [parcel for _, parcel in taken]
            if sum(parcel.welds for parcel in parcels) > INLINE_WELDS:
                payloads = await asyncio.to_thread(lambda: [p.encode(now_ns) for p in parcels])  # noqa: B023 - awaited here
            else:
                payloads = [parcel.encode(now_ns) for parcel in parcels]
            await asyncio.gather(
                *(
                    self._deliver(client, ticket, parcel.topic, payload)
                    for (ticket, parcel), payload in zip(taken, payloads, strict=True)
                )
            )

    async def _deliver(self, client: aiomqtt.Client, ticket: int, topic: str, payload: bytes) -> None:
        await client.publish(topic, payload, qos=1)
        self._outbox.done(ticket)

    async def _drive(self, client: aiomqtt.Client, fleet: Fleet) -> None:
        """Let the vehicles speak as time goes by."""
        last_ns = time.time_ns()
        await _publish_all(client, await asyncio.to_thread(fleet.connections, last_ns))
        while True:
            await asyncio.sleep(FLEET_NS / S)
            now_ns = time.time_ns()
            if not 0 < now_ns - last_ns < FLEET_RESUMES_NS:
                last_ns = now_ns - FLEET_NS
                await _publish_all(client, await asyncio.to_thread(fleet.connections, last_ns))
            await _publish_all(client, await asyncio.to_thread(fleet.messages, last_ns, now_ns))
            last_ns = now_ns

    async def _listen(self, client: aiomqtt.Client) -> None:
        """Hear from the pipeline how much it has before it."""
        async for message in client.messages:
            try:
                status = json.loads(bytes(message.payload))
                if status["kind"] == "pipeline":
                    self._pending, self._pending_at = int(status["pending"]), time.monotonic()
            except (ValueError, KeyError, TypeError):
                continue  # not the pipeline's


async def _publish_all(client: aiomqtt.Client, messages: list[Message]) -> None:
    await asyncio.gather(*(client.publish(topic, payload, qos, retain) for topic, payload, qos, retain in messages))


async def _report(outbox: Outbox, progress: Callable[[int], object]) -> None:
    while True:
        await asyncio.sleep(1)
        progress(min(outbox.published_until_ns(), time.time_ns()))


async def _wait(stop: Stop) -> None:
    await _sleep(float("inf"), stop)


async def _sleep(seconds: float, stop: Stop) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not stop.is_set():  # noqa: ASYNC110 - may be a `threading.Event`
        await asyncio.sleep(0.1)
