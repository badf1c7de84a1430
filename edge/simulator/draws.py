"""Random numbers by counter: the same (seed, label, counters) give the same number, in any order and any batch.

The generator is SplitMix64's finaliser over the counters (Steele, Lea, Flood: Fast Splittable Pseudorandom Number
Generators, OOPSLA 2014): numpy's own Philox has the same property, but one generator object per weld costs more than
the weld.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = (np.uint64(shift) for shift in (30, 27, 31, 11))


def bits(seed: int, label: str, *counters: ArrayLike) -> NDArray[np.uint64]:
    """Return 64 random bits for each element of the counters (integers that broadcast against each other)."""
    key = hashlib.blake2b(f"{seed}/{label}".encode(), digest_size=8).digest()
    shape = np.broadcast_shapes(*(np.shape(counter) for counter in counters))
    state = np.full(shape or (1,), int.from_bytes(key, "little"), dtype=np.uint64)
    for counter in counters:
        state = state ^ np.asarray(counter, dtype=np.int64).astype(np.uint64)
        state += _STEP
        state ^= state >> _S30
        state *= _MIX1
        state ^= state >> _S27
        state *= _MIX2
        state ^= state >> _S31
    return state.reshape(shape)


def uniform(seed: int, label: str, *counters: ArrayLike) -> NDArray[np.float64]:
    """Return numbers in (0, 1), never an end of it."""
    result: NDArray[np.float64] = ((bits(seed, label, *counters) >> _S11).astype(np.float64) + 0.5) * 2.0**-53
    return result


def normal(seed: int, label: str, *counters: ArrayLike) -> NDArray[np.float64]:
    """Return standard normal numbers."""
    return np.asarray(ndtri(uniform(seed, label, *counters)))


def noise_table(seed: int, size: int) -> NDArray[np.float32]:
    """Return `size` standard normal numbers, to be read from random places: noise per sample at the price of a look-up.

    `size` must be a power of two, so that a place wraps round by a mask.
    """
    return normal(seed, "noise", np.arange(size)).astype(np.float32)
