"""What integrators read is what the code does: schemas, the AsyncAPI document and the message reference."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from edge.sources import decode
from edge.sources.clock import parse_rfc3339
from edge.sources.envelope import MAX_FRAMED_BYTES, MAX_ITEMS
from edge.sources.event import EventMessage
from edge.sources.message import Limits
from edge.sources.schema import documents, event_schema, field_table, render, weld_schema
from edge.sources.vda5050 import STRUCTS
from edge.sources.weld import WeldMessage
from edge.topics import route
from services.config import Judge

from .samples import EVENT, WELD, items, message

REFERENCE = Path(__file__).resolve().parents[4] / "docs/reference"
MESSAGES = (REFERENCE / "messages.md").read_text(encoding="utf-8")
BLOCK = re.compile(
    r"^(?:Topic `(?P<topic>[^`]+)`|Rejected: `(?P<reason>[^`]+)`|```json\n(?P<sample>.*?)```)$",
    re.MULTILINE | re.DOTALL,
)
DEFAULTS = Judge()
RECEIVED_NS = parse_rfc3339("2026-03-01T12:10:00Z")


def samples() -> list[tuple[str, str, str]]:
    """Return topic, expected reason ("" when accepted) and payload of each sample in the reference."""
    found, topic, reason = [], "", ""
    for block in BLOCK.finditer(MESSAGES):
        if block["topic"]:
            topic = block["topic"]
        elif block["reason"]:
            reason = block["reason"]
        else:
            found.append((topic, reason, block["sample"]))
            reason = ""
    return found


@pytest.mark.parametrize("name", list(documents()))
def test_the_committed_documents_are_up_to_date(name: str) -> None:
    assert (REFERENCE / name).read_text(encoding="utf-8") == render(documents()[name]), (
        "run: python -m edge.sources.schema docs/reference"
    )


@pytest.mark.parametrize("struct", [WeldMessage, EventMessage, *STRUCTS.values()])
def test_the_reference_has_the_fields_of_each_message(struct: type[msgspec.Struct]) -> None:
    assert field_table(struct) in MESSAGES


def test_the_reference_has_samples_of_every_kind() -> None:
    formats = {(route(topic).parts[-1], bool(reason)) for topic, reason, _ in samples()}
    accepted = {name for name, rejected in formats if not rejected}
    assert accepted == {"weld", "event", *STRUCTS}
    assert {name for name, rejected in formats if rejected} >= {"weld", "event", "connection"}


@pytest.mark.parametrize(("topic", "reason", "sample"), samples())
@pytest.mark.parametrize("packed", [False, True])
def test_each_sample_in_the_reference_is_taken_or_rejected_as_it_says(
    topic: str, reason: str, sample: str, packed: bool
) -> None:
    payload = msgspec.msgpack.encode(json.loads(sample)) if packed else sample.encode()
    limits = Limits(DEFAULTS.max_age_days, DEFAULTS.max_ahead_s, DEFAULTS.max_payload_bytes, DEFAULTS.max_samples)
    one = message(topic, payload, received_ns=RECEIVED_NS)
    decoded = decode([one], limits)
    assert items(decoded) == one.items
    assert [reject.reject.reason for reject in decoded.rejects] == ([reason] if reason else [])
    assert not decoded.ignored


def test_the_bounds_in_the_reference_are_those_in_force() -> None:
    assert f"(at most {MAX_ITEMS:,})" in MESSAGES
    assert f"more than {MAX_FRAMED_BYTES // 2**20} MiB counts as one" in MESSAGES
    assert f"more than {DEFAULTS.max_payload_bytes // 2**20} MiB is rejected" in MESSAGES
    assert f"more than {DEFAULTS.max_age_days} days before or {DEFAULTS.max_ahead_s} s after" in MESSAGES
    assert f"`max_samples` ({DEFAULTS.max_samples:,})" in MESSAGES


@pytest.mark.parametrize(
    "schema", [weld_schema(), event_schema(), *documents()["asyncapi.json"]["components"]["schemas"].values()]
)
def test_each_schema_is_a_schema(schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)


def test_every_reference_inside_the_asyncapi_document_leads_somewhere() -> None:
    document = documents()["asyncapi.json"]
    seen = 0

    def walk(node: Any) -> None:
        nonlocal seen
        if isinstance(node, dict):
            if "$ref" in node:
                seen += 1
                target: Any = document
                for step in node["$ref"].removeprefix("#/").split("/"):
                    target = target[step]
            for inner in node.values():
                walk(inner)
        elif isinstance(node, list):
            for inner in node:
                walk(inner)

    walk(document)
    assert seen > len(document["channels"])


def test_the_topics_of_the_asyncapi_document_are_ones_that_are_read() -> None:
    for channel in documents()["asyncapi.json"]["channels"].values():
        topic = re.sub(r"\{\w+\}", "x", channel["address"])
        assert list(channel["messages"]) == [route(topic).parts[-1]]


@pytest.mark.parametrize(
    ("schema", "sample", "change", "valid"),
    [
        (weld_schema(), WELD, {}, True),
        (weld_schema(), WELD, {"id": 5, "force_kn": None, "extra": 1}, True),
        (weld_schema(), WELD, {"id": ""}, False),
        (weld_schema(), WELD, {"dt_us": 0}, False),
        (weld_schema(), WELD, {"current_ka": []}, False),
        (weld_schema(), WELD, {"current_ka": ["x"]}, False),
        (weld_schema(), WELD, {"wear_count": -1}, False),
        (event_schema(), EVENT, {}, True),
        (event_schema(), EVENT, {"kind": "maintenance", "gun": None}, True),
        (event_schema(), EVENT, {"gun": None}, False),
        (event_schema(), EVENT, {"gun": ""}, False),
        (event_schema(), EVENT, {"kind": "program_change"}, False),
        (event_schema(), EVENT, {"kind": "nothing"}, False),
        (event_schema(), EVENT, {"kind": "inspection", "weld": "w"}, False),
        (event_schema(), EVENT, {"kind": "inspection", "weld": 4, "result": "ok", "nugget_mm": 5.5}, True),
        (event_schema(), EVENT, {"kind": "inspection", "weld": 4, "result": "ok", "nugget_mm": 0}, False),
        (event_schema(), EVENT, {"kind": "reference_pin"}, False),
        (event_schema(), EVENT, {"kind": "reference_pin", "spot": "s", "by": "m"}, True),
    ],
)
def test_the_schema_and_the_decoder_agree(
    schema: dict[str, Any], sample: dict[str, Any], change: dict[str, Any], valid: bool
) -> None:
    sent = sample | change
    assert jsonschema.Draft202012Validator(schema).is_valid(sent) is valid
    stream = "weld" if sample is WELD else "event"
    one = message(f"lineside/v1/a/b/c/d/{stream}", sent, received_ns=RECEIVED_NS)
    limits = Limits(DEFAULTS.max_age_days, DEFAULTS.max_ahead_s, DEFAULTS.max_payload_bytes, DEFAULTS.max_samples)
    assert (not decode([one], limits).rejects) is valid
