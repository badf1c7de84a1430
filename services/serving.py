"""The web server process: an app over a store, until told to stop."""

from __future__ import annotations

import asyncio
import socket
import threading

import uvicorn
from fastapi import FastAPI

from edge.plant import Plant
from services.api.app import create_app
from services.api.web import web_root
from services.config import Config
from services.evidence import Evidence
from services.sockets import listen
from services.store.protocol import Store

GRACE_S = 2
"""Open requests and browsers get this long when the server stops."""


def serve(config: Config, plant: Plant, store: Store, evidence: Evidence, stop: threading.Event) -> None:
    """Answer requests until `stop` is set. Raises `SettingsError` when the port is taken."""
    listener = listen(config.api.host, config.api.port)
    app = create_app(store=store, evidence=evidence, plant=plant, config=config, web_root=web_root())
    with listener:
        asyncio.run(_serve(app, listener, stop))


async def _serve(app: FastAPI, listener: socket.socket, stop: threading.Event) -> None:
    settings = uvicorn.Config(
        app, log_config=None, access_log=False, timeout_graceful_shutdown=GRACE_S, server_header=False
    )
    server = uvicorn.Server(settings)

    async def leave_when_told() -> None:
        await asyncio.to_thread(stop.wait)
        server.should_exit = True

    async with asyncio.TaskGroup() as group:
        group.create_task(leave_when_told())
        await server.serve(sockets=[listener])
        stop.set()
