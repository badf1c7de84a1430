"""The broker as it is shipped: its own start script and settings, on Debian's mosquitto, killed for real."""

from __future__ import annotations

import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import wait_until
from tests.system.authority import Authority
from tests.system.conftest import need
from tests.system.mosquitto import PATH, find_mosquitto
from tests.system.shipped import PASSWORDS, SHIPPED, Person, ShippedBroker, person

pytestmark = pytest.mark.system
TOPIC = "lineside/v1/SZ1/body/FR1/C01/weld"
SETTLE_S = 0.5
"""Longer than the broker takes from an acknowledgement to its queue on disk; deploy/README.md tells of that window."""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[ShippedBroker]:
    need(find_mosquitto(), "mosquitto")
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
        env={"PATH": PATH, "LINESIDE_BROKER_PASSWORD": "x", "DEVICE_BROKER_PASSWORD": device},
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


def test_the_tls_listener_takes_passwords_where_certificates_are_not_asked_for(tmp_path: Path) -> None:
    need(find_mosquitto(), "mosquitto")
    need(shutil.which("openssl"), "openssl")
    shipped = ShippedBroker(tmp_path)
    certs = tmp_path / "config/certs"
    Authority(certs).sign("server", "broker", names="IP:127.0.0.1")
    shipped.listen("tls.conf.example", "tls.conf", 8883, shipped.tls_port)
    listener = tmp_path / "config/listeners/tls.conf"
    lines = listener.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if line not in {"require_certificate true", "use_identity_as_username true"}]
    assert len(lines) - len(kept) == 2
    listener.write_text("\n".join(kept) + "\n", encoding="utf-8")
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
