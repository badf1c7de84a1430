"""Source times: RFC 3339 text with a zone, or integer nanoseconds; and whether they can be true."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from edge.sources.fields import INT64_MAX
from edge.sources.message import Limits
from edge.sources.rejects import RefusedError, shorten, show

NS = 10**9
DAY_NS = 86_400 * NS

TIME_EXPECTED = "an RFC 3339 time with zone, as 2026-03-01T12:00:00.000Z, or whole nanoseconds since 1970 UTC"
STAMP_EXPECTED = "an RFC 3339 time with zone, as 2026-03-01T12:00:00.000Z"

_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII)
_EPOCH = datetime(1970, 1, 1)  # without zone, as what is subtracted from it: both are UTC


def parse_rfc3339(text: str) -> int:
    """Return an RFC 3339 time as ns since 1970 UTC; digits beyond the ninth are dropped, a leap second is the next.

    Raises `ValueError` when the text is no such time, has no zone, or lies outside 1678..2261 (int64 ns).
    """
    match = _RFC3339.fullmatch(text)
    if not match:
        raise ValueError(text)
    day, minute, second, fraction, sign, zone_h, zone_min = match.groups()
    seconds = int(second)
    if seconds > 60:
        raise ValueError(text)
    since = datetime.fromisoformat(f"{day}T{minute}") - _EPOCH
    total_s = since.days * 86_400 + since.seconds + seconds
    if sign:
        hours, minutes = int(zone_h), int(zone_min)
        if hours > 23 or minutes > 59:
            raise ValueError(text)
        offset_s = hours * 3600 + minutes * 60
        total_s += -offset_s if sign == "+" else offset_s
    total_ns = total_s * NS + (int(fraction[:9].ljust(9, "0")) if fraction else 0)
    if not -INT64_MAX <= total_ns <= INT64_MAX:
        raise ValueError(text)
    return total_ns


def show_ns(time_ns: int) -> str:
    """Return a time for people, RFC 3339 UTC in seconds; a number when it lies outside the calendar."""
    try:
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=time_ns // NS)).strftime("%Y-%m-%dT%H:%M:%SZ")
    except OverflowError:
        return f"{time_ns} ns"


@dataclass(frozen=True, slots=True)
class ClockBounds:
    """Between which source times are believed, by the receive time of their message; never by a clock of ours."""

    oldest_ns: int
    newest_ns: int
    limits: Limits

    @classmethod
    def of(cls, received_ns: int, limits: Limits) -> ClockBounds:
        """Return the bounds for a message received at that time."""
        oldest, newest = received_ns - limits.max_age_days * DAY_NS, received_ns + limits.max_ahead_s * NS
        return cls(max(oldest, -INT64_MAX), min(newest, INT64_MAX), limits)

    def read(self, time: str | int, path: str, *, expected: str = TIME_EXPECTED, may_be_old: bool = False) -> int:
        """Return a source time as ns since 1970 UTC.

        `expected` says what is accepted there; `may_be_old` is for retained messages, which are as old as they are.
        Raises `RefusedError`.
        """
        if isinstance(time, str):
            try:
                time_ns = parse_rfc3339(time)
            except ValueError:
                raise RefusedError(path, show(time), expected) from None
        else:
            time_ns = time
        if self.oldest_ns <= time_ns <= self.newest_ns or (may_be_old and time_ns < self.oldest_ns):
            return time_ns
        came = shorten(f"{time!r} ({show_ns(time_ns)})" if isinstance(time, int) else show(time))
        if time_ns > self.newest_ns:
            raise RefusedError(path, came, f"a time at most {self.limits.max_ahead_s} s after it was received")
        raise RefusedError(path, came, f"a time at most {self.limits.max_age_days} days before it was received")
