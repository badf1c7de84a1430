"""`lineside user` and `lineside token`, as people and scripts use them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from services.accounts.accounts import Accounts
from services.cli import app
from services.config import Config
from services.errors import OperatorError
from tests.unit.accounts.conftest import PASSWORD, quick_hashes  # noqa: F401 - a fixture

pytestmark = pytest.mark.usefixtures("quick_hashes")
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def run(*arguments: str, given: str = "") -> Result:
        return CliRunner().invoke(app, [*arguments, "--data", str(tmp_path)], input=given)

    return run


def test_a_user_is_added_listed_changed_and_removed(run: Run, tmp_path: Path) -> None:
    assert "makes the first one" in run("user", "list").output
    assert list(tmp_path.iterdir()) == []
    added = run("user", "add", "王芳", "--role", "administrator", "--json", given=f"{PASSWORD}\r\n")
    assert (added.exit_code, json.loads(added.stdout)) == (0, {"name": "王芳", "role": "administrator"})
    assert run("user", "add", "otto", "--role", "viewer", given=PASSWORD).stdout == "otto may log in as viewer\n"
    assert run("user", "role", "OTTO", "engineer").exit_code == 0
    assert run("user", "password", "otto", given=PASSWORD[::-1]).exit_code == 0
    accounts = Accounts(Config(data_dir=str(tmp_path)))
    assert accounts.users.verify("otto", PASSWORD[::-1]) == "otto"
    listed = json.loads(run("user", "list", "--json").stdout)
    assert [(user["name"], user["role"], user["last_login"]) for user in listed] == [
        ("otto", "engineer", None),
        ("王芳", "administrator", None),
    ]
    assert "administrator" in run("user", "list").stdout
    assert run("user", "remove", "otto").stdout == "otto is removed\n"
    lines = accounts.audit.page(since_ns=None, until_ns=None, name="", action="", before=None, limit=9)
    assert [line.action for line in lines] == ["user remove", "user password", "user role", "user add", "user add"]
    assert {line.kind for line in lines} == {"shell"}
    assert all(line.name for line in lines)


@pytest.mark.parametrize(
    ("arguments", "given", "said"),
    [
        (["user", "add", "ANNA", "--role", "viewer"], PASSWORD, "there is a user 'ANNA' already"),
        (["user", "add", "otto", "--role", "viewer"], "short", "the password has 5 characters; expected 15"),
        (["user", "add", "otto", "--role", "viewer"], "", "the password has 0 characters"),
        (["user", "add", "a/b", "--role", "viewer"], PASSWORD, "name is 'a/b'; expected 1 to 64 letters"),
        (["user", "remove", "anna"], "", "this is the last administrator"),
        (["user", "role", "anna", "viewer"], "", "this is the last administrator"),
        (["user", "password", "otto"], PASSWORD, "there is no user 'otto'"),
        (["token", "remove", "lab"], "", "there is no token 'lab'"),
    ],
)
def test_what_cannot_be_is_one_line(run: Run, arguments: list[str], given: str, said: str) -> None:
    run("user", "add", "anna", "--role", "administrator", given=PASSWORD)
    done = run(*arguments, given=given)
    assert isinstance(done.exception, OperatorError)  # which `main` prints in one line, with status 1
    assert said in str(done.exception)


@pytest.mark.parametrize(
    "arguments",
    [
        ["user", "add", "otto"],
        ["user", "add", "otto", "--role", "boss"],
        ["user", "add", "otto", "--role", "viewer", "--password", PASSWORD],
        ["user", "role", "otto", "boss"],
        ["token", "add", "lab", "--role", "viewer", "--days", "0"],
    ],
)
def test_bad_usage_is_status_2(run: Run, arguments: list[str]) -> None:
    assert run(*arguments, given=PASSWORD).exit_code == 2


def test_a_token_is_printed_once_and_alone(run: Run) -> None:
    plain = run("token", "add", "wall", "--role", "viewer")
    assert plain.stdout.startswith("lineside_")
    assert len(plain.stdout.split()) == 1  # so that it can be written into a file
    assert "shown this once" in plain.stderr
    made = json.loads(run("token", "add", "lab", "--role", "engineer", "--days", "30", "--json").stdout)
    assert (made["name"], made["role"]) == ("lab", "engineer")
    assert made["expires"]
    listed = run("token", "list").stdout
    assert "lab" in listed
    assert made["token"] not in listed
    rows = json.loads(run("token", "list", "--json").stdout)
    assert [(row["name"], row["expires"] is None) for row in rows] == [("lab", False), ("wall", True)]
    assert run("token", "remove", "lab").exit_code == 0
    assert "no tokens" not in run("token", "list").stdout
