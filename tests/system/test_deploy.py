"""The broker as it is shipped: its own start script and settings, on Debian's mosquitto, killed for real."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.running import free_port, wait_until

pytestmark = pytest.mark.system
SHIPPED = Path(__file__).resolve().parents[2] / "deploy" / "mosquitto"
PASSWORDS = {"lineside": "with $ 'signs\" é", "device": "another one"}
TOPIC = "lineside/v1/SZ1/body/FR1/C01/weld"
SETTLE_S = 0.5
"""Longer than the broker takes from an acknowledgement to its queue on disk; deploy/README.md tells of that window."""


def needed(program: str) -> str:
    """Return the path of a program; without it skip, or fail where all services are required."""
    found = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if not found:
        if os.environ.get("LINESIDE_REQUIRE_SERVICES") == "1":
            pytest.fail(f"{program} is required and not installed")
        pytest.skip(f"{program} is not installed")
    return found


class ShippedBroker:
    """deploy/mosquitto in a folder of its own, started by its start.sh; only ports and the user are this test's."""

    def __init__(self, folder: Path) -> None:
        self.port, self.tls_port = free_port(), free_port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        shutil.copytree(SHIPPED, folder / "config")
        (folder / "data").mkdir()
        self.listen("plain.conf", "plain.conf", 1883, self.port)
        # Debian's mosquitto gives up root for a user who may not enter pytest's folders.
        (folder / "config/listeners/user.conf").write_text(f"user {getpass.getuser()}\n", encoding="utf-8")

    def listen(self, shipped: str, name: str, shipped_port: int, port: int) -> None:
        """Put a listener file in place as the guide says, on a free port of 127.0.0.1."""
        text = (SHIPPED / "listeners" / shipped).read_text(encoding="utf-8")
        line = f"listener {shipped_port}\n"
        assert line in text
        target = self._folder / "config/listeners" / name
        target.write_text(text.replace(line, f"listener {port} 127.0.0.1\n"), encoding="utf-8")

    def start(self) -> None:
        environ = {
            "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin",
            "LINESIDE_BROKER_PASSWORD": PASSWORDS["lineside"],
            "DEVICE_BROKER_PASSWORD": PASSWORDS["device"],
        }
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["/bin/sh", "config/start.sh"], cwd=self._folder, env=environ, stdout=log, stderr=log
            )
        wait_until(self._listens, 10, "the broker's port")

    def kill(self, sign: signal.Signals = signal.SIGKILL) -> None:
        assert self._process is not None
        self._process.send_signal(sign)
        self._process.wait(10)

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "log").read_text(encoding="utf-8")
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


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[ShippedBroker]:
    needed("mosquitto")
    needed("mosquitto_passwd")
    shipped = ShippedBroker(tmp_path)
    shipped.start()
    yield shipped
    shipped.kill(signal.SIGTERM)


def test_only_those_with_the_right_password_come_in(broker: ShippedBroker) -> None:
    for user, password in ((None, ""), ("lineside", ""), ("lineside", PASSWORDS["device"]), ("stranger", "x")):
        stranger = Person(user, password).connect(broker.port)
        stranger.leave()
        assert stranger.refused == "Not authorized", user
    for user in PASSWORDS:
        known = person(user).connect(broker.port)
        known.leave()
        assert known.refused is None


def test_no_password_stands_in_a_file_or_on_a_command_line(broker: ShippedBroker, tmp_path: Path) -> None:
    written = (tmp_path / "data/passwords").read_text(encoding="utf-8")
    assert {line.split(":")[0] for line in written.splitlines()} == set(PASSWORDS)
    assert not any(password in written for password in PASSWORDS.values())
    assert (tmp_path / "data/passwords").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("device", "says"), [("", "DEVICE_BROKER_PASSWORD"), ("a:b", "colon"), ("a\nroot:b", "line break")]
)
def test_without_usable_passwords_the_broker_does_not_start(tmp_path: Path, device: str, says: str) -> None:
    done = subprocess.run(
        ["/bin/sh", str(SHIPPED / "start.sh")],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "LINESIDE_BROKER_PASSWORD": "x", "DEVICE_BROKER_PASSWORD": device},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode
    assert says in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_device_is_heard_on_every_topic_but_cannot_speak_for_lineside(broker: ShippedBroker) -> None:
    lineside = person("lineside").connect(broker.port).subscribe("lineside/v1/#").subscribe("uagv/v2/#")
    device = person("device").connect(broker.port)
    heard = [TOPIC, "lineside/v1/wrong/shape", "uagv/v2/KIT/0001/state"]
    verdict = TOPIC.replace("/weld", "/verdict")
    for topic in [verdict, TOPIC.replace("/weld", "/status"), *heard]:
        device.publish(topic, b"{}")
    wait_until(lambda: len(lineside.received) >= len(heard), 10, "the device's messages")
    lineside.publish(verdict, b"[]")
    wait_until(lambda: len(lineside.received) > len(heard), 10, "Lineside's own verdict")
    assert [topic for topic, _ in lineside.received] == [*heard, verdict]
    device.leave()
    lineside.leave()


def test_what_was_acknowledged_for_a_client_that_is_away_survives_kill_9(broker: ShippedBroker) -> None:
    person("lineside", "collector").connect(broker.port).subscribe("lineside/v1/#").leave()
    # The broker takes one message of each connection, then writes its queue out: many connections share the waiting.
    guns = [person("device").connect(broker.port) for _ in range(20)]
    sent = [(f"lineside/v1/SZ1/body/FR1/C{gun:02}/weld", b"%d" % number) for number in range(75) for gun in range(20)]
    assert len(sent) > 1000  # mosquitto's own limit, beyond which it drops
    waiting = [guns[i % 20].client.publish(topic, payload, qos=1) for i, (topic, payload) in enumerate(sent)]
    wait_until(lambda: all(message.is_published() for message in waiting), 60, "every acknowledgement")
    time.sleep(SETTLE_S)
    broker.kill()
    for gun in guns:
        gun.leave()
    broker.start()
    back = person("lineside", "collector").connect(broker.port)
    wait_until(lambda: len(back.received) >= len(sent), 20, "the queued messages")
    back.leave()
    assert sorted(back.received) == sorted(sent)


def test_the_tls_listener_works_as_the_guide_says(tmp_path: Path) -> None:
    needed("mosquitto")
    openssl = needed("openssl")
    shipped = ShippedBroker(tmp_path)
    certs = tmp_path / "config/certs"
    authority = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"]
    key = ["-newkey", "rsa:2048", "-nodes", "-days", "2"]
    for arguments in (
        ["req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=test authority"],
        ["req", *key[:3], "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=127.0.0.1"],
        ["x509", "-req", "-in", "server.csr", *authority, "-out", "server.crt", "-days", "2", "-extfile", "names"],
    ):
        (certs / "names").write_text("subjectAltName = IP:127.0.0.1\n", encoding="utf-8")
        subprocess.run([openssl, *arguments], cwd=certs, check=True, capture_output=True)
    shipped.listen("tls.conf.example", "tls.conf", 8883, shipped.tls_port)
    shipped.start()
    try:
        secure = person("lineside")
        secure.client.tls_set(str(certs / "ca.crt"))
        secure.connect(shipped.tls_port).leave()
        assert secure.refused is None
        strict = ssl.create_default_context()
        with (
            socket.create_connection(("127.0.0.1", shipped.tls_port)) as bare,
            pytest.raises(ssl.SSLError, match="verify"),
        ):
            strict.wrap_socket(bare, server_hostname="127.0.0.1")
    finally:
        shipped.kill(signal.SIGTERM)
