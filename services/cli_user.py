"""`lineside user` and `lineside token`: who may do what. They work while the server runs, and hold at once."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from services.accounts.accounts import Accounts
from services.accounts.model import Caller, Role
from services.cli_options import ConfigOption, JsonOption, read_config
from services.times import rfc3339

users = typer.Typer(name="user", help="Who may use the page and the API, and as what.", no_args_is_help=True)
tokens = typer.Typer(name="token", help="Keys of machines for the API.", no_args_is_help=True)
DAY_NS = 86_400 * 10**9

DataOption = Annotated[
    Path | None, typer.Option(help="The server's data folder, instead of the settings'.", show_default=False)
]
NameArgument = Annotated[str, typer.Argument(help="The name, as it is typed at the login.", show_default=False)]
RoleOption = Annotated[
    Role,
    typer.Option(
        help="viewer reads; engineer also acknowledges, inspects, and changes references and models; administrator "
        "also sees to users and tokens.",
        show_default=False,
    ),
]


@contextmanager
def _accounts(config: Path | None, data: Path | None) -> Iterator[tuple[Accounts, Caller]]:
    """Give the accounts, and who changes them: whoever has this command line."""
    accounts = Accounts(read_config(config, data))
    try:
        yield accounts, Caller("shell", getpass.getuser(), None, "")
    finally:
        accounts.close()


@users.command("add")
def add_user(
    name: NameArgument,
    role: RoleOption,
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a user. The password is asked for, or read from standard input: never an argument, which others could see."""
    with _accounts(config, data) as (accounts, by):
        user = accounts.users.add(by, name, role, read_password())
        _say({"name": user.name, "role": user.role}, f"{user.name} may log in as {user.role}", as_json=as_json)


@users.command("list")
def list_users(config: ConfigOption = None, data: DataOption = None, as_json: JsonOption = False) -> None:
    """List users with role and last login."""
    with _accounts(config, data) as (accounts, _):
        rows = [
            {
                "name": user.name,
                "role": user.role,
                "created": rfc3339(user.created_ns),
                "last_login": _moment(user.login_ns),
                "sessions": user.sessions,
            }
            for user in accounts.users.list()
        ]
    _table(rows, "no users yet; lineside user add NAME --role administrator makes the first one", as_json=as_json)


@users.command("role")
def change_role(
    name: NameArgument,
    role: Annotated[Role, typer.Argument(help="The new role.", show_default=False)],
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a user another role. Open sessions end at once."""
    with _accounts(config, data) as (accounts, by):
        accounts.users.set_role(by, name, role)
    _say({"name": name, "role": role}, f"{name} is {role} now", as_json=as_json)


@users.command("password")
def change_password(
    name: NameArgument, config: ConfigOption = None, data: DataOption = None, as_json: JsonOption = False
) -> None:
    """Give a user another password, asked for or read from standard input. Open sessions end at once."""
    with _accounts(config, data) as (accounts, by):
        accounts.users.set_password(by, name, read_password())
    _say({"name": name}, f"{name} has a new password", as_json=as_json)


@users.command("remove")
def remove_user(
    name: NameArgument, config: ConfigOption = None, data: DataOption = None, as_json: JsonOption = False
) -> None:
    """Remove a user. Open sessions end at once."""
    with _accounts(config, data) as (accounts, by):
        accounts.users.remove(by, name)
    _say({"name": name}, f"{name} is removed", as_json=as_json)


@tokens.command("add")
def add_token(
    name: Annotated[str, typer.Argument(help="What it is for; its orders go on record under this name.")],
    role: RoleOption,
    days: Annotated[
        int | None, typer.Option(min=1, max=3650, help="How long it lasts; without it for ever.", show_default=False)
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a token and print it, this once. Machines send it as `Authorization: Bearer`."""
    with _accounts(config, data) as (accounts, by):
        token, secret = accounts.tokens.add(by, name, role, None if days is None else days * DAY_NS)
    row = {"name": token.name, "role": token.role, "expires": _moment(token.expires_ns), "token": secret}
    if not as_json:
        until = f" until {row['expires']}" if row["expires"] else ""
        Console(stderr=True, soft_wrap=True).print(
            f"{token.name} may ask as {token.role}{until}. The token is shown this once:", highlight=False, markup=False
        )
    _say(row, secret, as_json=as_json)


@tokens.command("list")
def list_tokens(config: ConfigOption = None, data: DataOption = None, as_json: JsonOption = False) -> None:
    """List tokens with role, expiry and last use; what they are cannot be read back."""
    with _accounts(config, data) as (accounts, _):
        rows = [
            {
                "name": token.name,
                "role": token.role,
                "created": rfc3339(token.created_ns),
                "expires": _moment(token.expires_ns),
                "last_used": _moment(token.used_ns),
            }
            for token in accounts.tokens.list()
        ]
    _table(rows, "no tokens; lineside token add NAME --role engineer makes one", as_json=as_json)


@tokens.command("remove")
def remove_token(
    name: Annotated[str, typer.Argument(help="Its name.")],
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove a token; it opens nothing from this moment."""
    with _accounts(config, data) as (accounts, by):
        accounts.tokens.remove(by, name)
    _say({"name": name}, f"token {name} is removed", as_json=as_json)


def read_password() -> str:
    """Return a password: typed twice without being shown, or the first line of standard input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password: str = typer.prompt("Password", hide_input=True, confirmation_prompt="Once more", err=True)
    return password


def _moment(time_ns: int | None) -> str | None:
    return None if time_ns is None else rfc3339(time_ns)


def _say(row: dict[str, Any], text: str, *, as_json: bool) -> None:
    print(json.dumps(row, ensure_ascii=False) if as_json else text)  # noqa: T201 - this is the answer


def _table(rows: list[dict[str, Any]], none: str, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(rows, ensure_ascii=False))  # noqa: T201 - for machines
        return
    if not rows:
        print(none)  # noqa: T201 - this is the answer
        return
    table = Table(box=None, pad_edge=False)
    for name in rows[0]:
        table.add_column(name.replace("_", " "))
    for row in rows:
        table.add_row(*("–" if value is None else str(value) for value in row.values()))
    Console(soft_wrap=True, markup=False, highlight=False).print(table)
