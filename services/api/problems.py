"""Errors as RFC 9457 problem documents: what is wrong, in which parameter, what came and what was expected.

ProblemError        raised by routes, carries those facts
RequestValidation   (FastAPI) becomes 400: a wrong parameter, or a wrong field of a body, is a bad request
AccountError        what was asked of users and tokens cannot be: becomes 400, 404 or 409
StoreError          becomes 503 with Retry-After: the same request may succeed later
anything else       becomes 500 with an id that is in the log; nothing internal is shown
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.accounts.model import AccountError, AccountsFileError, NoAccountError
from services.api.schemas import Problem
from services.store.protocol import StoreError

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 5
CAME_LENGTH = 120
"""Characters of a wrong value that are shown."""
SECRETS = frozenset({"password", "old", "new"})
"""Fields whose values are never shown, not even to who sent them."""
FACTS = "problem"
"""Type of the pydantic errors whose context holds the facts of a problem."""

_log = logging.getLogger(__name__)


class ProblemError(Exception):
    """An answer that is a problem document."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        field: str | None = None,
        came: str | None = None,
        expected: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        title = HTTPStatus(status).phrase
        self.problem = Problem(
            title=title,
            status=status,
            detail=_sendable(detail),
            field=field and _sendable(field),
            came=came and _sendable(came),
            expected=expected,
        )
        self.headers = headers

    def response(self) -> Response:
        """Return the document."""
        body = self.problem.model_dump_json(exclude_none=True)
        return Response(body, self.problem.status, dict(self.headers or {}), MEDIA_TYPE)


def _sendable(text: str) -> str:
    r"""Return text as UTF-8 can hold it: JSON's `\ud800` alone is no character."""
    return text.encode("utf-8", "backslashreplace").decode()


def wrong(field: str, came: object, expected: str) -> ProblemError:
    """Return the problem of one wrong parameter."""
    shown = str(came)
    if len(shown) > CAME_LENGTH:
        shown = shown[: CAME_LENGTH - 1] + "…"
    detail = f"{field} is {shown!r}; expected {expected}"
    return ProblemError(400, detail, field=field, came=shown, expected=expected)


def not_found(what: str, name: str, hint: str = "") -> ProblemError:
    """Return the problem of a resource that does not exist."""
    return ProblemError(404, f"there is no {what} {name!r}{hint and '; '}{hint}", field=what, came=name)


def add_handlers(app: FastAPI) -> None:
    """Let every error of `app` be answered with a problem document."""

    @app.exception_handler(ProblemError)
    async def _problem(_: Request, error: ProblemError) -> Response:
        return error.response()

    @app.exception_handler(RequestValidationError)
    async def _validation(_: Request, error: RequestValidationError) -> Response:
        return _from_validation(error.errors()[0]).response()

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        return _from_http(request, error).response()

    @app.exception_handler(AccountError)
    async def _account(_: Request, error: AccountError) -> Response:
        status = 404 if isinstance(error, NoAccountError) else 400 if error.expected else 409
        return ProblemError(status, str(error), field=error.field, came=error.came, expected=error.expected).response()

    @app.exception_handler(AccountsFileError)
    async def _accounts_file(_: Request, error: AccountsFileError) -> Response:
        _log.error("the accounts cannot be used: %s", error)
        detail = "the accounts cannot be used now; the same request may succeed later"
        return ProblemError(503, detail, headers={"Retry-After": str(RETRY_AFTER_S)}).response()

    @app.exception_handler(StoreError)
    async def _store(_: Request, error: StoreError) -> Response:
        _log.warning("the store does not answer: %s", error)
        detail = "the store does not answer now; the same request may succeed later"
        return ProblemError(503, detail, headers={"Retry-After": str(RETRY_AFTER_S)}).response()


def _from_validation(error: Mapping[str, Any]) -> ProblemError:
    context = error.get("ctx", {})
    if error["type"] == FACTS:
        return ProblemError(400, **context)
    if error["type"] == "json_invalid":
        return wrong("body", f"broken JSON ({context.get('error', '')})", "well-formed JSON")
    field = str(error["loc"][-1])
    if error["type"] == "missing":
        return ProblemError(400, f"{field} is missing", field=field)
    if field in SECRETS:
        return ProblemError(400, f"{field} is not as expected: {error['msg']}", field=field, expected=error["msg"])
    if field == "body":
        return wrong(field, type(error["input"]).__name__, "a JSON object")
    expected = context.get("expected") or error["msg"].removeprefix("Input should be ")
    return wrong(field, error["input"], str(expected))


def _from_http(request: Request, error: HTTPException) -> ProblemError:
    path = request.url.path
    detail = error.detail
    if error.status_code == HTTPStatus.NOT_FOUND:
        detail = f"there is nothing at {path}; GET /docs lists what there is"
    elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = (error.headers or {}).get("Allow", "GET")
        detail = f"{path} does not take {request.method}; expected {allowed}"
    return ProblemError(error.status_code, detail, headers=error.headers)


class CatchAll:
    """ASGI middleware that answers an unexpected error with a 500 that shows nothing but its id in the log."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except Exception:
            reference = uuid.uuid4().hex[:12]
            agent = Headers(scope=scope).get("user-agent", "")
            _log.exception("error %s: %s %s (%s)", reference, scope["method"], scope["path"], agent)
            if started:
                raise
            detail = f"something went wrong here; it is in the log as error {reference}"
            await ProblemError(500, detail).response()(scope, receive, send)
