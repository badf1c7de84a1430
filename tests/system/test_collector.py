"""The collector against a real broker, and against what goes wrong in a plant."""

from __future__ import annotations

import json
import random
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.journal import JournalReader
from edge.sources.journal_record import TooLarge, decode_record
from edge.topics import JOURNAL, UNROUTED
from tests.running import free_port, wait_until
from tests.system.collecting import Collector
from tests.system.mosquitto import Mosquitto, Publisher
from tests.system.relay import Relay

pytestmark = pytest.mark.system
WELD = "lineside/v1/s/a/l/c1/weld"
OTHER = "lineside/v1/s/a/l/c2/weld"
AGV = "uagv/v2/acme/7/state"


def weld(number: int, size: int = 0) -> bytes:
    return json.dumps({"id": number, "pad": "x" * size}).encode()


def welds(numbers: range, size: int = 0) -> set[str]:
    return {weld(number, size).decode() for number in numbers}


@pytest.fixture
def make_collector(tmp_path: Path) -> Iterator[Callable[..., Collector]]:
    made: list[Collector] = []

    def make(port: int, folder: Path = tmp_path / "data", **options: object) -> Collector:
        made.append(Collector(folder, port, **options))  # type: ignore[arg-type]  # handed through
        return made[-1]

    yield make
    for collector in made:
        collector.close()


def account_adds_up(collector: Collector) -> bool:
    """The account and the queue were written together, so they agree, whatever was killed."""
    with JournalReader.open(collector.journal) as reader:
        account = reader.account(0)
    items: Counter[str] = Counter()
    for message in collector.messages():
        items["/".join(message.topic.split("/")[2:])] += message.items
    return {name: (count.received, count.pending) for name, count in account.items()} == {
        name: (number, number) for name, number in items.items()
    }


def test_what_came_while_it_was_away_arrives(
    mosquitto: Mosquitto, make_collector: Callable[..., Collector], make_publisher: Callable[[int], Publisher]
) -> None:
    collector, device = make_collector(mosquitto.port), make_publisher(mosquitto.port)
    collector.start()
    device.publish(WELD, weld(0))
    wait_until(collector.payloads, 5, "the first weld")
    assert collector.stop() == 0
    for number in range(1, 200):
        device.publish(WELD if number % 2 else OTHER, weld(number))
    wait_until(device.all_acknowledged, 10, "acknowledgement by the broker")
    collector.start()
    wait_until(lambda: set(collector.payloads()) == welds(range(200)), 10, "everything")
    assert len(collector.payloads()) == 200  # it had acknowledged what it had: nothing comes twice
    assert "the session was kept" in collector.log()
    assert account_adds_up(collector)


def test_it_waits_for_a_broker_that_is_not_up(
    make_mosquitto: Callable[[str], Mosquitto],
    make_collector: Callable[..., Collector],
    make_publisher: Callable[[int], Publisher],
) -> None:
    broker = make_mosquitto("")
    collector = make_collector(broker.port)
    collector.start(connected=False)
    wait_until(lambda: "no broker at" in collector.log(), 5, "saying so")
    time.sleep(1)
    assert collector.log().count("no broker at") == 1
    broker.start()
    wait_until(lambda: "connected to" in collector.log(), 10, "connecting")
    make_publisher(broker.port).publish(WELD, weld(1))
    wait_until(collector.payloads, 5, "the weld")


@pytest.mark.parametrize("seed", [1, 2])
def test_kill_9_under_load_loses_nothing(
    seed: int,
    make_mosquitto: Callable[[str], Mosquitto],
    make_collector: Callable[..., Collector],
    make_publisher: Callable[[int], Publisher],
) -> None:
    # A broker that saved after each change would read acknowledgements so late that a premature one did no harm.
    broker = make_mosquitto("autosave_on_changes false\n")
    broker.start()
    moments = random.Random(seed)
    collector, device = make_collector(broker.port), make_publisher(broker.port)
    collector.start()
    sent = 0
    for _ in range(4):
        until = time.monotonic() + moments.uniform(0.05, 0.6)
        while time.monotonic() < until:
            for _ in range(20):
                device.publish(WELD if sent % 3 else OTHER, weld(sent))
                sent += 1
            time.sleep(0.005)
        collector.kill()
        collector.start()
    wait_until(device.all_acknowledged, 20, "acknowledgement by the broker")
    wait_until(lambda: set(collector.payloads()) == device.acknowledged(), 20, "everything")
    assert sent > 500
    assert [message.seq for message in collector.messages()] == list(range(1, len(collector.payloads()) + 1))
    assert account_adds_up(collector)


def test_kill_9_of_the_broker_loses_nothing_that_it_had_saved(
    mosquitto: Mosquitto, make_collector: Callable[..., Collector], make_publisher: Callable[[int], Publisher]
) -> None:
    collector, device = make_collector(mosquitto.port), make_publisher(mosquitto.port)
    collector.start()
    collector.stop()
    for number in range(300):
        device.publish(WELD, weld(number))
    wait_until(device.all_acknowledged, 10, "acknowledgement by the broker")
    mosquitto.settle()
    collector.start()
    wait_until(collector.messages, 10, "some")
    mosquitto.kill()  # in the middle of it
    wait_until(lambda: "is lost" in collector.log(), 10, "noticing")
    mosquitto.start()
    wait_until(lambda: set(collector.payloads()) == welds(range(300)), 20, "everything")
    device.publish(WELD, weld(300))
    wait_until(lambda: weld(300).decode() in collector.payloads(), 10, "going on")


def test_it_stops_at_its_bound_and_goes_on_by_itself(
    mosquitto: Mosquitto, make_collector: Callable[..., Collector], make_publisher: Callable[[int], Publisher]
) -> None:
    collector = make_collector(mosquitto.port, max_bytes=2**20)
    device = make_publisher(mosquitto.port)
    collector.start()
    for number in range(600):  # 1.2 MB of payload
        device.publish(WELD, weld(number, 2000))
    wait_until(device.all_acknowledged, 30, "acknowledgement by the broker")
    wait_until(lambda: "acknowledging stopped" in collector.log(), 10, "stopping")
    wait_until(lambda: (status := collector.status()) and "1048576" in status.stopped_reason, 5, "saying why")
    held = len(collector.messages())
    assert 100 < held < 600
    assert sum(path.stat().st_size for path in collector.journal.parent.glob("journal.sqlite*")) <= 2**20
    time.sleep(1)
    assert len(collector.messages()) == held
    seen: set[str] = set()
    after = 0

    def taken() -> bool:
        """Do what the pipeline does: read, and let go."""
        nonlocal after
        for message in collector.messages(after):
            seen.add(message.payload.decode())
            after = message.seq
        collector.trim_to(after)
        return seen == welds(range(600), 2000)

    wait_until(taken, 20, "everything")
    assert "acknowledging again" in collector.log()
    assert after == 600  # none twice: what was not acknowledged stayed in memory
    wait_until(lambda: (status := collector.status()) and not status.stopped_reason, 5, "all being well")


def test_a_message_too_large_for_the_journal_is_recorded_and_holds_nothing_up(
    mosquitto: Mosquitto, make_collector: Callable[..., Collector], make_publisher: Callable[[int], Publisher]
) -> None:
    collector = make_collector(mosquitto.port, max_bytes=2**20)
    device = make_publisher(mosquitto.port)
    collector.start()
    device.publish(WELD, weld(1, 600_000))
    device.publish(WELD, weld(2))
    wait_until(lambda: len(collector.messages()) == 2, 10, "both")
    stands_for, kept = collector.messages()
    assert stands_for.topic == JOURNAL
    assert decode_record(stands_for.payload) == TooLarge(WELD, len(weld(1, 600_000)), 393_216)
    assert kept.payload == weld(2)
    with JournalReader.open(collector.journal) as reader:
        assert {name: count.received for name, count in reader.account(0).items()} == {"s/a/l/c1/weld": 2}
    assert "is not kept: journal.max_bytes leaves room for 393216" in collector.log()


def test_a_damage_is_salvaged_while_it_runs(
    mosquitto: Mosquitto, make_collector: Callable[..., Collector], make_publisher: Callable[[int], Publisher]
) -> None:
    collector, device = make_collector(mosquitto.port), make_publisher(mosquitto.port)
    collector.start()
    for number in range(20):
        device.publish(WELD, weld(number))
    wait_until(lambda: len(collector.messages()) == 20, 10, "all")
    with JournalReader.open(collector.journal) as reader:
        reader.request_salvage("a test says so")  # as the pipeline does when it meets a damage
    wait_until(lambda: "the journal is salvaged; lost: nothing" in collector.log(), 10, "the salvage")
    wait_until(lambda: collector.log().count("connected to") == 2, 10, "connecting again")
    device.publish(WELD, weld(20))
    wait_until(lambda: weld(20).decode() in collector.payloads(), 10, "going on")
    assert [message.seq for message in collector.messages()] == list(range(1, 23))
    assert [message.topic for message in collector.messages()].index(JOURNAL) == 20


def test_it_stops_on_a_full_disk_and_goes_on_by_itself(
    tmp_path: Path,
    mosquitto: Mosquitto,
    make_collector: Callable[..., Collector],
    make_publisher: Callable[[int], Publisher],
    small_disk: Path,
) -> None:
    collector = make_collector(mosquitto.port, small_disk / "data", log=tmp_path / "collector.log")
    device = make_publisher(mosquitto.port)
    collector.start()
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(4 * 2**20))
    for number in range(700):  # 1.4 MB of payload; 2 MiB are left, for log and database
        device.publish(WELD, weld(number, 2000))
    wait_until(lambda: "acknowledging stopped" in collector.log(), 20, "stopping")
    assert "free on its disk" in collector.log()
    wait_until(device.all_acknowledged, 30, "acknowledgement by the broker")
    assert len(collector.messages()) < 700
    ballast.unlink()
    wait_until(lambda: "acknowledging again" in collector.log(), 10, "going on")
    wait_until(lambda: set(collector.payloads()) == welds(range(700), 2000), 10, "everything")
    assert len(collector.messages()) == 700
    assert account_adds_up(collector)


def test_unacknowledged_messages_survive_a_broker_and_are_kept_once(
    mosquitto: Mosquitto, make_collector: Callable[..., Collector], make_publisher: Callable[[int], Publisher]
) -> None:
    collector = make_collector(mosquitto.port, max_bytes=2**21)
    device = make_publisher(mosquitto.port)
    collector.start()
    for number in range(600):
        device.publish(WELD, weld(number, 2000))
    wait_until(device.all_acknowledged, 30, "acknowledgement by the broker")
    wait_until(lambda: "acknowledging stopped" in collector.log(), 10, "stopping")
    kept = len(collector.messages())
    mosquitto.settle()  # it has read the acknowledgements of those
    mosquitto.stop()
    wait_until(lambda: "is lost" in collector.log(), 10, "noticing")
    mosquitto.start()
    wait_until(lambda: collector.log().count("connected to") == 2, 10, "connecting again")
    time.sleep(1)  # it gets again what it has in memory, and must not take it for more
    collector.trim_to(kept)
    wait_until(lambda: len(collector.messages(kept)) >= 600 - kept, 10, "the rest")
    assert Counter(m.payload.decode() for m in collector.messages(kept)) == Counter(
        weld(number, 2000).decode() for number in range(kept, 600)
    )
    mosquitto.settle()
    assert collector.stop() == 0
    collector.start()
    time.sleep(0.5)
    assert len(collector.messages(kept)) == 600 - kept  # all of it is acknowledged


def test_what_is_kept_but_not_acknowledged_comes_twice_at_most(
    mosquitto: Mosquitto, make_collector: Callable[..., Collector], make_publisher: Callable[[int], Publisher]
) -> None:
    with Relay(mosquitto.port) as relay:
        collector, device = make_collector(relay.port), make_publisher(mosquitto.port)
        collector.start()
        device.publish(WELD, weld(0))
        wait_until(collector.payloads, 5, "the first weld")
        time.sleep(0.3)
        relay.swallow_upstream()
        for number in range(1, 21):
            device.publish(WELD, weld(number))
        wait_until(lambda: len(collector.payloads()) == 21, 5, "keeping them")
        relay.cut()
        wait_until(lambda: len(collector.payloads()) > 21, 10, "delivery once more")
        time.sleep(0.5)
        expected = Counter({weld(0).decode(): 1, **{weld(number).decode(): 2 for number in range(1, 21)}})
        assert Counter(collector.payloads()) == expected
        relay.cut()
        wait_until(lambda: collector.log().count("connected to") == 3, 10, "connecting again")
        time.sleep(0.5)
        assert Counter(collector.payloads()) == expected  # now they are acknowledged
        assert account_adds_up(collector)


def test_wrong_topics_are_kept_and_our_own_outputs_are_not(
    mosquitto: Mosquitto, make_collector: Callable[..., Collector], make_publisher: Callable[[int], Publisher]
) -> None:
    collector, device = make_collector(mosquitto.port), make_publisher(mosquitto.port)
    collector.start()
    device.publish("lineside/v1/s/a/l/c1/verdict", b"verdict")
    device.publish("lineside/v1/s/_/_/_/status", b"status")
    device.publish("lineside/v1/s/weld", b"short")
    device.publish("lineside/v1/s/a/l/c1/glue", b"glue")
    device.publish("lineside-truth/v1/s/a/l/c1/weld", b"truth")
    device.publish(WELD, b'[{"id": 1}, {"id": 2}]')
    device.publish(AGV, b"{}", qos=0)
    wait_until(lambda: len(collector.payloads()) >= 4, 5, "four messages")
    time.sleep(0.3)
    with JournalReader.open(collector.journal) as reader:
        account = {name: count.received for name, count in reader.account(0).items()}
    assert account == {UNROUTED: 2, "s/a/l/c1/weld": 2, "agv/acme/7": 1}
    assert sorted(collector.payloads()) == sorted(["short", "glue", '[{"id": 1}, {"id": 2}]', "{}"])
    assert collector.stop() == 0
    collector.start()
    time.sleep(0.5)
    assert len(collector.payloads()) == 4  # the outputs were acknowledged: they do not come again


def test_it_leaves_quickly_with_everything_acknowledged(
    make_mosquitto: Callable[[str], Mosquitto],
    make_collector: Callable[..., Collector],
    make_publisher: Callable[[int], Publisher],
) -> None:
    broker = make_mosquitto("autosave_on_changes false\n")  # quick enough to read all acknowledgements in time
    broker.start()
    collector, device = make_collector(broker.port), make_publisher(broker.port)
    collector.start()
    for number in range(2000):
        device.publish(WELD, weld(number))
    wait_until(collector.messages, 5, "some")
    started = time.monotonic()
    assert collector.stop() == 0
    assert time.monotonic() - started < 2
    collector.start()
    wait_until(lambda: len(set(collector.payloads())) == 2000, 20, "the rest")
    assert len(collector.payloads()) == 2000  # so each was acknowledged before it left


def test_a_journal_that_is_none_is_one_clear_error(
    tmp_path: Path, mosquitto: Mosquitto, make_collector: Callable[..., Collector]
) -> None:
    collector = make_collector(mosquitto.port)
    collector.journal.parent.mkdir()
    collector.journal.write_bytes(b"not a database at all, " * 100)
    collector.start(connected=False)
    wait_until(lambda: "is damaged or no journal" in collector.log(), 5, "saying so")
    assert collector.journal.read_bytes().startswith(b"not a database")


def test_it_speaks_tls_and_does_not_trust_a_stranger(
    tmp_path: Path,
    make_mosquitto: Callable[[str], Mosquitto],
    make_collector: Callable[..., Collector],
    make_publisher: Callable[[int], Publisher],
) -> None:
    ours, stranger = certificate(tmp_path / "ours"), certificate(tmp_path / "stranger")
    tls_port = free_port()
    broker = make_mosquitto(f"listener {tls_port} 127.0.0.1\ncertfile {ours}/cert.pem\nkeyfile {ours}/key.pem\n")
    broker.start()
    fooled = make_collector(tls_port, tmp_path / "fooled", ca_file=f"{stranger}/cert.pem")
    fooled.start(connected=False)
    wait_until(lambda: "did not sign (self-signed certificate)" in fooled.log(), 10, "refusing")
    fooled.close()
    collector = make_collector(tls_port, ca_file=f"{ours}/cert.pem")
    collector.start()
    device = make_publisher(broker.port)
    for number in range(50):
        device.publish(WELD, weld(number, 20_000))  # more than one TLS record each
    wait_until(lambda: len(collector.messages()) == 50, 10, "everything")


def certificate(folder: Path) -> Path:
    """Make a certificate for 127.0.0.1 that is its own authority."""
    folder.mkdir()
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    )
    files = ["-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem"]
    subprocess.run([*command.split(), *files], check=True, capture_output=True, timeout=30)
    return folder
