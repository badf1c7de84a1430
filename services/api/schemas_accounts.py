"""The shapes of sessions, users, tokens and the audit log on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from services.accounts.model import MAX_NAME, Kind, Role
from services.accounts.passwords import MAX_LENGTH, MIN_LENGTH
from services.api.schemas import Model

MAX_DAYS = 3650
_PASSWORD = f"{MIN_LENGTH} to {MAX_LENGTH} characters, not a common one"


class Login(Model):
    """Who wants in."""

    name: str = Field(min_length=1, max_length=MAX_NAME)
    password: str = Field(min_length=1, max_length=4 * MAX_LENGTH, repr=False)


class PasswordChange(Model):
    """One's own password."""

    old: str = Field(min_length=1, max_length=4 * MAX_LENGTH, repr=False)
    new: str = Field(min_length=1, max_length=4 * MAX_LENGTH, repr=False, description=_PASSWORD)


class SessionOut(Model):
    """Who asks, and what that allows."""

    kind: Kind = Field(description="`user`, `token`, or `anyone` while there are no users and no login is needed")
    name: str
    role: Role


class UserNew(Model):
    """A user to add."""

    name: str = Field(min_length=1, max_length=MAX_NAME)
    role: Role
    password: str = Field(min_length=1, max_length=4 * MAX_LENGTH, repr=False, description=_PASSWORD)


class RoleChange(Model):
    """Another role."""

    role: Role


class PasswordGiven(Model):
    """Another password."""

    password: str = Field(min_length=1, max_length=4 * MAX_LENGTH, repr=False, description=_PASSWORD)


class UserOut(Model):
    """A user."""

    name: str
    role: Role
    created: datetime
    last_login: datetime | None
    sessions: int = Field(description="how many are open")


class TokenNew(Model):
    """A token to make."""

    name: str = Field(min_length=1, max_length=MAX_NAME, description="what it is for")
    role: Role
    days: int | None = Field(
        default=None, ge=1, le=MAX_DAYS, description="how long it opens; null: until it is removed"
    )


class TokenOut(Model):
    """A token, but for its secret."""

    name: str
    role: Role
    created: datetime
    expires: datetime | None
    last_used: datetime | None = Field(description="noted at most once a minute")


class TokenMade(TokenOut):
    """A new token with its secret, which is shown this once."""

    token: str


class DeedOut(Model):
    """One line of the audit log."""

    id: int
    time: datetime
    kind: Kind = Field(description="`shell` is the command line on the server, `nobody` a login that failed")
    name: str
    role: Literal["viewer", "engineer", "administrator", ""]
    address: str
    action: str
    subject: str
    outcome: str = Field(description="`done`, or why not; an HTTP status for what came over the API")


class AuditPage(Model):
    """Lines, newest first."""

    items: list[DeedOut]
    next: str | None
