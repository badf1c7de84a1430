"""How everything of ours reaches the broker: one set of settings, one way to make a client of paho's or aiomqtt's.

MQTT 3.1.1, because every broker speaks it, the demo's fallback included. What goes wrong is put into words by
`edge.broker_trouble`.
"""

from __future__ import annotations

import logging
import ssl
from dataclasses import dataclass, field
from pathlib import Path

import aiomqtt
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
    password: str = field(default="", repr=False)
    ca_file: str = ""
    """The authority that signed the broker's certificate; empty: no TLS."""
    cert_file: str = ""
    """Our own certificate, where the broker wants one; with its `key_file`."""
    key_file: str = ""
    """Its key, without a passphrase; empty: it stands in `cert_file`."""

    @property
    def address(self) -> str:
        """The broker's address as people write it."""
        return f"{'mqtts' if self.ca_file else 'mqtt'}://{self.host}:{self.port}"


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
    secure(client, broker)
    if not keep_session:
        client.reconnect_delay_set(1, int(BACK_OFF_S[1]))
        paho_log = log.getChild("mqtt")
        paho_log.setLevel(logging.WARNING)
        client.enable_logger(paho_log)
    return client


def secure(client: Client, broker: BrokerSettings) -> None:
    """Give a client of paho's its user, password and TLS. Raises `SettingsError`."""
    if broker.username:
        client.username_pw_set(broker.username, broker.password or None)
    context = tls_context(broker)
    if context is not None:
        client.tls_set_context(context)


def new_async_client(
    broker: BrokerSettings, log: logging.Logger, *, timeout_s: float = 10.0, max_inflight: int = 20, max_queued: int = 0
) -> aiomqtt.Client:
    """Return a client for an event loop, without a session, that is not connected yet.

    What it waits for (a connection, a PUBACK) must come within `timeout_s`; `max_inflight` messages are sent before the
    first must be acknowledged, and `max_queued` received ones wait to be read (0: any number). Raises `SettingsError`
    when the files for TLS cannot be used.
    """
    return aiomqtt.Client(
        broker.host,
        broker.port,
        username=broker.username or None,
        password=broker.password or None,
        identifier=broker.client_id or None,
        clean_session=True,
        tls_context=tls_context(broker),
        timeout=timeout_s,
        max_inflight_messages=max_inflight,
        max_queued_incoming_messages=max_queued or None,
        logger=log,
    )


def tls_context(broker: BrokerSettings) -> ssl.SSLContext | None:
    """Return how TLS is to be spoken: 1.2 or newer, the broker's certificate and name checked; None without a CA.

    Raises `SettingsError`, naming the setting and the file, when one cannot be used.
    """
    if not broker.ca_file:
        for name in ("cert_file", "key_file"):
            if getattr(broker, name):
                raise SettingsError(
                    f"broker.{name} is set and broker.ca_file, which switches TLS on, is not; expected both"
                )
        return None
    if broker.key_file and not broker.cert_file:
        raise SettingsError("broker.key_file is set and broker.cert_file is not; expected both or neither")
    for name in ("ca_file", "cert_file", "key_file"):
        _readable(f"broker.{name}", getattr(broker, name))
    try:
        context = ssl.create_default_context(cafile=broker.ca_file)
    except ssl.SSLError:
        raise SettingsError(f"broker.ca_file {broker.ca_file} holds no certificate in PEM form") from None
    if broker.cert_file:
        _load_own(context, broker)
    return context


def _load_own(context: ssl.SSLContext, broker: BrokerSettings) -> None:
    key = f"broker.key_file {broker.key_file}" if broker.key_file else f"broker.cert_file {broker.cert_file}"

    def passphrase() -> str:  # without it OpenSSL would ask for one on the terminal
        raise SettingsError(f"{key} is encrypted; expected a key without a passphrase, readable by Lineside only")

    try:
        context.load_cert_chain(broker.cert_file, broker.key_file or None, passphrase)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise SettingsError(f"{key} is not the key of broker.cert_file {broker.cert_file}") from None
        raise SettingsError(
            f"broker.cert_file {broker.cert_file} and {key} do not hold a certificate and its key in PEM form"
        ) from None


def _readable(name: str, file: str) -> None:
    if file:
        try:
            Path(file).open("rb").close()
        except OSError as error:
            raise SettingsError(f"{name} {file}: {error.strerror or error}") from None
