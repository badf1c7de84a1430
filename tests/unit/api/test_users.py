"""Users and tokens over the API, as an administrator sees to them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from services.accounts.accounts import FILE, Accounts
from services.accounts.model import Caller
from services.config import AccountSettings, Config
from tests.unit.accounts.conftest import PASSWORD, SHELL, quick_hashes, template  # noqa: F401 - fixtures
from tests.unit.api.conftest import Client, client_of
from tests.unit.api.shop import NOW, Shop

pytestmark = pytest.mark.usefixtures("quick_hashes")
Ask = Callable[..., httpx.Response]


@pytest.fixture
def accounts(tmp_path: Path, template: Path) -> Iterator[Accounts]:  # noqa: F811
    shutil.copy(template, tmp_path / FILE)
    made = Accounts(Config(accounts=AccountSettings(folder=str(tmp_path))), lambda: NOW)
    yield made
    made.close()


@pytest.fixture
def client(shop: Shop, accounts: Accounts) -> Client:
    return client_of(shop, config=Config(accounts=AccountSettings(folder=str(accounts.path.parent))))


@pytest.fixture
def ask(client: Client, accounts: Accounts) -> Ask:
    """Ask under /api/v1 with the token of an administrator."""
    _, token = accounts.tokens.add(SHELL, "admin", "administrator", None)

    def ask(method: str, path: str, **more: Any) -> httpx.Response:
        return client.request(method, f"/api/v1{path}", headers={"authorization": f"Bearer {token}"}, **more)

    return ask


def test_a_user_is_added_changed_and_removed(ask: Ask, accounts: Accounts) -> None:
    new = {"name": "王芳 Otto", "role": "viewer", "password": PASSWORD}
    added = ask("POST", "/users", json=new)
    assert added.status_code == 201
    assert added.json() == {
        "name": "王芳 Otto", "role": "viewer", "created": "2026-11-25T12:00:00Z", "last_login": None, "sessions": 0,
    }  # fmt: skip
    session = accounts.sessions.begin("王芳 otto", "")
    assert ask("POST", "/users/王芳 Otto/role", json={"role": "engineer"}).status_code == 204
    assert accounts.sessions.find(session.caller.key, "") is None
    assert ask("POST", "/users/王芳 Otto/password", json={"password": PASSWORD[::-1]}).status_code == 204
    assert accounts.users.verify("王芳 otto", PASSWORD[::-1]) == "王芳 Otto"
    found = {user["name"]: user["role"] for user in ask("GET", "/users").json()}
    assert found == {"Anna": "administrator", "emil": "engineer", "vera": "viewer", "王芳 Otto": "engineer"}
    assert ask("DELETE", "/users/王芳 Otto").status_code == 204
    assert ask("DELETE", "/users/王芳 Otto").status_code == 404
    lines = ask("GET", "/audit", params={"name": "admin"}).json()["items"]
    told = [(line["action"], line["outcome"]) for line in lines]
    assert told == [
        ("DELETE /api/v1/users/王芳 Otto", "404"),
        ("user remove", "done"),
        ("user password", "done"),
        ("user role", "done"),
        ("user add", "done"),
    ]  # each once


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "field"),
    [
        ("POST", "/users", {"name": "a/b", "role": "viewer", "password": PASSWORD}, 400, "name"),
        ("POST", "/users", {"name": "otto", "role": "boss", "password": PASSWORD}, 400, "role"),
        ("POST", "/users", {"name": "otto", "role": "viewer", "password": "short"}, 400, "password"),
        ("POST", "/users", {"name": "otto", "role": "viewer"}, 400, "password"),
        ("POST", "/users", {"name": "ANNA", "role": "viewer", "password": PASSWORD}, 409, "name"),
        ("POST", "/users/nobody/role", {"role": "viewer"}, 404, "name"),
        ("POST", "/users/nobody/password", {"password": PASSWORD}, 404, "name"),
        ("POST", "/users/anna/role", {"role": "viewer"}, 409, "name"),
        ("DELETE", "/users/anna", None, 409, "name"),
        ("DELETE", "/tokens/nothing", None, 404, "name"),
        ("DELETE", "/tokens/a%0Ab", None, 400, "name"),
        ("POST", "/tokens", {"name": "x", "role": "viewer", "days": 0}, 400, "days"),
        ("POST", "/tokens", {"name": "ADMIN", "role": "viewer"}, 409, "name"),
        ("GET", "/users?x=1", None, 400, "x"),
        ("GET", "/audit?cursor=x", None, 400, "cursor"),
    ],
)
def test_what_cannot_be_is_said(ask: Ask, method: str, path: str, body: Any, status: int, field: str) -> None:
    response = ask(method, path, json=body)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["field"] == field


def test_a_token_is_shown_once_and_opens_at_once(ask: Ask, client: Client) -> None:
    made = ask("POST", "/tokens", json={"name": "prometheus", "role": "viewer", "days": 30})
    assert made.status_code == 201
    token = made.json()["token"]
    assert made.json()["expires"] == "2026-12-25T12:00:00Z"
    machine = {"authorization": f"Bearer {token}"}
    assert client.request("GET", "/metrics", headers=machine).status_code == 200
    listed = ask("GET", "/tokens")
    assert token not in listed.text
    assert next(item for item in listed.json() if item["name"] == "prometheus")["last_used"] == "2026-11-25T12:00:00Z"
    assert ask("DELETE", "/tokens/prometheus").status_code == 204
    assert client.request("GET", "/metrics", headers=machine).status_code == 401


def test_answers_are_as_documented(ask: Ask, client: Client) -> None:
    document = client.app.openapi()
    for path in ("/users", "/tokens", "/audit", "/session"):
        schema = document["paths"][f"/api/v1{path}"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        validator = jsonschema.Draft202012Validator({**schema, "components": document["components"]})
        validator.validate(ask("GET", path).json())
        assert document["paths"][f"/api/v1{path}"]["get"]["responses"]["401"]
    assert set(document["components"]["securitySchemes"]) == {"session", "token"}
    assert document["paths"]["/healthz"]["get"]["security"] == []
    assert "401" not in document["paths"]["/healthz"]["get"]["responses"]


def test_a_machine_speaks_for_people_and_is_named_beside_them() -> None:
    machine = Caller("token", "lab", "engineer", "")
    assert (machine.sign("A. Meyer"), machine.sign("")) == ("A. Meyer (lab)", "lab")
    assert Caller("user", "emil", "engineer", "").sign("A. Meyer") == "emil"
    assert Caller("anyone", "", "engineer", "").sign("A. Meyer") == "A. Meyer"
