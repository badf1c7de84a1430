"""Which welds have been taken already: the memory by which a second delivery is recognised."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from itertools import islice

import numpy as np
from numpy.typing import NDArray


def fingerprint(*parts: str) -> int:
    """Return 64 bits that stand for a name, the same in every process."""
    return int.from_bytes(blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


class Seen:
    """The last `capacity` fingerprints, oldest first. At a million, one new weld in 10^13 is taken for a known one."""

    def __init__(self, capacity: int, fingerprints: Iterable[int] = ()) -> None:
        self._capacity = capacity
        self._order: dict[int, None] = dict.fromkeys(fingerprints)

    def __contains__(self, fingerprint: int) -> bool:
        return fingerprint in self._order

    def __len__(self) -> int:
        return len(self._order)

    def add(self, fingerprint: int) -> None:
        """Remember one more; call `forget` now and then."""
        self._order[fingerprint] = None

    def forget(self) -> None:
        """Drop the oldest beyond the capacity."""
        for old in list(islice(self._order, max(0, len(self._order) - self._capacity))):
            del self._order[old]

    def snapshot(self) -> NDArray[np.uint64]:
        """Return the fingerprints, oldest first."""
        return np.fromiter(self._order, dtype=np.uint64, count=len(self._order))
