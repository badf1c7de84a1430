"""The colour tokens of the web application give readable text and marks in both themes (WCAG 2.2 AA)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TOKENS = Path(__file__).resolve().parents[2] / "dashboards/web/src/styles/tokens.css"
BLOCK = re.compile(r':root\[data-theme="(light|dark)"\] \{(.*?)\}', re.DOTALL)
THEMES = {
    name: dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})\b", block))
    for name, block in BLOCK.findall(TOKENS.read_text(encoding="utf-8"))
}
TEXT, GRAPHIC = 4.5, 3.0
"""Least contrast of text (1.4.3) and of marks and the edges of controls (1.4.11)."""


def luminance(colour: str) -> float:
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_measure_is_right():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(
    ("ground", "inks"),
    [
        ("surface", ["text", "muted", "accent", "ok", "defect", "warn", "unjudged"]),
        ("raised", ["text", "muted", "accent", "ok", "defect", "warn", "unjudged"]),
        ("bg", ["text", "muted", "accent"]),
        ("defect-tint", ["text", "muted", "defect"]),
        ("warn-tint", ["text", "warn"]),
    ],
)
def test_text_is_readable(theme: str, ground: str, inks: list[str]):
    for ink in inks:
        assert contrast(THEMES[theme][ink], THEMES[theme][ground]) >= TEXT, ink


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_on_pressed_controls_is_readable(theme: str):
    assert contrast(THEMES[theme]["on-accent"], THEMES[theme]["accent"]) >= TEXT


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("mark", ["ok-mark", "defect-mark", "unjudged", "warn", "control"])
def test_marks_and_edges_stand_out(theme: str, mark: str):
    assert contrast(THEMES[theme][mark], THEMES[theme]["surface"]) >= GRAPHIC
