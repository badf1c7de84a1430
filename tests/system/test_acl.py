"""The shipped rights, on Debian's mosquitto: a machine speaks for its own cell, and only Lineside gives verdicts."""

from __future__ import annotations

import dataclasses
import logging
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.broker_trouble import diagnose
from edge.mqtt import BrokerSettings
from tests.running import wait_until
from tests.system.conftest import need
from tests.system.mosquitto import find_mosquitto
from tests.system.shipped import PASSWORDS, SHIPPED, Person, ShippedBroker, person

pytestmark = pytest.mark.system
LOG = logging.getLogger("test")
MACHINES = ("C01", "C02", "AGV7")
CELL = "lineside/v1/SZ1/body/FR1/C01"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[ShippedBroker]:
    """The shipped broker with a user for each machine and none for all."""
    need(find_mosquitto(), "mosquitto")
    shipped = ShippedBroker(tmp_path)
    for name in MACHINES:
        new = ["-c"] if name == MACHINES[0] else []
        users = str(tmp_path / "config/users")
        subprocess.run(["mosquitto_passwd", *new, "-b", users, name, f"secret of {name}"], check=True)
    acl = (tmp_path / "config/acl").read_text(encoding="utf-8")
    start, *_ = acl.partition("# One user for all machines, to start with")
    assert "user device" not in start
    (tmp_path / "config/acl").write_text(start, encoding="utf-8")
    shipped.start()
    yield shipped
    shipped.kill(signal.SIGTERM)


def machine(name: str) -> Person:
    return Person(name, f"secret of {name}")


def heard(broker: ShippedBroker, sender: Person, topics: list[str]) -> list[str]:
    """Return which of the topics Lineside hears; the sender is told that all were taken, as MQTT 3.1.1 has it."""
    lineside = person("lineside").connect(broker.port)
    for topic in ("lineside/v1/#", "uagv/v2/#", "vda5050/v3/#"):
        lineside.subscribe(topic)
    sender.connect(broker.port)
    for topic in topics:
        sender.publish(topic, b"{}")
    end = f"{CELL.replace('C01', 'end')}/event"
    lineside.publish(end, b"{}")  # what came before it would be here by now
    wait_until(lambda: any(topic == end for topic, _ in lineside.received), 10, "the end")
    sender.leave()
    lineside.leave()
    return [topic for topic, _ in lineside.received if topic != end]


def test_a_machine_publishes_in_its_own_cell_and_in_no_other(broker: ShippedBroker) -> None:
    own = [f"{CELL}/{stream}" for stream in ("weld", "tighten", "measure", "delivery", "event")]
    others = [
        f"{CELL.replace('C01', 'C02')}/weld",
        f"{CELL.replace('C01', 'C02')}/event",
        f"{CELL}/verdict",
        f"{CELL}/status",
        f"{CELL}/weld/C01",
        "lineside/v1/C01/weld",
        "uagv/v2/KIT/C02/state",
        "$SYS/broker/version",
    ]
    assert heard(broker, machine("C01"), [*others, *own]) == own


def test_an_agv_speaks_for_itself_and_gives_no_orders(broker: ShippedBroker) -> None:
    own = ["uagv/v2/KIT/AGV7/state", "uagv/v2/KIT/AGV7/connection", "vda5050/v3/KIT/AGV7/state"]
    others = ["uagv/v2/KIT/AGV8/state", "uagv/v2/KIT/AGV7/order", "vda5050/v3/KIT/AGV7/instantActions", f"{CELL}/weld"]
    assert heard(broker, machine("AGV7"), [*others, *own]) == own


def test_only_lineside_gives_verdicts_and_it_sends_no_welds(broker: ShippedBroker) -> None:
    allowed = [f"{CELL}/verdict", f"{CELL}/status", f"{CELL}/event"]
    assert heard(broker, person("lineside"), [f"{CELL}/weld", "uagv/v2/KIT/AGV7/order", *allowed]) == allowed


def test_a_machine_hears_nothing_of_the_plant(broker: ShippedBroker) -> None:
    spy = machine("C02").connect(broker.port)
    spy.subscribe("lineside/v1/#").subscribe("#")
    lineside = person("lineside").connect(broker.port)
    assert heard(broker, machine("C01"), [f"{CELL}/weld"]) == [f"{CELL}/weld"]
    lineside.publish(f"{CELL}/verdict", b"[]")
    lineside.leave()
    spy.publish(f"{CELL.replace('C01', 'C02')}/weld", b"{}")  # answered after all that it could have been sent
    spy.leave()
    assert spy.received == []


def test_a_machine_without_a_user_or_with_a_name_that_matches_all_comes_to_nothing(broker: ShippedBroker) -> None:
    asked = BrokerSettings("127.0.0.1", broker.port, "", "C03", "secret of C03")
    assert "refuses user 'C03'" in diagnose(asked)
    assert diagnose(dataclasses.replace(asked, username="C01", password="secret of C01")) == ""


def test_the_shipped_certificates_make_a_broker_that_knows_machines_by_name(tmp_path: Path) -> None:
    """Step by step what tls.conf.example says: the script's certificates, the shipped listener, the shipped rights."""
    need(find_mosquitto(), "mosquitto")
    need(shutil.which("openssl"), "openssl")
    made = tmp_path / "plant-ca"
    for arguments in (["server", "broker", "127.0.0.1", "broker.plant.example"], ["client", "lineside", "C01"]):
        script = ["sh", str(SHIPPED / "certificates.sh"), str(made), *arguments]
        subprocess.run(script, check=True, capture_output=True)
    assert (made / "ca.key").stat().st_mode & 0o077 == 0
    shipped = ShippedBroker(tmp_path / "broker")
    for name in ("ca.crt", "server.crt", "server.key"):
        shutil.copy(made / name, shipped.folder / "config/certs" / name)
    shipped.listen("tls.conf.example", "tls.conf", 8883, shipped.tls_port)
    shipped.start()

    def with_certificate(name: str) -> Person:
        one = Person(None)
        one.client.tls_set(str(made / "ca.crt"), str(made / f"{name}.crt"), str(made / f"{name}.key"))
        return one

    try:
        bare = BrokerSettings("127.0.0.1", shipped.tls_port, "", ca_file=str(made / "ca.crt"))
        assert "wants a certificate of ours" in diagnose(bare)
        password = dataclasses.replace(bare, username="lineside", password=PASSWORDS["lineside"])
        assert "wants a certificate of ours" in diagnose(password)
        lineside = with_certificate("lineside").connect(shipped.tls_port).subscribe("lineside/v1/#")
        device = with_certificate("C01").connect(shipped.tls_port)
        device.publish(f"{CELL.replace('C01', 'C02')}/weld", b"not mine")
        device.publish(f"{CELL}/weld", b"mine")
        wait_until(lambda: lineside.received, 10, "the weld")
        assert lineside.received == [(f"{CELL}/weld", b"mine")]
        device.leave()
        lineside.leave()
    finally:
        shipped.kill(signal.SIGTERM)


@pytest.mark.parametrize("arguments", [[], ["x"], ["x", "server"], ["x", "client", "a/b"], ["x", "client", "+"]])
def test_certificates_for_names_that_are_none_are_not_made(tmp_path: Path, arguments: list[str]) -> None:
    script = ["sh", str(SHIPPED / "certificates.sh"), *arguments]
    done = subprocess.run(script, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "certificates.sh" in done.stderr
    assert not list(tmp_path.rglob("*.crt")) or "cannot be a user's name" in done.stderr
