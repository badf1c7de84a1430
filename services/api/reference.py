"""The API's reference page, made from its OpenAPI document: plain HTML, no script, nothing from elsewhere.

A form per GET is all it takes to try one; what changes something is only described.
"""

from __future__ import annotations

import html
import re
from itertools import groupby
from typing import Any

STYLE_PATH = "/docs/style.css"
STYLE = """\
:root { color-scheme: light dark; --line: light-dark(#d5dae0, #39414b); --quiet: light-dark(#57606a, #9aa5b1); }
body { font: 16px/1.5 system-ui, "Noto Sans", "Noto Sans CJK SC", sans-serif; max-width: 62rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.8rem; } h2 { font-size: 1.3rem; margin-top: 2.5rem; }
details { border: 1px solid var(--line); border-radius: 6px; margin: .5rem 0; padding: .5rem .9rem; }
summary { cursor: pointer; } summary code { font-weight: 600; } summary span, p.quiet, td.quiet { color: var(--quiet); }
table { border-collapse: collapse; width: 100%; margin: .6rem 0; }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0; border-top: 1px solid var(--line); }
input, select { font: inherit; padding: .15rem .4rem; width: 16rem; max-width: 100%; }
button { font: inherit; padding: .3rem 1rem; }
pre { overflow-x: auto; padding: .6rem; border: 1px solid var(--line); border-radius: 6px; }
"""


def reference_page(document: dict[str, Any]) -> str:
    """Return the page for an OpenAPI document."""
    info = document["info"]
    operations = [
        (path, method, operation) for path, item in document["paths"].items() for method, operation in item.items()
    ]
    sections = [
        f"<h2>{_text(tag)}</h2>" + "".join(_operation(*one) for one in group)
        for tag, group in groupby(operations, key=lambda one: one[2]["tags"][0])
    ]
    schemas = "".join(_schema(name, schema) for name, schema in sorted(document["components"]["schemas"].items()))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{_text(info["title"])}</title><link rel="stylesheet" href="{STYLE_PATH}"></head><body><main>'
        f"<h1>{_text(info['title'])} <small>{_text(info['version'])}</small></h1>"
        f"{_paragraphs(info['description'])}"
        '<p>For programs: <a href="/openapi.json">openapi.json</a>.</p>'
        f"{''.join(sections)}<h2>schemas</h2>{schemas}</main></body></html>"
    )


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    parameters = operation.get("parameters", [])
    answers = "".join(_answer(status, answer) for status, answer in operation["responses"].items())
    return (
        f"<details><summary><code>{method.upper()} {_text(path)}</code> "
        f"<span>{_text(operation['summary'])}</span></summary>"
        f"{_paragraphs(operation.get('description', ''))}"
        f"{_form(path, parameters, can_send=method == 'get' and '{' not in path)}{_body(operation)}"
        f"<table><tr><th>Answer</th><th></th><th>Content</th></tr>{answers}</table></details>"
    )


def _form(path: str, parameters: list[dict[str, Any]], *, can_send: bool) -> str:
    """Return the parameters, as a form where a form can be sent: its fields only make a query, never a path."""
    rows = "".join(_parameter(parameter, can_send=can_send) for parameter in parameters)
    table = f"<table><tr><th>Parameter</th><th></th><th></th></tr>{rows}</table>" if parameters else ""
    if not can_send:
        return table
    return f'<form action="{_text(path)}" method="get">{table}<button>Try it</button></form>'


def _body(operation: dict[str, Any]) -> str:
    content = operation.get("requestBody", {}).get("content", {})
    kinds = ", ".join(f"{_text(kind)} {_type(body.get('schema', {}))}" for kind, body in content.items())
    return f"<p>Body: {kinds}</p>" if kinds else ""


def _parameter(parameter: dict[str, Any], *, can_send: bool) -> str:
    name, schema = parameter["name"], parameter["schema"]
    kind = next((part for part in schema.get("anyOf", [schema]) if part.get("type") != "null"), schema)
    if not can_send:
        field = "in the path" if parameter["in"] == "path" else ""
    elif "enum" in kind:
        options = "".join(f"<option>{_text(value)}</option>" for value in ("", *kind["enum"]))
        field = f'<select name="{_text(name)}" aria-label="{_text(name)}">{options}</select>'
    else:
        hint = next(iter(schema.get("examples", [])), schema.get("default")) or ""
        field = f'<input name="{_text(name)}" aria-label="{_text(name)}" placeholder="{_text(hint)}">'
    about = parameter.get("description") or schema.get("description", "")
    return f'<tr><td><code>{_text(name)}</code></td><td>{field}</td><td class="quiet">{_prose(about)}</td></tr>'


def _answer(status: str, answer: dict[str, Any]) -> str:
    kinds = [f"{_text(kind)} {_type(body.get('schema', {}))}" for kind, body in answer.get("content", {}).items()]
    return (
        f"<tr><td>{_text(status)}</td><td>{_prose(answer['description'])}</td>"
        f'<td class="quiet">{"<br>".join(kinds)}</td></tr>'
    )


def _schema(name: str, schema: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{_text(field)}</code></td><td>{_type(about)}</td>"
        f'<td class="quiet">{_prose(about.get("description", ""))}</td></tr>'
        for field, about in schema.get("properties", {}).items()
    )
    return (
        f'<details id="{_text(name)}"><summary><code>{_text(name)}</code></summary>'
        f"{_paragraphs(schema.get('description', ''))}<table>{rows}</table></details>"
    )


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = _text(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_type(part) for part in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if "enum" in schema:
        return _text(" | ".join(str(value) or '""' for value in schema["enum"]))
    return _text(schema.get("format") or schema.get("type", ""))


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{_prose(part)}</p>" for part in text.split("\n\n") if part.strip())


def _prose(text: object) -> str:
    """Return text whose names in backticks are set as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", _text(text))


def _text(value: object) -> str:
    return html.escape(str(value))
