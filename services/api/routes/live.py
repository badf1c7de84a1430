"""The WebSocket of the live feed."""

from __future__ import annotations

from fastapi import APIRouter, WebSocket

from services.api.access import Access
from services.api.gate import POLICY_VIOLATION, Who
from services.api.guard import is_same_origin
from services.api.live import Hub

router = APIRouter(prefix="/api/v1")


@router.websocket("/live")
async def follow(socket: WebSocket, who: Who) -> None:
    """Send what happens (`docs/reference/live.md`)."""
    if not is_same_origin(socket):
        await socket.close(POLICY_VIOLATION, "a page of another site may not listen")
        return
    hub: Hub = socket.app.state.hub
    access: Access = socket.app.state.access
    await hub.serve(socket, lambda: access.until_ended(who.caller))
