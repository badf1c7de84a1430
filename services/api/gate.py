"""The gate: every request and every WebSocket passes it, and none gets further without credentials.

What needs no credentials is named here; everything else does, also a route that is added tomorrow. Reading takes a
viewer, changing an engineer, and what lies below `ADMINISTRATION` an administrator. Changes go into the audit log,
refused ones too, before their answer goes out.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from services.accounts.model import AccountsFileError, Caller, Role
from services.api.access import Access, address_of
from services.api.problems import RETRY_AFTER_S, ProblemError

SESSION = "/api/v1/session"
OPEN = {("GET", "/healthz"), ("POST", SESSION)}
"""What anybody may ask; besides, the files of the page, in which there is nothing of the plant."""
ADMINISTRATION = ("/api/v1/users", "/api/v1/tokens", "/api/v1/audit")
READING = frozenset({"GET", "HEAD", "OPTIONS"})
POLICY_VIOLATION = 1008
MAX_OPEN_BODY = 16_384
"""Bytes that are taken from somebody not known."""
BY = "who orders it; with a login that is its user, and a token's name stands beside what is given"
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="lineside"'}

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Asking:
    """Who asks, and what the audit log will say of it."""

    caller: Caller
    told: list[str] = field(default_factory=list)
    """What was done: ids of events, names."""
    recorded: bool = False
    """The change has put its own line into the log."""


async def _who(connection: HTTPConnection) -> Asking:
    asking: Asking = connection.scope["lineside.asking"]
    return asking


Who = Annotated[Asking, Depends(_who)]
"""The dependency of what does something under the caller's name."""


def check_named(who: Asking, by: str | None) -> None:
    """Refuse an order under no name. Raises `ProblemError` (400)."""
    if not who.caller.sign(by or ""):
        raise ProblemError(400, "by is missing", field="by")


def needed_role(method: str, path: str) -> Role:
    """Return which role a request takes. Everybody may do with the own session what can be done with it."""
    if any(path == head or path.startswith(f"{head}/") for head in ADMINISTRATION):
        return "administrator"
    own = path == SESSION or path.startswith(f"{SESSION}/")
    return "viewer" if own or method in READING else "engineer"


class Gate:
    """ASGI middleware. `routes` are the application's, now and later; of these `page` gives the page's files."""

    def __init__(self, app: ASGIApp, access: Access, routes: Sequence[BaseRoute], page: BaseRoute) -> None:
        self._app, self._access, self._routes, self._page = app, access, routes, page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        caller = Caller("nobody", "", None, address_of(connection))
        try:
            found = await self._access.identify(connection)
        except AccountsFileError as error:
            _log.error("nobody is let in: %s", error)
            detail = "it cannot be checked now who asks; the same request may succeed later"
            await _refuse(ProblemError(503, detail, headers={"Retry-After": str(RETRY_AFTER_S)}), scope, receive, send)
            return
        problem = self._problem(scope, connection, found)
        asking = Asking(found or caller)
        scope["lineside.asking"] = asking
        change = scope["type"] == "http" and scope["method"] not in READING and found is not None
        # A login speaks for itself, and so does one that fails: it is not known who asks.
        sending = self._recording(scope, send, asking) if change else send
        if problem is None:
            await self._app(scope, receive, sending)
        else:
            await _refuse(problem, scope, receive, sending)

    def _problem(self, scope: Scope, connection: HTTPConnection, caller: Caller | None) -> ProblemError | None:
        path = scope["path"]
        method = scope["method"] if scope["type"] == "http" else "GET"
        if caller is None:
            if scope["type"] != "http" or not self._is_open(method, scope):
                given = connection.headers.get("authorization") or connection.cookies
                detail = "the session or token is not valid, or not any more" if given else "log in, or send a token"
                return ProblemError(401, detail, headers=CHALLENGE)
            if int(connection.headers.get("content-length", "0")) > MAX_OPEN_BODY:
                expected = f"at most {MAX_OPEN_BODY} bytes before a login"
                return ProblemError(413, f"the body is too large; expected {expected}", expected=expected)
            return None
        role = needed_role(method, path)
        if caller.may(role):
            return None
        if caller.kind == "anyone":
            detail = "there are no users yet; `lineside user add NAME --role administrator` makes the first one"
        else:
            detail = f"{caller.name!r} is {caller.role}; expected {role}"
        return ProblemError(403, detail, field="role", came=caller.role, expected=role)

    def _is_open(self, method: str, scope: Scope) -> bool:
        if (method, scope["path"]) in OPEN:
            return True
        others = (route for route in self._routes if route is not self._page)
        return method == "GET" and all(route.matches(scope)[0] is Match.NONE for route in others)

    def _recording(self, scope: Scope, send: Send, asking: Asking) -> Send:
        async def record(message: Message) -> None:
            if message["type"] == "http.response.start" and not asking.recorded:
                asking.recorded = True
                action, outcome = f"{scope['method']} {scope['path']}", str(message["status"])
                subject = ", ".join(asking.told)
                try:
                    audit = self._access.accounts.audit
                    await asyncio.to_thread(audit.record, asking.caller, action, subject, outcome)
                except AccountsFileError as error:
                    # It has been done, so that to refuse it now would be a lie; the event table has its record too.
                    who = f"{asking.caller.kind} {asking.caller.name}"
                    _log.error("not in the audit log: %s by %s: %s %s (%s)", action, who, outcome, subject, error)
            await send(message)

        return record


async def _refuse(problem: ProblemError, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        # Before it is accepted this is a 403. uvicorn 0.54 could say 401, and would log each as an error of ours.
        await WebSocket(scope, receive, send).close(POLICY_VIOLATION, problem.problem.detail)
    else:
        await problem.response()(scope, receive, send)
