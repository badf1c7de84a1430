"""Users, tokens and the audit log: what administrators see to."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from starlette.responses import Response

from services.accounts.model import Token, User
from services.api.context import Ctx
from services.api.cursors import decode_cursor, encode_cursor
from services.api.documenting import listing, problems_of
from services.api.gate import Who
from services.api.query import Cursor, Limit, Name, Window, no_parameters
from services.api.routes.session import Doors
from services.api.schemas_accounts import (
    AuditPage,
    DeedOut,
    PasswordGiven,
    RoleChange,
    TokenMade,
    TokenNew,
    TokenOut,
    UserNew,
    UserOut,
)
from services.api.tables import AsListing
from services.times import utc

router = APIRouter(prefix="/api/v1", tags=["access"])
plain = [Depends(no_parameters)]

DAY_NS = 86_400 * 10**9
CHANGES = problems_of(400, 403, 404, 409, 413, 415, 503)


class AuditQuery(Window):
    """One page of the audit log."""

    name: Name = Field(default="", description="Only what this user or token did.")
    action: Name = Field(default="", description="Only actions that begin so.", examples=["login"])
    limit: Limit = 100
    cursor: Cursor | None = None


@router.get("/users", summary="Users", dependencies=plain, response_model=list[UserOut], responses=listing())
def list_users(doors: Doors, wanted: AsListing) -> Response:
    """List every user by name, with role and last login."""
    return wanted.answer(UserOut, [_user(user) for user in doors.accounts.users.list()])


@router.post("/users", summary="Add a user", status_code=201, dependencies=plain, responses=CHANGES)
async def add_user(new: UserNew, who: Who, doors: Doors) -> UserOut:
    """Add a user, who may log in at once."""
    users = doors.accounts.users
    user = await doors.hashing(lambda: users.add(who.caller, new.name, new.role, new.password))
    who.recorded = True
    return _user(user)


@router.post("/users/{name}/role", summary="Change a role", status_code=204, dependencies=plain, responses=CHANGES)
def change_role(name: str, change: RoleChange, who: Who, doors: Doors) -> None:
    """Give a user another role; open sessions end. Refused (409) for the last administrator."""
    doors.accounts.users.set_role(who.caller, name, change.role)
    who.recorded = True


@router.post("/users/{name}/password", summary="Set a password", status_code=204, dependencies=plain, responses=CHANGES)
async def set_password(name: str, given: PasswordGiven, who: Who, doors: Doors) -> None:
    """Give a user another password; open sessions end."""
    users = doors.accounts.users
    await doors.hashing(lambda: users.set_password(who.caller, name, given.password))
    who.recorded = True


@router.delete("/users/{name}", summary="Remove a user", status_code=204, dependencies=plain, responses=CHANGES)
def remove_user(name: str, who: Who, doors: Doors) -> None:
    """Remove a user; open sessions end. Refused (409) for the last administrator."""
    doors.accounts.users.remove(who.caller, name)
    who.recorded = True


@router.get("/tokens", summary="Tokens", dependencies=plain, response_model=list[TokenOut], responses=listing())
def list_tokens(doors: Doors, wanted: AsListing) -> Response:
    """List every token by name, with role, expiry and last use."""
    return wanted.answer(TokenOut, [_token(token) for token in doors.accounts.tokens.list()])


@router.post("/tokens", summary="Make a token", status_code=201, dependencies=plain, responses=CHANGES)
def add_token(new: TokenNew, who: Who, doors: Doors) -> TokenMade:
    """Make a token for a machine. Its secret is in this answer and nowhere else."""
    lasts_ns = None if new.days is None else new.days * DAY_NS
    token, secret = doors.accounts.tokens.add(who.caller, new.name, new.role, lasts_ns)
    who.recorded = True
    return TokenMade(**_token(token).model_dump(), token=secret)


@router.delete("/tokens/{name}", summary="Remove a token", status_code=204, dependencies=plain, responses=CHANGES)
def remove_token(name: str, who: Who, doors: Doors) -> None:
    """Remove a token; it opens nothing from then on."""
    doors.accounts.tokens.remove(who.caller, name)
    who.recorded = True


@router.get("/audit", summary="Who changed what, newest first", response_model=AuditPage, responses=listing(paged=True))
def list_audit(query: Annotated[AuditQuery, Query()], ctx: Ctx, doors: Doors, wanted: AsListing) -> Response:
    """List logins, failed ones too, and every change that was asked for, refused ones too."""
    since_ns, until_ns = query.range_ns(ctx.clock())
    position = decode_cursor("audit", query.cursor, tuple[int, int])
    found = doors.accounts.audit.page(
        since_ns=since_ns,
        until_ns=until_ns,
        name=query.name,
        action=query.action,
        before=None if position is None else position[1],
        limit=query.limit + 1,
    )
    cursor = None
    if len(found) > query.limit:
        last = found[query.limit - 1]
        cursor = encode_cursor("audit", (last.time_ns, last.id))
    items = [
        DeedOut(
            id=deed.id,
            time=utc(deed.time_ns),
            kind=deed.kind,
            name=deed.name,
            role=deed.role or "",
            address=deed.address,
            action=deed.action,
            subject=deed.subject,
            outcome=deed.outcome,
        )
        for deed in found[: query.limit]
    ]
    return wanted.answer(DeedOut, items, page=AuditPage, cursor=cursor)


def _user(user: User) -> UserOut:
    last_login = None if user.login_ns is None else utc(user.login_ns)
    return UserOut(
        name=user.name, role=user.role, created=utc(user.created_ns), last_login=last_login, sessions=user.sessions
    )


def _token(token: Token) -> TokenOut:
    return TokenOut(
        name=token.name,
        role=token.role,
        created=utc(token.created_ns),
        expires=None if token.expires_ns is None else utc(token.expires_ns),
        last_used=None if token.used_ns is None else utc(token.used_ns),
    )
