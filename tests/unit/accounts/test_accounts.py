"""Users, sessions, tokens and the audit log in one file that server and command line have open at the same time."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from services.accounts import passwords
from services.accounts.accounts import Accounts
from services.accounts.database import SCHEMA
from services.accounts.model import AccountError, AccountsFileError, Caller, Deed, NoAccountError, clean_name
from services.accounts.sessions import MAX_SESSIONS, hash_secret
from services.accounts.tokens import PREFIX
from services.config import AccountSettings, Config
from tests.unit.accounts.conftest import HOUR, PASSWORD, SHELL, Clock

pytestmark = pytest.mark.usefixtures("quick_hashes")
Make = Callable[[], Accounts]
OTHER = "another lamp beside rivers"


def deeds(accounts: Accounts, **more: object) -> list[Deed]:
    chosen = {"since_ns": None, "until_ns": None, "name": "", "action": "", "before": None, "limit": 100} | more
    return list(accounts.audit.page(**chosen))  # type: ignore[arg-type]  # the keywords are given by name


def test_without_a_file_there_is_nobody_and_nothing_is_made(tmp_path: Path) -> None:
    accounts = Accounts(Config(data_dir=str(tmp_path / "data")))
    assert not accounts.users.any
    assert not accounts.users.has_administrator
    assert accounts.users.list() == []
    assert accounts.users.verify("anna", PASSWORD) is None
    assert accounts.sessions.find(hash_secret("x"), "") is None
    assert accounts.tokens.find(hash_secret("x"), "") is None
    accounts.audit.record(SHELL, "a", "b", "c")
    assert not (tmp_path / "data").exists()


def test_the_file_is_its_owners_alone_and_holds_no_secret(accounts: Accounts) -> None:
    assert accounts.users.any  # the file stays open, as a server has it
    session = accounts.sessions.begin("anna", "192.0.2.1")
    _, token = accounts.tokens.add(SHELL, "lab", "engineer", None)
    files = list(accounts.path.parent.iterdir())
    assert len(files) >= 2  # the write-ahead log too
    for file in files:
        assert file.stat().st_mode & 0o077 == 0, file
        content = file.read_bytes()
        for secret in (PASSWORD, session.secret, token, token.removeprefix(PREFIX)):
            assert secret.encode() not in content


def test_a_first_change_makes_folder_and_file_for_the_owner_alone(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        accounts = Accounts(Config(data_dir=str(tmp_path / "data")))
        accounts.tokens.add(SHELL, "lab", "viewer", None)
    finally:
        os.umask(old)
    assert accounts.path == tmp_path / "data/accounts/accounts.sqlite"
    assert accounts.path.parent.stat().st_mode & 0o777 == 0o700
    assert accounts.path.stat().st_mode & 0o777 == 0o600


def test_a_copy_that_others_could_read_is_closed_to_them(make_accounts: Make) -> None:
    accounts = make_accounts()
    accounts.path.chmod(0o644)
    assert accounts.users.any
    assert accounts.path.stat().st_mode & 0o777 == 0o600


def test_names_are_found_as_people_type_them(accounts: Accounts) -> None:
    assert accounts.users.verify("anna", PASSWORD) == "Anna"
    assert accounts.users.verify("ANNA", PASSWORD) == "Anna"
    assert accounts.users.verify("\uff21nna", PASSWORD) == "Anna"  # full width, as an input method gives it
    assert accounts.users.verify("anna", OTHER) is None
    assert accounts.users.verify("nobody", PASSWORD) is None
    with pytest.raises(AccountError, match="there is a user 'aNNa' already"):
        accounts.users.add(SHELL, "aNNa", "viewer", PASSWORD)


@pytest.mark.parametrize("name", ["", " anna", "anna ", "a/b", "a\nb", "a\u200bb", "a\u202eb", "x" * 65, "a\0", "<b>"])
def test_names_that_could_deceive_are_refused(name: str) -> None:
    with pytest.raises(AccountError, match="expected 1 to 64 letters"):
        clean_name(name)


@pytest.mark.parametrize("name", ["anna", "王芳", "O.Müller-Lüdenscheidt", "a b", "कमल", "lab@plant+1"])
def test_names_of_every_script_are_taken(name: str) -> None:
    assert clean_name(name) == name


def test_a_session_is_who_it_was_begun_for(accounts: Accounts) -> None:
    session = accounts.sessions.begin("emil", "192.0.2.1")
    caller = accounts.sessions.find(hash_secret(session.secret), "192.0.2.9")
    assert caller is not None
    assert (caller.kind, caller.name, caller.role, caller.address) == ("user", "emil", "engineer", "192.0.2.9")
    assert accounts.sessions.find(hash_secret(session.secret[:-1]), "") is None
    accounts.sessions.end(caller)
    assert accounts.sessions.find(caller.key, "") is None


def test_a_session_ends_when_it_is_not_used_and_in_any_case_some_time(accounts: Accounts, clock: Clock) -> None:
    key = accounts.sessions.begin("emil", "").caller.key

    def alive() -> bool:
        caller = accounts.sessions.find(key, "")
        if caller is not None:
            accounts.sessions.note_use(caller)
        return caller is not None

    clock.now_ns += 2 * HOUR - 1
    assert alive()
    clock.now_ns += 2 * HOUR - 1
    assert alive()
    clock.now_ns += 2 * HOUR
    assert not alive()
    key = accounts.sessions.begin("emil", "").caller.key
    for _ in range(9):
        clock.now_ns += HOUR
        assert alive()
    clock.now_ns += HOUR
    assert not alive()


Change = Callable[[Accounts], None]


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a.users.set_role(SHELL, "EMIL", "viewer"),
        lambda a: a.users.set_password(SHELL, "emil", OTHER),
        lambda a: a.users.remove(SHELL, "emil"),
    ],
)
def test_what_changes_a_user_ends_the_sessions_at_once_in_the_other_process_too(
    make_accounts: Make, change: Change
) -> None:
    server, shell = make_accounts(), make_accounts()
    keys = [server.sessions.begin("emil", "").caller.key for _ in range(3)]
    kept = server.sessions.begin("vera", "").caller.key
    assert all(server.sessions.find(key, "") for key in keys)
    change(shell)
    assert not any(server.sessions.find(key, "") for key in keys)
    assert server.sessions.find(kept, "") is not None


def test_a_role_that_does_not_change_ends_nothing(accounts: Accounts) -> None:
    key = accounts.sessions.begin("emil", "").caller.key
    accounts.users.set_role(SHELL, "emil", "engineer")
    assert accounts.sessions.find(key, "") is not None
    assert deeds(accounts, action="user role") == []


def test_a_login_replaces_the_session_that_the_browser_had(accounts: Accounts) -> None:
    first = accounts.sessions.begin("emil", "")
    second = accounts.sessions.begin("emil", "", instead_of=first.caller.key)
    assert first.secret != second.secret
    assert accounts.sessions.find(first.caller.key, "") is None
    assert accounts.sessions.find(second.caller.key, "") is not None


def test_sessions_of_one_user_are_bounded_and_the_idlest_goes(accounts: Accounts, clock: Clock) -> None:
    keys = []
    for _ in range(MAX_SESSIONS + 3):
        clock.now_ns += 1
        keys.append(accounts.sessions.begin("emil", "").caller.key)
    assert [accounts.sessions.find(key, "") is not None for key in keys] == [False] * 3 + [True] * MAX_SESSIONS
    assert next(user for user in accounts.users.list() if user.name == "emil").sessions == MAX_SESSIONS


def test_nobody_can_take_the_last_administrator_away(accounts: Accounts) -> None:
    for change in (
        lambda: accounts.users.remove(SHELL, "anna"),
        lambda: accounts.users.set_role(SHELL, "anna", "engineer"),
    ):
        with pytest.raises(AccountError, match="last administrator"):
            change()
    assert accounts.users.has_administrator
    accounts.users.set_role(SHELL, "emil", "administrator")
    accounts.users.remove(SHELL, "anna")
    assert [user.name for user in accounts.users.list()] == ["emil", "vera"]


def test_who_is_not_there_is_said(accounts: Accounts) -> None:
    with pytest.raises(NoAccountError, match="no user 'otto'"):
        accounts.users.remove(SHELL, "otto")
    with pytest.raises(NoAccountError, match="no user"):
        accounts.sessions.begin("otto", "")
    with pytest.raises(NoAccountError, match="no token 'otto'"):
        accounts.tokens.remove(SHELL, "otto")


def test_a_token_opens_until_it_ends_or_is_removed(make_accounts: Make, clock: Clock) -> None:
    server, shell = make_accounts(), make_accounts()
    token, secret = shell.tokens.add(SHELL, "lab", "engineer", 5 * HOUR)
    assert len(secret.removeprefix(PREFIX)) == 43  # 32 random bytes
    found = server.tokens.find(hash_secret(secret), "192.0.2.3")
    assert found is not None
    assert (found.kind, found.name, found.role) == ("token", "lab", "engineer")
    assert token.expires_ns == clock.now_ns + 5 * HOUR
    clock.now_ns += 5 * HOUR - 1
    server.tokens.note_use(found)
    assert shell.tokens.list()[0].used_ns == clock.now_ns
    clock.now_ns += 1
    assert server.tokens.find(hash_secret(secret), "") is None
    _, lasting = shell.tokens.add(SHELL, "for ever", "viewer", None)
    clock.now_ns += 10**4 * HOUR
    assert server.tokens.find(hash_secret(lasting), "") is not None
    shell.tokens.remove(SHELL, "FOR EVER")
    assert server.tokens.find(hash_secret(lasting), "") is None
    with pytest.raises(AccountError, match="already"):
        shell.tokens.add(SHELL, "LAB", "viewer", None)


def test_a_password_hashed_the_old_way_is_hashed_anew_at_login(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "_HASHER", PasswordHasher())
    assert accounts.users.verify("emil", OTHER) is None
    query = "SELECT password FROM users WHERE key = 'emil'"
    assert accounts._database.read(query)[0][0].startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert accounts.users.verify("emil", PASSWORD) == "emil"
    assert accounts._database.read(query)[0][0].startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert accounts.users.verify("emil", PASSWORD) == "emil"


def test_every_change_has_its_line_with_who_when_from_where(accounts: Accounts, clock: Clock) -> None:
    anna = Caller("user", "Anna", "administrator", "192.0.2.1")
    clock.now_ns += 1
    accounts.users.add(anna, "otto", "viewer", OTHER)
    accounts.users.set_role(anna, "otto", "engineer")
    accounts.users.set_password(anna, "otto", OTHER + "!")
    accounts.users.remove(anna, "otto")
    accounts.tokens.add(anna, "lab", "viewer", None)
    accounts.tokens.remove(anna, "lab")
    session = accounts.sessions.begin("emil", "192.0.2.2")
    accounts.sessions.end(session.caller)
    found = deeds(accounts, since_ns=clock.now_ns)[::-1]
    assert [(deed.action, deed.subject) for deed in found] == [
        ("user add", "otto as viewer"),
        ("user role", "otto from viewer to engineer"),
        ("user password", "otto"),
        ("user remove", "otto"),
        ("token add", "lab as viewer"),
        ("token remove", "lab"),
        ("login", ""),
        ("logout", ""),
    ]
    first, last = found[0], found[-1]
    assert (first.kind, first.name, first.role, first.address) == ("user", "Anna", "administrator", "192.0.2.1")
    assert (last.kind, last.name, last.address, last.outcome) == ("user", "emil", "192.0.2.2", "done")
    assert first.time_ns == clock.now_ns
    assert [deed.id for deed in deeds(accounts, name="emil", limit=1)] == [last.id]
    assert [deed.action for deed in deeds(accounts, before=last.id, limit=1)] == ["login"]


def test_a_change_that_fails_leaves_neither_itself_nor_a_line(accounts: Accounts) -> None:
    before = deeds(accounts)
    with pytest.raises(AccountError):
        accounts.users.remove(SHELL, "anna")
    assert deeds(accounts) == before


@pytest.mark.parametrize("statement", ["DELETE FROM audit", "UPDATE audit SET name = 'x'"])
def test_lines_of_the_audit_log_cannot_be_changed_by_any_statement(accounts: Accounts, statement: str) -> None:
    with pytest.raises(AccountsFileError, match="only added to"), accounts._database.write() as connection:
        connection.execute(statement)
    assert len(deeds(accounts)) == 3


def test_changes_at_the_same_time_wait_for_each_other(make_accounts: Make) -> None:
    def add(k: int) -> None:
        for n in range(10):
            make_accounts().tokens.add(SHELL, f"token {k} {n}", "viewer", None)

    threads = [threading.Thread(target=add, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    accounts = make_accounts()
    assert len(accounts.tokens.list()) == 40
    assert len(deeds(accounts, action="token add")) == 40


def test_a_reader_sees_what_other_processes_write_after_a_change_of_its_own(accounts: Accounts) -> None:
    """Whoever opens and closes the file beside SQLite loses its locks, and then reads the past for ever."""
    script = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("DELETE FROM tokens")
connection.close()
"""
    for _ in range(3):
        assert accounts.tokens.list() == []
        accounts.tokens.add(SHELL, "lab", "viewer", None)
        assert len(accounts.tokens.list()) == 1
        subprocess.run([sys.executable, "-c", script, accounts.path], check=True)
        assert accounts.tokens.list() == []


def test_a_file_that_another_takes_the_place_of_counts_at_once(accounts: Accounts, template: Path) -> None:
    _, secret = accounts.tokens.add(SHELL, "lab", "viewer", None)
    assert accounts.tokens.find(hash_secret(secret), "")
    fresh = accounts.path.with_suffix(".restored")
    fresh.write_bytes(template.read_bytes())
    for rest in accounts.path.parent.glob("accounts.sqlite-*"):
        rest.unlink()
    fresh.replace(accounts.path)
    assert accounts.tokens.find(hash_secret(secret), "") is None
    accounts.path.unlink()
    assert not accounts.users.any


def test_a_file_of_a_newer_lineside_and_a_broken_one_are_refused_by_name(accounts: Accounts, tmp_path: Path) -> None:
    with sqlite3.connect(accounts.path) as connection:
        connection.execute(f"PRAGMA user_version = {len(SCHEMA) + 1}")
    connection.close()
    with pytest.raises(AccountsFileError, match=r"schema version 2; this Lineside knows up to 1"):
        _ = accounts.users.any
    with pytest.raises(AccountsFileError, match="schema version"):
        accounts.tokens.add(SHELL, "x", "viewer", None)
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "accounts.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(AccountsFileError, match=r"broken/accounts\.sqlite cannot be used"):
        _ = Accounts(Config(accounts=AccountSettings(folder=str(folder)))).users.any
