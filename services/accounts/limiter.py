"""How often somebody may guess."""

from __future__ import annotations

import ipaddress
import secrets
import time
from collections.abc import Callable
from hashlib import blake2b

SLOTS = 4096


class Limiter:
    """Token buckets in a table of fixed size: `burst` tries at once, one more every `refill_s`.

    A key finds its bucket by a salted hash. Two keys may share one, which makes it stricter and never laxer; nothing
    that is sent can make the table grow, or push a bucket out of it. Used in one event loop.
    """

    def __init__(self, burst: int, refill_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst, self._refill_s, self._clock = burst, refill_s, clock
        self._salt = secrets.token_bytes(16)
        self._left = [float(burst)] * SLOTS
        self._at = [clock()] * SLOTS

    def take(self, key: str) -> float:
        """Take one try and return 0, or return in how many seconds there will be one."""
        slot, now = self._slot(key), self._clock()
        left = min(self._burst, self._left[slot] + (now - self._at[slot]) / self._refill_s)
        taken = left >= 1.0
        self._left[slot], self._at[slot] = (left - 1.0 if taken else left), now
        return 0.0 if taken else (1.0 - left) * self._refill_s

    def give_back(self, key: str) -> None:
        """Undo a `take`: it was no guess."""
        slot = self._slot(key)
        self._left[slot] = min(self._burst, self._left[slot] + 1.0)

    def _slot(self, key: str) -> int:
        digest = blake2b(key.encode("utf-8", "replace"), digest_size=8, key=self._salt).digest()
        return int.from_bytes(digest, "big") % SLOTS


def network_of(address: str) -> str:
    """Return what counts as one place: an IPv4 address, or the /64 of an IPv6 address, which one host has whole."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
