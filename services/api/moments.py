"""Moments and durations as people write them in a query: RFC 3339, `-8h`, `15m`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from services.times import EPOCH

MOMENT = "RFC 3339 with a zone (2026-11-25T06:00:00Z), a time before now (-8h, -30m, -7d), or now"
MOMENT_PATTERN = r"^(now|-\d{1,9}[smhd]|\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+ -]\d\d:\d\d))$"
DURATION_PATTERN = r"^[1-9]\d{0,8}[smhd]$"
"""What a client can check beforehand; not every such text is in the calendar."""
DURATION = "a whole number and a unit of s, m, h or d (15m, 1h, 1d)"
NS = 10**9
DAY_NS = 86_400 * NS
UNIT_NS = {"s": NS, "m": 60 * NS, "h": 3600 * NS, "d": DAY_NS}
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)")
_RELATIVE = re.compile(r"-(\d{1,9})([smhd])")
_DURATION = re.compile(r"([1-9]\d{0,8})([smhd])")
_LOST_PLUS = re.compile(r" (?=\d\d:\d\d$)")
_INT64_MAX = 2**63 - 1


def parse_moment(text: str, now_ns: int) -> int:
    """Return a moment, ns UTC. Raises `ValueError` when it is not written as `MOMENT` says."""
    if text == "now":
        return now_ns
    relative = _RELATIVE.fullmatch(text)
    if relative:
        return _bounded(now_ns - int(relative[1]) * UNIT_NS[relative[2]])
    # A plus sign that was not percent-encoded arrives as a space.
    absolute = _RFC3339.fullmatch(_LOST_PLUS.sub("+", text))
    if not absolute:
        raise ValueError(MOMENT)
    day, time, fraction, zone = absolute.groups()
    # A leap second is taken as the second after, as POSIX time does.
    leap = time.endswith(":60")
    whole = datetime.fromisoformat(f"{day}T{time[:-2] + '59' if leap else time}{zone.upper()}").astimezone(UTC)
    delta = whole - EPOCH
    seconds = delta.days * 86_400 + delta.seconds + leap
    return _bounded(seconds * NS + int((fraction or "0").ljust(9, "0")))


def _bounded(time_ns: int) -> int:
    if not 0 <= time_ns <= _INT64_MAX:
        raise ValueError("a moment between 1970 and 2262")
    return time_ns


@dataclass(frozen=True, slots=True)
class Duration:
    """A length of time; `days` are the plant's own calendar days."""

    text: str
    ns: int
    days: int
    """0 when it is not whole days."""


def parse_duration(text: str) -> Duration:
    """Return a duration. Raises `ValueError` when it is not written as `DURATION` says."""
    match = _DURATION.fullmatch(text)
    if not match:
        raise ValueError(DURATION)
    ns = int(match[1]) * UNIT_NS[match[2]]
    if ns > _INT64_MAX:
        raise ValueError("a duration below 290 years")
    return Duration(text, ns, ns // DAY_NS if ns % DAY_NS == 0 else 0)
