from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.sources.clock import DAY_NS, NS, ClockBounds, parse_rfc3339
from edge.sources.message import Limits
from edge.sources.rejects import RefusedError

LIMITS = Limits(max_age_days=10, max_ahead_s=60, max_payload_bytes=1, max_samples=1)
NOW_NS = 1_772_366_400 * NS


@pytest.mark.parametrize(
    ("text", "time_ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59.5z", -NS // 2),
        ("2026-03-01T12:00:00.123456789Z", NOW_NS + 123_456_789),
        ("2026-03-01T12:00:00.1234567899Z", NOW_NS + 123_456_789),
        ("2026-03-01t20:00:00+08:00", NOW_NS),
        ("2026-03-01 08:30:00-03:30", NOW_NS),
        ("2016-12-31T23:59:60Z", 1_483_228_800 * NS),
    ],
)
def test_rfc3339_is_read_to_the_nanosecond(text: str, time_ns: int) -> None:
    assert parse_rfc3339(text) == time_ns


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-03-01",
        "2026-03-01T12:00:00",
        "2026-03-01T12:00Z",
        "2026-02-30T12:00:00Z",
        "2026-03-01T24:00:00Z",
        "2026-03-01T12:60:00Z",
        "2026-03-01T12:00:61Z",
        "2026-03-01T12:00:00+24:00",
        "2026-03-01T12:00:00.Z",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "2026-03-01T12:00:00Z ",
        "２０２６-03-01T12:00:00Z",
    ],
)
def test_what_is_no_rfc3339_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the caller says what came; the text of the error is not used
        parse_rfc3339(text)


@given(
    st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1)),
    st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
def test_rfc3339_agrees_with_the_standard_library(moment: datetime, zone: timezone) -> None:
    aware = moment.replace(tzinfo=zone)
    since = aware - datetime(1970, 1, 1, tzinfo=UTC)
    expected = (since.days * 86_400 + since.seconds) * NS + since.microseconds * 1000
    assert parse_rfc3339(aware.isoformat()) == expected


def test_bounds_include_their_ends_and_follow_the_receive_time() -> None:
    bounds = ClockBounds.of(NOW_NS, LIMITS)
    for time_ns in (NOW_NS - 10 * DAY_NS, NOW_NS + 60 * NS):
        assert bounds.read(time_ns, "$.time") == time_ns
    with pytest.raises(RefusedError, match=r"at most 10 days before"):
        bounds.read(NOW_NS - 10 * DAY_NS - 1, "$.time")
    with pytest.raises(RefusedError, match=r"at most 60 s after"):
        bounds.read(NOW_NS + 60 * NS + 1, "$.time")


def test_a_retained_message_may_be_old_but_not_ahead() -> None:
    bounds = ClockBounds.of(NOW_NS, LIMITS)
    assert bounds.read("2001-01-01T00:00:00Z", "$.timestamp", may_be_old=True) == 978_307_200 * NS
    with pytest.raises(RefusedError, match=r"after it was received"):
        bounds.read(NOW_NS + 61 * NS, "$.timestamp", may_be_old=True)


@pytest.mark.parametrize(
    ("received_ns", "time", "taken"),
    [
        (-(2**63), 0, False),
        (-(2**63), -(2**63) + 1, True),
        (2**63 - 1, 2**63 - 1, True),
        (2**63 - 1, 0, False),
        (0, 2**63 - 1, False),
        (0, -(2**63), False),
    ],
)
def test_bounds_at_the_ends_of_int64_stay_within_it(received_ns: int, time: int, taken: bool) -> None:
    bounds = ClockBounds.of(received_ns, LIMITS)
    if taken:
        assert bounds.read(time, "$.time") == time
    else:
        with pytest.raises(RefusedError, match=str(time)):
            bounds.read(time, "$.time")
