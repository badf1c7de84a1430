"""What the OpenAPI document says about answers that FastAPI cannot see: problems, CSV, Arrow."""

from __future__ import annotations

from typing import Any

from services.api import problems, tables
from services.api.schemas import Problem

_MEANING = {
    400: "A parameter is wrong; the problem names it, what came and what was expected.",
    403: "A page of another site asks; it may change nothing.",
    404: "There is no such thing.",
    406: "No format that is accepted can be given.",
    409: "The state of things does not allow it; the problem says why, with figures.",
    413: "The body is too large.",
    415: "The body comes in a form that is not taken.",
    503: "The store, or the broker, does not answer now; try again after `Retry-After` seconds.",
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
    """Give problem answers their own media type, and leave out FastAPI's 422, which is a 400 here."""
    reference = {"$ref": "#/components/schemas/Problem"}
    for path in document["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None)
            for response in operation["responses"].values():
                content = response.get("content", {})
                if content.get(tables.JSON, {}).get("schema") == reference:
                    content[problems.MEDIA_TYPE] = content.pop(tables.JSON)
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)
    return document
