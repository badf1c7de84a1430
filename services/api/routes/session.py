"""The caller's own session: log in, see who one is, change the password, log out."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from services.accounts.model import AccountError, Caller, NoAccountError
from services.accounts.sessions import Session
from services.api.access import Access, address_of, cookie_name, is_secure
from services.api.documenting import problems_of
from services.api.gate import CHALLENGE, SESSION, Who
from services.api.problems import ProblemError
from services.api.query import no_parameters
from services.api.schemas_accounts import Login, PasswordChange, SessionOut
from services.config import Config

router = APIRouter(prefix=SESSION, tags=["access"], dependencies=[Depends(no_parameters)])

WRONG = "name or password is wrong"
HOUR_S = 3600


async def _access(request: Request) -> Access:
    access: Access = request.app.state.access
    return access


Doors = Annotated[Access, Depends(_access)]


@router.get("", summary="Who asks?", responses=problems_of(400))
async def read_session(who: Who) -> SessionOut:
    """Tell under which name and role the request is made. 401 says that a login is needed."""
    return _out(who.caller)


@router.post("", summary="Log in", responses=problems_of(400, 403, 413, 415, 429, 503))
async def log_in(login: Login, request: Request, response: Response, who: Who, doors: Doors) -> SessionOut:
    """Check name and password, and begin a session: the answer sets a cookie that scripts cannot read.

    A session that the browser had before is ended. A wrong name and a wrong password are answered alike (401), after
    the same work; too many of them are answered by 429.
    """
    address, users = address_of(request), doors.accounts.users
    failed = Caller("nobody", "", None, address)
    try:
        name = await doors.guess(login.name, address, lambda: users.verify(login.name, login.password))
    except ProblemError as problem:
        if problem.problem.status == 429:
            who.recorded = True
        raise
    if name is None:
        # A name that is nobody's is not written down: people type their password there.
        subject = users.known_name(login.name) or "a name unknown"
        who.recorded = True
        await asyncio.to_thread(doors.accounts.audit.record, failed, "login", subject, "wrong password")
        raise ProblemError(401, WRONG, headers=CHALLENGE)
    had = who.caller.key if who.caller.kind == "user" else b""
    return await _begin(name, "login", had, request, response, who, doors)


@router.delete("", summary="Log out", status_code=204, responses=problems_of(400, 403, 409))
async def log_out(request: Request, response: Response, who: Who, doors: Doors) -> None:
    """End the session at once, its live pages too, and take the cookie back."""
    _needs_user(who.caller)
    await asyncio.to_thread(doors.accounts.sessions.end, who.caller)
    who.recorded = True
    response.delete_cookie(cookie_name(request), path="/", secure=is_secure(request), httponly=True, samesite="strict")


@router.post("/password", summary="Change one's password", responses=problems_of(400, 403, 409, 413, 415, 429, 503))
async def change_password(
    change: PasswordChange, request: Request, response: Response, who: Who, doors: Doors
) -> SessionOut:
    """Take a new password when the old one is right. The user's sessions end; this one goes on under a new id."""
    _needs_user(who.caller)
    name, users = who.caller.name, doors.accounts.users
    if await doors.guess(name, who.caller.address, lambda: users.verify(name, change.old)) is None:
        raise ProblemError(403, "the old password is wrong", field="old")
    await doors.hashing(lambda: users.set_password(who.caller, name, change.new))
    who.recorded = True
    return await _begin(name, "session renewed", b"", request, response, who, doors)


async def _begin(
    name: str, action: str, had: bytes, request: Request, response: Response, who: Who, doors: Access
) -> SessionOut:
    address, sessions = address_of(request), doors.accounts.sessions
    try:
        session: Session = await asyncio.to_thread(lambda: sessions.begin(name, address, instead_of=had, action=action))
    except NoAccountError:
        raise ProblemError(401, WRONG, headers=CHALLENGE) from None
    who.recorded = True
    config: Config = request.app.state.context.config
    response.set_cookie(
        cookie_name(request),
        session.secret,
        max_age=int(config.accounts.session_max_h * HOUR_S),
        path="/",
        secure=is_secure(request),
        httponly=True,
        samesite="strict",
    )
    return _out(session.caller)


def _needs_user(caller: Caller) -> None:
    if caller.kind != "user":
        raise ProblemError(409, "there is no session here; log in first", field="session", came=caller.kind)


def _out(caller: Caller) -> SessionOut:
    if caller.role is None:  # the gate lets nobody here without one
        raise AccountError("the caller has no role", field="role")
    return SessionOut(kind=caller.kind, name=caller.name, role=caller.role)
