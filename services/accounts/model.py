"""The words of access: roles, who asks, and what can be wrong with an account.

AccountError          an operator or administrator asked for something that cannot be; carries the facts of a problem
 └─ NoAccountError    there is no such user or token
AccountsFileError     the file itself cannot be used
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Literal, get_args

from services.errors import OperatorError

Role = Literal["viewer", "engineer", "administrator"]
ROLES: tuple[Role, ...] = get_args(Role)
"""Each may do what those before it may."""
Kind = Literal["user", "token", "shell", "anyone", "nobody"]
"""A person with a session, a machine, whoever has the command line, everybody while there are no users; not known."""
MAX_NAME = 64
NAME_EXPECTED = f"1 to {MAX_NAME} letters, digits, spaces or any of . - _ @ +, and no space at either end"


class AccountError(OperatorError):
    """What was asked for cannot be; the message says why."""

    def __init__(self, message: str, *, field: str, came: str | None = None, expected: str | None = None) -> None:
        super().__init__(message)
        self.field, self.came, self.expected = field, came, expected


class NoAccountError(AccountError):
    """There is no such user or token."""


class AccountsFileError(OperatorError):
    """The file cannot be read or written; the message names it."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and from where."""

    kind: Kind
    name: str
    role: Role | None
    address: str
    key: bytes = b""
    """SHA-256 of the session's id or of the token."""
    used_ns: int = 0
    """When the session or token was noted as used last, ns UTC."""

    def may(self, role: Role) -> bool:
        """Tell whether the caller may do what `role` may."""
        return self.role is not None and ROLES.index(self.role) >= ROLES.index(role)

    def sign(self, given: str) -> str:
        """Return the name under which the caller's order goes on record; `given` is what the request says.

        A user has one name only. A machine may speak for people, and is named beside them.
        """
        if self.kind == "user":
            return self.name
        if self.kind == "token":
            return f"{given} ({self.name})" if given else self.name
        return given


@dataclass(frozen=True, slots=True)
class User:
    """A person."""

    name: str
    role: Role
    created_ns: int
    login_ns: int | None
    """Last login, ns UTC."""
    sessions: int
    """How many are open; those that have expired and were not swept yet count."""


@dataclass(frozen=True, slots=True)
class Token:
    """A machine's key; what it is cannot be read back."""

    name: str
    role: Role
    created_ns: int
    expires_ns: int | None
    used_ns: int | None


@dataclass(frozen=True, slots=True)
class Deed:
    """One line of the audit log."""

    id: int
    time_ns: int
    kind: Kind
    name: str
    role: Role | None
    address: str
    action: str
    """What was done, such as `login`, `user add`, `POST /api/v1/models/M1/activate`."""
    subject: str
    """To whom or what; ids of events that carry an order."""
    outcome: str
    """`done`, or why not: a word or an HTTP status."""


def clean_name(name: str, field: str = "name") -> str:
    """Return a name in Unicode's NFKC form. Raises `AccountError` when it is none."""
    clean = unicodedata.normalize("NFKC", name)
    if not clean or len(clean) > MAX_NAME or clean != clean.strip() or not all(_may_stand(sign) for sign in clean):
        raise AccountError(
            f"{field} is {name[: MAX_NAME + 1]!r}; expected {NAME_EXPECTED}",
            field=field,
            came=name[: MAX_NAME + 1],
            expected=NAME_EXPECTED,
        )
    return clean


def _may_stand(sign: str) -> bool:
    # L letters, M the marks that combine with them, N digits: names of every script, and nothing that is invisible.
    return sign in " .-_@+" or unicodedata.category(sign)[0] in "LMN"


def as_role(text: str) -> Role:
    """Return a role by its name. Raises `AccountError`."""
    for role in ROLES:
        if role == text:
            return role
    expected = f"one of {', '.join(ROLES)}"
    raise AccountError(f"role is {text!r}; expected {expected}", field="role", came=text, expected=expected)
