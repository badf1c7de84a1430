"""Tells at the collector's start whether its broker keeps what it acknowledges: in the log, and in a file for others.

Beside the collector and not in it: what is asked of the broker here must never delay an acknowledgement.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from pathlib import Path

import msgspec

from edge.broker_check import Wants, check_broker
from edge.findings import Finding
from edge.mqtt import BACK_OFF_S, BrokerSettings


class BrokerReport(msgspec.Struct, frozen=True):
    """What was found, and about which broker."""

    address: str
    findings: tuple[Finding, ...]


def report_path(journal_path: Path) -> Path:
    """Return where the findings about the broker lie, beside a journal."""
    return journal_path.with_name("broker.json")


def watch_broker(broker: BrokerSettings, wants: Wants, path: Path, stop: threading.Event, log: logging.Logger) -> None:
    """Check the broker as soon as it can be reached; log what loses messages, a line each, and replace the report.

    Who may connect is for `lineside doctor` to say. Raises `SettingsError` when the files for TLS cannot be used.
    """
    wait = BACK_OFF_S[0]
    while True:
        try:
            findings = check_broker(broker, wants)
        except OSError:  # the session says so, and tries again
            if stop.wait(wait):
                return
            wait = min(2 * wait, BACK_OFF_S[1])
        else:
            break
    for finding in findings:
        if finding.loses:
            log.warning("the broker at %s may lose messages: %s", broker.address, finding)
    fresh = path.with_name(f"{path.name}.new")
    with contextlib.suppress(OSError):  # a full disk; the log has it
        fresh.write_bytes(msgspec.json.encode(BrokerReport(broker.address, tuple(findings))))
        fresh.replace(path)


def read_report(path: Path) -> BrokerReport | None:
    """Return the newest report, None when there is none that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=BrokerReport)
    except (OSError, msgspec.MsgspecError):
        return None
