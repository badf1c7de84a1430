"""Runs every check, one after the other: what a later one needs, an earlier one has looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from edge.findings import Finding
from edge.settings import SettingsError
from services.config import Config, load_config
from services.doctor.broker import check_broker_of
from services.doctor.clock import check_clock
from services.doctor.data import check_data
from services.doctor.disk import check_disk
from services.doctor.page import check_page
from services.doctor.python import check_python
from services.doctor.settings import check_settings
from services.doctor.store import check_store


def examine(path: Path | None, mosquitto_conf: Path | None, began: Callable[[str], object]) -> Iterator[Finding]:
    """Yield the findings of every check; `began` is called with the name of each as it begins.

    `path` is the settings file, None for the defaults; `mosquitto_conf` the broker's, None when it is to be looked for.
    """
    began("settings")
    try:
        config = load_config(path)
    except SettingsError as error:
        yield Finding("wrong", "settings", str(error), "correct it; the other checks need the settings")
        return
    checks: list[tuple[str, Callable[[Config], Iterator[Finding]]]] = [
        ("settings", lambda config: check_settings(config, path)),
        ("python", lambda _: check_python()),
        ("clock", check_clock),
        ("disk", check_disk),
        ("data", check_data),
        ("broker", lambda config: check_broker_of(config, mosquitto_conf)),
        ("store", check_store),
        ("page", check_page),
    ]
    for name, check in checks:
        began(name)
        try:
            yield from check(config)
        except Exception as error:  # noqa: BLE001 - what one check stumbles over must not hide what the others find
            what = f"the check itself failed: {type(error).__name__}: {error}"
            yield Finding("wrong", name, what, "report it, with this line")
