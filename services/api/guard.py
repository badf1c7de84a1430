"""Who may ask, and what a browser may do with the answer.

A page on another site must not read a Lineside on this machine: a request to a loopback server has to name a loopback
host (DNS rebinding), a browser's WebSocket has to come from the very host it goes to.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.problems import ProblemError

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})
POLICY_VIOLATION = 1008
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def allowed_hosts(bound_to: str, extra: Collection[str] = ()) -> frozenset[str] | None:
    """Return the host names a server bound to an address answers to, or None when it answers to any."""
    try:
        loopback = ipaddress.ip_address(bound_to).is_loopback
    except ValueError:
        loopback = bound_to == "localhost"
    if not loopback:
        return None
    return LOOPBACK_HOSTS | {f"[{bound_to}]" if ":" in bound_to else bound_to, *extra}


def is_same_origin(connection: HTTPConnection) -> bool:
    """Tell whether a WebSocket was opened by a page of this very server, or by something that is no browser."""
    origin = connection.headers.get("origin")
    return origin is None or origin.partition("://")[2].lower() == connection.headers.get("host", "").lower()


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
    """ASGI middleware that adds `SECURITY_HEADERS`, and forbids caches to keep what the API says."""

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
