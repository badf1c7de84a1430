"""Who may ask, and what a browser may do with the answer.

A page on another site must not read a Lineside on this machine: a request to a loopback server has to name a loopback
host (DNS rebinding), a browser's WebSocket has to come from the very host it goes to, and so has what changes anything.
Its content type has to be one that no form of another site can send (cross-site request forgery).
"""

from __future__ import annotations

from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.access import is_secure
from services.api.gate import POLICY_VIOLATION, Asking
from services.api.problems import ProblemError
from services.config import Api

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})
CHANGE_TYPES = ("application/json", "text/csv")
MAX_BODY_BYTES = 8 * 2**20
STRICT_TRANSPORT = "max-age=31536000"
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; script-src 'self'; img-src 'self' data:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def allowed_hosts(api: Api, extra: Collection[str] = ()) -> frozenset[str] | None:
    """Return the host names that a server answers to, or None when it answers to any: then it asks for a login."""
    if api.is_reachable:
        return None
    return LOOPBACK_HOSTS | {f"[{api.host}]" if ":" in api.host else api.host, *extra}


def is_same_origin(connection: HTTPConnection) -> bool:
    """Tell whether a page of this very server asks, or something that is no browser.

    Only a browser has a session, and a browser always says the origin of what changes something or listens. Behind TLS
    it must be a page that came by TLS, too.
    """
    origin = connection.headers.get("origin")
    if origin is None:
        asking: Asking = connection.scope["lineside.asking"]
        return asking.caller.kind != "user"
    scheme, _, host = origin.lower().partition("://")
    return host == connection.headers.get("host", "").lower() and (scheme == "https" or not is_secure(connection))


async def check_change(connection: HTTPConnection) -> None:
    """Refuse a request that would change something and comes from another site's page, or in the wrong form.

    Raises `ProblemError`: 403 for another origin, 415 for a content type that is not one of `CHANGE_TYPES`, or for a
    packed body.
    """
    if connection.scope["type"] != "http" or connection.scope["method"] in {"GET", "HEAD", "OPTIONS"}:
        return
    if not is_same_origin(connection):
        origin = connection.headers.get("origin", "")[:100]
        detail = f"Origin is {origin!r}; expected this very server: another site's page may change nothing"
        raise ProblemError(
            403, detail, field="Origin", came=origin, expected="this very server, or none without a session"
        )
    if connection.scope["method"] != "POST":  # no form sends another method, and no other site's script may
        return
    packing = connection.headers.get("content-encoding", "identity")
    if packing.lower() != "identity":
        expected = "a body as it is: a few bytes could stand for gigabytes"
        detail = f"Content-Encoding is {packing[:100]!r}; expected {expected}"
        raise ProblemError(415, detail, field="Content-Encoding", came=packing[:100], expected=expected)
    sent = connection.headers.get("content-type", "").partition(";")[0].strip().lower()
    if sent not in CHANGE_TYPES:
        expected = f"one of {', '.join(CHANGE_TYPES)}"
        detail = f"Content-Type is {sent[:100]!r}; expected {expected}"
        raise ProblemError(415, detail, field="Content-Type", came=sent[:100], expected=expected)


class BodyLimit:
    """ASGI middleware that takes no body of more than `MAX_BODY_BYTES`, and none of unknown length."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        problem = _body_problem(Headers(scope=scope)) if scope["type"] == "http" else None
        if problem is None:
            await self._app(scope, receive, send)
        else:
            await problem.response()(scope, receive, send)


def _body_problem(headers: Headers) -> ProblemError | None:
    if "transfer-encoding" in headers:
        expected = "a request with Content-Length"
        return ProblemError(411, f"the body's length is not said; expected {expected}", expected=expected)
    length = headers.get("content-length", "0")
    if int(length) <= MAX_BODY_BYTES:  # the server has seen to it that it is a number, and the body's
        return None
    expected = f"at most {MAX_BODY_BYTES} bytes"
    return ProblemError(
        413, f"the body has {length} bytes; expected {expected}", field="Content-Length", came=length, expected=expected
    )


class HostGuard:
    """ASGI middleware that answers only requests for `hosts`."""

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        host = Headers(scope=scope).get("host", "").lower()
        name = host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]
        if name in self._hosts:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": "wrong host"})
        else:
            expected = f"one of {', '.join(sorted(self._hosts))}"
            detail = f"Host is {host[:100]!r}; expected {expected}: this server answers only on this machine"
            problem = ProblemError(400, detail, field="Host", came=host[:100], expected=expected)
            await problem.response()(scope, receive, send)


class SecurityHeaders:
    """ASGI middleware that adds `SECURITY_HEADERS`, and forbids caches to keep what the API says.

    A browser that came by TLS is told never to come without.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
                if scope["scheme"] == "https":
                    headers["Strict-Transport-Security"] = STRICT_TRANSPORT
            await send(message)

        await self._app(scope, receive, add)


class HeadAsGet:
    """ASGI middleware that answers HEAD as GET; the server leaves out the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
        await self._app(scope, receive, send)
