"""How the web server reaches the broker: a client of its own for each purpose, without a session."""

from __future__ import annotations

import ssl
import uuid

import aiomqtt

from services.config import Broker

MAX_QUEUED_MESSAGES = 10_000


def new_client(broker: Broker, purpose: str, *, timeout_s: float = 10.0) -> aiomqtt.Client:
    """Return a client that is not connected yet; what it waits for (a connection, a PUBACK) comes in `timeout_s`."""
    context = None
    if broker.ca_file:
        context = ssl.create_default_context(cafile=broker.ca_file)
        if broker.cert_file:
            context.load_cert_chain(broker.cert_file, broker.key_file or None)
    return aiomqtt.Client(
        broker.host,
        broker.port,
        username=broker.username or None,
        password=broker.password or None,
        # Of its own and without a session: nothing of the past is repeated, and servers do not displace each other.
        identifier=f"{broker.client_id}-{purpose}-{uuid.uuid4().hex[:8]}",
        clean_session=True,
        tls_context=context,
        timeout=timeout_s,
        max_queued_incoming_messages=MAX_QUEUED_MESSAGES,
    )
