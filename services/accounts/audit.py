"""The audit log: who changed what, when, from where, with what outcome. Rows are added and never changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

from services.accounts.database import Database
from services.accounts.model import Caller, Deed

MAX_TEXT = 300
"""Longer actions and subjects are cut."""


def write_deed(
    connection: sqlite3.Connection, time_ns: int, by: Caller, action: str, subject: str, outcome: str = "done"
) -> None:
    """Add a line in the transaction of the change itself: neither is there without the other."""
    connection.execute(
        "INSERT INTO audit (time_ns, kind, name, role, address, action, subject, outcome) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (time_ns, by.kind, by.name, by.role, by.address, action[:MAX_TEXT], subject[:MAX_TEXT], outcome),
    )


class Audit:
    """Reads and adds to the log."""

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        self._database, self._clock = database, clock

    def record(self, by: Caller, action: str, subject: str, outcome: str) -> None:
        """Add a line and return when it is on disk; without a file there is no log to add to. Blocks.

        Raises `AccountsFileError`.
        """
        if self._database.exists:
            with self._database.write() as connection:
                write_deed(connection, self._clock(), by, action, subject, outcome)

    def page(
        self,
        *,
        since_ns: int | None,
        until_ns: int | None,
        name: str,
        action: str,
        before: int | None,
        limit: int,
    ) -> Sequence[Deed]:
        """Return at most `limit` lines, newest first; `before` is the id of the last one that was had.

        `action` selects those that begin so, `name` those of one user or token; empty: all. Raises `AccountsFileError`.
        """
        rows = self._database.read(
            "SELECT id, time_ns, kind, name, role, address, action, subject, outcome FROM audit "
            "WHERE id < ? AND time_ns >= ? AND time_ns < ? AND (? = '' OR name = ?) AND substr(action, 1, ?) = ? "
            "ORDER BY id DESC LIMIT ?",
            (
                before if before is not None else 2**62,
                since_ns if since_ns is not None else 0,
                until_ns if until_ns is not None else 2**62,
                name,
                name,
                len(action),
                action,
                limit,
            ),
        )
        return [Deed(*row) for row in rows]
