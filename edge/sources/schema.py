"""The formats as documents for integrators: JSON Schema (2020-12) and AsyncAPI 3.0, made from the message types.

The copies under `docs/reference` are written by `python -m edge.sources.schema docs/reference`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from edge.sources import event, vda5050, weld
from edge.sources.envelope import MAX_ITEMS
from edge.sources.fields import notes
from edge.topics import ROOT

DIALECT = "https://json-schema.org/draft/2020-12/schema"
INTERFACE_VERSION = "1.0.0"
"""Of the topics under `lineside/v1` and their messages."""

_PLACE = {name: f"Name of the {name} (ISA-95)." for name in ("site", "area", "line", "cell")}
_AGV = {"manufacturer": "As in the message.", "serialNumber": "As in the message."}
_AGV_ROOTS = {"2": "uagv/v2", "3": "vda5050/v3"}
_OURS: Mapping[str, tuple[str, str, Any]] = {
    "weld": ("WeldMessage", "Spot welds with their curves", weld.WeldMessage[weld.Numbers]),
    "event": ("EventMessage", "What was done at a machine or said about it", event.EventMessage),
}
_PACKED = (
    "The same keys may come as MessagePack. There a curve may also be raw little-endian float32 bytes. "
    "A payload is one object or a list of them."
)


def weld_schema() -> dict[str, Any]:
    """Return the JSON Schema of one weld message in JSON."""
    return _schema("weld")


def event_schema() -> dict[str, Any]:
    """Return the JSON Schema of one event message in JSON."""
    return _schema("event")


def asyncapi() -> dict[str, Any]:
    """Return the AsyncAPI 3.0 document of everything that is received."""
    channels: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    schemas: dict[str, Any] = {}
    for stream, (name, summary, _) in _OURS.items():
        schemas[name] = _body(stream)
        one = {"$ref": f"#/components/schemas/{name}"}
        many = {"type": "array", "minItems": 1, "maxItems": MAX_ITEMS, "items": one}
        messages[stream] = {
            "name": name,
            "summary": summary,
            "description": _PACKED,
            "contentType": "application/json",
            "payload": {"oneOf": [one, many]},
        }
        channels[stream] = _channel(f"{ROOT}/{{{'}/{'.join(_PLACE)}}}/{stream}", _PLACE, stream)
    for topic, struct in vda5050.STRUCTS.items():
        _, parts = msgspec.json.schema_components([struct], ref_template="#/components/schemas/{name}")
        schemas |= parts
        messages[topic] = {
            "name": struct.__name__,
            "summary": f"VDA 5050 `{topic}`, 2.0 to 3.0: the part that is read",
            "contentType": "application/json",
            "payload": {"$ref": f"#/components/schemas/{struct.__name__}"},
        }
        for major, root in _AGV_ROOTS.items():
            address = f"{root}/{{manufacturer}}/{{serialNumber}}/{topic}"
            channels[f"{topic}V{major}"] = _channel(address, _AGV, topic)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Lineside, what it receives",
            "version": INTERFACE_VERSION,
            "description": "Welds and events of a body shop, and its AGVs by VDA 5050. Messages that are not accepted "
            "are kept and shown with the reason.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": {
            f"receive{name[0].upper()}{name[1:]}": {
                "action": "receive",
                "channel": {"$ref": f"#/channels/{name}"},
                "bindings": {"mqtt": {"qos": _qos(name), "bindingVersion": "0.2.0"}},
            }
            for name in channels
        },
        "components": {"messages": messages, "schemas": schemas},
    }


def documents() -> dict[str, dict[str, Any]]:
    """Return every document by its path under `docs/reference`."""
    return {
        "schemas/weld.json": weld_schema(),
        "schemas/event.json": event_schema(),
        "asyncapi.json": asyncapi(),
    }


def field_table(struct: type[msgspec.Struct]) -> str:
    """Return the fields of a message as a Markdown table, for `docs/reference/messages.md`."""
    rows = [
        f"| `{note.path.removeprefix('$.')}` | {'yes' if note.required else 'no'} | {note.unit} | {note.expected} | "
        f"{note.description} |"
        for note in notes(struct)
    ]
    return "\n".join(["| key | required | unit | accepted | meaning |", "|---|---|---|---|---|", *rows])


def render(document: Mapping[str, Any]) -> str:
    """Return a document as it stands in its file."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def _schema(stream: str) -> dict[str, Any]:
    return {"$schema": DIALECT, **_body(stream)}


def _body(stream: str) -> dict[str, Any]:
    name, _, struct = _OURS[stream]
    _, components = msgspec.json.schema_components([struct])
    body: dict[str, Any] = next(iter(components.values()))
    body["title"] = name
    if stream == "event":
        body["allOf"] = [
            {
                "if": {"properties": {"kind": {"const": kind}}},
                "then": {
                    "required": list(needed),
                    "properties": {field: {"type": ["string", "integer"], "minLength": 1} for field in needed},
                },
            }
            for kind, needed in event.NEEDS.items()
        ]
    return body


def _channel(address: str, parameters: Mapping[str, str], message: str) -> dict[str, Any]:
    return {
        "address": address,
        "parameters": {name: {"description": text} for name, text in parameters.items()},
        "messages": {message: {"$ref": f"#/components/messages/{message}"}},
    }


def _qos(channel: str) -> int:
    """Return the quality of service that senders use: VDA 5050 sends all but `connection` at 0."""
    return 0 if channel.startswith(("state", "visualization")) else 1


def main(folder: Path) -> None:
    """Write every document under `folder`."""
    for name, document in documents().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(render(document), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
