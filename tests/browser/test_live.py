"""What happens in the plant shows on the page by itself."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.browser.conftest import Plant

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


def open_overview(page: Page, plant: Plant) -> None:
    page.goto(plant.url)
    expect(page.locator(".connection")).to_have_text("Live")
    expect(page.locator(".map-panel canvas").first).to_be_visible()


def test_the_overview_shows_the_plant(page: Page, plant: Plant):
    open_overview(page, plant)
    spots = page.locator(".map-panel canvas").first
    expect(spots).to_have_attribute("aria-label", re.compile(r"^Map of 3,0\d\d spots"))
    floor = page.locator(".floor-panel canvas").first
    expect(floor).to_have_attribute("aria-label", re.compile(r"^Floor plan with 200 AGVs"))
    page.wait_for_function(
        "() => [...document.querySelectorAll('.floor-panel .count strong')]"
        ".reduce((sum, element) => sum + Number(element.textContent), 0) === 200"
    )
    expect(page.locator(".sources-panel .account .verdict")).to_have_text("Adds up")


def test_a_defect_appears_without_a_reload(page: Page, plant: Plant):
    open_overview(page, plant)
    page.evaluate("window.stillTheSamePage = true")
    weld = plant.weld_without_current("BROWSER-LIVE")
    row = page.locator(f".defects-panel li[data-weld='{weld}']")
    expect(row).to_contain_text("BROWSER-LIVE")
    expect(row).to_contain_text("No welding current flowed.")
    expect(page.locator(".defects-panel [aria-live]")).to_contain_text("defect")
    assert page.evaluate("window.stillTheSamePage") is True


def test_the_rate_follows(page: Page, plant: Plant):
    open_overview(page, plant)
    defects = page.locator(".headline .numbers dd").first
    expect(defects).to_have_text(re.compile(r"^\d"))
    before = int(defects.inner_text().replace(",", ""))
    for k in range(3):
        plant.weld_without_current(f"BROWSER-RATE-{k}")
    page.wait_for_function(
        "(least) => Number(document.querySelector('.headline .numbers dd').textContent.replace(',', '')) >= least",
        arg=before + 3,
    )
    expect(page.locator(".headline .main .doubt")).to_contain_text("n = ")


def test_an_open_spot_shows_its_next_weld(page: Page, plant: Plant):
    open_overview(page, plant)
    first = plant.weld_without_current("BROWSER-SPOT")
    page.locator(f".defects-panel li[data-weld='{first}'] a").click()
    expect(page).to_have_url(f"{plant.url}/spots/BROWSER-SPOT?weld={first}")
    expect(page.get_by_role("heading", level=1)).to_have_text("BROWSER-SPOT")
    rows = page.locator(".welds-panel li")
    expect(rows).to_have_count(1)
    second = plant.weld_without_current("BROWSER-SPOT")
    expect(rows).to_have_count(2)
    expect(rows.first).to_have_attribute("data-weld", second)


def test_a_spot_shows_its_curves_and_features(page: Page, plant: Plant):
    page.goto(f"{plant.url}/spots/{plant.spots[0]}")
    expect(page.locator(".curve-main canvas")).to_be_visible()
    expect(page.locator(".curve-main")).to_have_attribute(
        "aria-label", re.compile(r"^Dynamic resistance over time of the last \d")
    )
    expect(page.locator(".wide .small-chart canvas").first).to_be_visible()
    expect(page.locator(".wide .small-chart").nth(9)).to_be_attached()


def test_a_reject_shows_with_its_reason_and_its_bytes(page: Page, plant: Plant):
    page.goto(f"{plant.url}/sources")
    expect(page.locator(".connection")).to_have_text("Live")
    payload = b'{"id": "bad", "spot": 7}'
    plant.publish(payload)
    link = page.locator(".rows .panel").nth(2).get_by_role("link").first
    with page.expect_download() as download:
        link.click()
    assert download.value.path().read_bytes() == payload


def test_the_guns_show_their_wear(page: Page, plant: Plant):
    page.goto(f"{plant.url}/guns")
    gun = plant.get("/guns")[0]["gun"]
    page.get_by_role("link", name=gun, exact=True).click()
    expect(page.get_by_role("heading", name=f"Electrodes of {gun}")).to_be_visible()
    detail = page.locator(".column .panel").first
    expect(detail.locator(".gun-sentence")).not_to_be_empty()
    expect(detail.locator("dd").first).to_have_text(re.compile(r"^[\d,]+, counted by the controller$"))


def test_an_event_is_on_record(page: Page, plant: Plant):
    page.goto(f"{plant.url}/changes")
    kind = page.get_by_label("Kind")
    kind.select_option("cap_change")
    events = plant.get("/events?kind=cap_change&limit=200")
    expect(page.locator(".split > .panel tbody tr")).to_have_count(len(events))
    kind.select_option("spot_exclude")
    expect(page.locator(".split > .panel")).to_contain_text("No event yet.")


def test_a_body_shows_its_defects(page: Page, plant: Plant):
    plant.weld_without_current("BROWSER-BODY")
    page.goto(f"{plant.url}/bodies")
    page.get_by_role("link", name="browser-1").click()
    expect(page.locator(".column .welds")).to_contain_text("BROWSER-BODY")


def test_the_feed_may_be_lost_and_comes_back(page: Page, plant: Plant):
    wires: list[WebSocketRoute] = []
    cut = False

    def wire(route: WebSocketRoute) -> None:
        if cut:
            route.close(code=1013)
            return
        wires.append(route)
        route.connect_to_server()

    page.route_web_socket(re.compile(r"/api/v1/live$"), wire)
    open_overview(page, plant)
    cut = True
    for each in wires:
        each.close(code=1013)
    expect(page.locator(".connection")).to_have_text("Reconnecting")
    expect(page.locator(".banner.warn").first).to_contain_text("Feed lost at")
    expect(page.locator("body")).to_have_attribute("data-stale", "")
    weld = plant.weld_without_current("BROWSER-AWAY")
    row = page.locator(f".defects-panel li[data-weld='{weld}']")
    expect(row).to_have_count(0)

    cut = False
    page.get_by_role("button", name="Retry now").click()
    expect(page.locator(".connection")).to_have_text("Live")
    expect(page.locator("body")).not_to_have_attribute("data-stale", "")
    expect(row).to_contain_text("BROWSER-AWAY")  # loaded over REST: the feed does not repeat the past
