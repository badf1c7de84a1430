"""TLS with a real mosquitto and an authority made here: all of ours connect, and what is wrong is said in a line."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from edge.broker_trouble import diagnose
from edge.mqtt import BrokerSettings, new_client, tls_context
from edge.settings import SettingsError
from edge.topics import Place
from services.accounts.model import Caller
from services.api.commands import Commands
from services.api.gate import Asking
from services.broker_access import broker_settings
from services.config import Broker, Config
from services.feed import MqttFeed
from tests.running import free_port, wait_until
from tests.system.authority import Authority
from tests.system.collecting import Collector
from tests.system.conftest import need
from tests.system.mosquitto import Mosquitto, find_mosquitto

pytestmark = pytest.mark.system
PLACE = Place("s", "a", "l", "c")
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Certificates:
    """Files, good ones and bad ones."""

    ours: Authority
    theirs: Authority

    def own(self, name: str) -> dict[str, str]:
        """Return the settings of a client with a certificate of our authority's."""
        folder = self.ours.folder
        return {"cert_file": str(folder / f"{name}.crt"), "key_file": str(folder / f"{name}.key")}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    need(shutil.which("openssl"), "openssl")
    folder = tmp_path_factory.mktemp("certificates")
    made = Certificates(Authority(folder / "ours"), Authority(folder / "theirs", "another authority"))
    made.ours.sign("server", "broker", names="IP:127.0.0.1")
    made.ours.sign("elsewhere", "broker", names="DNS:elsewhere.example")
    made.ours.sign("expired", "broker", names="IP:127.0.0.1", days=-1)
    made.ours.sign("lineside", "lineside")
    made.ours.sign("lineside-expired", "lineside", days=-1)
    made.theirs.sign("lineside", "lineside")
    return made


Secured = tuple[Mosquitto, int]
BY_CERTIFICATE = "require_certificate true\nuse_identity_as_username true\n"


@pytest.fixture
def secured(
    make_mosquitto: Callable[[str], Mosquitto], certificates: Certificates
) -> Callable[[str, str], tuple[Mosquitto, int]]:
    """Start a broker with a second listener that speaks TLS; return it with that listener's port."""

    def start(server: str = "server", extra: str = "") -> tuple[Mosquitto, int]:
        port, folder = free_port(), certificates.ours.folder
        listener = f"listener {port} 127.0.0.1\ncafile {folder}/ca.crt\ncertfile {folder}/{server}.crt\n"
        broker = make_mosquitto(f"{listener}keyfile {folder}/{server}.key\n{extra}")
        broker.start()
        return broker, port

    return start


def settings(port: int, certificates: Certificates, **more: str) -> BrokerSettings:
    return BrokerSettings("127.0.0.1", port, "", ca_file=certificates.ours.ca_file, **more)


def test_what_is_wrong_with_the_brokers_certificate_is_one_line(
    secured: Callable[..., Secured], certificates: Certificates
) -> None:
    broker, port = secured()
    good = settings(port, certificates)
    assert diagnose(good) == ""
    stranger = replace(good, ca_file=certificates.theirs.ca_file)
    assert "did not sign (self-signed certificate in certificate chain); set broker.ca_file" in diagnose(stranger)
    assert diagnose(replace(good, ca_file="")).endswith("if its port speaks TLS, set broker.ca_file")
    assert "breaks TLS off; does this port speak it? Check broker.port" in diagnose(replace(good, port=broker.port))
    assert diagnose(replace(good, port=free_port())).startswith("no broker at mqtts://127.0.0.1:")
    _, port = secured("elsewhere")
    assert "a certificate for another name than '127.0.0.1'; set broker.host" in diagnose(settings(port, certificates))
    _, port = secured("expired")
    assert "has expired; renew it there (certfile), unless this machine's clock" in diagnose(
        settings(port, certificates)
    )


@pytest.mark.parametrize("version", ["tlsv1.2", "tlsv1.3"])
def test_what_is_wrong_with_our_certificate_is_one_line(
    secured: Callable[..., Secured], certificates: Certificates, version: str
) -> None:
    _, port = secured("server", f"{BY_CERTIFICATE}tls_version {version}\n")
    assert diagnose(settings(port, certificates, **certificates.own("lineside"))) == ""
    bare = settings(port, certificates)
    assert "wants a certificate of ours; set broker.cert_file and broker.key_file" in diagnose(bare)
    expired = settings(port, certificates, **certificates.own("lineside-expired"))
    assert "lineside-expired.crt, has expired; renew it" in diagnose(expired)
    folder = certificates.theirs.folder
    foreign = replace(bare, cert_file=str(folder / "lineside.crt"), key_file=str(folder / "lineside.key"))
    assert "does not accept our certificate, broker.cert_file" in diagnose(foreign)


def test_who_is_refused_is_told_which_setting(make_mosquitto: Callable[[str], Mosquitto], tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    passwords.write_text("lineside:right\n", encoding="utf-8")
    subprocess.run(["mosquitto_passwd", "-U", str(passwords)], check=True, capture_output=True)
    broker = make_mosquitto(f"password_file {passwords}\nallow_anonymous false\n")
    broker.start()
    asked = BrokerSettings("127.0.0.1", broker.port, "", "lineside", "right")
    assert diagnose(asked) == ""
    assert diagnose(replace(asked, password="wrong")).endswith("check broker.username and its password")
    assert diagnose(replace(asked, password="")).endswith("check broker.username and its password, which is empty")
    assert diagnose(replace(asked, username="")).endswith("check broker.username: set it and its password")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"ca_file": "absent"}, "broker.ca_file absent: No such file"),
        ({"ca_file": __file__}, "holds no certificate in PEM form"),
        (
            {"ca_file": "", "cert_file": "x"},
            "broker.cert_file is set and broker.ca_file, which switches TLS on, is not",
        ),
        ({"key_file": "x"}, "broker.key_file is set and broker.cert_file is not"),
        ({"cert_file": "{ours}/lineside.crt", "key_file": "{ours}/server.key"}, "is not the key of broker.cert_file"),
        ({"cert_file": "{ours}/lineside.crt", "key_file": "{ours}/ca.crt"}, "do not hold a certificate and its key"),
        ({"cert_file": "{ours}/lineside.crt", "key_file": "{ours}/locked.key"}, "is encrypted; expected a key without"),
    ],
)
def test_files_that_cannot_be_used_are_named(certificates: Certificates, change: dict[str, str], says: str) -> None:
    folder = certificates.ours.folder
    encrypt = ["openssl", "ec", "-aes256", "-passout", "pass:secret", "-in", "lineside.key", "-out", "locked.key"]
    subprocess.run(encrypt, cwd=folder, check=True, capture_output=True)
    there = {name: value.format(ours=folder) for name, value in change.items()}
    broker = replace(settings(1, certificates), **there)
    with pytest.raises(SettingsError) as told:
        tls_context(broker)
    assert says in str(told.value)
    with pytest.raises(SettingsError):
        new_client(broker, logging.getLogger("test"))


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Callable[..., Collector]]:
    made: list[Collector] = []

    def make(port: int, **broker: str) -> Collector:
        folder = tmp_path / f"edge-{len(made)}"
        folder.mkdir()
        made.append(Collector(folder, port, **broker))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_the_collector_says_it_once_and_goes_on_when_the_broker_is_put_right(
    secured: Callable[..., Secured], certificates: Certificates, collector: Callable[..., Collector]
) -> None:
    broker, port = secured("expired")
    edge = collector(port, ca_file=certificates.ours.ca_file)
    edge.start(connected=False)
    wait_until(lambda: "has expired; renew it there (certfile)" in edge.log(), 10, "saying so")
    time.sleep(1.5)  # three more attempts
    assert len(edge.log().splitlines()) == 1, edge.log()
    broker.stop()
    conf = broker.folder / "mosquitto.conf"
    conf.write_text(conf.read_text(encoding="utf-8").replace("/expired.", "/server."), encoding="utf-8")
    broker.start()
    wait_until(lambda: "connected to" in edge.log(), 15, "connecting")


def test_everything_of_ours_connects_by_the_same_settings(
    secured: Callable[..., Secured], certificates: Certificates, collector: Callable[..., Collector], tmp_path: Path
) -> None:
    """Collector, verdict publisher, commands, simulator and `check`, where only a certificate opens the door."""
    acl = tmp_path / "acl"
    acl.write_text("user lineside\ntopic readwrite #\n", encoding="utf-8")
    _, port = secured("server", f"{BY_CERTIFICATE}acl_file {acl}\n")
    own = {"ca_file": certificates.ours.ca_file, **certificates.own("lineside")}
    edge = collector(port, **own)
    edge.start()
    broker = Broker(host="127.0.0.1", port=port, **own)

    heard: list[str] = []
    ready = threading.Event()
    listener = new_client(broker_settings(broker, "listener"), logging.getLogger("test"))
    listener.on_message = lambda _client, _data, message: heard.append(message.topic)
    listener.on_subscribe = lambda *_: ready.set()
    listener.on_connect = lambda client, *_: client.subscribe("lineside/v1/+/+/+/+/verdict", 1)
    listener.connect(broker.host, broker.port)
    listener.loop_start()
    assert ready.wait(10)
    feed = MqttFeed(broker_settings(broker, "pipeline"), logging.getLogger("test"))
    feed.publish(PLACE.topic("verdict"), b"[]")
    wait_until(lambda: heard == [PLACE.topic("verdict")], 10, "the verdict")
    feed.close()
    listener.disconnect()
    listener.loop_stop()

    event = {"kind": "cap_change", "gun": "G1"}
    who = Asking(Caller("token", "test", "engineer", "127.0.0.1"))
    Commands(Config(broker=broker), time.time_ns).send(PLACE, event, who)
    wait_until(lambda: any("cap_change" in payload for payload in edge.payloads()), 10, "the command in the journal")

    config = tmp_path / "lineside.toml"
    lines = "".join(f'{name} = "{value}"\n' for name, value in own.items())
    config.write_text(f'[broker]\nhost = "127.0.0.1"\nport = {port}\n{lines}', encoding="utf-8")
    command = [sys.executable, "-m", "services.cli"]
    checking = subprocess.Popen(
        [*command, "check", "lineside/v1/+/+/+/+/weld", "--config", str(config), "--count", "3", "--json"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    with (tmp_path / "simulator.log").open("wb") as log:
        simulating = subprocess.Popen(
            [*command, "simulate", "--config", str(config), "--speed", "10"], cwd=ROOT, stdout=log, stderr=log
        )
    try:
        out, _ = checking.communicate(timeout=60)
        assert checking.returncode == 0
        assert len(out.splitlines()) == 3
        wait_until(lambda: any(message.topic.endswith("/weld") for message in edge.messages()), 20, "simulated welds")
    finally:
        checking.kill()
        simulating.terminate()
        assert simulating.wait(20) == 0, (tmp_path / "simulator.log").read_text(encoding="utf-8")


def test_an_address_on_the_command_line_speaks_tls_or_does_not(
    secured: Callable[..., Secured], certificates: Certificates, tmp_path: Path
) -> None:
    need(find_mosquitto(), "mosquitto")
    _, port = secured()

    def check(address: str, **environ: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "services.cli", "check", "lineside/v1/#", "--broker", address],
            cwd=tmp_path,
            env={"PATH": "", "PYTHONPATH": str(ROOT), **environ},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stderr

    status, told = check(f"mqtts://127.0.0.1:{port}")
    assert status == 2
    assert "needs broker.ca_file" in told
    status, told = check(f"mqtts://127.0.0.1:{port}", LINESIDE_BROKER_CA_FILE=certificates.theirs.ca_file)
    assert (status, len(told.splitlines())) == (1, 1)
    assert "did not sign" in told
    status, told = check(f"mqtt://127.0.0.1:{port}", LINESIDE_BROKER_CA_FILE=certificates.ours.ca_file)
    assert (status, len(told.splitlines())) == (1, 1)
    assert "if its port speaks TLS, set broker.ca_file" in told
