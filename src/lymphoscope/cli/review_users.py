"""`lymphoscope review users`: accounts of people."""

import sys
from typing import Annotated, Any

import typer

from lymphoscope.cli.options import DatabaseOption, review_database
from lymphoscope.errors import LymphoscopeError

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Add, list and change accounts.")

UserName = Annotated[str, typer.Argument(metavar="NAME", help="The name to log in with.", show_default=False)]
Roles = Annotated[
    list[str] | None,
    typer.Option(
        "--role", metavar="ROLE", help="reader, senior_reader or administrator; repeatable.", show_default=False
    ),
]
PasswordFromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input instead of asking for it.")
]


@app.command("add", short_help="Add an account.")
def add_command(
    name: UserName,
    role: Roles = None,
    display_name: Annotated[
        str, typer.Option("--display-name", metavar="TEXT", help="The name on signatures.", show_default=False)
    ] = "",
    no_password: Annotated[
        bool, typer.Option("--no-password", help="The OIDC provider identifies this person; there is no password.")
    ] = False,
    password_stdin: PasswordFromStdin = False,
    database: DatabaseOption = None,
) -> None:
    """Add an account; the password is asked for."""
    from lymphoscope.review.people import add_user, hash_password

    password_hash = None if no_password else hash_password(_password(password_stdin))
    with review_database(database, create=True) as opened, opened.write() as session:
        user = add_user(
            session,
            name,
            display_name=display_name or name,
            roles=role or ["reader"],
            password_hash=password_hash,
            by=None,
        )
        typer.echo(f"added {user.name}: {', '.join(user.roles)}")


@app.command("list", short_help="List accounts.")
def list_command(database: DatabaseOption = None) -> None:
    """List all accounts and their roles."""
    from sqlalchemy import select

    from lymphoscope.review.tables import User

    with review_database(database) as opened, opened.read() as session:
        for user in session.scalars(select(User).order_by(User.name)):
            state = "" if user.active else "  (may not log in)"
            typer.echo(f"{user.name:20} {user.display_name:30} {', '.join(user.roles)}{state}")


@app.command("change", short_help="Change roles, or whether somebody may log in.")
def change_command(
    name: UserName,
    role: Roles = None,
    active: Annotated[
        bool | None, typer.Option("--enable/--disable", help="Whether the person may log in.", show_default=False)
    ] = None,
    database: DatabaseOption = None,
) -> None:
    """Change an account; its sessions end."""
    from lymphoscope.review.people import change_user

    changes: dict[str, Any] = {}
    if role:
        changes["roles"] = role
    if active is not None:
        changes["active"] = active
    if not changes:
        raise LymphoscopeError("nothing to change: give --role, --enable or --disable")
    with review_database(database) as opened, opened.write() as session:
        change_user(session, name, changes, by=None)
    typer.echo(f"changed {name}")


@app.command("password", short_help="Set a new password.")
def password_command(
    name: UserName, password_stdin: PasswordFromStdin = False, database: DatabaseOption = None
) -> None:
    """Set a new password; the sessions of the person end."""
    from lymphoscope.review.people import change_user, hash_password

    password_hash = hash_password(_password(password_stdin))
    with review_database(database) as opened, opened.write() as session:
        change_user(session, name, {"password_hash": password_hash}, by=None)
    typer.echo(f"changed the password of {name}")


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    answer: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return answer
