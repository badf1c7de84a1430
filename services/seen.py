"""Which welds have been taken already: the memory by which a second delivery is recognised."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray


def fingerprint(*parts: str) -> int:
    """Return 64 bits that stand for a name, the same in every process."""
    return int.from_bytes(blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


class Seen:
    """The last `capacity` fingerprints, oldest first. At a million, one new weld in 10^13 is taken for a known one.

    A set beside a queue, not one dict in order: looking for the oldest key of a dict steps over all that were dropped.
    """

    def __init__(self, capacity: int, fingerprints: Iterable[int] = ()) -> None:
        self._capacity = capacity
        self._order = deque(fingerprints)
        self._known = set(self._order)

    def __contains__(self, fingerprint: int) -> bool:
        return fingerprint in self._known

    def __len__(self) -> int:
        return len(self._order)

    def add(self, fingerprint: int) -> None:
        """Remember one more, which must be new; call `forget` now and then."""
        self._known.add(fingerprint)
        self._order.append(fingerprint)

    def forget(self) -> None:
        """Drop the oldest beyond the capacity."""
        while len(self._order) > self._capacity:
            self._known.discard(self._order.popleft())

    def snapshot(self) -> NDArray[np.uint64]:
        """Return the fingerprints, oldest first."""
        return np.fromiter(self._order, dtype=np.uint64, count=len(self._order))
