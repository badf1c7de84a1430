"""A broker that loses what it acknowledges is found out: by asking, by trying, and by reading its settings."""

from __future__ import annotations

import logging
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from edge import broker_check
from edge.broker_check import Wants, check_broker, judge_limits
from edge.broker_watch import read_report, report_path, watch_broker
from edge.findings import Finding
from edge.mosquitto_conf import ConfError, check_conf, running_conf
from edge.mqtt import BrokerSettings
from services.jobs import BrokerJob
from tests.running import free_port, wait_until
from tests.system.conftest import need
from tests.system.mosquitto import Mosquitto, find_mosquitto
from tests.system.relay import Relay
from tests.system.shipped import PASSWORDS, SHIPPED, Person, ShippedBroker, person
from tests.system.test_brokers import PATCHES, WORKER, answers

pytestmark = pytest.mark.system
LOG = logging.getLogger("test.broker")
MIB = 2**20
DEFAULT = Wants(4 * MIB)
LARGE = Wants(4 * MIB, try_largest=True)
DEEP = Wants(4 * MIB, queued=1100, try_largest=True)


@pytest.fixture
def broker(make_mosquitto: Callable[[str], Mosquitto]) -> Callable[..., BrokerSettings]:
    """Start a mosquitto whose settings are good but for those given; None leaves a setting at mosquitto's default."""

    def start(**changes: str | None) -> BrokerSettings:
        made = make_mosquitto("")
        conf = made.folder / "mosquitto.conf"
        lines = conf.read_text(encoding="utf-8").replace("max_queued_messages 0", "max_queued_messages 1000000000")
        kept = [line for line in lines.splitlines() if line.split()[0] not in changes]
        kept += [f"{key} {value}" for key, value in changes.items() if value is not None]
        conf.write_text("\n".join(kept) + "\n", encoding="utf-8")
        made.start()
        return BrokerSettings("127.0.0.1", made.port, "lineside-test")

    return start


def bad(findings: list[Finding]) -> list[str]:
    return [f"{finding.level}: {finding}" for finding in findings if finding.level in {"wrong", "warning"}]


def test_a_good_broker_has_nothing_wrong_and_nothing_is_left_on_it(broker: Callable[..., BrokerSettings]) -> None:
    settings = broker()
    findings = check_broker(settings, DEEP)
    assert bad(findings) == []
    assert any("kept 1,100 small message(s) and one of 4,194,304 bytes" in finding.what for finding in findings)
    again = Person(None, client_id=f"{settings.client_id}-probe")
    flags: list[bool] = []
    again.client.on_connect = lambda _c, _d, got, *_: flags.append(got.session_present)
    again.client.connect("127.0.0.1", settings.port)
    again.client.loop_start()
    wait_until(lambda: flags, 10, "the answer")
    again.leave()
    assert flags == [False]
    assert again.received == []


@pytest.mark.parametrize(
    ("changes", "wants", "seen", "read"),
    [
        (
            {"max_queued_messages": None},
            DEEP,
            "wrong: it acknowledged 1,100 small",
            "leaves `max_queued_messages` at 1000",
        ),
        ({"max_queued_bytes": "100000"}, LARGE, "", r"mosquitto.conf:\d+ says `max_queued_bytes 100000`"),
        (
            {"message_size_limit": "100000"},
            LARGE,
            "dropped it; write `message_size_limit 0`",
            "says `message_size_limit",
        ),
        ({"max_packet_size": "100000"}, LARGE, "warning: it cuts off who sends more than 100,000 bytes", ""),
        (
            {"max_inflight_messages": None},
            DEFAULT,
            "warning: it has 20 unacknowledged",
            "leaves `max_inflight_messages` at 20",
        ),
        ({"retain_available": "false"}, DEFAULT, "keeps no retained messages", ""),
        ({"persistence": None}, DEFAULT, "", "wrong: .*`persistence` at false: a restart loses queue and sessions"),
        (
            {"autosave_interval": None},
            DEFAULT,
            "",
            "wrong: .*`autosave_interval` at 1800: a crash loses up to 1800 messages",
        ),
        ({"autosave_on_changes": None}, DEFAULT, "", "warning: .*`autosave_on_changes` at false: .* one second"),
        ({"autosave_interval": "0"}, DEFAULT, "", "wrong: .*`autosave_interval 0`: a crash loses the whole queue"),
        ({"persistent_client_expiration": "2h"}, DEFAULT, "", "wrong: .*says `persistent_client_expiration 2h`"),
        ({"max_queued_messages": "0"}, DEFAULT, "", "cuts off every device that publishes what the acl forbids"),
        ({"memory_limit": "100000000"}, DEFAULT, "", "wrong: .*says `memory_limit 100000000`"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_each_setting_that_loses_messages_is_named_with_the_line_to_write(
    broker: Callable[..., BrokerSettings], changes: dict[str, str | None], wants: Wants, seen: str, read: str
) -> None:
    """`seen` is what a client finds out anywhere, `read` what only the broker's settings tell."""
    findings = bad(check_broker(broker(**changes), wants))
    told = "\n".join(findings)
    assert seen in told
    assert re.search(read, told), told
    (key,) = changes
    assert f"write `{key} " in told or key == "max_packet_size"
    assert len(findings) <= bool(seen) + bool(read), told


@pytest.fixture
def amqtt(tmp_path: Path) -> Iterator[int]:
    """The demo's broker without mosquitto: its port; what it says stands in `tmp_path / "log"`."""
    port = free_port()
    command = [sys.executable, "-c", WORKER.format(patch=PATCHES["amqtt"])]
    with (tmp_path / "log").open("wb") as log:
        running = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log)
    assert running.stdin is not None
    try:
        running.stdin.write(msgspec.json.encode(BrokerJob(port=port, folder=str(tmp_path))) + b"\n")
        running.stdin.flush()
        wait_until(lambda: answers(port), 60, "amqtt")
        yield port
    finally:
        running.stdin.close()
        running.wait(20)


KEEPS_NOTHING = re.compile(
    "wrong: it acknowledged 1 small message.* was away, and kept 0; use a broker that does, such as mosquitto"
    "|wrong: it forgot a session that left and came back; it must keep sessions"
)
"""Of amqtt both are true: it drops what comes for a session that is away, and within a second the session, too."""
TRIES = 40


def test_amqtt_keeps_nothing_for_a_session_that_is_away_however_busy_it_is(
    amqtt: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Busy, it hands a session that has just left what it does not keep for one that is away."""
    monkeypatch.setattr(broker_check, "QUIET_S", 1)

    def told(k: int) -> str:
        findings = check_broker(BrokerSettings("127.0.0.1", amqtt, f"lineside-{k}"), DEFAULT)
        return "\n".join(f"{finding.level}: {finding}" for finding in findings)

    with ThreadPoolExecutor(TRIES) as tries:
        for each in tries.map(told, range(TRIES)):
            assert KEEPS_NOTHING.search(each), each
            assert "does not speak MQTT 5" in each
            assert "its settings file is not in sight" in each
    assert "what it acknowledges while the collector is away is lost" in (tmp_path / "log").read_text(encoding="utf-8")


def test_a_broker_that_is_slow_to_answer_has_not_lost_anything(
    broker: Callable[..., BrokerSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = broker()
    monkeypatch.setattr(broker_check, "QUIET_S", 0.05)
    with Relay(settings.port, answer_s=0.15) as relay:
        assert bad(check_broker(replace(settings, port=relay.port), DEFAULT)) == []
        # In the time that is left for it only a part of the largest message comes, and no answer behind it.
        monkeypatch.setattr(broker_check, "SEND_S", 1)
        monkeypatch.setattr(broker_check, "ANSWER_S", 3)
        (told,) = bad(check_broker(replace(settings, port=relay.port), LARGE))
    assert "answers so slowly that" in told


def test_the_collectors_start_tells_it_once_in_the_log_and_for_others(
    broker: Callable[..., BrokerSettings], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings, path = broker(persistence=None, allow_anonymous="true"), report_path(tmp_path / "journal.sqlite")
    with caplog.at_level(logging.WARNING, LOG.name):
        watch_broker(settings, DEFAULT, path, threading.Event(), LOG)
    (line,) = caplog.messages
    assert line.startswith(f"the broker at {settings.address} may lose messages: ")
    assert line.endswith("a restart loses queue and sessions; write `persistence true`")
    report = read_report(path)
    assert report is not None
    assert line.endswith(str(next(finding for finding in report.findings if finding.level == "wrong")))


def test_the_watch_waits_for_a_broker_that_is_not_up_and_leaves_when_told(
    make_mosquitto: Callable[[str], Mosquitto], tmp_path: Path
) -> None:
    late, stop, path = make_mosquitto(""), threading.Event(), tmp_path / "broker.json"
    settings = BrokerSettings("127.0.0.1", late.port, "lineside-test")
    watch = threading.Thread(target=watch_broker, args=(settings, DEFAULT, path, stop, LOG))
    watch.start()
    time.sleep(0.5)
    assert read_report(path) is None
    late.start()
    wait_until(lambda: read_report(path), 15, "the report")
    watch.join(5)
    nobody = BrokerSettings("127.0.0.1", free_port(), "lineside-test")
    gone = threading.Thread(target=watch_broker, args=(nobody, DEFAULT, tmp_path / "none", stop, LOG))
    gone.start()
    stop.set()
    gone.join(5)
    assert not gone.is_alive()


@pytest.fixture
def shipped(tmp_path: Path) -> Iterator[ShippedBroker]:
    need(find_mosquitto(), "mosquitto")
    made = ShippedBroker(tmp_path)
    made.start()
    yield made
    made.kill(signal.SIGTERM)


def test_nothing_is_wrong_with_the_shipped_broker_as_lineside_sees_it(shipped: ShippedBroker) -> None:
    settings = BrokerSettings("127.0.0.1", shipped.port, "lineside-test", "lineside", PASSWORDS["lineside"])
    findings = check_broker(settings, Wants(4 * MIB, queued=300))
    assert bad(findings) == []
    assert running_conf(shipped.port) == shipped.folder / "config/mosquitto.conf"
    assert any("mosquitto version" in finding.what for finding in findings)  # the acl lets Lineside ask


def test_who_may_not_hear_the_probe_is_told_that_it_could_not_be_tried(shipped: ShippedBroker) -> None:
    settings = BrokerSettings("127.0.0.1", shipped.port, "x", "device", PASSWORDS["device"])
    told = [str(finding) for finding in check_broker(settings, DEFAULT) if finding.level == "unknown"]
    assert any("user 'device' does not hear itself on lineside/v1/_/_/_/_/status" in text for text in told)


@pytest.mark.parametrize(
    ("announced", "level", "says"),
    [
        ({"SessionExpiryInterval": 3600}, "wrong", "it ends a session that is away for 3600 s, and drops its queue"),
        ({"MaximumQoS": 0}, "wrong", "it allows QoS 0 only"),
        ({"MaximumPacketSize": 2**20}, "warning", "cuts off who sends more than 1,048,576 bytes"),
        ({"ReceiveMaximum": 10}, "warning", "it has 10 unacknowledged messages on the way"),
        ({"RetainAvailable": 0}, "warning", "it keeps no retained messages"),
    ],
)
def test_limits_that_other_brokers_announce(announced: dict[str, int], level: str, says: str) -> None:
    """Mosquitto 2.0 announces only some of them."""
    (finding,) = judge_limits(announced, DEFAULT)
    assert finding.level == level
    assert says in finding.what
    assert list(judge_limits({"MaximumPacketSize": 5 * MIB, "ReceiveMaximum": 1000, "MaximumQoS": 2}, DEFAULT)) == []


def test_dropped_messages_are_counted(broker: Callable[..., BrokerSettings]) -> None:
    settings = broker(max_queued_messages="10", sys_interval="1")
    away = Person(None, client_id="away").connect(settings.port).subscribe("t")
    away.leave()
    device = Person(None).connect(settings.port)
    for number in range(60):
        device.publish("t", b"%d" % number)
    device.leave()
    wait_until(
        lambda: any(re.search(r"has dropped [1-9]\d* message", text) for text in bad(check_broker(settings, DEFAULT))),
        10,
        "the broker's count",
    )


def test_settings_are_read_as_mosquitto_reads_them(tmp_path: Path) -> None:
    """The last one holds, included files count where they are named, comments and unknown lines do not."""
    (tmp_path / "more").mkdir()
    (tmp_path / "more/a.conf").write_text("max_queued_messages 1000000000\nacl_file a\n", encoding="utf-8")
    conf = tmp_path / "mosquitto.conf"
    conf.write_text(
        "# persistence false\npersistence true\nautosave_interval 1\n  autosave_on_changes true\nlistener 1883\n"
        f"max_queued_messages 5\nmax_inflight_messages 1000\ninclude_dir {tmp_path}/more\nsome_future_thing 1\n",
        encoding="utf-8",
    )
    assert check_conf(conf, MIB) == []
    conf.write_text(f"{conf.read_text(encoding='utf-8')}max_queued_messages 5\n", encoding="utf-8")
    assert [finding.what.split(" says ")[0] for finding in check_conf(conf, MIB)] == [f"{conf}:10"]
    with pytest.raises(ConfError, match="nowhere"):
        check_conf(tmp_path / "nowhere", MIB)
    assert check_conf(SHIPPED / "mosquitto.conf", 4 * MIB) == []


def test_a_killed_broker_has_lost_no_more_than_the_guide_says(shipped: ShippedBroker) -> None:
    """With -9 right after the last acknowledgement: of each connection at most the message of the last turn."""
    person("lineside", "collector").connect(shipped.port).subscribe("lineside/v1/#").leave()
    guns = [person("device").connect(shipped.port) for _ in range(10)]
    sent = {
        gun: [guns[gun].client.publish("lineside/v1/S/a/L/C/weld", b"%d %d" % (gun, k), qos=1) for k in range(20)]
        for gun in range(10)
    }
    wait_until(lambda: all(one.is_published() for ones in sent.values() for one in ones), 60, "every acknowledgement")
    shipped.kill()
    for gun in guns:
        gun.leave()
    shipped.start()
    back = person("lineside", "collector").connect(shipped.port)
    wait_until(lambda: len(back.received) >= 190, 20, "the queued messages")
    time.sleep(0.5)
    back.leave()
    for gun in range(10):
        kept = {int(payload.split()[1]) for _, payload in back.received if payload.split()[0] == b"%d" % gun}
        assert set(range(19)) <= kept


def test_the_report_is_what_the_schema_says(tmp_path: Path) -> None:
    (tmp_path / "broker.json").write_bytes(b"{}")
    assert read_report(tmp_path / "broker.json") is None
    found = {"address": "mqtt://x:1", "findings": [{"level": "wrong", "about": "broker", "what": "w", "do": "d"}]}
    (tmp_path / "broker.json").write_bytes(msgspec.json.encode(found))
    report = read_report(tmp_path / "broker.json")
    assert report is not None
    assert str(report.findings[0]) == "w; d"
