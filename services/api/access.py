"""Who is let in: what the gate, the live feed and the login have in common.

credentials --identify--> Caller --Gate--> route --Who--> what it does under that name
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from starlette.requests import HTTPConnection

from services.accounts.accounts import Accounts
from services.accounts.limiter import Limiter, network_of
from services.accounts.model import AccountsFileError, Caller
from services.accounts.sessions import NOTED_NS, hash_secret
from services.api.problems import RETRY_AFTER_S, ProblemError

COOKIE = "lineside"
SECURE_COOKIE = "__Host-lineside"
"""Behind TLS: a browser takes a cookie of such a name only with Secure, for this host alone and for all its paths."""
CHECK_EVERY_S = 2.0
"""A live page is closed so soon after its session has ended."""
USER_BURST, USER_REFILL_S = 10, 60.0
"""A user's password may be guessed 10 times at once, and once a minute from then on."""
PLACE_BURST, PLACE_REFILL_S = 30, 20.0
"""From one address; a plant's people may share one behind its firewall."""
HASHERS = 2
"""Passwords hashed at the same time, 64 MiB each ..."""
MAX_WAITING = 32
"""... and waiting for it. More are turned away."""

T = TypeVar("T")
_log = logging.getLogger(__name__)


def address_of(connection: HTTPConnection) -> str:
    """Return where a request comes from; uvicorn has put in what a proxy that is believed says."""
    return connection.client.host if connection.client else ""


def is_secure(connection: HTTPConnection) -> bool:
    """Tell whether the browser speaks TLS, with this server or with its proxy."""
    return connection.scope["scheme"] in {"https", "wss"}


def cookie_name(connection: HTTPConnection) -> str:
    """Return under which name a session's id comes and goes."""
    return SECURE_COOKIE if is_secure(connection) else COOKIE


class Access:
    """The accounts as the web server uses them. Used in one event loop."""

    def __init__(self, accounts: Accounts, clock: Callable[[], int], *, open_without_users: bool) -> None:
        self.accounts = accounts
        self._clock, self._open_without_users = clock, open_without_users
        self._by_user = Limiter(USER_BURST, USER_REFILL_S)
        self._by_place = Limiter(PLACE_BURST, PLACE_REFILL_S)
        self._hashers = ThreadPoolExecutor(HASHERS, thread_name_prefix="password")
        self._waiting = 0

    def close(self) -> None:
        """Let go of the file and the threads."""
        self._hashers.shutdown(wait=False, cancel_futures=True)
        self.accounts.close()

    async def identify(self, connection: HTTPConnection) -> Caller | None:
        """Return who asks, or None when the credentials are missing, wrong or expired. Raises `AccountsFileError`.

        A token comes before a cookie. While there are no users and only this machine can ask, anyone is an engineer.
        """
        address = address_of(connection)
        scheme, _, token = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            caller = self.accounts.tokens.find(hash_secret(token.strip()), address)
        elif secret := connection.cookies.get(cookie_name(connection)):
            caller = self.accounts.sessions.find(hash_secret(secret), address)
        else:
            caller = None
        if caller is None and scheme.lower() != "bearer" and self.is_open:
            return Caller("anyone", "", "engineer", address)
        if caller is not None:
            await self._note_use(caller)
        return caller

    @property
    def is_open(self) -> bool:
        """Whether nobody needs to log in."""
        return self._open_without_users and not self.accounts.users.any

    async def until_ended(self, caller: Caller) -> None:
        """Return soon after the caller may no longer do what it does; a page that is open counts as use."""
        while True:
            await asyncio.sleep(CHECK_EVERY_S)
            try:
                now = self._again(caller)
                if now is None or now.role != caller.role:
                    return
                await self._note_use(now)
            except AccountsFileError as error:
                _log.error("live feed: closing a page: %s", error)
                return

    async def guess(self, user: str, address: str, call: Callable[[], T | None]) -> T | None:
        """Return what `call` returns, which checks a password, when there have not been too many wrong ones.

        `call` runs in a thread; None from it is a wrong guess. Raises `ProblemError`: 429 after too many, 503 when
        more than `MAX_WAITING` others wait.
        """
        keys = ((self._by_place, network_of(address)), (self._by_user, user.casefold()))
        taken: list[tuple[Limiter, str]] = []
        for limiter, key in keys:
            wait_s = limiter.take(key)
            if wait_s:
                for had, name in taken:
                    had.give_back(name)
                retry_after = str(int(wait_s) + 1)
                detail = f"too many logins have failed; try again in {retry_after} s"
                raise ProblemError(429, detail, headers={"Retry-After": retry_after})
            taken.append((limiter, key))
        result = await self.hashing(call)
        if result is not None:
            for limiter, key in taken:
                limiter.give_back(key)
        return result

    async def hashing(self, call: Callable[[], T]) -> T:
        """Return what `call` returns, which hashes a password: in a thread, and not too many at once.

        Raises `ProblemError` (503).
        """
        if self._waiting >= HASHERS + MAX_WAITING:
            detail = "too many logins are being checked; try again"
            raise ProblemError(503, detail, headers={"Retry-After": str(RETRY_AFTER_S)})
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._hashers, call)
        finally:
            self._waiting -= 1

    def _again(self, caller: Caller) -> Caller | None:
        if caller.kind == "anyone":
            return caller if self.is_open else None
        finder = self.accounts.tokens if caller.kind == "token" else self.accounts.sessions
        return finder.find(caller.key, caller.address)

    async def _note_use(self, caller: Caller) -> None:
        if caller.key and self._clock() - caller.used_ns >= NOTED_NS:
            noter = self.accounts.tokens if caller.kind == "token" else self.accounts.sessions
            await asyncio.to_thread(noter.note_use, caller)
