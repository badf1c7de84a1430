"""Findings that no single weld shows: what watchers tell as they follow the welds of a plant.

A watcher sees every judged weld once, in the order of the journal, and every event between them. What it remembers is
in its snapshot, and any split of the same welds into batches gives the same findings and the same state, bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.welds.batch import WeldBatch
from models.welds.judge import GunEvent
from models.welds.verdicts import Verdicts

SIGNAL_KINDS = ("drift", "wear_warning", "dress_ineffective", "defect_burst")


@dataclass(frozen=True, slots=True)
class Signal:
    """One finding, at the weld that made it certain."""

    kind: str
    """One of `SIGNAL_KINDS`."""
    time_ns: int
    """Of that weld, by its source's clock."""
    gun: str
    """What it concerns; empty, as are the following, where it concerns more than one."""
    spot: str
    program: str
    text: str
    """One English sentence for people, with its figures and their doubt."""
    details: dict[str, float | str]
    """The figures for programs, units in their names. Finite."""


Raised = tuple[int, Signal]
"""Index within its batch of the weld that raised the signal, and the signal."""


class Watcher(Protocol):
    """Follows the welds and tells what it finds."""

    def add(self, welds: WeldBatch, verdicts: Verdicts) -> list[Raised]:
        """Take judged welds in their order; return what they raise."""

    def apply(self, event: GunEvent) -> None:
        """Take note of an event: it lies before the welds that are added next."""

    def snapshot(self) -> dict[str, NDArray[np.generic]]:
        """Return the whole state as plain arrays, from which `restore` goes on to the bit."""

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Take over a snapshot."""
