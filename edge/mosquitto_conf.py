"""Reads a mosquitto's own settings, where they lie on this machine, for lines that lose acknowledged messages.

No client can see these from outside: whether and when the queue goes to disk, how long a session is kept, how long its
queue may grow. Meaning and defaults are those of mosquitto.conf(5) of mosquitto 2.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from edge.findings import Finding, Level

DAY_S = 86_400
KEPT_S = 7 * DAY_S
"""A collector may be away for a works holiday."""
MANY = 10**6
FEW_IN_FLIGHT = 100
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_UNITS = {"h": 3600, "d": DAY_S, "w": 7 * DAY_S, "m": 30 * DAY_S, "y": 365 * DAY_S}


class ConfError(OSError):
    """A settings file of mosquitto cannot be read; the message names it."""


@dataclass(frozen=True, slots=True)
class Line:
    """One setting and where it stands."""

    value: str
    where: str
    """File and line number; that of the main file alone for a default."""


def running_conf(port: int) -> Path | None:
    """Return the settings file of the mosquitto on this machine that listens on a port, as far as we may see it."""
    for process in psutil.process_iter(["name", "cmdline"]):
        line = process.info["cmdline"] or []
        if process.info["name"] != "mosquitto" or "-c" not in line[:-1]:
            continue
        conf = Path(line[line.index("-c") + 1])
        try:
            if not conf.is_absolute():
                conf = Path(process.cwd()) / conf
            if any(value.split()[0] == str(port) for value in _values(conf, "listener", "port")):
                return conf
        except (psutil.Error, ConfError):
            continue  # another user's, and not for us to read
    return None


def check_conf(conf: Path, max_payload_bytes: int) -> list[Finding]:
    """Return what is wrong with a settings file, each with the line to change. Raises `ConfError`.

    `max_payload_bytes` is the largest message that must come through. What is about who may do what is about `access`,
    all the rest about the `broker`.
    """
    settings = _Settings(conf, {key: Line(value, where) for key, value, where in _read(conf)})
    findings = [*_check_disk(settings), *_check_queue(settings), *_check_limits(settings, max_payload_bytes)]
    listeners = [value.split() for value in _values(conf, "listener")]
    if not all(len(listener) > 1 and listener[1] in LOOPBACK for listener in listeners):
        findings += _check_access(settings)
    return findings


@dataclass(frozen=True, slots=True)
class _Settings:
    conf: Path
    lines: dict[str, Line]

    def number(self, key: str, default: int) -> int:
        text = self.lines[key].value if key in self.lines else ""
        return int(text) if re.fullmatch(r"-?\d+", text) else default

    def flag(self, key: str) -> bool:
        return key in self.lines and self.lines[key].value == "true"

    def finding(self, level: Level, key: str, default: str, means: str, right: str, about: str = "broker") -> Finding:
        """Say where `key` stands, or that its default holds, what that means, and the line to write."""
        line = self.lines.get(key)
        came = f"{line.where} says `{key} {line.value}`" if line else f"{self.conf} leaves `{key}` at {default}"
        return Finding(level, about, f"{came}: {means}", f"write `{key} {right}`")


def _check_disk(settings: _Settings) -> Iterator[Finding]:
    every = settings.number("autosave_interval", 1800)
    if not settings.flag("persistence"):
        yield settings.finding("wrong", "persistence", "false", "a restart loses queue and sessions", "true")
    elif every == 0:
        yield settings.finding("wrong", "autosave_interval", "1800", "a crash loses the whole queue", "1")
    elif every > 1:
        unit = "messages" if settings.flag("autosave_on_changes") else "seconds of acknowledged messages"
        yield settings.finding("wrong", "autosave_interval", "1800", f"a crash loses up to {every} {unit}", "1")
    elif not settings.flag("autosave_on_changes"):
        means = "a crash loses up to one second of acknowledged messages"
        yield settings.finding("warning", "autosave_on_changes", "false", means, "true")


def _check_queue(settings: _Settings) -> Iterator[Finding]:
    queued, queued_bytes = settings.number("max_queued_messages", 1000), settings.number("max_queued_bytes", 0)
    beyond = "it acknowledges and drops what comes for a collector that is away, beyond"
    if queued == 0:
        means = "mosquitto 2.0 then cuts off every device that publishes what the acl forbids"
        yield settings.finding("warning", "max_queued_messages", "1000", means, "1000000000")
    elif queued < MANY:
        means = f"{beyond} {queued:,} messages"
        yield settings.finding("wrong", "max_queued_messages", "1000", means, "1000000000")
    if queued_bytes:
        yield settings.finding("wrong", "max_queued_bytes", "0", f"{beyond} {queued_bytes:,} bytes", "0")
    kept = settings.lines.get("persistent_client_expiration")
    if kept and 0 < _seconds(kept.value) < KEPT_S:
        means = "a collector that is away for longer loses its session and its queue"
        yield settings.finding("wrong", "persistent_client_expiration", "never", means, "14d")


def _check_limits(settings: _Settings, max_payload_bytes: int) -> Iterator[Finding]:
    if 0 < settings.number("message_size_limit", 0) < max_payload_bytes:
        means = f"it acknowledges larger messages and drops them; Lineside takes up to {max_payload_bytes:,} bytes"
        yield settings.finding("wrong", "message_size_limit", "0", means, "0")
    if settings.number("memory_limit", 0) > 0:
        means = "at that limit it drops messages that are to be sent"
        yield settings.finding("wrong", "memory_limit", "0", means, "0")
    if 0 < settings.number("max_inflight_messages", 20) < FEW_IN_FLIGHT:
        means = "so few messages share one fsync of the journal, which bounds the rate"
        yield settings.finding("warning", "max_inflight_messages", "20", means, "20000")


def _check_access(settings: _Settings) -> Iterator[Finding]:
    if settings.flag("allow_anonymous"):
        means = "whoever reaches the port may publish"
        yield settings.finding("warning", "allow_anonymous", "false", means, "false", "access")
    if "acl_file" not in settings.lines:
        means = "every user may publish verdicts in Lineside's name"
        yield settings.finding("warning", "acl_file", "none", means, "config/acl", "access")


def _seconds(text: str) -> int:
    """Return a span such as `14d` in seconds, 0 when it is none."""
    match = re.fullmatch(r"(\d+)([hdwmy])", text)
    return int(match[1]) * _UNITS[match[2]] if match else 0


def _values(conf: Path, *keys: str) -> Iterator[str]:
    return (value for key, value, _ in _read(conf) if key in keys)


def _read(conf: Path) -> Iterator[tuple[str, str, str]]:
    """Yield key, value and place of every setting, those of included files too, in mosquitto's order."""
    try:
        lines = conf.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise ConfError(f"{conf}: {error.strerror or error}") from None
    for number, text in enumerate(lines, 1):
        key, _, value = text.strip().partition(" ")
        if not key or key.startswith("#"):
            continue
        if key == "include_dir":
            for included in _included(Path(value.strip()), conf):
                yield from _read(included)
        else:
            yield key, value.strip(), f"{conf}:{number}"


def _included(named: Path, conf: Path) -> list[Path]:
    """Return the files of an `include_dir`; a relative one starts from the broker's working folder, not the file's."""
    places = [named] if named.is_absolute() else [folder / named for folder in conf.parents]
    if not named.is_absolute():
        places.append(conf.parent.joinpath(*named.parts[1:]))  # read where it lies before it is mounted as config/
    folder = next((place for place in places if place.is_dir()), None)
    if folder is None:
        raise ConfError(f"{conf}: include_dir {named} is not there")
    return sorted(folder.glob("*.conf"))
