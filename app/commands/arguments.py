"""The users and passwords that commands are given. A password is never an argument."""

import sys
from collections.abc import Callable
from typing import Any, TextIO

import click
from marshmallow import ValidationError

from app.auth import queries
from app.auth.claims import read_user_id
from app.auth.identity import LOCAL_USER_PREFIX
from app.auth.problems import TokenClaim
from app.auth.schemas import Registration
from app.database.statements import Row
from app.services import services

# The prefix for an id that is also an account's address.
ID = "id:"

_fields: dict[str, Any] = Registration().fields


def require_utf8(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """Check an argument or option (click's callback): no database can store bytes that are not text."""
    try:
        (value or "").encode()
    except UnicodeEncodeError as error:
        raise click.BadParameter("It is not UTF-8.") from error
    return value


def validated(name: str) -> Callable[[click.Context, click.Parameter, str | None], Any]:
    """Return a click callback that checks a value like this field of a registration."""

    def check(context: click.Context, parameter: click.Parameter, value: str | None) -> Any:
        value = require_utf8(context, parameter, value)
        try:
            return value if value is None else _fields[name].deserialize(value)
        except ValidationError as error:
            raise click.BadParameter(_sentence(error)) from error

    return check


user_argument = click.argument("user", callback=require_utf8)


def require_user(user: str) -> Row:
    """Return the user with this id or e-mail address, or raise ClickException."""
    if found := find_user(user):
        return found
    raise click.ClickException(f"There is no user {user!r}.")


def find_user(user: str) -> Row | None:
    """Return the user with this id or e-mail address, or None."""
    by_id = queries.find_user(user) or queries.find_user(user.removeprefix(ID))
    account = queries.find_user_by_email(user) if "@" in user else None
    if by_id and account:
        raise click.ClickException(
            f"{user!r} matches two users: give {account.id} for the account, {ID}{user} for the other."
        )
    return by_id or account


def find_user_id(user: str, or_outside: bool = False) -> str:
    """Return the id of a user; a user known only to a front end has no row before the first write."""
    if not (or_outside and can_be_outside(user)) or find_user(user):
        return str(require_user(user).id)
    settings = services().settings
    if not (settings.better_auth_secrets or settings.auth_jwks_url or settings.mcp_oauth_issuer):
        raise click.ClickException(
            f"There is no user {user!r}: without BETTER_AUTH_SECRET or AUTH_JWKS_URL, only accounts are users."
        )
    return user.removeprefix(ID)


def can_be_outside(user: str) -> bool:
    """Return whether this can be the id of an outside issuer's user, rather than an account."""
    try:
        read_user_id({"sub": user}, "sub")
    except TokenClaim:
        return False
    may_be_address = services().settings.auth_user_id_claim != "sub"
    return (may_be_address or "@" not in user) and not user.startswith(LOCAL_USER_PREFIX)


def require_local_accounts() -> None:
    """Raise ClickException if LOCAL_AUTH is off, because a password could not be used."""
    if not services().settings.local_auth:
        raise click.ClickException("LOCAL_AUTH is off: nobody can sign in with a password here.")


def standard_input() -> TextIO:
    """Return standard input, or raise ClickException if the shell has closed it."""
    if sys.stdin is None:
        raise click.ClickException("Standard input is closed, but the command must read from it.")
    return sys.stdin


def read_password() -> str:
    """Read a new password: ask for it twice on a terminal, otherwise read the first line of standard input."""
    if standard_input().isatty():
        text = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        try:
            text = sys.stdin.buffer.readline().decode().rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise click.ClickException("The password is not UTF-8.") from error
        if not text:
            raise click.ClickException("No password was given: write it as one line to standard input.")
    try:
        return str(_fields["password"].deserialize(text))
    except ValidationError as error:
        raise click.ClickException(f"The password is not allowed: {_sentence(error)}") from error


def _sentence(error: ValidationError) -> str:
    return " ".join(map(str, error.messages))
