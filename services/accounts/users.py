"""People: name, role, password. Whatever changes what somebody may do ends that user's sessions in the same moment."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

from services.accounts.audit import write_deed
from services.accounts.database import Database
from services.accounts.model import AccountError, Caller, NoAccountError, Role, User, clean_name
from services.accounts.passwords import check_password, hash_password, is_outdated, verify_password


def key_of(name: str) -> str:
    """Return what two names have in common that would be taken for the same."""
    return name.casefold()


class Users:
    """Adds, changes and removes users; each change is on disk, with its line in the audit log, when a call returns.

    All methods raise `AccountsFileError`; those that change block, and hash for some 50 ms.
    """

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        self._database, self._clock = database, clock

    def list(self) -> Sequence[User]:
        """Return every user, by name."""
        rows = self._database.read(
            "SELECT name, role, created_ns, login_ns, (SELECT count(*) FROM sessions WHERE user = key) AS sessions "
            "FROM users ORDER BY key"
        )
        return [User(**dict(row)) for row in rows]

    @property
    def any(self) -> bool:
        """Whether there is a user at all."""
        return bool(self._database.read("SELECT 1 FROM users LIMIT 1"))

    @property
    def has_administrator(self) -> bool:
        """Whether there is an administrator."""
        return bool(self._database.read("SELECT 1 FROM users WHERE role = 'administrator' LIMIT 1"))

    def add(self, by: Caller, name: str, role: Role, password: str) -> User:
        """Add a user. Raises `AccountError` for a bad name or password, or a name that is taken."""
        name = clean_name(name)
        check_password(password, name, *name.split())
        stored, now_ns = hash_password(password), self._clock()
        with self._database.write() as connection:
            try:
                connection.execute(
                    "INSERT INTO users (key, name, role, password, created_ns) VALUES (?, ?, ?, ?, ?)",
                    (key_of(name), name, role, stored, now_ns),
                )
            except sqlite3.IntegrityError:
                raise AccountError(f"there is a user {name!r} already", field="name", came=name) from None
            write_deed(connection, now_ns, by, "user add", f"{name} as {role}")
        return User(name, role, now_ns, None, 0)

    def set_role(self, by: Caller, name: str, role: Role) -> None:
        """Give a user another role. Raises `AccountError` when the last administrator would be none."""
        with self._database.write() as connection:
            row = _row(connection, name)
            if row["role"] == role:
                return
            connection.execute("UPDATE users SET role = ? WHERE key = ?", (role, row["key"]))
            self._check_administrator(connection)
            _end_sessions(connection, row["key"])
            write_deed(connection, self._clock(), by, "user role", f"{row['name']} from {row['role']} to {role}")

    def set_password(self, by: Caller, name: str, password: str) -> None:
        """Give a user another password. Raises `AccountError` for a bad one."""
        check_password(password, name, *name.split())
        stored = hash_password(password)
        with self._database.write() as connection:
            row = _row(connection, name)
            connection.execute("UPDATE users SET password = ? WHERE key = ?", (stored, row["key"]))
            _end_sessions(connection, row["key"])
            write_deed(connection, self._clock(), by, "user password", row["name"])

    def remove(self, by: Caller, name: str) -> None:
        """Remove a user. Raises `AccountError` for the last administrator."""
        with self._database.write() as connection:
            row = _row(connection, name)
            connection.execute("DELETE FROM users WHERE key = ?", (row["key"],))
            self._check_administrator(connection)
            write_deed(connection, self._clock(), by, "user remove", row["name"])

    def verify(self, name: str, password: str) -> str | None:
        """Return the user's name when the password is right, None otherwise; the work is the same for a name unknown.

        A hash with parameters of the past is made anew by the way.
        """
        rows = self._database.read("SELECT name, password FROM users WHERE key = ?", (_key_given(name),))
        stored: str | None = rows[0]["password"] if rows else None
        if not verify_password(stored, password) or stored is None:
            return None
        if is_outdated(stored):
            fresh = hash_password(password)
            with self._database.write() as connection:
                # Only if nobody has changed it meanwhile.
                connection.execute("UPDATE users SET password = ? WHERE password = ?", (fresh, stored))
        known: str = rows[0]["name"]
        return known

    def known_name(self, name: str) -> str | None:
        """Return a user's name as it is written, or None: what was typed may be anything, a password too."""
        rows = self._database.read("SELECT name FROM users WHERE key = ?", (_key_given(name),))
        return rows[0]["name"] if rows else None

    def _check_administrator(self, connection: sqlite3.Connection) -> None:
        if connection.execute("SELECT 1 FROM users WHERE role = 'administrator' LIMIT 1").fetchone() is None:
            raise AccountError(
                "this is the last administrator; make another one first, or nobody could manage users", field="name"
            )


def _row(connection: sqlite3.Connection, name: str) -> sqlite3.Row:
    row: sqlite3.Row | None = connection.execute(
        "SELECT key, name, role FROM users WHERE key = ?", (_key_given(name),)
    ).fetchone()
    if row is None:
        raise NoAccountError(f"there is no user {name!r}", field="name", came=name)
    return row


def _key_given(name: str) -> str:
    try:
        return key_of(clean_name(name))
    except AccountError:
        return ""


def _end_sessions(connection: sqlite3.Connection, key: str) -> None:
    connection.execute("DELETE FROM sessions WHERE user = ?", (key,))
