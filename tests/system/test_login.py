"""Logins on the real thing: the live feed ends with its session, TLS, proxies, the command line, no secret anywhere."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from edge.settings import SettingsError
from services.api.access import CHECK_EVERY_S
from services.api.live import SESSION_ENDED
from services.config import Api, Config
from services.plant_client import PlantClient, PlantError
from services.web_access import check_access
from tests.running import free_port, wait_until
from tests.system.authority import Authority
from tests.system.mosquitto import Mosquitto
from tests.unit.api.shop import Shop, make_shop
from tests.webserver import SHELL, WebServer

pytestmark = pytest.mark.system
ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "orange kettle violin seven"
SOON_S = CHECK_EVERY_S + 3


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    made = make_shop(tmp_path_factory.mktemp("login"))
    yield made
    made.store.close()


@pytest.fixture
def make_server(shop: Shop, tmp_path: Path) -> Iterator[Callable[..., WebServer]]:
    """Start servers with an administrator anna and an engineer emil; all are stopped at the end."""
    made: list[WebServer] = []

    def make(**more: Any) -> WebServer:
        server = WebServer(shop, tmp_path / f"data-{len(made)}", **more)
        server.accounts.users.add(SHELL, "anna", "administrator", PASSWORD)
        server.accounts.users.add(SHELL, "emil", "engineer", PASSWORD)
        made.append(server)
        server.start()
        return server

    yield make
    for server in made:
        server.stop()


def lineside(data: Path, *arguments: str, given: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "services.cli", *arguments, "--data", str(data)],
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=data.parent,
        env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"} | environment,
    )


def cookie_of(server: WebServer, client: httpx.Client) -> dict[str, str]:
    assert server.log_in(client, "emil", PASSWORD).status_code == 200
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in client.cookies.items())}


def test_the_live_feed_asks_for_the_same_and_ends_within_seconds_of_its_session(
    make_server: Callable[..., WebServer],
) -> None:
    server = make_server()
    with pytest.raises(InvalidStatus, match="403"):
        connect(server.feed)
    with pytest.raises(InvalidStatus, match="403"):
        connect(server.feed, additional_headers={"Cookie": "lineside=x"})
    token, secret = server.accounts.tokens.add(SHELL, "wall", "viewer", None)
    with httpx.Client() as client:
        cookie = cookie_of(server, client)
        for origin in ("http://evil.example", None):
            with pytest.raises(InvalidStatus, match="403"):
                connect(server.feed, additional_headers=cookie, origin=origin)  # type: ignore[arg-type]  # a plain str
        feeds = [
            connect(server.feed, additional_headers=cookie, origin=server.url),  # type: ignore[arg-type]  # a plain str
            connect(server.feed, additional_headers={"Authorization": f"Bearer {secret}"}),
        ]
        for feed in feeds:
            assert json.loads(feed.recv(timeout=5))["type"] == "hello"
        # As the command line does it, in a process of its own.
        data = Path(server.config.data_dir)
        folder = {"LINESIDE_ACCOUNTS_FOLDER": server.config.accounts.folder}
        assert lineside(data, "user", "role", "emil", "viewer", **folder).returncode == 0
        assert lineside(data, "token", "remove", token.name, **folder).returncode == 0
        for feed in feeds:
            assert closed(feed, SOON_S) == SESSION_ENDED
        assert client.get(f"{server.url}/api/v1/agvs").status_code == 401
        with pytest.raises(InvalidStatus, match="403"):
            connect(server.feed, additional_headers=cookie, origin=server.url)  # type: ignore[arg-type]  # a plain str


def closed(feed: Any, seconds: float) -> int | None:
    """Return the code with which the server closes a feed within some seconds."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        try:
            feed.recv(timeout=max(0.01, limit - time.monotonic()))
        except ConnectionClosed as error:
            return None if error.rcvd is None else error.rcvd.code
        except TimeoutError:
            break
    raise AssertionError(f"still open after {seconds} s")


def test_an_order_reaches_the_broker_under_the_users_name(
    make_server: Callable[..., WebServer], mosquitto: Mosquitto
) -> None:
    server = make_server(broker_port=mosquitto.port)
    heard: list[bytes] = []
    listener = Client(CallbackAPIVersion.VERSION2)
    listener.on_message = lambda _client, _data, message: heard.append(message.payload)
    listener.connect("127.0.0.1", mosquitto.port)
    listener.subscribe("lineside/v1/+/+/+/+/event", 1)
    listener.loop_start()
    with httpx.Client(headers={"origin": server.url}) as client:
        server.log_in(client, "emil", PASSWORD)
        order = {"action": "pin", "note": "released", "by": "somebody else"}
        sent = client.post(f"{server.url}/api/v1/spots/S1/reference", json=order)
        assert sent.status_code == 202, sent.text
    wait_until(lambda: heard, 10, "the event")
    listener.disconnect()
    listener.loop_stop()
    event = json.loads(heard[0])[0]
    assert (event["id"], event["by"], event["kind"]) == (sent.json()["event"], "emil", "reference_pin")
    lines = server.accounts.audit.page(since_ns=None, until_ns=None, name="emil", action="POST", before=None, limit=1)
    assert lines[0].subject == f"reference_pin {sent.json()['event']}"


def test_the_server_speaks_tls_by_itself(make_server: Callable[..., WebServer], tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    cert, key = authority.sign("server", "lineside", names="IP:127.0.0.1")
    server = make_server(cert_file=cert, key_file=key)
    trusted = ssl.create_default_context(cafile=authority.ca_file)
    with httpx.Client(verify=trusted) as client:
        answer = server.log_in(client, "emil", PASSWORD)
        assert answer.status_code == 200
        assert answer.headers["strict-transport-security"]
        assert answer.headers["set-cookie"].startswith("__Host-lineside=")
        assert "; secure" in answer.headers["set-cookie"].lower()
        assert client.get(f"{server.url}/api/v1/session").json()["name"] == "emil"
        cookie = {"Cookie": "; ".join(f"{name}={value}" for name, value in client.cookies.items())}

    async def first() -> str | bytes:
        # Not the client with a thread: reading and writing TLS at once from two threads can hang (CPython issue 76714).
        async with connect_async(
            server.feed, ssl=trusted, additional_headers=cookie, origin=Origin(server.url)
        ) as feed:
            return await asyncio.wait_for(feed.recv(), 10)

    assert json.loads(asyncio.run(first()))["type"] == "hello"
    with pytest.raises(httpx.HTTPError):
        httpx.get(server.url.replace("https", "http") + "/healthz")
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(server.url + "/healthz")


FORWARDED = {"x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https"}


def test_a_proxy_is_believed_only_when_it_is_named(make_server: Callable[..., WebServer]) -> None:
    def logged(server: WebServer) -> tuple[str, str]:
        with httpx.Client(headers=FORWARDED) as client:
            origin = {"origin": f"https://127.0.0.1:{server.port}"}
            answer = client.post(
                f"{server.url}/api/v1/session", json={"name": "emil", "password": PASSWORD}, headers=origin
            )
            assert answer.status_code == 200, answer.text
        newest = server.accounts.audit.page(since_ns=None, until_ns=None, name="", action="login", before=None, limit=1)
        return newest[0].address, answer.headers["set-cookie"].partition("=")[0]

    assert logged(make_server()) == ("127.0.0.1", "lineside")
    assert logged(make_server(behind_proxy="127.0.0.1")) == ("203.0.113.9", "__Host-lineside")
    assert logged(make_server(behind_proxy="192.0.2.1, 10.0.0.0/8")) == ("127.0.0.1", "lineside")
    # Behind a proxy the server is asked for by other names than this machine's.
    named = make_server(behind_proxy="127.0.0.1")
    assert httpx.get(f"{named.url}/healthz", headers={"host": "lineside.plant.example"}).status_code == 200


def test_the_server_does_not_start_where_anybody_could_come_in(tmp_path: Path) -> None:
    settings = tmp_path / "lineside.toml"
    settings.write_text(f'data_dir = "data"\n[api]\nhost = "0.0.0.0"\nport = {free_port()}\n', encoding="utf-8")
    command = [sys.executable, "-m", "services.cli", "run", "--config", str(settings)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    said = (
        "lineside: api.host is '0.0.0.0', so that others can reach this server, and data/accounts/accounts.sqlite "
        "knows no administrator; make one first: lineside user add NAME --role administrator"
    )
    assert done.stderr.strip().splitlines() == [said]
    # What it says to do lets it start, and a viewer alone does not.
    data = tmp_path / "data"
    config = Config(data_dir=str(data), api=Api(host="0.0.0.0"))
    assert lineside(data, "user", "add", "vera", "--role", "viewer", given=PASSWORD).returncode == 0
    with pytest.raises(SettingsError, match="lineside user add NAME --role administrator"):
        check_access(config)
    assert lineside(data, "user", "add", "anna", "--role", "administrator", given=PASSWORD).returncode == 0
    check_access(config)


@pytest.mark.parametrize(
    ("api", "said"),
    [
        (Api(behind_proxy="127.0.0.1"), "api.behind_proxy is set, so that others can reach"),
        (Api(key_file="x"), "api.key_file is set without api.cert_file"),
        (Api(cert_file="absent.pem"), "api.cert_file: absent.pem cannot be used for TLS: .*No such file"),
        (Api(cert_file=__file__), "cannot be used for TLS"),
    ],
)
def test_what_keeps_it_from_starting_is_said(tmp_path: Path, api: Api, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        check_access(Config(data_dir=str(tmp_path), api=api))


def test_without_tls_it_starts_and_warns(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert lineside(tmp_path, "user", "add", "anna", "--role", "administrator", given=PASSWORD).returncode == 0
    with caplog.at_level(logging.WARNING):
        check_access(Config(data_dir=str(tmp_path), api=Api(host="192.0.2.1")))
    assert "travel in the clear" in caplog.text


def test_commands_that_ask_a_plant_bring_their_token(make_server: Callable[..., WebServer], tmp_path: Path) -> None:
    server = make_server()
    _, token = server.accounts.tokens.add(SHELL, "lab", "viewer", None)
    with pytest.raises(PlantError, match="asks for a token; set LINESIDE_API_TOKEN") as caught:
        PlantClient(server.url, {}).get("/agvs")
    assert caught.value.status == 401
    assert PlantClient(server.url, {"LINESIDE_API_TOKEN": f" {token}\n"}).get("/agvs")
    file = tmp_path / "token"
    file.write_text(f"{token}\n", encoding="utf-8")
    assert PlantClient(server.url, {"LINESIDE_API_TOKEN_FILE": str(file)}).get("/agvs")
    with pytest.raises(PlantError, match="'lab' is viewer; expected engineer"):
        PlantClient(server.url, {"LINESIDE_API_TOKEN": token}).post("/inspections", b"weld,result\nx,ok\n", "text/csv")
    with pytest.raises(PlantError, match="is not valid there") as refused:
        PlantClient(server.url, {"LINESIDE_API_TOKEN": token + "x"}).get("/agvs")
    assert token not in str(refused.value)
    with pytest.raises(PlantError, match=r"LINESIDE_API_TOKEN_FILE .*absent"):
        PlantClient(server.url, {"LINESIDE_API_TOKEN_FILE": str(tmp_path / "absent")})


def test_no_secret_is_in_any_log_or_file(
    make_server: Callable[..., WebServer], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    server = make_server()
    secrets = [PASSWORD, "a wrong passphrase here", "a new lamp beside rivers"]
    with caplog.at_level(logging.DEBUG), httpx.Client(headers={"origin": server.url}) as client:
        server.log_in(client, "emil", secrets[1])
        server.log_in(client, secrets[1], PASSWORD)
        server.log_in(client, "emil", PASSWORD)
        secrets += client.cookies.values()
        change = {"old": PASSWORD, "new": secrets[2]}
        assert client.post(f"{server.url}/api/v1/session/password", json=change).status_code == 200
        secrets += client.cookies.values()
        server.log_in(client, "anna", PASSWORD)
        made = client.post(f"{server.url}/api/v1/tokens", json={"name": "lab", "role": "viewer"})
        secrets.append(made.json()["token"])
        headers = {"authorization": f"Bearer {secrets[-1]}"}
        assert httpx.get(f"{server.url}/metrics", headers=headers).status_code == 200
        audit = client.get(f"{server.url}/api/v1/audit").text
        users = client.get(f"{server.url}/api/v1/users").text
        secrets += client.cookies.values()
    assert len(set(secrets)) >= 6
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert any(file.name == "accounts.sqlite" for file in files)
    own = "\n".join(
        record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))
    )
    for secret in secrets:
        assert secret not in own
        assert secret not in audit + users
        assert [file for file in files if secret.encode() in file.read_bytes()] == []


def test_a_flood_of_logins_does_not_keep_the_server_from_answering(make_server: Callable[..., WebServer]) -> None:
    """Hashing is beside the event loop: `/healthz` stays quick while passwords are checked."""
    server = make_server()
    command = f"""
import asyncio, httpx
async def main():
    async with httpx.AsyncClient(base_url={server.url!r}, timeout=60) as client:
        body = {{"name": "emil", "password": "a wrong passphrase"}}
        answers = await asyncio.gather(*(client.post("/api/v1/session", json=body) for _ in range(12)))
        print(sorted({{answer.status_code for answer in answers}}))
asyncio.run(main())
"""
    flood = subprocess.Popen([sys.executable, "-c", command], stdout=subprocess.PIPE, text=True)
    try:
        waited = []
        wait_until(lambda: audit_lines(server), 20, "the first failure")
        while flood.poll() is None and len(waited) < 10:
            started = time.monotonic()
            assert httpx.get(f"{server.url}/healthz", timeout=10).status_code == 200
            waited.append(time.monotonic() - started)
    finally:
        output, _ = flood.communicate(timeout=60)
    assert output.strip() == "[401, 429]"
    assert not waited or sorted(waited)[len(waited) // 2] < 1.0


def audit_lines(server: WebServer) -> int:
    return len(server.accounts.audit.page(since_ns=None, until_ns=None, name="", action="login", before=None, limit=5))
