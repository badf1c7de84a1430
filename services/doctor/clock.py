"""This machine's clock: receive times, and what is called late or historical, follow from it."""

from __future__ import annotations

import ctypes
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

from edge.findings import Finding
from services.config import Config

ABOUT = "clock"
TIME_ERROR = 5
"""adjtimex(2): the clock is not synchronised."""
TIMEX_BYTES = 512
"""Room for `struct timex`, which is smaller everywhere."""
NEAR_S = 2.0
"""A Date header has whole seconds, and the way there takes time."""
FAR_S = 10.0
ANSWER_S = 5.0


def check_clock(config: Config) -> Iterator[Finding]:
    """Yield whether the kernel's clock is kept in step, and how far it is from the store's."""
    synchronised = _synchronised()
    if synchronised is None:
        yield Finding("unknown", ABOUT, "this system does not tell whether its clock is synchronised")
    elif synchronised:
        yield Finding("fine", ABOUT, "the kernel's clock is synchronised (NTP)")
    else:
        what = "the kernel's clock is not synchronised: it drifts from the machines', and welds come out late or early"
        yield Finding("warning", ABOUT, what, "run chrony or systemd-timesyncd")
    if config.store.backend == "influxdb":
        yield from _compare(f"{config.store.url.rstrip('/')}/ping", "InfluxDB")


def _synchronised() -> bool | None:
    if sys.platform != "linux":
        return None
    state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(TIMEX_BYTES))
    return None if state < 0 else state != TIME_ERROR


def _compare(url: str, whose: str) -> Iterator[Finding]:
    try:
        began = time.time()
        with urllib.request.urlopen(url, timeout=ANSWER_S) as answer:  # noqa: S310 - the operator's own setting
            date = answer.headers["Date"]
    except (OSError, ValueError):
        return  # that it does not answer is the store's finding
    if not date:
        return
    off_s = parsedate_to_datetime(date).timestamp() + 0.5 - (began + time.time()) / 2
    if abs(off_s) > NEAR_S:
        what = f"{whose}'s clock is {abs(off_s):.0f} s {'ahead of' if off_s > 0 else 'behind'} this machine's"
        yield Finding("wrong" if abs(off_s) > FAR_S else "warning", ABOUT, what, "synchronise both (NTP)")
    else:
        yield Finding("fine", ABOUT, f"{whose}'s clock agrees to {NEAR_S:.0f} s")
