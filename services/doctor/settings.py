"""The settings: files that can be read, secrets that only their owner can, and passwords that travel in the clear."""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from edge.findings import Finding
from edge.settings import SettingsError
from services.broker_access import broker_settings
from services.config import Config
from services.plants import read_plant

ABOUT = "settings"
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
CONTAINER_SECRETS = Path("/run/secrets")
"""Files here are readable by all, and all is one service in its container."""
_SECRETS = (("broker", "password"), ("store", "token"))


def check_settings(config: Config, path: Path | None) -> Iterator[Finding]:
    """Yield what is wrong with settings that can be read as such; `path` is their file, None without one."""
    if path is None:
        yield Finding("fine", ABOUT, "no settings file: defaults and the environment hold")
    else:
        yield Finding("fine", ABOUT, f"{path} is understood")
        yield from _check_own_secrets(path)
    for name, file in (
        ("broker.password_file", config.broker.password_file),
        ("broker.key_file", config.broker.key_file),
        ("store.token_file", config.store.token_file),
    ):
        if file and not Path(file).is_relative_to(CONTAINER_SECRETS):
            yield from _check_private(name, Path(file))
    try:
        plant = read_plant(config)
    except SettingsError as error:
        yield Finding("wrong", ABOUT, str(error), "correct plant.toml, or leave `plant` out of the settings")
    else:
        yield Finding("fine", ABOUT, f"the plant has {len(plant.spots)} spots" if plant.spots else "no plant is named")
    yield from _check_clear_text(config)


def _check_own_secrets(path: Path) -> Iterator[Finding]:
    raw = tomllib.loads(path.read_text(encoding="utf-8"))
    held = [f"{section}.{key}" for section, key in _SECRETS if raw.get(section, {}).get(key)]
    if held and _open_to_all(path):
        what = f"{path} holds {' and '.join(held)} and can be read by everyone on this machine"
        yield Finding("wrong", ABOUT, what, f"chmod 600 {path}, or give secrets as files or in the environment")


def _check_private(name: str, file: Path) -> Iterator[Finding]:
    try:
        open_to_all = _open_to_all(file)
    except OSError as error:
        yield Finding("wrong", ABOUT, f"{name} {file}: {error.strerror}", "name a file that is there")
        return
    if open_to_all:
        what = f"{name} {file} can be read by everyone on this machine"
        yield Finding("wrong", ABOUT, what, f"chmod 600 {file}")
    else:
        yield Finding("fine", ABOUT, f"{name} cannot be read by everyone")


def _open_to_all(file: Path) -> bool:
    return bool(file.stat().st_mode & stat.S_IROTH)


def _check_clear_text(config: Config) -> Iterator[Finding]:
    broker, store = config.broker, config.store
    if broker.password and not broker.ca_file and broker.host not in LOOPBACK:
        address = broker_settings(broker, "").address
        what = f"the password goes to the broker at {address} in clear text"
        yield Finding("warning", ABOUT, what, "enable TLS there and set broker.ca_file")
    url = urlsplit(store.url)
    if store.backend == "influxdb" and url.scheme == "http" and url.hostname not in LOOPBACK:
        what = f"the token goes to InfluxDB at {store.url} in clear text"
        yield Finding("warning", ABOUT, what, "enable TLS there and write https:// in store.url")
    if os.environ.get("LINESIDE_BROKER_PASSWORD") and broker.password_file:
        what = "LINESIDE_BROKER_PASSWORD and broker.password_file are both set; the first one holds"
        yield Finding("warning", ABOUT, what, "leave one of them out")
