"""The web application's files. Names with a hash never change; a path that is no file is a page of the application."""

from __future__ import annotations

import re
from http import HTTPStatus
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from services.api.problems import ProblemError

INDEX = "index.html"
HASHED = re.compile(r"-[0-9A-Za-z]{8,}\.\w+(\.map)?$")
"""As esbuild names what it bundles: `main-3KQ7Y2AB.js`."""
FILE = re.compile(r"\.(?:js|mjs|css|map|json|html|svg|png|jpe?g|webp|avif|ico|woff2?|txt|webmanifest)$")
"""A missing file of these kinds is missing; any other path may be a page, as `/spots/FR.12`."""
FOREVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"


class Pages:
    """Answers for everything that is no API route."""

    def __init__(self, root: Path | None) -> None:
        self._root = root
        self._files = StaticFiles(directory=root, check_dir=False) if root else None

    async def answer(self, path: str, scope: Scope) -> Response:
        """Return the file at `path` (relative to the root), or the application's page. Raises `ProblemError` (404)."""
        if path == "api" or path.startswith("api/"):
            raise HTTPException(404)
        if self._files is None or self._root is None or not (self._root / INDEX).is_file():
            raise ProblemError(404, "the web application is not built; build it with `make web`. The API is at /docs")
        try:
            response = await self._files.get_response(path or INDEX, scope)
        except HTTPException as error:
            if error.status_code != HTTPStatus.NOT_FOUND or FILE.search(path):
                raise
            response = await self._files.get_response(INDEX, scope)
        response.headers["Cache-Control"] = FOREVER if HASHED.search(path) else ASK_AGAIN
        return response
