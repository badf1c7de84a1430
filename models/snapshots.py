"""Arrays of several parts in one snapshot: each part's names stand under a prefix, so that no two can meet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]


def put_under(part: str, arrays: Mapping[str, NDArray[np.generic]]) -> Arrays:
    """Return the arrays of a part by the names that they have in the whole: `part.name`."""
    return {f"{part}.{name}": array for name, array in arrays.items()}


def take_from(part: str, arrays: Mapping[str, NDArray[np.generic]]) -> Arrays:
    """Return those arrays of the whole that `put_under` put there for a part, by the part's own names."""
    prefix = f"{part}."
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
