"""Every visible text of the web application comes from its language files, and these say the same things."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import pytest

from models.welds.causes import CAUSES
from models.welds.features import FEATURES
from services.api.schemas import SourceOut, Verdict

SOURCE = Path(__file__).resolve().parents[2] / "dashboards/web/src"
LANGUAGES = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (SOURCE / "i18n").glob("*.json")}
SCRIPTS = {path.relative_to(SOURCE).as_posix(): path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.js")}

COMMENT = re.compile(r"/\*.*?\*/|(?<!:)//[^\n]*", re.DOTALL)
KEY = r"[a-z_]+\.[A-Za-z0-9_]+"
STRING = re.compile(r"'((?:[^'\\\n]|\\.)*)'")
PLACEHOLDER = re.compile(r"\{(\w+)\}")
ACTIVITIES = ("driving", "acting", "charging", "idle", "blocked", "manual", "error", "offline")
NOT_TEXT = re.compile(r"Arrow(Left|Right|Up|Down)|Enter|Escape|AbortError|ApiError|English")
"""Keys of the keyboard, names of errors, and a language named in itself."""


def code(text: str) -> str:
    return COMMENT.sub("", text)


def used_keys() -> dict[str, str]:
    """Return each key that a script names whole, and the script."""
    found = {}
    for name, text in SCRIPTS.items():
        for key in re.findall(rf"'({KEY})'", code(text)):
            if key.split(".")[0] in {each.split(".")[0] for each in LANGUAGES["en"]} and not key.endswith(
                (".js", ".json")
            ):
                found[key] = name
    return found


def used_prefixes() -> set[str]:
    """Return the heads of composed keys, as `map.view_` of t(`map.view_${name}`) and `cause.` of worded('cause')."""
    prefixes = set()
    for text in SCRIPTS.values():
        prefixes |= set(re.findall(r"`([a-z_]+\.[a-z_]*)\$\{", text))
        prefixes |= {f"{name}." for name in re.findall(r"worded\('([a-z_]+)'\)", text)}
    return prefixes


def test_there_are_english_and_simplified_chinese():
    assert set(LANGUAGES) == {"en", "zh-CN"}


def test_languages_have_the_same_keys_in_the_same_order():
    assert list(LANGUAGES["en"]) == list(LANGUAGES["zh-CN"])


def test_placeholders_match():
    for key, text in LANGUAGES["en"].items():
        assert set(PLACEHOLDER.findall(text)) == set(PLACEHOLDER.findall(LANGUAGES["zh-CN"][key])), key


def test_no_text_is_empty():
    assert not [key for words in LANGUAGES.values() for key, text in words.items() if not text.strip()]


def test_every_key_in_the_source_has_a_text():
    assert len(used_keys()) > 100
    assert {key: name for key, name in used_keys().items() if key not in LANGUAGES["en"]} == {}


def test_every_composed_key_has_texts():
    for prefix in used_prefixes():
        assert any(key.startswith(prefix) for key in LANGUAGES["en"]), prefix


def test_every_text_is_used():
    used, prefixes = used_keys(), tuple(used_prefixes())
    assert [key for key in LANGUAGES["en"] if key not in used and not key.startswith(prefixes)] == []


@pytest.mark.parametrize(
    ("prefix", "names"),
    [
        ("cause", CAUSES),
        ("cause_short", CAUSES),
        ("feature", FEATURES),
        ("unit", FEATURES),
        ("verdict", get_args(Verdict)),
        ("activity", ACTIVITIES),
        ("source_state", get_args(SourceOut.model_fields["state"].annotation)),
        ("mode", ("AUTOMATIC", "SEMIAUTOMATIC", "MANUAL", "SERVICE", "TEACH_IN", "STARTUP", "INTERVENED")),
    ],
)
def test_every_name_of_the_field_has_a_text(prefix: str, names):
    assert [name for name in names if f"{prefix}.{name}" not in LANGUAGES["en"]] == []


def test_the_values_given_are_those_that_the_text_asks_for():
    """t('key', {a, b: …}) names each placeholder; calls with a ready-made object are beyond this check."""
    call = re.compile(rf"\bt\('({KEY})'(?:, (\{{[^{{}}]*(?:\{{[^{{}}]*\}}[^{{}}]*)*\}}))?\)")
    seen = 0
    for name, text in SCRIPTS.items():
        for key, values in call.findall(code(text)):
            wanted = set(PLACEHOLDER.findall(LANGUAGES["en"][key]))
            given = set(re.findall(r"[{,]\s*(\w+)(?=\s*[:,}])", values))
            assert wanted <= given, f"{name}: {key} wants {wanted}, is given {given}"
            seen += 1
    assert seen > 100


def visible_literals(text: str) -> list[str]:
    """Return the literals that look like words for a reader: Chinese, or a capital and small letters, or two words."""
    found = []
    for literal in STRING.findall(code(text)):
        words = re.search(r"[\u3400-\u9fff]", literal) or re.match(r"[A-Z][a-z]+( |$)", literal)
        if words and not NOT_TEXT.fullmatch(literal):
            found.append(literal)
    found += re.findall(r"\b(?:text|title|placeholder|'aria-label'): '([^']*[A-Za-z]{2}[^']*)'", code(text))
    return found


def test_no_visible_text_is_written_into_the_code():
    found = {name: visible_literals(text) for name, text in SCRIPTS.items()}
    assert {name: texts for name, texts in found.items() if texts and name != "i18n.js"} == {}
    assert visible_literals(SCRIPTS["i18n.js"]) == ["简体中文"]  # a language named in itself


def test_the_check_for_visible_text_finds_one():
    assert visible_literals("h('p', { text: 'no welds' })") == ["no welds"]
    assert visible_literals("setText(node, 'Last defects')") == ["Last defects"]
    assert visible_literals("node.append('焊点')") == ["焊点"]
