"""Users, sessions, tokens and the audit log of one data folder, put together."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from services.accounts.audit import Audit
from services.accounts.database import Database
from services.accounts.sessions import Sessions
from services.accounts.tokens import Tokens
from services.accounts.users import Users
from services.config import Config

FILE = "accounts.sqlite"


class Accounts:
    """All of it; `clock` gives ns UTC. The file is made by the first change."""

    def __init__(self, config: Config, clock: Callable[[], int] = time.time_ns) -> None:
        settings = config.accounts
        self.path = Path(settings.folder or config.data / "accounts") / FILE
        self._database = Database(self.path)
        self.users = Users(self._database, clock)
        self.tokens = Tokens(self._database, clock)
        self.audit = Audit(self._database, clock)
        self.sessions = Sessions(self._database, clock, idle_h=settings.session_idle_h, max_h=settings.session_max_h)

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()
