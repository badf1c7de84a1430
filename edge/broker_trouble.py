"""Why a broker cannot be reached, as one line that names what to change.

Most of it is in the error that connecting raises. Some is not: with TLS 1.3 a broker that misses our certificate says
so only after the handshake, where the MQTT libraries see no more than the end of the connection. `diagnose` connects
once more for that, and listens for it.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time

from aiomqtt.exceptions import MqttConnectError, MqttError
from paho.mqtt.client import Client, ConnectFlags
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.mqtt import BrokerSettings, secure, tls_context

ANSWER_S = 5.0
ALERT_S = 1.0
"""How long after a handshake a refusal of our certificate is waited for."""
_POLL_S = 0.2

_EXPIRED, _NOT_YET = 10, 9
_HOST_MISMATCH, _ADDRESS_MISMATCH = 62, 64
"""OpenSSL's X509_V_ERR numbers, as `ssl.SSLCertVerificationError.verify_code` has them."""
_NOT_TLS = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "UNEXPECTED_MESSAGE"})
_NEEDS_OURS = frozenset({"TLSV13_ALERT_CERTIFICATE_REQUIRED", "SSLV3_ALERT_HANDSHAKE_FAILURE"})


def explain(error: BaseException, broker: BrokerSettings) -> str:
    """Return what an error met in connecting means: of a socket, of TLS, or of aiomqtt."""
    if isinstance(error, MqttConnectError) and isinstance(error.rc, ReasonCode):
        return refusal(error.rc, broker)
    if isinstance(error, MqttError) and isinstance(error.__context__, OSError):
        error = error.__context__  # what aiomqtt made a text of
    if isinstance(error, OSError):
        return _explain_socket(error, broker)
    return f"the broker at {broker.address}: {error}"


def _explain_socket(error: OSError, broker: BrokerSettings) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _distrust(error, broker)
    if isinstance(error, ssl.SSLError):
        return _alert(error.reason or str(error), broker)
    if isinstance(error, socket.gaierror):
        return f"broker.host {broker.host!r} has no address: {error.strerror}"
    if isinstance(error, ConnectionResetError) and broker.ca_file:
        return f"what listens at {broker.address} breaks TLS off; does this port speak it? Check broker.port"
    return f"no broker at {broker.address}: {error.strerror or error}"


def refusal(reason: ReasonCode, broker: BrokerSettings) -> str:
    """Return what the broker's answer to our CONNECT means."""
    if str(reason) in {"Not authorized", "Bad user name or password"}:
        if broker.username:
            lacking = "" if broker.password else ", which is empty"
            who, change = f"user {broker.username!r}", f"broker.username and its password{lacking}"
        elif broker.cert_file:
            who, change = "our certificate's name", "broker.cert_file, or set broker.username"
        else:
            who, change = "a client without a user", "broker.username: set it and its password"
        return f"the broker at {broker.address} refuses {who} ({reason}); check {change}"
    return f"the broker at {broker.address} refuses {broker.client_id!r}: {reason}"


def diagnose(broker: BrokerSettings) -> str:
    """Connect once, without a session, and return why that fails; empty when it does not. Takes up to `ANSWER_S`.

    Raises `SettingsError` when the files for TLS cannot be used.
    """
    context = tls_context(broker)
    # First by ourselves: paho leaves a socket open whose handshake fails.
    if context is not None and (why := _shake_hands(context, broker)):
        return why
    client = Client(CallbackAPIVersion.VERSION2, client_id="", reconnect_on_failure=False)
    secure(client, broker)
    answers: list[ReasonCode] = []

    def answered(
        _client: Client, _data: object, _flags: ConnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        answers.append(reason)

    client.on_connect = answered
    client.connect_timeout = ANSWER_S
    try:
        client.connect(broker.host, broker.port)
    except OSError as error:
        return explain(error, broker)
    limit = time.monotonic() + ANSWER_S
    while not answers and client.socket() is not None and time.monotonic() < limit:
        client.loop(_POLL_S)
    gone = client.socket() is None
    client.disconnect()
    if answers:
        return refusal(answers[0], broker) if answers[0].is_failure else ""
    if not gone:
        return f"what listens at {broker.address} is silent for {ANSWER_S:.0f} s; is it a broker? Check broker.port"
    alert = _shake_hands(context, broker, ALERT_S) if context is not None else ""
    hint = "its log says why" if context is not None else "if its port speaks TLS, set broker.ca_file"
    return alert or f"the broker at {broker.address} closed the connection before it answered; {hint}"


def _shake_hands(context: ssl.SSLContext, broker: BrokerSettings, listen_s: float = 0.0) -> str:
    """Return why TLS fails. Listens for `listen_s` and says nothing: the reset after a CONNECT overtakes an alert."""
    try:
        with (
            socket.create_connection((broker.host, broker.port), ANSWER_S) as plain,
            context.wrap_socket(plain, server_hostname=broker.host) as wrapped,
        ):
            if listen_s:
                wrapped.settimeout(listen_s)
                with contextlib.suppress(TimeoutError):
                    wrapped.recv(1)
    except OSError as error:
        return explain(error, broker)
    return ""


def _distrust(error: ssl.SSLCertVerificationError, broker: BrokerSettings) -> str:
    """Say why we do not trust the broker."""
    if error.verify_code in {_HOST_MISMATCH, _ADDRESS_MISMATCH}:
        return (
            f"the broker at {broker.address} has a certificate for another name than {broker.host!r}; "
            "set broker.host to a name in its subjectAltName, or give it a certificate with this one"
        )
    if error.verify_code in {_EXPIRED, _NOT_YET}:
        today = time.strftime("%Y-%m-%d", time.gmtime())  # no time of day: the same trouble is the same text
        state = "has expired" if error.verify_code == _EXPIRED else "is not valid yet"
        return (
            f"the certificate of the broker at {broker.address} {state}; renew it there (certfile), "
            f"unless this machine's clock is wrong: it says {today}"
        )
    return (
        f"the broker at {broker.address} has a certificate that broker.ca_file {broker.ca_file} did not sign "
        f"({error.verify_message}); set broker.ca_file to the authority that did"
    )


def _alert(reason: str, broker: BrokerSettings) -> str:
    """Say what a TLS alert of the broker's, or a failed handshake, means."""
    if reason in _NOT_TLS:
        return f"what listens at {broker.address} does not speak TLS; check broker.port, or leave broker.ca_file out"
    if not broker.cert_file and reason in _NEEDS_OURS:
        return f"the broker at {broker.address} wants a certificate of ours; set broker.cert_file and broker.key_file"
    if broker.cert_file and "CERTIFICATE_EXPIRED" in reason:
        return f"our certificate, broker.cert_file {broker.cert_file}, has expired; renew it, and start Lineside again"
    if broker.cert_file and ("CERTIFICATE" in reason or "UNKNOWN_CA" in reason or "HANDSHAKE_FAILURE" in reason):
        return (
            f"the broker at {broker.address} does not accept our certificate, broker.cert_file {broker.cert_file} "
            f"({reason.lower()}); have it signed by the authority that the broker trusts (cafile)"
        )
    return f"TLS with the broker at {broker.address} fails ({reason.lower().replace('_', ' ')}); its log says why"
