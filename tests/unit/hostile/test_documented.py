"""`docs/reference/limits.md` says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from edge.sources.envelope import MAX_FRAMED_BYTES, MAX_ITEMS
from edge.sources.event import MAX_NOTE
from edge.sources.fields import MAX_NAME
from edge.sources.nesting import MAX_DEPTH
from edge.sources.vda5050 import MAX_ERRORS
from edge.topics import MAX_LEVEL
from models.welds.bodies import KEEP_BODIES, BodyTracker
from services.api.guard import MAX_BODY_BYTES
from services.api.inspections import MAX_ITEMS as MAX_INSPECTIONS
from services.api.live import MAX_CLIENTS
from services.api.query import MAX_LIMIT, NAME_LENGTH
from services.config import Config
from services.deadletter import DeadLetters
from services.model_files import MAX_BYTES
from services.rows import MAX_REJECT_ROWS
from services.seen import Seen
from services.serving import MAX_HEARD_BYTES

LINES = Path(__file__).parents[3].joinpath("docs/reference/limits.md").read_text(encoding="utf-8").splitlines()
SETTINGS = [line for line in LINES if re.search(r"`[a-z]+\.[a-z_]+` \|$", line)]


def said(number: int) -> str:
    """Return a number as the document writes it."""
    for power, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if number >= 2**power and number % 2**power == 0:
            return f"{number >> power} {unit}"
    return f"{number:,}"


@pytest.mark.parametrize("line", SETTINGS, ids=lambda line: line.split("`")[-2])
def test_a_setting_has_the_value_that_is_documented(line: str) -> None:
    section, key = line.split("`")[-2].split(".")
    value = msgspec.to_builtins(Config())[section][key]
    assert line.split("|")[2].strip().startswith(said(value)), line


def test_the_settings_are_all_there() -> None:
    limits = {f"limits.{name}" for name in msgspec.to_builtins(Config())["limits"]}
    assert limits <= {line.split("`")[-2] for line in SETTINGS}


@pytest.mark.parametrize(
    ("begins", "number"),
    [
        ("payload that is searched", MAX_FRAMED_BYTES), ("items of a list", MAX_ITEMS), ("levels of lists", MAX_DEPTH),
        ("id, spot", MAX_NAME), ("note of an event", MAX_NOTE), ("level of a topic", MAX_LEVEL),
        ("errors of a vehicle", MAX_ERRORS), ("bodies in the shop", KEEP_BODIES),
        ("rejects of one message", MAX_REJECT_ROWS), ("body of a request", MAX_BODY_BYTES),
        ("inspections in one", MAX_INSPECTIONS), ("items of a page", MAX_LIMIT), ("a name in a query", NAME_LENGTH),
        ("a WebSocket message", MAX_HEARD_BYTES), ("live pages", MAX_CLIENTS),
    ],
)  # fmt: skip
def test_a_constant_has_the_value_that_is_documented(begins: str, number: int) -> None:
    [line] = [line for line in LINES if line.startswith(f"| {begins}")]
    assert line.split("|")[2].strip().startswith(said(number)), line


def test_a_models_bound_is_documented() -> None:
    assert any(said(MAX_BYTES) in line for line in LINES)


def test_bodies_ids_and_dead_letters_are_forgotten_oldest_first(tmp_path: Path) -> None:
    bodies = BodyTracker([], 10**18)
    names = [f"b{k}" for k in range(KEEP_BODIES + 50)]
    bodies.add(names, ["s"] * len(names), ["ok"] * len(names), list(range(len(names))))
    assert [body[0] for body in bodies.snapshot().bodies] == names[50:]
    seen = Seen(10)
    for mark in range(25):
        seen.add(mark)
    seen.forget()
    assert seen.snapshot().tolist() == list(range(15, 25))
    letters = DeadLetters(tmp_path / "rejects", 1000)
    for seq in range(20):
        letters.keep(seq, bytes(100))
    kept = sorted((tmp_path / "rejects").iterdir())
    assert [int(path.stem) for path in kept] == list(range(10, 20))
