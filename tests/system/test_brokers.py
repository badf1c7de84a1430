"""The demo's own broker, both kinds: what is published with QoS 1 arrives, and it leaves when told."""

from __future__ import annotations

import logging
import queue
import socket
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from edge.settings import SettingsError
from services import brokers
from services.jobs import BrokerJob
from tests.running import free_port, wait_until
from tests.system.conftest import need

pytestmark = pytest.mark.system
LOG = logging.getLogger("test")


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


WORKER = "import sys; from services import brokers, workers; sys.argv[1:] = ['broker']; {patch}; workers.main()"
PATCHES = {"mosquitto": "pass", "amqtt": "brokers.find_mosquitto = lambda: None"}


@pytest.mark.parametrize("kind", PATCHES)
def test_a_message_goes_through_and_it_leaves_with_its_supervisor(kind: str, tmp_path: Path) -> None:
    if kind == "mosquitto":
        need(brokers.find_mosquitto(), "mosquitto")
    port = free_port()
    job = msgspec.json.encode(BrokerJob(port=port, folder=str(tmp_path / "broker")))
    command = [sys.executable, "-c", WORKER.format(patch=PATCHES[kind])]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log)
    assert process.stdin is not None
    try:
        process.stdin.write(job + b"\n")
        process.stdin.flush()
        wait_until(lambda: answers(port), 30, "the broker")
        came: queue.Queue[bytes] = queue.Queue()
        subscribed = threading.Event()
        client = Client(CallbackAPIVersion.VERSION2)
        client.on_message = lambda _client, _data, message: came.put(message.payload)
        client.on_subscribe = lambda *_: subscribed.set()
        client.connect("127.0.0.1", port)
        client.loop_start()
        client.subscribe("lineside/v1/#", 1)
        assert subscribed.wait(10)
        client.publish("lineside/v1/s/a/l/c/weld", b"curve" * 20_000, qos=1).wait_for_publish(10)
        assert came.get(timeout=10) == b"curve" * 20_000
        client.disconnect()
        client.loop_stop()
        process.stdin.close()  # as when the supervisor is gone
        assert process.wait(20) == 0, (tmp_path / "log").read_text()
        assert not answers(port)
    finally:
        process.kill()
        process.wait()


def test_amqtt_on_a_taken_port_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brokers, "find_mosquitto", lambda: None)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        job = BrokerJob(port=taken.getsockname()[1], folder=str(tmp_path))
        with pytest.raises(SettingsError, match="cannot listen"):
            brokers.run_broker(job, threading.Event(), LOG)
