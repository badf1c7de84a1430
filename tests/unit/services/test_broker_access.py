"""One section of the settings for every connection, and addresses on the command line over it."""

from __future__ import annotations

import pytest

from edge.settings import SettingsError
from services.broker_access import broker_at, broker_settings
from services.config import Broker

TLS = Broker(host="h", port=8883, username="u", password="p", ca_file="ca", cert_file="c", key_file="k")


def test_each_role_connects_alike_under_a_name_of_its_own() -> None:
    collector, nobody = broker_settings(TLS, "collector"), broker_settings(TLS, "")
    assert (collector.client_id, nobody.client_id) == ("lineside-collector", "")
    assert collector.address == "mqtts://h:8883"
    for settings in (collector, nobody):
        assert (settings.username, settings.password) == ("u", "p")
        assert (settings.ca_file, settings.cert_file, settings.key_file) == ("ca", "c", "k")


def test_an_address_changes_where_and_whether_by_tls_and_nothing_else() -> None:
    secure = broker_at("mqtts://other", TLS)
    assert (secure.host, secure.port, secure.ca_file, secure.key_file) == ("other", 8883, "ca", "k")
    plain = broker_at("mqtt://other", TLS)
    assert (plain.host, plain.port, plain.ca_file, plain.cert_file, plain.key_file) == ("other", 1883, "", "", "")
    assert plain.password == secure.password == "p"
    assert broker_at("mqtt://[::1]:99", TLS).host == "::1"


@pytest.mark.parametrize("url", ["h:1883", "http://h", "mqtt://", "mqtt://h:x", "mqtt://h:99999", "", "mqtt://h:0x1"])
def test_what_is_no_address_is_said_so(url: str) -> None:
    with pytest.raises(SettingsError, match=r"is not a broker address; expected mqtt://host:port or mqtts://"):
        broker_at(url, TLS)


def test_tls_needs_an_authority() -> None:
    with pytest.raises(SettingsError, match=r"needs broker\.ca_file"):
        broker_at("mqtts://h", Broker())
