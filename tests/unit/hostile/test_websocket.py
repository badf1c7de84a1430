"""What a browser says on the live feed, which only sends: it is bounded, and harms nobody else."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator

import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import ClientConnection, connect

from edge.plant import EMPTY
from services.config import Api, Broker, Config
from services.evidence_files import FolderEvidence
from services.serving import MAX_HEARD_BYTES, serve
from services.sockets import listen
from services.store.duck.store import DuckStore


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real server, whose broker is away."""
    data = tmp_path_factory.mktemp("websocket")
    with listen("127.0.0.1", 0) as free, listen("127.0.0.1", 0) as nobody:
        port, away = free.getsockname()[1], nobody.getsockname()[1]
    config = Config(data_dir=str(data), api=Api(port=port), broker=Broker(port=away))
    store, stop = DuckStore(data / "s.duckdb"), threading.Event()
    server = threading.Thread(target=serve, args=(config, EMPTY, store, FolderEvidence(data), stop))
    server.start()
    yield f"ws://127.0.0.1:{port}/api/v1/live"
    stop.set()
    server.join()
    store.close()


def join(address: str) -> ClientConnection:
    limit = time.monotonic() + 20
    while True:
        try:
            socket = connect(address)
        except OSError:
            if time.monotonic() > limit:
                raise
            time.sleep(0.05)
        else:
            assert json.loads(socket.recv())["type"] == "hello"
            return socket


def hear_out(socket: ClientConnection) -> None:
    while True:
        socket.recv(timeout=20)


@pytest.mark.parametrize("said", ["x", "{}", '{"type":"hello"}', "\0", b"\xff\xfe", b"", "[" * MAX_HEARD_BYTES])
def test_whatever_a_browser_says_is_passed_over(said: str | bytes, address: str) -> None:
    with join(address) as socket:
        for _ in range(200):
            socket.send(said)
        assert json.loads(socket.recv(timeout=20))["type"] in {"rate", "sources", "pipeline"}


@pytest.mark.parametrize("size", [MAX_HEARD_BYTES + 1, 2**20])
def test_one_that_says_too_much_is_closed_and_its_neighbour_is_not(size: int, address: str) -> None:
    with join(address) as neighbour, join(address) as socket:
        socket.send("x" * size)
        with pytest.raises(ConnectionClosedError) as closed:
            hear_out(socket)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009  # too big
        assert json.loads(neighbour.recv(timeout=20))["type"] in {"rate", "sources", "pipeline"}
