"""How each part of Lineside reaches the broker: all by the one section of the settings."""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

from edge.mqtt import BrokerSettings
from edge.settings import SettingsError
from services.config import Broker

PORTS = {"mqtt": 1883, "mqtts": 8883}


def broker_settings(broker: Broker, role: str) -> BrokerSettings:
    """Return how one role connects: each under its own, stable client id; none for an empty role."""
    return BrokerSettings(
        host=broker.host,
        port=broker.port,
        client_id=f"{broker.client_id}-{role}" if role else "",
        username=broker.username,
        password=broker.password,
        ca_file=broker.ca_file,
        cert_file=broker.cert_file,
        key_file=broker.key_file,
    )


def broker_at(url: str, broker: Broker) -> Broker:
    """Return the settings with the address of `url`, which is `mqtt://host:port`, or `mqtts://…` to speak TLS.

    User, password and files stay those of the settings. Raises `SettingsError` for any other address, and for TLS
    without `broker.ca_file`.
    """
    parts = urlsplit(url)
    try:
        port = parts.port or PORTS.get(parts.scheme, 0)
    except ValueError:
        port = 0
    if parts.scheme not in PORTS or not parts.hostname or not port:
        raise SettingsError(f"{url!r} is not a broker address; expected mqtt://host:port or mqtts://host:port")
    if parts.scheme == "mqtts":
        if not broker.ca_file:
            raise SettingsError(f"{url!r} needs broker.ca_file in the settings: the authority that signed the broker")
        return msgspec.structs.replace(broker, host=parts.hostname, port=port)
    return msgspec.structs.replace(broker, host=parts.hostname, port=port, ca_file="", cert_file="", key_file="")
