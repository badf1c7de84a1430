"""How everything of ours reaches the broker: one set of settings, one way to make a paho client.

MQTT 3.1.1, because every broker speaks it, the demo's fallback included.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from paho.mqtt.client import Client, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from edge.settings import SettingsError

BACK_OFF_S = (0.2, 5.0)
"""First and longest wait before a broker is tried again."""


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """Which broker, and as whom."""

    host: str
    port: int
    client_id: str
    """Stable, for a client that keeps a session; may be empty for one that does not."""
    username: str = ""
    """Empty: the broker is asked without credentials."""
    password: str = ""
    ca_file: str = ""
    """The authority that signed the broker's certificate; empty: no TLS."""
    cert_file: str = ""
    """Our own certificate, where the broker wants one; with its `key_file`."""
    key_file: str = ""


def new_client(broker: BrokerSettings, log: logging.Logger, *, keep_session: bool = False) -> Client:
    """Return a client that is not connected yet.

    With `keep_session` the broker keeps what comes while we are away, each message is acknowledged by us
    (`Client.ack`), and the client leaves reconnecting, and saying what goes wrong, to its owner. Without, it
    reconnects by itself under `loop_start`, and what goes wrong is logged under `log`, never a line per message.
    Raises `SettingsError` when the files for TLS cannot be used, or a session is to be kept without a client id.
    """
    if keep_session and not broker.client_id:
        raise SettingsError("broker.client_id is empty; expected a stable name: the broker keeps the session under it")
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=broker.client_id,
        clean_session=not keep_session,
        protocol=MQTTv311,
        reconnect_on_failure=not keep_session,
        manual_ack=keep_session,
    )
    if broker.username:
        client.username_pw_set(broker.username, broker.password or None)
    if broker.ca_file:
        try:
            client.tls_set(broker.ca_file, broker.cert_file or None, broker.key_file or None)
        except (OSError, ValueError) as error:
            files = ", ".join(name for name in (broker.ca_file, broker.cert_file, broker.key_file) if name)
            raise SettingsError(f"the files for TLS ({files}) cannot be used: {error}") from None
    if not keep_session:
        client.reconnect_delay_set(1, int(BACK_OFF_S[1]))
        paho_log = log.getChild("mqtt")
        paho_log.setLevel(logging.WARNING)
        client.enable_logger(paho_log)
    return client
