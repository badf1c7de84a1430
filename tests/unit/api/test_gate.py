"""Nobody gets anywhere without credentials, and nobody further than the role goes: for every route there is."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from services.accounts.accounts import FILE, Accounts
from services.accounts.model import Role
from services.api.gate import ADMINISTRATION, OPEN, SESSION, needed_role
from services.config import AccountSettings, Api, Broker, Config
from tests.running import free_port
from tests.unit.accounts.conftest import SHELL, template  # noqa: F401 - a fixture
from tests.unit.api.conftest import client_of
from tests.unit.api.shop import NOW, Shop

PAGE = "/{path:path}"
OWN = {("DELETE", SESSION), ("POST", f"{SESSION}/password")}
JSON = {"content-type": "application/json"}


class Doors:
    """An application that asks for a login, its accounts, and a token of each role."""

    def __init__(self, shop: Shop, folder: Path, **changes: Any) -> None:
        settings = AccountSettings(folder=str(folder))
        self.config = Config(accounts=settings, broker=Broker(port=free_port()), **changes)
        self.accounts = Accounts(self.config, lambda: NOW)
        self.client = client_of(shop, config=self.config)
        self.tokens: dict[Role, str] = {
            role: self.accounts.tokens.add(SHELL, f"machine {role}", role, None)[1]
            for role in ("viewer", "engineer", "administrator")
        }

    def ask(self, method: str, path: str, role: Role | None, **more: Any) -> httpx.Response:
        headers = {**more.pop("headers", {}), **(bearer(self.tokens[role]) if role else {})}
        return self.client.request(method, path, headers=headers, **more)


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def doors(shop: Shop, tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[Doors]:  # noqa: F811
    folder = tmp_path_factory.mktemp("doors")
    shutil.copy(template, folder / FILE)
    made = Doors(shop, folder)
    yield made
    made.accounts.close()


def routes_of(app: FastAPI) -> list[tuple[str, str]]:
    """Return method and path, filled in, of every route; a WebSocket's method is empty."""
    found = []
    for context in iter_route_contexts(app.routes):
        path = re.sub(r"\{\w+(:\w+)?\}", "x", str(context.path))
        found += [(method, path) for method in context.methods or {""} if context.path != PAGE]
    return sorted(found)


def test_the_routes_are_all_found(doors: Doors) -> None:
    routes = routes_of(doors.client.app)
    document = doors.client.app.openapi()["paths"]
    documented = {(method.upper(), re.sub(r"\{\w+\}", "x", path)) for path, item in document.items() for method in item}
    assert documented <= set(routes)
    assert {("", "/api/v1/live"), ("GET", "/openapi.json"), ("GET", "/metrics"), ("GET", "/docs")} <= set(routes)
    assert len(routes) > 50


def test_without_credentials_every_route_answers_401(doors: Doors) -> None:
    for method, path in routes_of(doors.client.app):
        if not method or (method, path) in OPEN:
            continue
        response = doors.ask(method, path, None, headers=JSON, content=b"{}" if method == "POST" else None)
        assert response.status_code == 401, (method, path)
        assert response.headers["www-authenticate"] == 'Bearer realm="lineside"'
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["status"] == 401


def test_what_needs_no_credentials_is_this_and_nothing_else(doors: Doors) -> None:
    assert {("GET", "/healthz"), ("POST", "/api/v1/session")} == OPEN
    assert doors.ask("GET", "/healthz", None).status_code == 200
    assert doors.ask("HEAD", "/healthz", None).status_code == 200
    assert doors.ask("POST", SESSION, None, json={"name": "anna", "password": "x"}).status_code == 401
    # Pages: there is no bundle here, and no answer of the API among what they give.
    assert "not built" in doors.ask("GET", "/spots/S1", None).json()["detail"]


@pytest.mark.parametrize(
    "path",
    ["/api/v1/unknown", "/api", "/api/", "/metrics/", "/docs/", "//api/v1/welds", "/API/v1/welds",
     "/api/v1/../v1/welds", "/./api/v1/welds", "/%61pi/v1/welds", "/api%2fv1%2fwelds",
     "/healthz/../api/v1/welds", "/healthz/x"],
)  # fmt: skip
def test_no_spelling_of_a_path_gets_round_it(doors: Doors, path: str) -> None:
    response = doors.ask("GET", path, None)
    assert response.status_code in {401, 404}
    assert "items" not in response.text


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
def test_no_method_gets_round_it(doors: Doors, method: str) -> None:
    for path in ("/api/v1/welds", "/healthz", "/spots/S1", "/"):
        assert doors.ask(method, path, None).status_code == 401, path


def test_a_viewer_reads_everything_but_what_is_an_administrators(doors: Doors) -> None:
    for method, path in routes_of(doors.client.app):
        if method == "GET":
            expected = needed_role(method, path) == "viewer"
            assert (doors.ask(method, path, "viewer").status_code not in {401, 403}) == expected, path


def test_a_viewer_gets_403_on_every_changing_route(doors: Doors) -> None:
    changing = [route for route in routes_of(doors.client.app) if route[0] not in {"", "GET", "HEAD"}]
    assert len(changing) >= 15
    for method, path in changing:
        if (method, path) in OWN | OPEN:
            continue
        response = doors.ask(method, path, "viewer", headers=JSON, content=b"{}")
        assert response.status_code == 403, (method, path)
        assert response.json()["field"] == "role"
        assert "'machine viewer' is viewer; expected" in response.json()["detail"]


def test_an_engineer_changes_what_is_his_and_no_more(doors: Doors) -> None:
    for method, path in routes_of(doors.client.app):
        if not method or (method, path) in OWN | OPEN:
            continue
        response = doors.ask(method, path, "engineer", headers=JSON, content=b"{}" if method == "POST" else None)
        administration = path.startswith(ADMINISTRATION)
        assert (response.status_code == 403) == administration, (method, path, response.text)
        assert response.status_code != 401


def test_an_administrator_is_refused_nothing(doors: Doors) -> None:
    for method, path in routes_of(doors.client.app):
        if method and (method, path) not in OWN | OPEN:
            content = b"{}" if method == "POST" else None
            response = doors.ask(method, path, "administrator", headers=JSON, content=content)
            assert response.status_code not in {401, 403}, (method, path)


@pytest.mark.parametrize(
    ("method", "path", "role"),
    [
        ("GET", "/api/v1/tomorrow", "viewer"),
        ("POST", "/api/v1/tomorrow", "engineer"),
        ("PATCH", "/tomorrow", "engineer"),
        ("GET", "/api/v1/users/anna/x", "administrator"),
        ("GET", "/api/v1/usersx", "viewer"),
        ("DELETE", "/api/v1/session", "viewer"),
        ("DELETE", "/api/v1/sessions", "engineer"),
    ],
)
def test_a_route_that_is_not_there_yet_is_guarded_already(method: str, path: str, role: str) -> None:
    assert needed_role(method, path) == role


def test_a_route_added_tomorrow_at_the_root_is_guarded_by_being_there(doors: Doors, shop: Shop) -> None:
    client = client_of(shop, config=doors.config)
    assert client.get("/debug").status_code == 404

    @client.app.get("/debug")
    async def debug() -> str:
        return "secret"

    page = next(route for route in client.app.router.routes if getattr(route, "path", "") == PAGE)
    client.app.router.routes.remove(page)
    client.app.router.routes.append(page)
    assert client.get("/debug").status_code == 401
    assert client.request("GET", "/debug", headers=bearer(doors.tokens["viewer"])).json() == "secret"


@pytest.mark.parametrize(
    "header",
    ["Bearer", "Bearer ", "Bearer lineside_x", "Basic YW5uYTp4", "bearer x y", "Bearer \xff", "lineside_x"],
)
def test_credentials_that_are_none_are_401(doors: Doors, header: str) -> None:
    headers = {"authorization": header.encode("latin-1")}
    assert doors.client.request("GET", "/api/v1/agvs", headers=headers).status_code == 401


def test_a_wrong_token_is_not_made_good_by_a_cookie(doors: Doors) -> None:
    session = doors.accounts.sessions.begin("anna", "")
    cookie = {"cookie": f"lineside={session.secret}"}
    assert doors.client.request("GET", "/api/v1/agvs", headers=cookie).status_code == 200
    assert doors.client.request("GET", "/api/v1/agvs", headers=cookie | bearer("lineside_x")).status_code == 401


def test_a_large_body_before_a_login_is_not_read(doors: Doors) -> None:
    response = doors.ask("POST", SESSION, None, headers=JSON, content=b'{"name": "' + b"x" * 20_000 + b'"}')
    assert response.status_code == 413


def test_when_the_accounts_cannot_be_read_nobody_gets_in(doors: Doors, shop: Shop, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database at all" * 50)
    client = client_of(shop, config=Config(accounts=AccountSettings(folder=str(tmp_path))))
    for path in ("/api/v1/agvs", "/metrics", "/healthz"):
        response = client.get(path)
        assert response.status_code == 503, path
        assert response.headers["retry-after"]
        assert str(tmp_path) not in response.text


# without users


def test_on_loopback_without_users_all_but_administration_is_open(shop: Shop, tmp_path: Path) -> None:
    client = client_of(shop, config=Config(accounts=AccountSettings(folder=str(tmp_path)), broker=Broker(port=1)))
    assert client.json("/api/v1/session") == {"kind": "anyone", "name": "", "role": "engineer"}
    for method, path in routes_of(client.app):
        if method and (method, path) not in OPEN:
            response = client.request(method, path, headers=JSON, content=b"{}" if method == "POST" else None)
            assert (response.status_code == 403) == path.startswith(ADMINISTRATION), (method, path)
            assert response.status_code != 401
    assert "lineside user add NAME --role administrator" in client.get("/api/v1/users").json()["detail"]
    assert list(tmp_path.iterdir()) == []


def test_the_first_user_closes_it_at_once(shop: Shop, tmp_path: Path, template: Path) -> None:  # noqa: F811
    client = client_of(shop, config=Config(accounts=AccountSettings(folder=str(tmp_path))))
    assert client.get("/api/v1/agvs").status_code == 200
    shutil.copy(template, tmp_path / FILE)
    assert client.get("/api/v1/agvs").status_code == 401


@pytest.mark.parametrize("api", [Api(host="0.0.0.0"), Api(host="lineside.example"), Api(behind_proxy="127.0.0.1")])
def test_beyond_loopback_nothing_is_open_even_without_users(shop: Shop, tmp_path: Path, api: Api) -> None:
    client = client_of(shop, config=Config(api=api, accounts=AccountSettings(folder=str(tmp_path))))
    assert client.get("/api/v1/agvs").status_code == 401
    assert client.get("/metrics").status_code == 401
    assert client.get("/healthz").status_code == 200


# what is recorded

Audit = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def audit(doors: Doors) -> Audit:
    """Give the newest lines of the log, as an administrator reads them."""

    def read(**query: Any) -> list[dict[str, Any]]:
        response = doors.ask("GET", "/api/v1/audit", "administrator", params={"limit": 50, **query})
        items: list[dict[str, Any]] = response.json()["items"]
        return items

    return read


def test_changes_are_recorded_with_their_outcome_and_reads_are_not(doors: Doors, audit: Audit) -> None:
    order = {"action": "pin", "note": "n", "by": "somebody else"}
    doors.ask("GET", "/api/v1/agvs", "engineer")
    doors.ask("POST", "/api/v1/spots/S1/reference", "engineer", json=order)
    doors.ask("POST", "/api/v1/spots/unknown/reference", "engineer", json=order)
    doors.ask("POST", "/api/v1/spots/S1/reference", "viewer", json=order)
    doors.ask("POST", "/api/v1/spots/S1/reference", None, json=order)
    lines = audit(action="POST /api/v1/spots")[:3]
    assert [(line["name"], line["outcome"]) for line in lines] == [
        ("machine viewer", "403"),
        ("machine engineer", "404"),
        ("machine engineer", "503"),
    ]
    assert lines[0] | {"id": 0, "time": ""} == {
        "id": 0, "time": "", "kind": "token", "name": "machine viewer", "role": "viewer", "address": "127.0.0.1",
        "action": "POST /api/v1/spots/S1/reference", "subject": "", "outcome": "403",
    }  # fmt: skip


def test_the_log_is_paged_and_selected_and_comes_as_csv(doors: Doors, audit: Audit) -> None:
    whole = audit()
    assert len(whole) >= 3
    page = doors.ask("GET", "/api/v1/audit", "administrator", params={"limit": 2}).json()
    rest = doors.ask("GET", "/api/v1/audit", "administrator", params={"limit": 50, "cursor": page["next"]}).json()
    assert page["items"] + rest["items"] == whole
    assert rest["next"] is None
    assert {line["name"] for line in audit(name="root")} == {"root"}
    assert audit(until="2026-01-01T00:00:00Z") == []
    accept = {"accept": "text/csv"}
    text = doors.ask("GET", "/api/v1/audit", "administrator", headers=accept).text
    assert text.startswith("id,time,kind,name,role,address,action,subject,outcome\r\n")
