"""Logging in as a person does: in both languages, with a session that ends in the midst of work, in each role."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from services.accounts.accounts import Accounts
from services.api.web import web_root
from tests.browser.conftest import need
from tests.unit.accounts.conftest import quick_hashes  # noqa: F401 - a fixture
from tests.unit.api.shop import make_shop
from tests.webserver import SHELL, WebServer

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("quick_hashes")]
PASSWORD = "orange kettle violin seven"
OTHER = "another lamp beside rivers"
Open = Callable[..., Page]
WATCH = "addEventListener('securitypolicyviolation', (event) => console.error(`CSP ${event.violatedDirective}`))"
REFUSED = re.compile(r"Failed to load resource: .* (401|403|409)|WebSocket connection .* failed")
"""What a browser says by itself of answers that are meant to be refusals."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, quick_hashes: None) -> Iterator[WebServer]:  # noqa: F811
    need(web_root(), "the web bundle (make web)")
    folder = tmp_path_factory.mktemp("login")
    shop = make_shop(folder / "shop")
    running = WebServer(shop, folder / "data")
    for name, role in (("anna", "administrator"), ("emil", "engineer"), ("vera", "viewer")):
        running.accounts.users.add(SHELL, name, role, PASSWORD)
    running.start()
    yield running
    running.stop()
    shop.store.close()


@pytest.fixture
def accounts(server: WebServer) -> Accounts:
    return server.accounts


@pytest.fixture
def visit(server: WebServer, new_context: Callable[..., BrowserContext]) -> Iterator[Open]:
    """Open a page; at the end none has complained of anything but refusals, nor broken the policy of its contents."""
    complaints: list[str] = []

    def visit(path: str = "/", **options: object) -> Page:
        page = new_context(**options).new_page()
        page.add_init_script(WATCH)
        page.on("console", lambda message: message.type in {"error", "warning"} and complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(server.url + path)
        return page

    yield visit
    assert [text for text in complaints if not REFUSED.search(text)] == []


def log_in(page: Page, name: str, password: str = PASSWORD) -> None:
    login = page.get_by_role("dialog", name="Log in")
    login.get_by_label("Name").fill(name)
    login.get_by_label("Password").fill(password)
    login.get_by_role("button", name="Log in").click()


def account(page: Page, name: str) -> None:
    """Open the menu of the user."""
    page.get_by_role("button", name=f"{name}: account").click()


@pytest.mark.parametrize(
    ("locale", "scheme", "texts"),
    [
        ("en-GB", "dark", ("Log in", "Name", "Password", "Name or password is wrong.")),
        ("zh-CN", "light", ("登录", "用户名", "密码", "用户名或密码错误。")),
    ],
)
def test_the_login_is_a_form_that_people_and_password_managers_understand(
    visit: Open, locale: str, scheme: str, texts: tuple[str, ...]
) -> None:
    page = visit("/sources", locale=locale, color_scheme=scheme)
    title, name, password, wrong = texts
    login = page.get_by_role("dialog", name=title)
    expect(login).to_be_visible()
    expect(login.get_by_label(name, exact=True)).to_be_focused()
    expect(login.get_by_label(name, exact=True)).to_have_attribute("autocomplete", "username")
    expect(login.get_by_label(password)).to_have_attribute("autocomplete", "current-password")
    assert page.locator("html").get_attribute("lang") == locale.replace("en-GB", "en")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(login).to_be_visible()
    page.keyboard.type("vera")
    page.keyboard.press("Tab")
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    expect(login.get_by_role("alert")).to_have_text(wrong)
    expect(login.get_by_label(password)).to_be_focused()  # with all of it marked: typing replaces it
    expect(login.get_by_label(password)).to_have_attribute("aria-invalid", "true")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="vera")).to_be_visible()
    expect(login).to_have_count(0)
    assert page.url.endswith("/sources")  # where one wanted to go


def test_the_language_can_be_changed_before_the_login_and_nothing_typed_is_lost(visit: Open) -> None:
    page = visit("/")
    page.get_by_label("Name").fill("vera")
    page.get_by_label("Language").select_option("zh-CN")
    expect(page.get_by_role("dialog", name="登录")).to_be_visible()
    expect(page.get_by_label("用户名")).to_have_value("vera")


def test_a_session_that_ends_leads_to_the_login_and_back_with_what_was_typed(visit: Open, accounts: Accounts) -> None:
    page = visit("/access")
    log_in(page, "anna")
    page.get_by_role("button", name="Add user").click()
    dialog = page.get_by_role("dialog", name="Add user")
    dialog.get_by_label("Name").fill("otto")
    for label in ("New password", "New password, once more"):
        dialog.get_by_label(label, exact=True).fill(OTHER)
    accounts.users.set_password(SHELL, "anna", OTHER)  # ends the session
    login = page.get_by_role("dialog", name="Log in")
    expect(login).to_contain_text("Your session has ended")  # by itself, within seconds
    expect(login.get_by_label("Name")).to_have_value("anna")
    log_in(page, "anna", OTHER)
    expect(login).to_have_count(0)
    expect(dialog.get_by_label("Name")).to_have_value("otto")
    accounts.users.set_password(SHELL, "anna", PASSWORD)
    # Sent by script: within seconds the login lies over it, and the two may come in either order.
    dialog.locator("form").evaluate("form => form.requestSubmit()")
    expect(login).to_be_visible()
    log_in(page, "anna")
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("row").filter(has_text="otto").first).to_be_visible()
    accounts.users.remove(SHELL, "otto")
    assert page.url.endswith("/access")


def test_what_the_server_does_not_do_is_said_in_the_viewers_language_and_then_in_its_own_words(visit: Open) -> None:
    page = visit("/access")
    log_in(page, "anna")
    page.get_by_label("Language").select_option("zh-CN")
    page.get_by_role("button", name="添加用户").click()
    dialog = page.get_by_role("dialog", name="添加用户")
    dialog.get_by_label("名称").fill("emil")
    for label in ("新密码", "再次输入新密码"):
        dialog.get_by_label(label, exact=True).fill(OTHER)
    dialog.get_by_role("button", name="添加用户").click()
    expect(dialog.get_by_role("alert")).to_have_text("当前状态下无法执行：there is a user 'emil' already")


def test_a_viewer_is_offered_nothing_that_a_viewer_may_not_do(visit: Open) -> None:
    page = visit("/spots/S1")
    log_in(page, "vera")
    reference = page.get_by_role("region", name="Reference")
    expect(reference).to_contain_text("Only with the role Engineer")
    expect(reference.get_by_role("button")).to_have_count(0)
    expect(page.get_by_role("button", name="Record a test")).to_have_count(0)
    account(page, "vera")
    expect(page.get_by_role("button", name="Log out")).to_be_visible()
    expect(page.get_by_role("link", name="Users and tokens")).to_be_hidden()


def test_an_engineer_is_offered_it_and_not_asked_for_a_name(visit: Open) -> None:
    page = visit("/spots/S1")
    log_in(page, "emil")
    page.get_by_role("region", name="Reference").get_by_role("button", name="Reset").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Reason")).to_be_visible()
    expect(dialog.get_by_label("Your name")).to_have_count(0)
    dialog.get_by_role("button", name="Cancel").click()
    page.goto(page.url.replace("/spots/S1", "/access"))
    expect(page.get_by_role("main")).to_contain_text("Only administrators")


def test_one_changes_the_own_password_and_goes_on(visit: Open, accounts: Accounts) -> None:
    page = visit("/")
    log_in(page, "emil")
    account(page, "emil")
    page.get_by_role("button", name="Change password").click()
    dialog = page.get_by_role("dialog", name="Change password")
    dialog.get_by_label("Present password").fill("wrong")
    dialog.get_by_label("New password", exact=True).fill(OTHER)
    dialog.get_by_label("New password, once more").fill(OTHER + "x")
    dialog.get_by_role("button", name="Change password").click()
    expect(dialog.get_by_role("alert")).to_have_text("The two passwords differ.")
    dialog.get_by_label("New password, once more").fill(OTHER)
    dialog.get_by_role("button", name="Change password").click()
    expect(dialog.get_by_role("alert")).to_have_text("The present password is wrong.")
    dialog.get_by_label("Present password").fill(PASSWORD)
    dialog.get_by_role("button", name="Change password").click()
    expect(dialog).to_have_count(0)
    page.reload()
    expect(page.get_by_role("button", name="emil: account")).to_be_visible()
    assert accounts.users.verify("emil", OTHER) == "emil"
    accounts.users.set_password(SHELL, "emil", PASSWORD)


def test_a_logout_leaves_nothing_behind(visit: Open) -> None:
    page = visit("/sources")
    log_in(page, "vera")
    account(page, "vera")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("dialog", name="Log in")).to_be_visible()
    expect(page.get_by_role("main")).to_have_count(0)
    page.go_back()
    expect(page.get_by_role("dialog", name="Log in")).to_be_visible()
    assert page.context.cookies() == []


def test_a_token_is_made_shown_once_and_removed(visit: Open, accounts: Accounts) -> None:
    page = visit("/access")
    log_in(page, "anna")
    page.get_by_role("button", name="New token").click()
    dialog = page.get_by_role("dialog", name="New token")
    dialog.get_by_label("What it is for").fill("prometheus")
    dialog.get_by_role("button", name="New token").click()
    shown = page.locator("code.secret")
    expect(shown).to_have_text(re.compile("^lineside_"))
    page.get_by_role("button", name="Done").click()
    expect(shown).to_have_count(0)
    expect(page.get_by_role("region", name="Audit log")).to_contain_text("prometheus as viewer")
    page.get_by_role("button", name="Remove: prometheus").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_role("region", name="Tokens of machines")).to_contain_text("No tokens.")
    assert accounts.tokens.list() == []


class _Inline(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.found += [f"{tag} {name}" for name in named if name.startswith("on") or name == "style"]
        if tag == "style" or (tag == "script" and not named.get("src")):
            self.found.append(tag)
        self.loaded += [value for name in ("src", "href") if (value := named.get(name))]


def test_the_page_has_no_inline_script_or_style_and_loads_from_its_own_server_alone() -> None:
    root = web_root()
    need(root, "the web bundle (make web)")
    page = _Inline()
    page.feed((root or Path()).joinpath("index.html").read_text(encoding="utf-8"))
    assert page.found == []
    assert len(page.loaded) >= 3
    assert [address for address in page.loaded if not re.match(r"/[^/]", address)] == []
