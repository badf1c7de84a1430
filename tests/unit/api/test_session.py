"""Logging in, staying in, getting out: what the browser is given, and what another site can do with it."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from services.accounts import passwords
from services.accounts.accounts import FILE, Accounts
from services.api import access
from services.api.commands import Commands
from services.api.gate import SESSION
from services.config import AccountSettings, Broker, Config
from tests.unit.accounts.conftest import PASSWORD, SHELL, Clock, quick_hashes, template  # noqa: F401 - fixtures
from tests.unit.api.conftest import Client, client_of
from tests.unit.api.shop import Shop

pytestmark = pytest.mark.usefixtures("quick_hashes")
OTHER = "another lamp beside rivers"
ORIGIN = {"origin": "http://testserver"}


class Site:
    """An application with users, and browsers that keep its cookie."""

    def __init__(self, shop: Shop, folder: Path) -> None:
        self.clock = Clock()
        config = Config(accounts=AccountSettings(folder=str(folder)), broker=Broker(port=1))
        self.accounts = Accounts(config, self.clock)
        self.client: Client = client_of(shop, config=config, clock=self.clock)

    def log_in(self, name: str = "emil", password: str = PASSWORD, **headers: str) -> httpx.Response:
        body = {"name": name, "password": password}
        return self.client.request("POST", SESSION, json=body, headers=ORIGIN | headers)

    def browser(self, name: str = "emil") -> dict[str, str]:
        """Return the headers that a browser sends after a login."""
        return {"cookie": cookie_of(self.log_in(name)), **ORIGIN}

    def who(self, headers: dict[str, str]) -> Any:
        response = self.client.request("GET", SESSION, headers=headers)
        return response.json()["name"] if response.status_code == 200 else response.status_code


def cookie_of(response: httpx.Response) -> str:
    assert response.status_code == 200, response.text
    return response.headers["set-cookie"].partition(";")[0]


@pytest.fixture
def site(shop: Shop, tmp_path: Path, template: Path) -> Iterator[Site]:  # noqa: F811
    shutil.copy(template, tmp_path / FILE)
    made = Site(shop, tmp_path)
    yield made
    made.accounts.close()


def test_a_login_gives_a_cookie_that_scripts_and_other_sites_cannot_use(site: Site) -> None:
    response = site.log_in("EMIL")
    assert response.json() == {"kind": "user", "name": "emil", "role": "engineer"}
    cookie, *rest = response.headers["set-cookie"].split("; ")
    name, _, value = cookie.partition("=")
    assert name == "lineside"
    assert len(value) == 43  # 32 random bytes
    assert {part.lower() for part in rest} == {"httponly", "samesite=strict", "path=/", "max-age=604800"}
    assert site.who({"cookie": cookie}) == "emil"


def test_behind_tls_the_cookie_is_secure_and_the_browser_told_to_stay_there(site: Site) -> None:
    body = {"name": "emil", "password": PASSWORD}

    def ask(method: str, path: str, **more: Any) -> httpx.Response:
        return site.client.request(method, f"https://testserver{path}", **more)

    response = ask("POST", SESSION, json=body, headers={"origin": "https://testserver"})
    cookie = response.headers["set-cookie"]
    assert cookie.startswith("__Host-lineside=")
    assert "; secure" in cookie.lower()
    assert response.headers["strict-transport-security"] == "max-age=31536000"
    headers = {"cookie": cookie.partition(";")[0]}
    assert ask("GET", SESSION, headers=headers).status_code == 200
    assert site.client.request("GET", SESSION, headers=headers).status_code == 401  # not without TLS
    assert ask("DELETE", SESSION, headers=headers | {"origin": "http://testserver"}).status_code == 403
    assert ask("DELETE", SESSION, headers=headers | {"origin": "https://testserver"}).status_code == 204
    assert "strict-transport-security" not in site.client.get("/healthz").headers


@pytest.mark.parametrize(
    ("name", "password"), [("emil", OTHER), ("nobody", PASSWORD), ("nobody\n", OTHER), ("a/b", "x")]
)
def test_a_wrong_name_and_a_wrong_password_are_told_alike(site: Site, name: str, password: str) -> None:
    response = site.log_in(name, password)
    assert response.status_code == 401
    assert response.json()["detail"] == "name or password is wrong"
    assert "set-cookie" not in response.headers


def test_a_login_renews_the_id_and_ends_the_old_one(site: Site) -> None:
    first = site.browser()
    second = cookie_of(site.log_in(cookie=first["cookie"]))
    assert second != first["cookie"]
    assert site.who(first) == 401
    assert site.who({"cookie": second}) == "emil"


def test_an_id_that_the_browser_brings_along_is_never_taken(site: Site) -> None:
    cookie = cookie_of(site.log_in(cookie="lineside=chosen-by-somebody-else"))
    assert "chosen" not in cookie


def test_a_logout_ends_this_session_alone_and_takes_the_cookie_back(site: Site) -> None:
    here, there = site.browser(), site.browser()
    response = site.client.request("DELETE", SESSION, headers=here)
    assert response.status_code == 204
    assert 'lineside=""' in response.headers["set-cookie"]
    assert "Max-Age=0" in response.headers["set-cookie"]
    assert site.who(here) == 401
    assert site.who(there) == "emil"


def test_a_change_of_password_ends_the_others_and_renews_this_one(site: Site) -> None:
    here, there = site.browser(), site.browser()

    def change(old: str, new: str) -> httpx.Response:
        return site.client.request("POST", f"{SESSION}/password", json={"old": old, "new": new}, headers=here)

    wrong = change(OTHER, OTHER)
    assert (wrong.status_code, wrong.json()["field"]) == (403, "old")
    weak = change(PASSWORD, "emil emil emil emil")
    assert weak.status_code == 400
    assert "too easy" in weak.json()["detail"]
    assert site.who(there) == "emil"
    cookie = cookie_of(change(PASSWORD, OTHER))
    assert site.who(here) == site.who(there) == 401
    assert site.who({"cookie": cookie}) == "emil"
    assert site.log_in().status_code == 401
    assert site.log_in(password=OTHER).status_code == 200
    newest = site.accounts.audit.page(since_ns=None, until_ns=None, name="", action="", before=None, limit=4)
    assert [deed.action for deed in newest] == ["login", "login", "session renewed", "user password"]


def test_a_token_has_no_session(site: Site) -> None:
    _, token = site.accounts.tokens.add(SHELL, "lab", "administrator", None)
    headers = {"authorization": f"Bearer {token}"}
    assert site.client.request("GET", SESSION, headers=headers).json()["kind"] == "token"
    for method, path, body in (("DELETE", "", None), ("POST", "/password", {"old": "a", "new": "b"})):
        response = site.client.request(method, SESSION + path, json=body, headers=headers)
        assert (response.status_code, response.json()["field"]) == (409, "session")


@pytest.mark.parametrize("origin", [None, "http://evil.example", "null", "http://testserver.evil.example"])
def test_another_sites_page_can_use_no_session(site: Site, origin: str | None) -> None:
    headers = {"cookie": site.browser()["cookie"], **({"origin": origin} if origin else {})}
    order = {"action": "pin", "note": "n"}
    for method, path in (("POST", "/api/v1/spots/S1/reference"), ("DELETE", SESSION), ("DELETE", "/api/v1/users/vera")):
        response = site.client.request(method, path, json=order if method == "POST" else None, headers=headers)
        assert response.status_code == 403, (method, path)
    assert site.who(headers) == "emil"


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_no_form_of_another_site_can_log_somebody_in(site: Site, kind: str) -> None:
    body = f'{{"name": "emil", "password": "{PASSWORD}"}}'
    response = site.client.request("POST", SESSION, content=body, headers={"content-type": kind})
    assert response.status_code == 415
    assert site.log_in(origin="http://evil.example").status_code == 403


def test_an_order_goes_under_the_users_own_name(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is published is looked at where it leaves; that it arrives is shown in tests/system."""
    published: list[Any] = []

    async def publish(self: Commands, topic: str, payload: bytes) -> None:
        published.extend(msgspec.json.decode(payload))

    monkeypatch.setattr(Commands, "_publish", publish)
    _, token = site.accounts.tokens.add(SHELL, "lab", "engineer", None)
    machine = {"authorization": f"Bearer {token}"}
    order = {"action": "pin", "note": "n"}
    path = "/api/v1/spots/S1/reference"
    for headers, by in ((site.browser(), "somebody else"), (machine, "A. Meyer"), (machine, None)):
        sent = site.client.request("POST", path, json=order | ({"by": by} if by else {}), headers=headers)
        assert sent.status_code == 202, sent.text
    assert [event["by"] for event in published] == ["emil", "A. Meyer (lab)", "lab"]
    newest = site.accounts.audit.page(since_ns=None, until_ns=None, name="", action="POST", before=None, limit=1)
    assert newest[0].subject == f"reference_pin {published[-1]['id']}"
    assert newest[0].outcome == "202"


# guessing


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Count verified passwords instead of working on each; all are wrong."""
    count = 0

    def verify(stored: str | None, password: str) -> bool:
        nonlocal count
        count += 1
        return False

    monkeypatch.setattr("services.accounts.users.verify_password", verify)
    return lambda: count


def test_guesses_at_one_name_are_bounded_whether_or_not_it_is_somebodys(site: Site, cheap: Callable[[], int]) -> None:
    for name in ("vera", "nobody"):
        statuses = [site.log_in(name, f"guess {k}").status_code for k in range(access.USER_BURST + 3)]
        assert statuses == [401] * access.USER_BURST + [429] * 3
    assert cheap() == 2 * access.USER_BURST  # what is refused costs no hash
    refused = site.log_in("VERA", "guess")
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= access.USER_REFILL_S + 1


def test_guesses_from_one_place_are_bounded_over_all_names(site: Site, cheap: Callable[[], int]) -> None:
    statuses = [site.log_in(f"name {k}", "guess").status_code for k in range(access.PLACE_BURST + 5)]
    assert statuses == [401] * access.PLACE_BURST + [429] * 5


def test_who_knows_the_password_is_never_stopped_by_logging_in_often(site: Site) -> None:
    limits = access.USER_BURST + 2
    assert [site.log_in().status_code for _ in range(limits)] == [200] * limits


def test_the_old_password_cannot_be_guessed_with_a_stolen_session(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = site.browser()
    monkeypatch.setattr("services.accounts.users.verify_password", lambda *_: False)
    body = {"old": "guess", "new": OTHER}
    statuses = [
        site.client.request("POST", f"{SESSION}/password", json=body, headers=headers).status_code
        for _ in range(access.USER_BURST + 1)
    ]
    assert statuses == [403] * access.USER_BURST + [429]


def test_failures_are_on_record_without_what_was_typed(site: Site) -> None:
    site.log_in("vera", "the wrong passphrase")
    site.log_in(PASSWORD, "vera")  # typed into the wrong field
    newest = site.accounts.audit.page(since_ns=None, until_ns=None, name="", action="login", before=None, limit=2)
    assert [(deed.kind, deed.subject, deed.outcome) for deed in newest] == [
        ("nobody", "a name unknown", "wrong password"),
        ("nobody", "vera", "wrong password"),
    ]
    for file in site.accounts.path.parent.iterdir():
        assert b"the wrong passphrase" not in file.read_bytes()
        assert PASSWORD.encode() not in file.read_bytes()


def test_no_answer_and_no_log_line_repeats_a_secret(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        for body in ({"name": "emil", "password": OTHER}, {"name": "", "password": OTHER},
                     {"name": "emil", "password": OTHER, "x": 1}, {"name": ["emil"], "password": OTHER}):  # fmt: skip
            response = site.client.request("POST", SESSION, json=body, headers=ORIGIN)
            assert response.status_code in {400, 401}
            assert OTHER not in response.text
        long = OTHER * 50
        for body in ({"name": "emil", "password": long}, [{"password": OTHER}], OTHER):
            response = site.client.request("POST", SESSION, json=body, headers=ORIGIN)
            assert response.status_code == 400
            assert OTHER not in response.text
        broken = site.client.request(
            "POST", SESSION, content=f'{{"password": "{OTHER}"', headers=ORIGIN | {"content-type": "application/json"}
        )
        assert OTHER not in broken.text
    assert OTHER not in caplog.text


def test_more_logins_at_once_than_can_be_checked_are_turned_away(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "MAX_WAITING", -access.HASHERS)
    response = site.log_in()
    assert response.status_code == 503
    assert response.headers["retry-after"]
    assert passwords.MIN_LENGTH == 15
