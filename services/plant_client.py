"""A running plant, asked over its HTTP API.

Where it asks for a login, a token comes from LINESIDE_API_TOKEN, or from the file that LINESIDE_API_TOKEN_FILE names.
"""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from services.errors import OperatorError

TIMEOUT_S = 60.0
PAGE = 1000


class PlantError(OperatorError):
    """The plant does not answer, or refuses; the message says what it said."""

    def __init__(self, message: str, status: int = 0, problem: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        """HTTP status; 0 when there was no answer."""
        self.problem = problem or {}
        """The problem document (RFC 9457)."""


class PlantClient:
    """Asks `/api/v1` below one address."""

    def __init__(self, url: str, environ: Mapping[str, str] | None = None) -> None:
        """Take the address, as http://host:port. Raises `PlantError` for another, or when there is no token's file."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise PlantError(f"{url!r} is no address; expected http://host:port")
        self._url = url.rstrip("/")
        self._token = _token(os.environ if environ is None else environ)

    def get(self, path: str, **params: Any) -> Any:
        """Return the JSON of a resource below /api/v1. Raises `PlantError`."""
        query = f"?{urlencode(params)}" if params else ""
        return self._ask(urllib.request.Request(f"{self._url}/api/v1{path}{query}"))  # noqa: S310 - http(s), as checked

    def pages(self, path: str, **params: Any) -> Iterator[dict[str, Any]]:
        """Yield every item of a paged list. Raises `PlantError`."""
        cursor: str | None = ""
        while cursor is not None:
            page = self.get(path, limit=PAGE, **params, **({"cursor": cursor} if cursor else {}))
            yield from page["items"]
            cursor = page["next"]

    def post(self, path: str, body: bytes, content_type: str) -> Any:
        """Send a body and return the JSON of the answer. Raises `PlantError`."""
        request = urllib.request.Request(  # noqa: S310 - http(s), as checked
            f"{self._url}/api/v1{path}", data=body, headers={"Content-Type": content_type}, method="POST"
        )
        return self._ask(request)

    def _ask(self, request: urllib.request.Request) -> Any:
        if self._token:
            request.add_unredirected_header("Authorization", f"Bearer {self._token}")  # for this server, nobody else
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 - http(s), as checked
                return json.load(answer)
        except urllib.error.HTTPError as error:
            problem = _problem(error)
            if error.code == HTTPStatus.UNAUTHORIZED:
                hint = "LINESIDE_API_TOKEN is not valid there (any more)" if self._token else "set LINESIDE_API_TOKEN"
                raise PlantError(f"{self._url} asks for a token; {hint}", error.code, problem) from None
            raise PlantError(f"{self._url}: {problem.get('detail', error.reason)}", error.code, problem) from None
        except (urllib.error.URLError, OSError, ValueError) as error:
            raise PlantError(f"{self._url} does not answer ({getattr(error, 'reason', error)})") from None


def segment(name: str) -> str:
    """Return a name as one segment of a path."""
    return quote(name, safe="")


def _token(environ: Mapping[str, str]) -> str:
    token, file = environ.get("LINESIDE_API_TOKEN", ""), environ.get("LINESIDE_API_TOKEN_FILE", "")
    if not token and file:
        try:
            token = Path(file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise PlantError(f"LINESIDE_API_TOKEN_FILE {file}: {error}") from None
    token = token.strip()
    if not token.isascii() or not token.isprintable():
        raise PlantError("LINESIDE_API_TOKEN holds characters that no token has")
    return token


def _problem(error: urllib.error.HTTPError) -> dict[str, Any]:
    try:
        body = json.load(error)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
