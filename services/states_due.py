"""States that change with nearly every weld and are written once a second: of streams, of bodies, of vehicles."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from models.fleet.track import Agv
from services import rows
from services.intake import Outcome
from services.store import schema

MAX_KNOWN = 100_000
"""Names that are remembered to be in the store; then all are forgotten, which costs a few commits more."""


class StatesDue:
    """What has changed since the last commit that wrote states; a later state takes an earlier one's place.

    A crash loses what is due and not written: replaying the journal from the last snapshot brings it back. Hence what
    is due must be written before a snapshot is.
    """

    def __init__(self) -> None:
        self._spots: list[pa.Table] = []
        self._bodies: list[pa.Table] = []
        self._agvs: dict[str, Agv] = {}
        self._known: set[tuple[str, str]] = set()
        self.urgent = False
        """Something is due that the store has nothing of yet, perhaps: whoever hears of it live asks for it at once."""

    def __bool__(self) -> bool:
        return bool(self._spots or self._bodies or self._agvs)

    def add(self, outcome: Outcome) -> None:
        """Note what one batch has changed."""
        if len(outcome.welds):
            spots = rows.spot_table(outcome.welds)
            self._spots.append(spots)
            self._note(zip(spots["spot"].to_pylist(), spots["program"].to_pylist(), strict=True))
        if len(outcome.bodies):
            self._bodies.append(outcome.bodies)
            self._note(("", body) for body in outcome.bodies["body"].to_pylist())
        self._agvs.update(outcome.agvs)

    def clear(self) -> None:
        """Note that all is written."""
        self.urgent = False
        self._spots, self._bodies, self._agvs = [], [], {}

    def _note(self, names: Iterable[tuple[str, str]]) -> None:
        new = set(names) - self._known
        if new:
            self.urgent = True
            if len(self._known) > MAX_KNOWN:
                self._known.clear()
            self._known |= new

    @property
    def spots(self) -> pa.Table:
        """Rows of `schema.SPOT_STATE`, the newest last."""
        return pa.concat_tables([schema.SPOT_STATE.empty_table(), *self._spots])

    @property
    def bodies(self) -> pa.Table:
        """Rows of `schema.BODY`, the newest last."""
        return pa.concat_tables([schema.BODY.empty_table(), *self._bodies])

    @property
    def agvs(self) -> pa.Table:
        """Rows of `schema.AGV`."""
        return rows.agv_table(self._agvs.values())
