"""Tokens of machines: sent as `Authorization: Bearer`, shown once, known by their SHA-256 from then on."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Sequence

from services.accounts.audit import write_deed
from services.accounts.database import Database
from services.accounts.model import AccountError, Caller, NoAccountError, Role, Token, as_role, clean_name
from services.accounts.sessions import SECRET_BYTES, hash_secret
from services.accounts.users import key_of

PREFIX = "lineside_"
"""So that whoever finds one, a scanner for leaked secrets too, sees what it is."""


class Tokens:
    """Makes, finds and removes tokens. All methods raise `AccountsFileError`; all but `find` and `list` block."""

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        self._database, self._clock = database, clock

    def list(self) -> Sequence[Token]:
        """Return every token, by name; those that have expired too."""
        rows = self._database.read("SELECT name, role, created_ns, expires_ns, used_ns FROM tokens ORDER BY key")
        return [Token(**dict(row)) for row in rows]

    def add(self, by: Caller, name: str, role: Role, lasts_ns: int | None) -> tuple[Token, str]:
        """Make a token that ends after `lasts_ns`, or never, and return it with its secret.

        Raises `AccountError` for a bad name or one that is taken.
        """
        name, secret, now_ns = clean_name(name), PREFIX + secrets.token_urlsafe(SECRET_BYTES), self._clock()
        token = Token(name, role, now_ns, None if lasts_ns is None else now_ns + lasts_ns, None)
        with self._database.write() as connection:
            try:
                connection.execute(
                    "INSERT INTO tokens (key, name, role, hash, created_ns, expires_ns) VALUES (?, ?, ?, ?, ?, ?)",
                    (key_of(name), name, role, hash_secret(secret), now_ns, token.expires_ns),
                )
            except sqlite3.IntegrityError:
                raise AccountError(f"there is a token {name!r} already", field="name", came=name) from None
            write_deed(connection, now_ns, by, "token add", f"{name} as {role}")
        return token, secret

    def remove(self, by: Caller, name: str) -> None:
        """Remove a token; from this moment it opens nothing. Raises `NoAccountError`."""
        with self._database.write() as connection:
            row = connection.execute(
                "DELETE FROM tokens WHERE key = ? RETURNING name", (key_of(clean_name(name)),)
            ).fetchone()
            if row is None:
                raise NoAccountError(f"there is no token {name!r}", field="name", came=name)
            write_deed(connection, self._clock(), by, "token remove", row["name"])

    def find(self, key: bytes, address: str) -> Caller | None:
        """Return the machine whose token has this hash, or None when there is none or it has expired."""
        rows = self._database.read("SELECT name, role, expires_ns, used_ns FROM tokens WHERE hash = ?", (key,))
        if not rows:
            return None
        name, role, expires_ns, used_ns = rows[0]
        if expires_ns is not None and self._clock() >= expires_ns:
            return None
        return Caller("token", name, as_role(role), address, key, used_ns or 0)

    def note_use(self, caller: Caller) -> None:
        """Write down that a token is in use."""
        with self._database.write() as connection:
            connection.execute("UPDATE tokens SET used_ns = ? WHERE hash = ?", (self._clock(), caller.key))
