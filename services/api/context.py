"""What every route works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from edge.plant import Plant, ShiftWindow
from services.api.commands import Commands
from services.api.joined import Joined
from services.api.remembered import Remembered
from services.api.schemas_spc import ChangeOut
from services.config import Config
from services.evidence import Evidence
from services.store.protocol import Store


@dataclass(frozen=True, slots=True)
class Context:
    """The parts that an answer is made of."""

    store: Store
    evidence: Evidence
    plant: Plant
    config: Config
    clock: Callable[[], int]
    """Now, ns UTC."""
    commands: Commands
    changes: Remembered[list[ChangeOut]] = field(default_factory=Remembered)
    """What was found of late."""
    plant_json: Joined[str] = field(default_factory=Joined)
    """The plant with the state of each spot, as it is answered."""

    def running_shift(self) -> ShiftWindow | None:
        """Return the shift now running, or None between shifts and without a calendar."""
        now_ns = self.clock()
        windows = self.plant.shift_windows(now_ns, now_ns + 1)
        return windows[-1] if windows else None


async def _context(connection: HTTPConnection) -> Context:
    context: Context = connection.app.state.context
    return context


Ctx = Annotated[Context, Depends(_context)]
