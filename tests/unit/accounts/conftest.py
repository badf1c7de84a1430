"""A file of accounts with three users, made once and copied: hashing takes its time, as it should."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from services.accounts import passwords
from services.accounts.accounts import FILE, Accounts
from services.accounts.model import Caller
from services.config import AccountSettings, Config

SHELL = Caller("shell", "root", None, "")
PASSWORD = "orange kettle violin seven"
S = 10**9
HOUR = 3600 * S
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class Clock:
    """The time, set by hand."""

    def __init__(self) -> None:
        self.now_ns = 1_800_000_000 * S

    def __call__(self) -> int:
        return self.now_ns


@pytest.fixture(scope="module")
def quick_hashes() -> Iterator[None]:
    """Hash with the least that argon2 takes, where it is not the hash that is tested."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_HASHER", QUICK)
        passwords._decoy.cache_clear()
        yield
    passwords._decoy.cache_clear()


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """anna is administrator, emil engineer, vera viewer; all have `PASSWORD`."""
    folder = tmp_path_factory.mktemp("accounts")
    accounts = Accounts(Config(accounts=AccountSettings(folder=str(folder))), Clock())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_HASHER", QUICK)
        for name, role in (("Anna", "administrator"), ("emil", "engineer"), ("vera", "viewer")):
            accounts.users.add(SHELL, name, role, PASSWORD)
    accounts.close()
    return folder / FILE


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_accounts(tmp_path: Path, template: Path, clock: Clock) -> Callable[[], Accounts]:
    """Open the accounts of one file; more than one stands for server and command line."""
    folder = tmp_path / "accounts"
    folder.mkdir(mode=0o700)
    shutil.copy(template, folder / FILE)
    settings = AccountSettings(folder=str(folder), session_idle_h=2, session_max_h=10)
    return lambda: Accounts(Config(accounts=settings), clock)


@pytest.fixture
def accounts(make_accounts: Callable[[], Accounts]) -> Accounts:
    return make_accounts()
