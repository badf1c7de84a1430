"""The broker as docker-compose.yml ships it, on Debian's mosquitto, and the people who connect to it."""

from __future__ import annotations

import getpass
import shutil
import signal
import socket
import subprocess
import threading
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from tests.running import free_port, wait_until
from tests.system.mosquitto import PATH

SHIPPED = Path(__file__).resolve().parents[2] / "deploy" / "mosquitto"
PASSWORDS = {"lineside": "with $ 'signs\" é", "device": "another one"}


class ShippedBroker:
    """deploy/mosquitto in a folder of its own, started by its start.sh; only ports and the user are this test's."""

    def __init__(self, folder: Path) -> None:
        self.port, self.tls_port = free_port(), free_port()
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        shutil.copytree(SHIPPED, folder / "config", ignore=shutil.ignore_patterns("users", "tls.conf"))
        (folder / "data").mkdir()
        self.listen("plain.conf", "plain.conf", 1883, self.port)
        # Debian's mosquitto gives up root for a user who may not enter pytest's folders.
        (folder / "config/listeners/user.conf").write_text(f"user {getpass.getuser()}\n", encoding="utf-8")

    def listen(self, shipped: str, name: str, shipped_port: int, port: int) -> None:
        """Put a listener file in place as the guide says, on a free port of 127.0.0.1."""
        text = (SHIPPED / "listeners" / shipped).read_text(encoding="utf-8")
        line = f"listener {shipped_port}\n"
        assert line in text
        target = self.folder / "config/listeners" / name
        target.write_text(text.replace(line, f"listener {port} 127.0.0.1\n"), encoding="utf-8")

    def start(self) -> None:
        environ = {
            "PATH": PATH,
            "LINESIDE_BROKER_PASSWORD": PASSWORDS["lineside"],
            "DEVICE_BROKER_PASSWORD": PASSWORDS["device"],
        }
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["/bin/sh", "config/start.sh"], cwd=self.folder, env=environ, stdout=log, stderr=log
            )
        wait_until(self._listens, 10, "the broker's port")

    def kill(self, sign: signal.Signals = signal.SIGKILL) -> None:
        assert self._process is not None
        self._process.send_signal(sign)
        self._process.wait(10)

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "log").read_text(encoding="utf-8")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class Person:
    """One MQTT client, with what it received."""

    def __init__(self, user: str | None, password: str = "", client_id: str = "") -> None:
        self.client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=not client_id, protocol=mqtt.MQTTv311
        )
        if user is not None:
            self.client.username_pw_set(user, password)
        self.received: list[tuple[str, bytes]] = []
        self.refused: str | None = None
        self._connected, self._subscribed = threading.Event(), threading.Event()
        self.client.on_connect = self._on_connect
        self.client.on_subscribe = lambda *_: self._subscribed.set()
        self.client.on_message = lambda _client, _data, message: self.received.append((message.topic, message.payload))

    def _on_connect(self, _client: object, _data: object, _flags: object, reason: object, _properties: object) -> None:
        self.refused = None if str(reason) == "Success" else str(reason)
        self._connected.set()

    def connect(self, port: int) -> Person:
        self._connected.clear()
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert self._connected.wait(10)
        return self

    def subscribe(self, topic: str) -> Person:
        self._subscribed.clear()
        self.client.subscribe(topic, qos=1)
        assert self._subscribed.wait(10)
        return self

    def publish(self, topic: str, payload: bytes) -> None:
        """Return when the broker has acknowledged it."""
        sent = self.client.publish(topic, payload, qos=1)
        sent.wait_for_publish(30)
        assert sent.is_published()

    def leave(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def person(user: str, client_id: str = "") -> Person:
    return Person(user, PASSWORDS[user], client_id)
