"""Sessions of people: kept here, known to the browser by a random id whose SHA-256 is all that is stored."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from services.accounts.audit import write_deed
from services.accounts.database import Database
from services.accounts.model import Caller, NoAccountError, as_role
from services.accounts.users import key_of

SECRET_BYTES = 32
NOTED_NS = 60 * 10**9
"""That a session or token is in use is written down at most so often."""
MAX_SESSIONS = 20
"""Of one user; the one that was not used for the longest goes first."""
HOUR_NS = 3600 * 10**9


@dataclass(frozen=True, slots=True)
class Session:
    """One that has just begun; `secret` goes to the browser and is kept nowhere."""

    secret: str
    caller: Caller


class Sessions:
    """Begins, finds and ends sessions. All methods raise `AccountsFileError`; all but `find` block."""

    def __init__(self, database: Database, clock: Callable[[], int], *, idle_h: float, max_h: float) -> None:
        self._database, self._clock = database, clock
        self._idle_ns, self._max_ns = int(idle_h * HOUR_NS), int(max_h * HOUR_NS)

    def begin(self, user: str, address: str, *, instead_of: bytes = b"", action: str = "login") -> Session:
        """Begin a session under a fresh id, and end the one that the browser had. Raises `NoAccountError`."""
        secret, now_ns = secrets.token_urlsafe(SECRET_BYTES), self._clock()
        key = key_of(user)
        with self._database.write() as connection:
            row = connection.execute("SELECT name, role FROM users WHERE key = ?", (key,)).fetchone()
            if row is None:  # removed while the password was checked
                raise NoAccountError(f"there is no user {user!r}", field="name", came=user)
            caller = Caller("user", row["name"], as_role(row["role"]), address, hash_secret(secret), now_ns)
            connection.execute(
                "DELETE FROM sessions WHERE hash = ? OR used_ns <= ? OR created_ns <= ?",
                (instead_of, now_ns - self._idle_ns, now_ns - self._max_ns),
            )
            connection.execute("INSERT INTO sessions VALUES (?, ?, ?, ?)", (caller.key, key, now_ns, now_ns))
            connection.execute(
                "DELETE FROM sessions WHERE user = ? AND hash NOT IN "
                "(SELECT hash FROM sessions WHERE user = ? ORDER BY used_ns DESC, rowid DESC LIMIT ?)",
                (key, key, MAX_SESSIONS),
            )
            if action == "login":
                connection.execute("UPDATE users SET login_ns = ? WHERE key = ?", (now_ns, key))
            write_deed(connection, now_ns, caller, action, "")
        return Session(secret, caller)

    def find(self, key: bytes, address: str) -> Caller | None:
        """Return who has the session with this hash, or None when there is none or it has expired."""
        rows = self._database.read(
            "SELECT name, role, sessions.created_ns, used_ns FROM sessions JOIN users ON user = key WHERE hash = ?",
            (key,),
        )
        if not rows:
            return None
        name, role, created_ns, used_ns = rows[0]
        now_ns = self._clock()
        if now_ns - used_ns >= self._idle_ns or now_ns - created_ns >= self._max_ns:
            return None
        return Caller("user", name, as_role(role), address, key, used_ns)

    def note_use(self, caller: Caller) -> None:
        """Write down that a session is in use."""
        with self._database.write() as connection:
            connection.execute("UPDATE sessions SET used_ns = ? WHERE hash = ?", (self._clock(), caller.key))

    def end(self, caller: Caller) -> None:
        """End the caller's session."""
        with self._database.write() as connection:
            connection.execute("DELETE FROM sessions WHERE hash = ?", (caller.key,))
            write_deed(connection, self._clock(), caller, "logout", "")


def hash_secret(secret: str) -> bytes:
    """Return the SHA-256 of a session's id or a token: both have 256 random bits, so that nothing slower is needed."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()
