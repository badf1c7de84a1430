"""The live feed end to end: a real broker, a real server, real WebSockets."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.sync.connection import Connection

from edge.topics import Place
from models.signals import Signal
from services.api.app import create_app
from services.api.outbox import MAX_WAITING_WELDS
from services.config import Api, Broker, Config
from services.feed import signals_message, status_topic, verdict_messages
from services.rows import PlacedSignal
from services.store import schema
from services.store.protocol import Filters
from tests.running import wait_until
from tests.system.mosquitto import Mosquitto, Publisher
from tests.unit.api.shop import AGVS, NOW, PLANT, SOURCES, Shop, make_shop

pytestmark = pytest.mark.system

TOPIC = "lineside/v1/wolfsburg/biw/L1/C1/verdict"
STATUS = status_topic("wolfsburg")
ITEM_KEYS = {
    "spot", "program", "line", "cell", "gun", "body", "id", "time", "verdict", "cause", "score", "lead", "value",
    "centre", "sigma", "late", "sentence",
}  # fmt: skip


class Server:
    """The API on a port of its own, in a thread."""

    def __init__(self, shop: Shop, broker_port: int) -> None:
        config = Config(broker=Broker(port=broker_port), api=Api())
        self.app = create_app(
            store=shop.store, evidence=shop.evidence, plant=PLANT, config=config, web_root=None, clock=lambda: NOW
        )
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._server = uvicorn.Server(uvicorn.Config(self.app, log_config=None, timeout_graceful_shutdown=2))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)
        self._thread.start()
        wait_until(lambda: self._server.started, 10, "the server's start")

    @property
    def address(self) -> str:
        return f"ws://127.0.0.1:{self.port}/api/v1/live"

    @contextmanager
    def open(self, **more: Any) -> Iterator[Connection]:
        """Connect as a page does, and take the greeting: what comes after it is not missed."""
        with connect(self.address, **more) as client:
            assert json.loads(client.recv(timeout=10))["type"] == "hello"
            yield client

    def is_listening(self) -> bool:
        answer = httpx.get(f"http://127.0.0.1:{self.port}/readyz").json()
        return bool(answer["live_feed"] == "connected")

    def clients(self) -> int:
        return int(self.app.state.hub.clients)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(15)
        assert not self._thread.is_alive()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    made = make_shop(tmp_path_factory.mktemp("live"))
    yield made
    made.store.close()


@pytest.fixture
def server(shop: Shop, mosquitto: Mosquitto) -> Iterator[Server]:
    running = Server(shop, mosquitto.port)
    wait_until(running.is_listening, 10, "the feed's subscription")
    yield running
    running.stop()


@pytest.fixture
def publisher(mosquitto: Mosquitto, make_publisher: Callable[[int], Publisher]) -> Publisher:
    return make_publisher(mosquitto.port)


def welds(start: int, stop: int) -> bytes:
    return json.dumps([{"spot": "S1", "id": f"live-{k}", "verdict": "ok"} for k in range(start, stop)]).encode()


def next_of(client: Connection, kind: str, seconds: float = 10) -> dict[str, Any]:
    """Return the next message of a kind; others are passed over."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        message: dict[str, Any] = json.loads(client.recv(timeout=max(0.01, limit - time.monotonic())))
        if message["type"] == kind:
            return message
    raise AssertionError(f"no {kind} within {seconds} s")


def test_hello_comes_first(server: Server) -> None:
    with connect(server.address) as client:
        hello = json.loads(client.recv(timeout=5))
    assert hello["type"] == "hello"
    assert hello["server_time"] == "2026-11-25T12:00:00.000000Z"
    assert hello["version"]


def test_what_the_pipeline_publishes_reaches_every_browser(server: Server, shop: Shop, publisher: Publisher) -> None:
    defects = shop.store.welds(Filters(verdict="defect", cell="C2"), 5)
    ((topic, payload),) = verdict_messages(defects)
    with server.open() as one, server.open() as two:
        publisher.publish(topic, payload)
        messages = [next_of(client, "welds") for client in (one, two)]
    assert messages[0] == messages[1]
    items = messages[0]["items"]
    assert [item["id"] for item in items] == defects["weld_id"].to_pylist()
    for item in items:
        assert set(item) == ITEM_KEYS
        rest = httpx.get(f"http://127.0.0.1:{server.port}/api/v1/welds/{item['id'].replace('/', '%2F')}").json()
        assert {k: item[k] for k in ("spot", "cause", "verdict", "sentence", "time")} == {
            k: rest[k] for k in ("spot", "cause", "verdict", "sentence", "time")
        }


def test_verdicts_of_several_cells_come_together_and_in_order(server: Server, publisher: Publisher) -> None:
    with server.open() as client:
        for k in range(40):
            publisher.publish(f"lineside/v1/wolfsburg/biw/L1/C{k % 4}/verdict", welds(k, k + 1))
        got: list[list[str]] = []
        while sum(map(len, got)) < 40:
            got.append([item["id"] for item in next_of(client, "welds")["items"]])
    assert [name for part in got for name in part] == [f"live-{k}" for k in range(40)]
    assert len(got) < 40


def test_rate_is_that_of_the_running_shift(server: Server) -> None:
    with server.open() as client:
        rate = next_of(client, "rate")
        again = next_of(client, "rate", 3)
    base = f"http://127.0.0.1:{server.port}/api/v1/rate"
    window = {"since": rate["since"], "until": rate["until"]}
    assert window == {"since": "2026-11-25T06:00:00.000000Z", "until": "2026-11-25T14:00:00.000000Z"}
    assert rate["welds"] == httpx.get(base, params=window).json()
    assert rate["lines"] == httpx.get(base, params={**window, "by": "line"}).json()
    assert rate["bodies"] == httpx.get(base, params={**window, "level": "body"}).json()
    assert rate["welds"]["n"] > 0
    assert again == rate


def test_sources_and_the_account(server: Server) -> None:
    base = f"http://127.0.0.1:{server.port}/api/v1"
    with server.open() as client:
        sources = next_of(client, "sources")
    assert sources["items"] == httpx.get(f"{base}/sources").json()
    assert sources["account"] == httpx.get(f"{base}/accounting").json()["total"]
    assert len(sources["items"]) == len(SOURCES)


def test_status_is_passed_on(server: Server, publisher: Publisher) -> None:
    status = {"judged_until": None, "lag_s": 0.5, "pending": 3, "welds_per_s": 51.5, "historical": False}
    first, second = ({"id": "a/1", "x_m": 1.0}, {"id": "b/2", "x_m": 2.0})
    with server.open() as client:
        publisher.publish(STATUS, json.dumps({"kind": "pipeline", **status}).encode())
        assert next_of(client, "pipeline") == {"type": "pipeline", **status}
        publisher.publish(STATUS, json.dumps({"kind": "agvs", "items": [first, second]}).encode())
        assert next_of(client, "agvs") == {"type": "agvs", "items": [first, second]}


def test_findings_reach_the_browser_as_rest_shows_events(server: Server, publisher: Publisher) -> None:
    signal = Signal("wear_warning", 1_790_000_000 * 10**9, "G1", "", "", "Gun G1: dress it.", {"wear": 212})
    placed = PlacedSignal(
        "wear_warning-G1-7", signal, Place("wolfsburg", "biw", "L1", "C1"), 1_790_000_001 * 10**9, False
    )
    with server.open() as client:
        publisher.publish(STATUS, signals_message([placed]))
        [item] = next_of(client, "signals")["items"]
    shown = httpx.get(f"http://127.0.0.1:{server.port}/api/v1/events", params={"limit": 1}).json()[0]
    assert set(item) == set(shown)
    assert (item["id"], item["kind"], item["note"]) == (placed.id, signal.kind, signal.text)
    assert (item["details"], item["by"], item["time"]) == ({"wear": 212}, "lineside", "2026-09-21T14:13:20.000000Z")


def test_rubbish_on_the_topics_is_skipped(server: Server, publisher: Publisher) -> None:
    with server.open() as client:
        for payload in (b"", b"{", b"[1]", b'{"a":1}', b"[null]"):
            publisher.publish(TOPIC, payload)
            publisher.publish(STATUS, payload)
        publisher.publish(STATUS, b'{"kind":"agvs","items":[{"x_m":1}]}')
        publisher.publish(STATUS, b'{"kind":"news"}')
        publisher.publish(TOPIC, welds(0, 1))
        assert next_of(client, "welds")["items"] == json.loads(welds(0, 1))


def test_a_slow_browser_misses_some_and_is_told_while_another_gets_all(server: Server, publisher: Publisher) -> None:
    padding = "x" * 2000
    total = 12_000  # about 24 MB: more than the kernel and both libraries hold for a browser that does not read
    plain: dict[str, Any] = {"max_size": None, "compression": None}
    with server.open(**plain, max_queue=1, close_timeout=0.5) as slow, server.open(**plain) as quick:
        got: list[int] = []

        def read() -> None:
            while len(got) < total:
                got.extend(int(item["n"]) for item in next_of(quick, "welds", 20)["items"])

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        for start in range(0, total, 200):
            items = [{"n": k, "pad": f"{padding}{k}"} for k in range(start, start + 200)]
            publisher.publish(TOPIC, json.dumps(items).encode())
            time.sleep(0.02)
        reader.join(40)
        assert got == list(range(total))

        seen: list[int] = []
        missed = 0
        while not seen or seen[-1] < total - 1:
            message = json.loads(slow.recv(timeout=20))
            if message["type"] == "welds":
                seen.extend(int(item["n"]) for item in message["items"])
            elif message["type"] == "missed":
                missed += message["welds"]
    assert missed > 0
    assert len(seen) + missed == total
    assert seen == sorted(set(seen))
    assert len(seen) >= MAX_WAITING_WELDS


def test_it_goes_on_after_the_broker_was_killed(
    server: Server, mosquitto: Mosquitto, make_publisher: Callable[[int], Publisher]
) -> None:
    with server.open() as client:
        mosquitto.kill()
        wait_until(lambda: not server.is_listening(), 10, "the loss of the broker")
        assert next_of(client, "rate")["welds"]["n"] > 0  # what needs no broker goes on
        mosquitto.start()
        wait_until(server.is_listening, 20, "the return to the broker")
        make_publisher(mosquitto.port).publish(TOPIC, welds(7, 8))
        assert next_of(client, "welds")["items"][0]["id"] == "live-7"


def test_without_a_broker_the_rest_works(shop: Shop, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    server = Server(shop, port)
    try:
        assert httpx.get(f"http://127.0.0.1:{server.port}/api/v1/rate").status_code == 200
        assert httpx.get(f"http://127.0.0.1:{server.port}/readyz").json()["live_feed"] == "disconnected"
        with server.open() as client:
            assert next_of(client, "sources")["account"]["received"] > 0
    finally:
        server.stop()


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"}])
def test_a_page_of_another_site_may_not_listen(server: Server, headers: dict[str, str]) -> None:
    origin = headers.get("Origin")
    if origin:
        with pytest.raises(InvalidStatus) as refused, connect(server.address, origin=origin):  # type: ignore[arg-type]
            pass
        assert refused.value.response.status_code == 403
        return
    address = f"http://127.0.0.1:{server.port}/api/v1/live"
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    key = {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    assert httpx.get(address, headers={**upgrade, **key, **headers}).status_code == 403


def test_a_page_of_this_server_may(server: Server) -> None:
    origin: Any = f"http://127.0.0.1:{server.port}"
    with connect(server.address, origin=origin) as client:
        assert json.loads(client.recv(timeout=5))["type"] == "hello"


def test_browsers_that_leave_are_forgotten(server: Server) -> None:
    with server.open() as client:
        client.send("nobody listens")  # and nothing breaks
        assert server.clients() == 1
        next_of(client, "rate")
    wait_until(lambda: server.clients() == 0, 5, "its leaving")
    for _ in range(3):
        gone = connect(server.address)
        gone.socket.close()  # without a goodbye
    wait_until(lambda: server.clients() == 0, 10, "their leaving")


def test_a_stopping_server_says_goodbye(shop: Shop, mosquitto: Mosquitto) -> None:
    server = Server(shop, mosquitto.port)
    with server.open() as client:
        server.stop()
        left = 100  # what was sent before it stopped
        with pytest.raises(ConnectionClosed):
            [client.recv(timeout=5) for _ in range(left)]


def test_head_is_answered_without_a_body(server: Server) -> None:
    address = f"http://127.0.0.1:{server.port}/api/v1/plant"
    with httpx.Client() as client:  # one connection: a body that was sent all the same would spoil the second answer
        head = client.head(address)
        got = client.get(address)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == got.headers["content-type"]
    assert got.json()["spots"]


def test_agvs_are_shown_alike_by_rest_and_feed(server: Server, shop: Shop) -> None:
    listed = httpx.get(f"http://127.0.0.1:{server.port}/api/v1/agvs").json()
    assert len(listed) == len(AGVS)
    assert set(listed[0]) - {"id", "time", "errors"} == set(schema.AGV.names) - {"agv", "time_ns", "errors"}


def test_the_broker_sends_verdicts_only_while_a_page_looks(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_publisher: Callable[[int], Publisher]
) -> None:
    monkeypatch.setattr("services.api.live.LINGER_S", 0.1)
    broker = Mosquitto(tmp_path / "broker", "log_type subscribe\nlog_type unsubscribe\n")
    broker.start()
    running = Server(shop, broker.port)

    def told() -> int:  # a line as a subscription begins, one as it ends
        return (broker.folder / "mosquitto.log").read_text(encoding="utf-8").count("verdict")

    try:
        wait_until(running.is_listening, 10, "the feed's subscription")
        publisher = make_publisher(broker.port)
        for round_ in range(2):
            wait_until(lambda n=2 * round_ + 2: told() == n, 10, "the end of the subscription that nobody uses")
            with running.open() as client:
                publisher.publish(TOPIC, welds(round_, round_ + 1))  # after the greeting nothing is missed
                assert [item["id"] for item in next_of(client, "welds")["items"]] == [f"live-{round_}"]
        wait_until(lambda: told() == 6, 10, "the end of the last")
    finally:
        running.stop()
        broker.kill()
