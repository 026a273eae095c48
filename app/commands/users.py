"""`flask users`: manage the service's users."""

import sys
import time
from typing import Any

import click
import orjson
from flask.cli import AppGroup

from app.auth import queries, sessions
from app.auth.identity import Identity
from app.auth.personal_tokens import DEFAULT_DAYS, MAX_DAYS
from app.auth.problems import EmailTaken, TokenRevoked
from app.auth.revoked import ended_by
from app.auth.tokens import SCOPES
from app.commands.arguments import (
    find_user,
    find_user_id,
    read_password,
    require_local_accounts,
    require_user,
    standard_input,
    user_argument,
    validated,
)
from app.commands.output import answer, as_json, failing_in_one_line, print_json, printable
from app.commands.tokens import lifetime, make_token
from app.database import scope
from app.database.statements import Row
from app.http.strict_json import on_one_line
from app.services import services
from app.settings import MAX_ACCESS_TOKEN_SECONDS
from app.tasks.summary import count_tasks

FIELDS = ("id", "email", "name", "created_at", "email_verified_at", "pending_email", "disabled_at")
# Short names of those that have longer ones.
SHOWN = {"email_verified_at": "verified", "pending_email": "pending"}
# The last columns may be wider than this.
LINE = "{id:<36}  {created_at:<20}  {state:<8}  {email:<30}  {name}"
HEADINGS = {"id": "ID", "created_at": "CREATED", "state": "STATE", "email": "E-MAIL", "name": "NAME"}

users = AppGroup("users", help="Manage accounts and users of front ends. USER is an id or an account's e-mail address.")


@users.command("create")
@click.argument("email", callback=validated("email"))
@click.option("--name", callback=validated("name"), help="The user's name.")
@as_json
@failing_in_one_line
def create_user(email: str, name: str | None, json: bool) -> None:
    """Create an account with the address EMAIL.

    The password is asked for, or read from standard input. Running it again with the same password (and name, if given)
    changes nothing and succeeds. Another password is an error: use `set-password` to change it.

    \b
    Examples:
      flask users create ann@example.com --name Ann
      flask users create ann@example.com < password.txt
    """
    require_local_accounts()
    password = read_password()
    created = True
    try:
        user = queries.add_account(email, services().passwords.hash(password), name)
    except EmailTaken as error:
        user, created = require_user(email), False
        if not services().passwords.verify(user.password_hash, password) or name not in (None, user.name):
            raise click.ClickException(
                f"{email} already has an account ({user.id}), with another password or name: "
                "see `flask users show` and `flask users set-password`."
            ) from error
    sentence = "Created {email}: {id}." if created else "{email} already exists with these values: {id}."
    made = {name: getattr(user, name) for name in FIELDS if name != "disabled_at"}
    answer({**made, "created": created}, sentence, json)


@users.command("list")
@click.option("--json", is_flag=True, help="Print one JSON object per line, for programs.")
@failing_in_one_line
def list_users(json: bool) -> None:
    """List all users, by id. Front ends' users are listed after their first write.

    \b
    Examples:
      flask users list
      flask users list --json | jq -r 'select(.disabled_at != null) | .id'
    """
    page = queries.list_users()
    if not json:
        click.echo(LINE.format(**HEADINGS))
    while page:
        click.echo("\n".join(map(_as_json if json else _as_line, page)))
        page = queries.list_users(page[-1].id)


@users.command("show")
@user_argument
@as_json
@failing_in_one_line
def show_user(user: str, json: bool) -> None:
    """Show a user: the state, the number of tasks, and the sessions.

    \b
    Example:
      flask users show ann@example.com
    """
    found = require_user(user)
    shown: dict[str, Any] = _fields(found)
    with scope(found.id):
        shown["tasks"] = count_tasks(found.id)
    shown["sessions"] = [row._asdict() for row in sessions.list_sessions(found.id)]
    if json:
        print_json(shown)
        return
    tasks = "{open} open, {completed} completed, {in_trash} in the trash".format(**shown["tasks"])
    said = {"disabled_at": found.disabled_at or "not disabled", "tasks": tasks}
    said |= {"email_verified_at": found.email_verified_at or "not verified"} if found.email else {}
    for name, value in {**_fields(found), **said}.items():
        click.echo(f"{SHOWN.get(name, name.removesuffix('_at')):<9} {printable(value or '-')}")
    click.echo(f"sessions  {len(shown['sessions'])}")
    for session in shown["sessions"]:
        click.echo("          {id}  began {created_at}, used {used_at}, ends {expires_at}".format(**session))


@users.command("disable")
@user_argument
@as_json
@failing_in_one_line
def disable_user(user: str, json: bool) -> None:
    """Reject a user's tokens, sessions and password until enabled again.

    It takes effect in every process of the service within one second. None of the user's data is deleted. A user of a
    front end is known here after the first write.

    \b
    Example:
      flask users disable ann@example.com
    """
    found = require_user(user)
    if not found.disabled_at:
        services().revocations.add(queries.disable_user(found.id))
    _say_switched(found, not found.disabled_at, "disabled", json)


@users.command("enable")
@user_argument
@as_json
@failing_in_one_line
def enable_user(user: str, json: bool) -> None:
    """Accept a disabled user's tokens, sessions and password again.

    \b
    Example:
      flask users enable ann@example.com
    """
    found = require_user(user)
    if found.disabled_at:
        services().revocations.add(queries.enable_user(found.id))
    _say_switched(found, bool(found.disabled_at), "enabled", json)


@users.command("verify")
@user_argument
@as_json
@failing_in_one_line
def verify_user(user: str, json: bool) -> None:
    """Take an account's address for verified, as if its owner had opened the link in a mail.

    \b
    Example:
      flask users verify ann@example.com
    """
    found = require_user(user)
    if found.email is None:
        raise click.ClickException(f"{found.id} signs in with another issuer and has no address here.")
    if not found.email_verified_at:
        queries.mark_verified(found.id)
    _say_switched(found, not found.email_verified_at, "verified", json)


@users.command("set-password")
@user_argument
@as_json
@failing_in_one_line
def set_password(user: str, json: bool) -> None:
    """Set a new password for an account, and end all its sessions and personal tokens.

    The password is asked for, or read from standard input.

    \b
    Examples:
      flask users set-password ann@example.com
      openssl rand -base64 18 | tee password.txt | flask users set-password ann@example.com
    """
    require_local_accounts()
    found = require_user(user)
    if found.email is None:
        raise click.ClickException(f"{found.id} signs in with another issuer and has no password here.")
    ended = queries.set_password(found.id, services().passwords.hash(read_password()))
    result = {"id": found.id, "email": found.email}
    for name, rows in zip(("ended_sessions", "ended_tokens"), ended, strict=True):
        services().revocations.add(rows)
        result[name] = sum(len(ended_by(row)) for row in rows)
    sentence = "Set the password of {email} and ended its sessions: {ended_sessions}, and personal tokens: "
    answer(result, sentence + "{ended_tokens}.", json)


@users.command("delete")
@user_argument
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@as_json
@failing_in_one_line
def delete_user(user: str, yes: bool, json: bool) -> None:
    """Permanently delete a user with all tasks, sessions and personal tokens.

    \b
    Examples:
      flask users delete ann@example.com
      flask users delete usr_0192f0c1a2b37c4d8e5f60718293a4b5 --yes
    """
    found = require_user(user)
    with scope(found.id):
        tasks = sum(count_tasks(found.id).values())
    if not (yes or _agreed(f"Permanently delete {_called(found)} with {tasks} tasks?")):
        raise click.ClickException("Nothing was deleted. In a script, give --yes.")
    services().revocations.add(queries.delete_user(Identity(found.id)))
    result = {"id": found.id, "email": found.email, "deleted": True, "tasks": tasks}
    answer({**result, "called": _called(found)} if not json else result, "Deleted {called} with {tasks} tasks.", json)


@users.command("token")
@user_argument
@click.option(
    "--seconds",
    type=click.IntRange(1, MAX_ACCESS_TOKEN_SECONDS),
    help="The token's lifetime; by default ACCESS_TOKEN_SECONDS.",
)
@click.option(
    "--personal", metavar="NAME", callback=validated("name"), help="Make a personal token with this name instead."
)
@click.option(
    "--scope", "scopes", multiple=True, type=click.Choice(SCOPES), help="What the personal token allows; repeatable."
)
@click.option(
    "--days", type=click.IntRange(1, MAX_DAYS), help=f"The personal token's lifetime; by default {DEFAULT_DAYS}."
)
@as_json
@failing_in_one_line
def print_token(
    user: str, seconds: int | None, personal: str | None, scopes: tuple[str, ...], days: int | None, json: bool
) -> None:
    """Print an access token for a user, or with --personal a personal token.

    For an account, it starts a session that the user can see and that ends with the token. For a user of a front end,
    the token is signed with BETTER_AUTH_SECRET. Such a user may be new to this service.

    \b
    Examples:
      flask users token ann@example.com
      curl -H "Authorization: Bearer $(flask users token ann@example.com)" http://127.0.0.1:8000/v1/tasks
      flask users token ann@example.com --personal "Backup script" --scope tasks:read --days 30
    """
    if bool(personal) != bool(scopes) or (days and not personal):
        raise click.UsageError("A personal token needs both --personal and --scope; --days is only for one.")
    if seconds and personal:
        raise click.UsageError("Give --days instead of --seconds for a personal token.")
    found = find_user(user)
    if found and found.disabled_at:
        raise click.ClickException(f"{_called(found)} is disabled: see `flask users enable`.")
    user_id = found.id if found else find_user_id(user, or_outside=True)
    called = printable(_called(found) if found else user_id)
    if personal:
        _print_personal_token(user_id, called, personal, scopes, days or DEFAULT_DAYS, json)
        return
    token, seconds = make_token(user_id, seconds)
    click.echo(
        f"This token gives access as {called} for {lifetime(seconds)}.",
        file=sys.stderr,
    )
    answer({"user_id": user_id, "access_token": token, "expires_in": seconds}, "{access_token}", json)


def _print_personal_token(user_id: str, called: str, name: str, scopes: tuple[str, ...], days: int, json: bool) -> None:
    given = [scope for scope in SCOPES if scope in scopes]
    try:
        row, token = queries.make_personal_token(Identity(user_id, issued_at=time.time()), name, given, days)
    except TokenRevoked as error:
        raise click.ClickException(f"Tokens of {user_id} are rejected now: see `flask users show`.") from error
    click.echo(f"This token gives access as {called} until {row.expires_at}: {', '.join(given)}.", file=sys.stderr)
    answer({**row._asdict(), "scopes": given, "user_id": user_id, "token": token.text}, "{token}", json)


def _agreed(question: str) -> bool:
    """Ask a question; return False if nobody can answer, as in a script."""
    standard_input()
    try:
        return click.confirm(question, err=True)
    except click.Abort:
        click.echo(err=True)
        return False


def _say_switched(user: Row, changed: bool, state: str, json: bool) -> None:
    told = {"verified": True} if state == "verified" else {"disabled": state == "disabled"}
    result = {"id": user.id, "email": user.email, **told, "changed": changed}
    sentence = f"{{called}} is {state}." if changed else f"{{called}} was already {state}."
    answer(result if json else {"called": _called(user)}, sentence, json)


def _called(user: Row) -> str:
    return f"{user.email} ({user.id})" if user.email else str(user.id)


def _fields(user: Row) -> dict[str, Any]:
    return {name: getattr(user, name) for name in FIELDS}


def _as_json(user: Row) -> str:
    return on_one_line(orjson.dumps(_fields(user)).decode())


def _as_line(user: Row) -> str:
    shown = {**_fields(user), "state": "disabled" if user.disabled_at else "enabled"}
    shown["created_at"] = f"{user.created_at[:19]}Z"
    return printable(LINE.format(**{name: shown[name] or "-" for name in HEADINGS}).rstrip())
