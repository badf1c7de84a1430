"""No secret ever stands in a log, a message or a command line: real processes, all of them at debug level."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from edge.mqtt import BrokerSettings
from tests.influxd import Influxd
from tests.running import free_port, wait_until
from tests.system.conftest import need
from tests.system.mosquitto import find_mosquitto
from tests.system.shipped import PASSWORDS, ShippedBroker, person

pytestmark = pytest.mark.system
ROOT = Path(__file__).resolve().parents[2]
TOPIC = "lineside/v1/s/a/l/c/weld"
SITECUSTOMIZE = """
import logging
basic = logging.basicConfig
def all_of_it(**options):
    basic(**{**options, "level": logging.DEBUG})
    logging.Logger.setLevel = lambda *_: None  # nobody quiets anybody
logging.basicConfig = all_of_it
"""


def test_no_secret_is_logged_by_any_process_at_debug_level(tmp_path: Path, influxd: Influxd) -> None:
    """`lineside edge` and `serve` over the shipped broker and InfluxDB, then with a wrong password and token."""
    need(find_mosquitto(), "mosquitto")
    broker = ShippedBroker(tmp_path / "broker")
    broker.start()
    store = influxd.settings()
    (tmp_path / "debug").mkdir()
    (tmp_path / "debug/sitecustomize.py").write_text(SITECUSTOMIZE, encoding="utf-8")
    config = tmp_path / "lineside.toml"
    token_file = tmp_path / "token"
    log = tmp_path / "log"

    def run(command: str, password: str, *until: str) -> None:
        secrets = {"LINESIDE_BROKER_PASSWORD": password}
        environ = {**os.environ, **secrets, "PYTHONPATH": f"{tmp_path / 'debug'}{os.pathsep}{ROOT}"}
        start = log.stat().st_size if log.exists() else 0
        with log.open("ab") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "services.cli", command, "--config", str(config)],
                cwd=tmp_path,
                env=environ,
                stdout=out,
                stderr=out,
            )
        try:
            for text in until:
                wait_until(lambda text=text: text.encode() in log.read_bytes()[start:], 60, text)
            family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            lines = [" ".join(member.cmdline()) for member in family]
            assert not any(secret in line for line in lines for secret in hidden)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)

    hidden = [PASSWORDS["lineside"], "a wrong password", store.token, "a wrong token"]
    config.write_text(
        f'data_dir = "data"\n[broker]\nhost = "127.0.0.1"\nport = {broker.port}\nusername = "lineside"\n[store]\n'
        f'backend = "influxdb"\nurl = "{store.url}"\norg = "{store.org}"\nbucket = "{store.bucket}"\n'
        f'token_file = "{token_file}"\n[api]\nport = {free_port()}\n',
        encoding="utf-8",
    )
    token_file.write_text(store.token, encoding="utf-8")
    try:
        run("edge", PASSWORDS["lineside"], "connected to")
        device = person("device").connect(broker.port)
        device.publish(TOPIC, b"{}")
        device.leave()
        run("serve", PASSWORDS["lineside"], "live feed: listening")
        token_file.write_text("a wrong token", encoding="utf-8")
        run("edge", "a wrong password", "check broker.username and its password", "unauthorized")
    finally:
        broker.kill(signal.SIGTERM)
    text = log.read_text(encoding="utf-8")
    assert "DEBUG" in text.upper()  # it was at that level indeed
    assert not [line for line in text.splitlines() if any(secret in line for secret in hidden)]


def test_settings_do_not_show_their_password() -> None:
    assert "hunter2" not in repr(BrokerSettings("h", 1, "c", "u", "hunter2"))
