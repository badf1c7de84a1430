"""What the OpenAPI document says about answers that FastAPI cannot see: problems, CSV, Arrow."""

from __future__ import annotations

from typing import Any

from services.api import access, problems, tables
from services.api.gate import OPEN, SESSION, needed_role
from services.api.schemas import Problem

_MEANING = {
    400: "A parameter is wrong; the problem names it, what came and what was expected.",
    401: "There are no credentials, or they are not valid (any more).",
    403: "The caller's role does not allow it, or a page of another site asks.",
    404: "There is no such thing.",
    406: "No format that is accepted can be given.",
    409: "The state of things does not allow it; the problem says why, with figures.",
    413: "The body is too large.",
    415: "The body comes in a form that is not taken.",
    429: "Too many logins have failed; try again after `Retry-After` seconds.",
    503: "The store, or the broker, does not answer now; try again after `Retry-After` seconds.",
}
_SCHEMES = {
    "session": {"type": "apiKey", "in": "cookie", "name": access.COOKIE, "description": "As a login sets it."},
    "token": {"type": "http", "scheme": "bearer", "description": "For machines: `lineside token add`."},
}
Responses = dict[int | str, dict[str, Any]]


def problems_of(*statuses: int) -> Responses:
    """Return the documentation of problem answers."""
    return {status: {"model": Problem, "description": _MEANING[status]} for status in statuses}


def listing(*, paged: bool = False, example: object = None) -> Responses:
    """Return the documentation of a list: its three formats, and its problems."""
    content: dict[str, Any] = {
        tables.CSV: {"schema": {"type": "string", "description": "A header row, then one row per item."}},
        tables.ARROW: {"schema": {"type": "string", "format": "binary", "description": "Arrow IPC stream."}},
    }
    if example is not None:
        content[tables.JSON] = {"example": example}
    answer: dict[str, Any] = {"content": content, "description": "As the `Accept` header asks."}
    if paged:
        link = 'The next page, `<…>; rel="next"`; absent on the last one.'
        answer["headers"] = {"Link": {"description": link, "schema": {"type": "string"}}}
    return {200: answer, **problems_of(400, 406, 503)}


def finish(document: dict[str, Any]) -> dict[str, Any]:
    """Add the gate's answers, give problems their own media type, and leave out FastAPI's 422, which is a 400 here."""
    reference = {"$ref": "#/components/schemas/Problem"}
    document["components"]["securitySchemes"] = _SCHEMES
    document["security"] = [{name: []} for name in _SCHEMES]
    for address, path in document["paths"].items():
        for method, operation in path.items():
            operation["responses"].pop("422", None)
            _add_gate(operation, method.upper(), address, reference)
            for response in operation["responses"].values():
                content = response.get("content", {})
                if content.get(tables.JSON, {}).get("schema") == reference:
                    content[problems.MEDIA_TYPE] = content.pop(tables.JSON)
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)
    return document


def _add_gate(operation: dict[str, Any], method: str, path: str, reference: dict[str, str]) -> None:
    """Say which credentials an operation takes, and how it is refused without."""
    statuses = [401]
    if (method, path) in OPEN:
        operation["security"] = []
        statuses = [401] if path == SESSION else []
    elif needed_role(method, path) != "viewer":
        statuses.append(403)
    for status in statuses:
        content = {tables.JSON: {"schema": dict(reference)}}
        operation["responses"].setdefault(str(status), {"description": _MEANING[status], "content": content})
    operation["responses"] = dict(sorted(operation["responses"].items()))
