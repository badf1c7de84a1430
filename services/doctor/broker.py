"""The broker: can it be reached, do its certificates last, and does it keep what it acknowledges."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge.broker_check import Wants, check_broker
from edge.broker_trouble import diagnose
from edge.findings import Finding
from edge.mqtt import BrokerSettings, tls_context
from edge.settings import SettingsError
from services.broker_access import broker_settings
from services.config import Config

ABOUT = "broker"
QUEUED = 1100
"""More than the 1,000 and 20 on the way that a mosquitto keeps that was told nothing."""
DAY_S = 86_400
SOON_S = 30 * DAY_S


def check_broker_of(config: Config, conf: Path | None) -> Iterator[Finding]:
    """Yield what is to be said of the broker of the settings; `conf` is its settings file, if known."""
    broker = broker_settings(config.broker, "doctor")
    try:
        trouble = diagnose(broker)
    except SettingsError as error:
        yield Finding("wrong", ABOUT, str(error))
        return
    if trouble:
        what, _, do = trouble.partition("; ")
        yield Finding("wrong", ABOUT, what, do or "start it, or set broker.host and broker.port")
        return
    who = f"user {broker.username!r}" if broker.username else "a certificate" if broker.cert_file else "anybody"
    yield Finding("fine", ABOUT, f"{broker.address} answers, and takes Lineside as {who}")
    try:
        yield from _check_certificates(broker)
        yield from check_broker(broker, Wants(config.judge.max_payload_bytes, QUEUED, try_largest=True), conf)
    except OSError as error:
        yield Finding("wrong", ABOUT, f"{broker.address} broke off while it was looked at: {error}", "see its log")


def _check_certificates(broker: BrokerSettings) -> Iterator[Finding]:
    """Say in time when the broker's certificate or its authority's ends."""
    context = tls_context(broker)
    if context is None:
        return
    with (
        socket.create_connection((broker.host, broker.port), 5) as plain,
        context.wrap_socket(plain, server_hostname=broker.host) as wrapped,
    ):
        shown: dict[str, Any] = wrapped.getpeercert() or {}
        version = wrapped.version()
    yield from _check_end("its certificate", shown, "renew it on the broker (certfile)")
    for authority in context.get_ca_certs():
        yield from _check_end(f"the authority in {broker.ca_file}", authority, "make a new one in time, for all")
    yield Finding("fine", ABOUT, f"it speaks {version}")


def _check_end(whose: str, certificate: dict[str, Any], do: str) -> Iterator[Finding]:
    left_s = ssl.cert_time_to_seconds(str(certificate["notAfter"])) - time.time()
    if left_s < SOON_S:
        yield Finding("warning", ABOUT, f"{whose} ends in {max(left_s, 0) / DAY_S:.0f} days", do)
