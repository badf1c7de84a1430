"""The page can be used: by keyboard, in two languages, dark and light, on a wall and on a telephone."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Plant

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

NAMELESS = """() => {
  const text = (elements) => [...elements].map((each) => each?.textContent ?? '').join('');
  const named = (element) => element.getAttribute('aria-label')
    || text((element.getAttribute('aria-labelledby') ?? '').split(' ').map((id) => document.getElementById(id)))
    || text(element.labels ?? [])
    || element.innerText?.trim()
    || [...element.querySelectorAll('img')].map((image) => image.alt).join('');
  const controls = document.querySelectorAll('a, button, input, select, summary, [tabindex="0"]');
  return [...controls].filter((element) => !named(element)).map((element) => element.outerHTML);
}"""
OVERFLOW = """() => ({
  down: document.documentElement.scrollHeight - innerHeight,
  across: document.documentElement.scrollWidth - innerWidth,
})"""
FONT_PX = "(selector) => Number.parseFloat(getComputedStyle(document.querySelector(selector)).fontSize)"


def paths(plant: Plant) -> list[str]:
    agv = plant.get("/agvs")[0]["id"]
    body = plant.get("/bodies?limit=1")["items"][0]["body"]
    spot = quote(plant.spots[0], safe="")
    gun = plant.get("/guns")[0]["gun"]
    return [
        "/",
        f"/spots/{spot}",
        "/fleet",
        f"/fleet/{quote(agv, safe='')}",
        "/bodies",
        f"/bodies/{quote(body, safe='')}",
        "/guns",
        f"/guns/{quote(gun, safe='')}",
        "/changes",
        "/models",
        "/sources",
    ]


def ready(page: Page, url: str) -> None:
    page.goto(url)
    expect(page.locator(".connection")).to_have_text("Live")
    expect(page.locator(".notice[role=status]")).to_have_count(0)


def test_every_page_works_and_each_control_has_a_name(page: Page, plant: Plant):
    for path in paths(plant):
        ready(page, plant.url + path)
        assert page.evaluate(NAMELESS) == [], path
        expect(page.locator("h1")).to_have_count(1)
        expect(page.locator("main .panel").nth(1)).to_be_attached()


def test_a_spot_is_reached_by_keyboard_alone(page: Page, plant: Plant):
    ready(page, plant.url)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    canvas = page.locator(".map-panel canvas").first
    for _ in range(20):
        page.keyboard.press("Tab")
        if canvas.evaluate("(element) => element === document.activeElement"):
            break
    expect(canvas).to_be_focused()
    page.keyboard.press("ArrowRight")
    spoken = page.locator(".map-panel [aria-live]")
    first = spoken.inner_text()
    page.keyboard.press("ArrowRight")
    expect(spoken).not_to_have_text(first)
    spot = spoken.inner_text().split(",")[0]
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{plant.url}/spots/{quote(spot, safe='')}")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    page.keyboard.press("Escape")
    expect(page).to_have_url(f"{plant.url}/")


def test_a_spot_is_found_by_name(page: Page, plant: Plant):
    ready(page, plant.url)
    field = page.get_by_role("combobox", name="Find a spot")
    field.fill("no-such-spot")
    field.press("Enter")
    assert field.evaluate("(element) => element.validationMessage") == "No such spot"
    field.fill(plant.spots[7])
    field.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(plant.spots[7])


def test_the_language_switches_and_stays(page: Page, plant: Plant):
    ready(page, plant.url)
    page.get_by_label("Language").select_option("zh-CN")
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(page.get_by_role("link", name="AGV 车队")).to_be_visible()
    expect(page.locator(".headline h2").first).to_have_text("焊点合格率")
    page.reload()
    expect(page.locator(".headline h2").first).to_have_text("焊点合格率")


def test_the_language_is_the_viewers(new_context: Callable[..., BrowserContext], plant: Plant):
    page = new_context(locale="zh-CN").new_page()
    page.goto(plant.url)
    expect(page.locator(".connection")).to_have_text("实时")


def test_the_theme_follows_the_system_until_chosen(new_context: Callable[..., BrowserContext], plant: Plant):
    page = new_context(color_scheme="dark").new_page()
    ready(page, plant.url)
    html = page.locator("html")
    expect(html).to_have_attribute("data-theme", "dark")
    page.emulate_media(color_scheme="light")
    expect(html).to_have_attribute("data-theme", "light")
    page.get_by_role("button", name="Switch to dark").click()
    expect(html).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(html).to_have_attribute("data-theme", "dark")


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (1280, 800)])
@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_the_overview_fits_the_screen(
    new_context: Callable[..., BrowserContext], plant: Plant, width: int, height: int, locale: str
):
    page = new_context(viewport={"width": width, "height": height}, locale=locale).new_page()
    page.goto(plant.url)
    expect(page.locator(".defects-panel")).to_be_visible()
    assert page.evaluate(OVERFLOW) == {"down": 0, "across": 0}
    assert page.evaluate(FONT_PX, "body") >= 16
    if width == 1920:
        assert page.evaluate(FONT_PX, ".headline .main .rate-figure") >= 72


def test_nothing_sticks_out_on_a_telephone(new_context: Callable[..., BrowserContext], plant: Plant):
    page = new_context(viewport={"width": 390, "height": 844}, has_touch=True).new_page()
    for path in paths(plant):
        ready(page, plant.url + path)
        assert page.evaluate(OVERFLOW)["across"] == 0, path


def test_an_unknown_address_says_so(page: Page, plant: Plant):
    page.goto(f"{plant.url}/no/such/page")
    expect(page.get_by_role("heading", level=1)).to_have_text("No page at this address")


def test_an_unknown_spot_says_so(new_context: Callable[..., BrowserContext], plant: Plant):
    page = new_context().new_page()
    page.goto(f"{plant.url}/spots/no%2Fsuch")
    expect(page.locator(".notice")).to_contain_text("There is no no/such.")


def test_the_server_may_be_away(new_context: Callable[..., BrowserContext], plant: Plant):
    """The page says so, tries by itself, and goes on when the server is back."""
    page = new_context().new_page()
    page.route("**/api/v1/**", lambda route: route.abort())
    page.goto(plant.url)
    expect(page.get_by_role("alert")).to_contain_text("The server does not answer.")
    page.unroute("**/api/v1/**")
    expect(page.locator(".defects-panel")).to_be_visible()
