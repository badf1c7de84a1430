"""The web server process: an app over a store, until told to stop."""

from __future__ import annotations

import asyncio
import socket
import threading

import uvicorn
from fastapi import FastAPI

from edge.mqtt import tls_context
from edge.plant import Plant
from services.api.app import create_app
from services.api.web import web_root
from services.broker_access import broker_settings
from services.config import Api, Config
from services.evidence import Evidence
from services.sockets import listen
from services.store.protocol import Store
from services.web_access import check_access

MAX_HEARD_BYTES = 4096
"""Of one WebSocket message from a browser, which has nothing to say: a longer one ends the connection."""
GRACE_S = 2
"""Open requests and browsers get this long when the server stops."""


def serve(config: Config, plant: Plant, store: Store, evidence: Evidence, stop: threading.Event) -> None:
    """Answer requests until `stop` is set. Raises `SettingsError` when the port or a file for TLS cannot be had.

    See `services.web_access` too.
    """
    check_access(config)
    tls_context(broker_settings(config.broker, "live"))  # files that cannot be used are said before anything starts
    listener = listen(config.api.host, config.api.port)
    app = create_app(store=store, evidence=evidence, plant=plant, config=config, web_root=web_root())
    with listener:
        asyncio.run(_serve(app, config.api, listener, stop))


async def _serve(app: FastAPI, api: Api, listener: socket.socket, stop: threading.Event) -> None:
    settings = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=GRACE_S,
        server_header=False,
        ws_max_size=MAX_HEARD_BYTES,
        # Nobody's word is taken for where a request comes from, unless it is that of the proxy named.
        proxy_headers=bool(api.behind_proxy),
        forwarded_allow_ips=api.behind_proxy or None,
        ssl_certfile=api.cert_file or None,
        ssl_keyfile=api.key_file or None,
    )
    server = uvicorn.Server(settings)

    async def leave_when_told() -> None:
        await asyncio.to_thread(stop.wait)
        server.should_exit = True

    async with asyncio.TaskGroup() as group:
        group.create_task(leave_when_told())
        await server.serve(sockets=[listener])
        stop.set()
