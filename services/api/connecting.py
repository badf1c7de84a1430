"""How the web server reaches the broker: a client of its own for each purpose, without a session."""

from __future__ import annotations

import logging
import uuid

import aiomqtt

from edge.mqtt import new_async_client
from services.broker_access import broker_settings
from services.config import Broker

MAX_QUEUED_MESSAGES = 10_000

_log = logging.getLogger("aiomqtt")


def new_client(broker: Broker, purpose: str, *, timeout_s: float = 10.0) -> aiomqtt.Client:
    """Return a client that is not connected yet; what it waits for (a connection, a PUBACK) comes in `timeout_s`.

    Raises `SettingsError` when the files for TLS cannot be used.
    """
    # An id of its own and no session: nothing of the past is repeated, and servers do not displace each other.
    settings = broker_settings(broker, f"{purpose}-{uuid.uuid4().hex[:8]}")
    return new_async_client(settings, _log, timeout_s=timeout_s, max_queued=MAX_QUEUED_MESSAGES)
