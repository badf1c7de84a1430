"""Of several rows with one key, the one that counts. Stores overwrite by key, within a commit as between commits."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import pyarrow as pa


def last_of_each(table: pa.Table, key: tuple[str, ...], newest_by: str = "") -> pa.Table:
    """Return the last row of each key, in the order of the table; with `newest_by`, the last of the newest by it."""
    keys: list[Hashable] = list(zip(*(table[column].to_pylist() for column in key), strict=True))
    if len(set(keys)) == len(keys):
        return table
    age = table[newest_by].to_numpy() if newest_by else np.zeros(len(keys))
    chosen: dict[Hashable, int] = {}
    for position, name in enumerate(keys):
        if name not in chosen or age[position] >= age[chosen[name]]:
            chosen[name] = position
    return table.take(pa.array(sorted(chosen.values()), pa.int64()))
