"""Nanoseconds since 1970 UTC, and how people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def utc(time_ns: int) -> datetime:
    """Return the moment, to the microsecond."""
    return EPOCH + timedelta(microseconds=time_ns // 1000)


def rfc3339(time_ns: int) -> str:
    """Return the moment as RFC 3339 in UTC, to the microsecond."""
    return utc(time_ns).isoformat(timespec="microseconds").replace("+00:00", "Z")


def all_rfc3339(times_ns: NDArray[np.int64]) -> list[str]:
    """Return moments (n,) as `rfc3339` writes each."""
    texts = np.datetime_as_string(times_ns.view("datetime64[ns]"), unit="us", timezone="UTC")
    return [str(text) for text in texts.tolist()]
