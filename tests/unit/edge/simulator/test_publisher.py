"""The simulator against a real mosquitto, one that goes away and comes back included."""

from __future__ import annotations

import asyncio
import getpass
import json
import logging
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np
import paho.mqtt.client as mqtt
import pytest

from edge.mqtt import BrokerSettings
from edge.simulator.publisher import run_simulator
from edge.simulator.settings import SimulatorSettings
from edge.simulator.shop import Shop
from edge.sources import Limits, Message, decode
from edge.sources.envelope import count_items
from tests.running import free_port, wait_until

from .making import SMALL, S

MOSQUITTO = shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")
pytestmark = [pytest.mark.system, pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")]
LIMITS = Limits(max_age_days=366, max_ahead_s=300, max_payload_bytes=4 << 20, max_samples=20_000)
LOG = logging.getLogger("test.simulator")


class Broker:
    """A mosquitto that keeps sessions and queues over a restart."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._conf = folder / "mosquitto.conf"
        self._conf.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n"
            # As root mosquitto would become the user mosquitto, who may not write here.
            f"user {getpass.getuser()}\npersistence true\npersistence_location {folder}/\n",
            encoding="utf-8",
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert MOSQUITTO is not None
        self._process = subprocess.Popen([MOSQUITTO, "-c", str(self._conf)], stderr=subprocess.DEVNULL)
        wait_until(self._answers, 10, "the broker")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class Listener:
    """Receives everything, with a session that outlives the broker's restart."""

    def __init__(self, port: int) -> None:
        self.got: list[tuple[str, bytes, int]] = []
        self._ready = threading.Event()
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="listener", clean_session=False)
        self.client.reconnect_delay_set(1, 1)
        self.client.on_message = lambda _c, _u, m: self.got.append((m.topic, m.payload, time.time_ns()))
        self.client.on_connect = lambda c, *_: c.subscribe([("#", 1)])
        self.client.on_subscribe = lambda *_: self._ready.set()
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert self._ready.wait(10)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def welds(self):
        """Return everything that was received under our root, decoded."""
        messages = [
            Message(k, topic, body, at, count_items(body))
            for k, (topic, body, at) in enumerate(list(self.got))
            if topic.endswith(("/weld", "/event")) and topic.startswith("lineside/v1/")
        ]
        decoded = decode(messages, LIMITS)
        assert not decoded.rejects
        return decoded


class Running:
    """The simulator in a thread of its own."""

    def __init__(self, port: int, settings: SimulatorSettings, since_ns: int | None, **options: object) -> None:
        self.stop = threading.Event()
        self.until: list[int] = []
        self.failure: list[BaseException] = []

        def work() -> None:
            try:
                asyncio.run(
                    run_simulator(
                        settings,
                        BrokerSettings("127.0.0.1", port, ""),
                        since_ns=since_ns,
                        stop=self.stop,
                        progress=self.until.append,
                        log=LOG,
                        **options,
                    )
                )
            except BaseException as error:  # noqa: BLE001 - whatever it is fails the test, in `end`
                self.failure.append(error)

        self._thread = threading.Thread(target=work)
        self._thread.start()

    def end(self) -> None:
        self.stop.set()
        self._thread.join(20)
        assert not self._thread.is_alive()
        assert not self.failure


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    running = Broker(tmp_path)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def listener(broker: Broker) -> Iterator[Listener]:
    ours = Listener(broker.port)
    yield ours
    ours.close()


@pytest.fixture
def start(broker: Broker) -> Iterator[Callable[..., Running]]:
    begun: list[Running] = []

    def begin(settings: SimulatorSettings = SMALL, since_ns: int | None = None, **options: object) -> Running:
        begun.append(Running(broker.port, settings, since_ns, **options))
        return begun[-1]

    yield begin
    for running in begun:
        running.end()


def live(running: Running) -> None:
    wait_until(lambda: running.until and time.time_ns() - running.until[-1] < 3 * S, 30, "live")


def expected(since_ns: int, until_ns: int) -> set[str]:
    return set(Shop(SMALL).welds(since_ns, until_ns).batch.id)


def test_the_past_then_live_without_a_hole_and_a_second_start_goes_on(listener: Listener, start) -> None:
    since_ns = time.time_ns() - 300 * S
    first = start(since_ns=since_ns)
    live(first)
    time.sleep(3)
    first.end()
    until_ns = first.until[-1]
    time.sleep(1)
    second = start(since_ns=until_ns)
    live(second)
    time.sleep(2)
    second.end()
    time.sleep(0.3)
    decoded = listener.welds()
    batch = decoded.welds
    assert expected(since_ns, second.until[-1]) <= set(batch.id)
    assert set(batch.id) <= expected(since_ns, time.time_ns())
    age_s = (decoded.weld_received_ns - batch.time_ns) / S
    np.testing.assert_array_equal(batch.historical[age_s > 62], True)
    np.testing.assert_array_equal(batch.historical[age_s < 55], False)
    lists = [item for item in decoded.weld_item.tolist() if item > 0]
    assert lists  # the past came in lists
    alone = [k for k in range(len(batch)) if (decoded.weld_seq == decoded.weld_seq[k]).sum() == 1 and age_s[k] < 2]
    late_ms = (decoded.weld_received_ns - batch.time_ns - batch.samples * batch.dt_us * 1000)[alone] / 1e6
    assert len(alone) > 5
    assert late_ms.min() >= 0
    assert np.median(late_ms) < 200
    assert {topic.rsplit("/", 1)[1] for topic, _, _ in listener.got} >= {"connection", "state", "visualization"}


def test_what_a_broken_connection_swallowed_is_sent_again(broker: Broker, listener: Listener, start) -> None:
    since_ns = time.time_ns() - 60 * S
    running = start(since_ns=since_ns, with_agvs=False)
    live(running)
    broker.stop()
    time.sleep(3)
    broker.start()
    before = running.until[-1]
    wait_until(lambda: running.until[-1] > before + 3 * S, 30, "going on")
    live(running)
    running.end()
    complete = expected(since_ns, running.until[-1])
    wait_until(lambda: complete <= set(listener.welds().welds.id), 15, "every weld")


def test_the_past_waits_for_a_pipeline_that_lags_and_only_for_one_that_speaks(listener: Listener, start) -> None:
    topic = f"lineside/v1/{SMALL.site}/_/_/_/status"
    behind = json.dumps({"kind": "pipeline", "pending": 500}).encode()
    told = threading.Event()

    def tell() -> None:
        while not told.wait(0.1):
            listener.client.publish(topic, behind, retain=True)

    teller = threading.Thread(target=tell)
    teller.start()
    time.sleep(0.5)
    running = start(since_ns=time.time_ns() - 4 * 3600 * S, with_agvs=False, max_pending=400)
    wait_until(lambda: running.until, 20, "a first report")
    time.sleep(2)
    one = running.until[-1]
    time.sleep(1.5)
    held = running.until[-1]
    listener.client.publish(topic, json.dumps({"kind": "pipeline", "pending": 10}).encode(), retain=True)
    told.set()
    teller.join()
    listener.client.publish(topic, json.dumps({"kind": "pipeline", "pending": 10}).encode(), retain=True)
    assert held == one
    wait_until(lambda: running.until[-1] > held, 20, "going on")


def test_a_second_line_of_trouble_is_no_broker_at_all() -> None:
    running = Running(free_port(), SMALL, None)
    time.sleep(1.5)
    running.end()
    assert running.until


def test_vehicles_take_their_leave(listener: Listener, start) -> None:
    running = start()
    wait_until(lambda: sum(t.endswith("/connection") for t, _, _ in listener.got) >= SMALL.agvs, 20, "the fleet")
    running.end()
    wait_until(lambda: sum(b"OFFLINE" in body for _, body, _ in listener.got) >= SMALL.agvs, 10, "the farewell")
    last: dict[str, str] = {}
    for topic, body, _ in listener.got:
        if topic.endswith("/connection"):
            last[topic] = msgspec.json.decode(body)["connectionState"]
    assert set(last.values()) == {"OFFLINE"}
