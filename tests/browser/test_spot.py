"""The page of a spot says why, on the curve itself, and lets an engineer act."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Plant
from tests.running import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

LEARN_N = 20
GOOD_N = 80
"""Judged good ones after it: the archive keeps the curves of every fifth, so that one of them is surely drawn."""
ARRIVE_S = 30
PIXELS = """(canvas, tokens) => {
  const copy = document.createElement('canvas');
  [copy.width, copy.height] = [canvas.width, canvas.height];
  const paint = copy.getContext('2d', { willReadFrequently: true });
  const style = getComputedStyle(document.documentElement);
  const wanted = tokens.map((token) => {
    paint.fillStyle = style.getPropertyValue(`--${token}`);
    paint.fillRect(0, 0, 1, 1);
    return [...paint.getImageData(0, 0, 1, 1).data].join();
  });
  paint.clearRect(0, 0, 1, 1);
  paint.drawImage(canvas, 0, 0);
  const { data } = paint.getImageData(0, 0, copy.width, copy.height);
  const found = tokens.map(() => 0);
  for (let k = 0; k < data.length; k += 4) {
    const at = wanted.indexOf(data.slice(k, k + 4).join());
    if (at >= 0) found[at] += 1;
  }
  return found;
}"""
"""How many pixels of a canvas have the colour of each token."""


def judged(plant: Plant, weld: str) -> dict[str, Any]:
    """Wait until a weld stands in the store, and return it."""

    def find() -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = plant.get(f"/welds/{quote(weld, safe='')}")
        except OSError:  # urllib's HTTPError is one: not there yet
            return None
        return found

    answer: dict[str, Any] = wait_until(find, ARRIVE_S, f"weld {weld}")
    return answer


@pytest.fixture(scope="module")
def taught(plant: Plant) -> tuple[str, str]:
    """A spot that has learnt what is normal, then had an expulsion: its name and that weld."""
    spot = "BROWSER-WHY"
    plant.weld(spot, *[""] * (LEARN_N + GOOD_N))
    (bad,) = plant.weld(spot, "expulsion")
    assert judged(plant, bad)["verdict"] == "defect"
    return spot, bad


def open_weld(page: Page, plant: Plant, spot: str, weld: str = "") -> None:
    page.goto(f"{plant.url}/spots/{spot}{weld and f'?weld={weld}'}")
    expect(page.locator(".connection")).to_have_text("Live")
    expect(page.locator(".reference-panel dd").first).to_be_visible()


def row(page: Page, name: str) -> Locator:
    return page.locator(".marks tr").filter(has=page.get_by_role("rowheader", name=name, exact=True))


def test_a_defect_shows_its_evidence_on_the_curve(page: Page, plant: Plant, taught: tuple[str, str]):
    spot, weld = taught
    told = judged(plant, weld)
    open_weld(page, plant, spot, weld)
    why = page.locator(".why-panel")
    expect(why.locator(".verdict-line")).to_be_visible()
    expect(why.locator(".why-sentence")).not_to_be_empty()
    expect(page.locator(f".welds-panel li[data-weld='{weld}'] button")).to_have_attribute("aria-pressed", "true")

    marks = {mark["kind"]: mark for mark in told["evidence"]["marks"]}
    origin = told["evidence"]["origin_ms"]
    step = row(page, "Largest step down")
    expect(step).to_contain_text(f"{marks['step']['ms'] - origin:.0f} ms")
    expect(step).to_contain_text("of the pulse left")
    expect(step).to_have_class("tone-defect")
    expect(row(page, "R_β")).to_contain_text(f"{marks['beta']['ms'] - origin:.0f} ms")
    expect(row(page, "R_β")).to_contain_text("±")

    canvas = page.locator(".curve-main canvas")
    expect(canvas).to_be_visible()
    expect(page.locator(".curves-panel")).to_contain_text("shaded: reference ± 3 σ")
    departures, curve = canvas.evaluate(PIXELS, ["defect-mark", "text"])
    assert min(departures, curve) > 200
    expect(page.locator(".strip [data-shape=defect]")).to_have_count(1)


def test_a_conforming_weld_is_drawn_without_alarm(page: Page, plant: Plant, taught: tuple[str, str]):
    spot, _ = taught
    welds = plant.get(f"/spots/{spot}?limit={GOOD_N}")["welds"]
    good = next(weld["id"] for weld in welds if weld["verdict"] == "ok" and weld["curve_kept"])
    open_weld(page, plant, spot, good)
    expect(page.locator(".why-panel .verdict-line")).to_have_text("Conforms")
    expect(row(page, "R_β")).to_be_visible()
    expect(page.locator(".marks .tone-defect")).to_have_count(0)


def test_the_list_leads_to_the_weld_itself(page: Page, plant: Plant, taught: tuple[str, str]):
    spot, weld = taught
    page.goto(plant.url)
    page.locator(f".defects-panel li[data-weld='{weld}'] a").click()
    expect(page).to_have_url(f"{plant.url}/spots/{spot}?weld={weld}")
    expect(row(page, "Largest step down")).to_be_visible()


def act(page: Page, name: str, reason: str) -> None:
    """Order something of the reference, as an engineer does: say why and who."""
    page.locator(".reference-panel").get_by_role("button", name=name, exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill(reason)
    dialog.get_by_label("Your name").fill("B. Engineer")
    dialog.get_by_role("button", name=name, exact=True).click()
    expect(dialog).to_have_count(0)


def test_a_reference_is_pinned_and_let_go_again(page: Page, plant: Plant, taught: tuple[str, str]):
    spot, _ = taught
    open_weld(page, plant, spot)
    panel = page.locator(".reference-panel")
    act(page, "Pin", "holds until the coil is used up")
    expect(panel.locator("dd").nth(1)).to_contain_text("pinned")
    expect(panel.locator(".events li").first).to_contain_text("Reference pinned")
    expect(panel.locator(".events li").first).to_contain_text("holds until the coil is used up — by B. Engineer")
    learnt = plant.get(f"/spots/{spot}")["streams"][0]["n"]
    (weld,) = plant.weld(spot, "")
    judged(plant, weld)
    assert plant.get(f"/spots/{spot}")["streams"][0]["n"] == learnt

    act(page, "Unpin", "a new coil")
    expect(panel.get_by_role("button", name="Pin", exact=True)).to_be_visible()
    expect(panel.locator("dd").nth(1)).not_to_contain_text("pinned")


def test_a_reset_begins_a_new_version(page: Page, plant: Plant):
    spot = "BROWSER-RESET"
    judged(plant, plant.weld(spot, *[""] * (LEARN_N + 5))[-1])
    open_weld(page, plant, spot)
    version = page.locator(".reference-panel dd").nth(3)
    expect(version).to_have_text("1")
    act(page, "Reset", "another sheet")
    expect(version).to_have_text("2")
    expect(page.locator(".reference-panel dd").nth(2)).to_have_text("0 welds")


def test_an_excluded_spot_is_not_judged_until_it_is_included(page: Page, plant: Plant):
    spot = "BROWSER-EXCLUDE"
    judged(plant, plant.weld(spot, *[""] * (LEARN_N + 5))[-1])
    open_weld(page, plant, spot)
    act(page, "Exclude", "fixture under repair")
    include = page.locator(".reference-panel").get_by_role("button", name="Include", exact=True)
    expect(include).to_be_visible()
    (weld,) = plant.weld(spot, "")
    assert (judged(plant, weld)["verdict"], judged(plant, weld)["cause"]) == ("unjudged", "excluded")
    act(page, "Include", "repaired")
    expect(include).to_have_count(0)
    (weld,) = plant.weld(spot, "")
    assert judged(plant, weld)["cause"] != "excluded"


def test_an_order_without_a_name_is_not_sent(page: Page, plant: Plant, taught: tuple[str, str]):
    spot, _ = taught
    open_weld(page, plant, spot)
    page.locator(".reference-panel").get_by_role("button", name="Reset", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("a reason")
    dialog.get_by_role("button", name="Reset", exact=True).click()
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page).to_have_url(f"{plant.url}/spots/{spot}")  # Escape left the dialog, not the page


def test_a_test_result_is_recorded(page: Page, plant: Plant, taught: tuple[str, str]):
    spot, weld = taught
    open_weld(page, plant, spot, weld)
    page.get_by_role("button", name="Record a test result").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Result").select_option("expulsion")
    dialog.get_by_label("Nugget diameter").fill("4.25")
    dialog.get_by_label("Your name").fill("B. Engineer")
    dialog.get_by_role("button", name="Record").click()
    expect(dialog).to_have_count(0)
    expect(page.locator(".reference-panel .events")).to_contain_text("Inspection")
    (found,) = [each for each in plant.get("/inspections")["items"] if each["weld"] == weld]
    assert (found["result"], found["nugget_mm"], found["by"]) == ("expulsion", 4.25, "B. Engineer")


@pytest.mark.parametrize("view", ["EWMA", "CUSUM"])
def test_a_feature_has_its_control_chart(page: Page, plant: Plant, taught: tuple[str, str], view: str):
    spot, _ = taught
    open_weld(page, plant, spot)
    panel = page.locator(".history-panel")
    panel.get_by_label("Feature").select_option("r_beta_uohm")
    panel.get_by_role("button", name=view).click()
    expect(panel.locator(".history-plot canvas").locator("visible=true")).to_be_visible()
    expect(panel).to_contain_text("false alarms per hour over the whole plant")
    label = re.compile(r"^Control chart of R_β over \d+ welds")
    expect(panel.locator(".history-plot[role=img]").locator("visible=true")).to_have_attribute("aria-label", label)
