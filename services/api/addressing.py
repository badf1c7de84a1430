"""Names in addresses may hold slashes: `/welds/{id:path}/curve` and `/welds/{id:path}` must not take each other's."""

from __future__ import annotations

from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Scope


class NamedRoute(APIRoute):
    """A route that ends in a word of its own, as `/curve`, only where the address as it was sent ends so.

    A percent-encoded slash belongs to a name: `/welds/a%2Fcurve` is the weld `a/curve`, `/welds/a/curve` the curve of
    the weld `a`.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Tell whether a request is for this route."""
        ending = self.path.rpartition("}")[2].encode()
        sent: bytes | None = scope.get("raw_path")
        if ending and sent is not None and not sent.partition(b"?")[0].endswith(ending):
            return Match.NONE, {}
        return super().matches(scope)
