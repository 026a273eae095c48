"""`flask seed`: users and tasks to try the service with."""

import hashlib
import unicodedata
from collections.abc import Container
from datetime import datetime
from itertools import islice
from typing import Any

import click
from sqlalchemy import select

from app.auth import queries
from app.auth.identity import LOCAL_USER_PREFIX, Identity
from app.auth.problems import EmailTaken, TokenRevoked
from app.commands.output import as_json, failing_in_one_line, print_json, progress
from app.commands.samples import sample_lists, sample_tasks
from app.commands.tokens import curl, lifetime, make_token
from app.database import fetch_one, scope
from app.database.columns import now
from app.services import services
from app.tasks import lists
from app.tasks.bulk_queries import insert_tasks

# The number of tasks in one statement.
PAGE = 1_000

NAMES = (
    *("Ann Walker", "Bob Okafor", "Chloé Dubois", "Deniz Yılmaz", "Emma Novák", "Farid Haddad", "Grace Kim"),
    *("Hiro Tanaka", "Inés García", "Jürgen Weiß", "Kofi Mensah", "Lena Sørensen", "Mateo Rossi", "Noor de Vries"),
)

_clock = select(now().label("now"))


@click.command()
@click.option("--users", type=click.IntRange(1, 100_000), default=3, show_default=True, help="The number of users.")
@click.option(
    "--tasks", type=click.IntRange(0, 1_000_000), default=200, show_default=True, help="The number of tasks per user."
)
@click.option(
    "--seed", type=click.IntRange(0, 999_999), default=1, show_default=True, help="Another number gives other users."
)
@as_json
@failing_in_one_line
def seed(users: int, tasks: int, seed: int, json: bool) -> None:
    """Fill the database with users and realistic tasks, and print a call to try.

    The same --seed gives the same users and tasks, with times around today. Existing data stays unchanged, so running
    it twice adds nothing. The users have no password: `flask users set-password` gives them one.

    \b
    Examples:
      flask seed
      flask seed --users 10 --tasks 10000 --seed 2
    """
    added_users = added_tasks = 0
    moment = _database_time()
    ids = [_user_id(seed, number) for number in range(users)]
    with progress("Tasks", users * tasks) as tick:
        for number, user_id in enumerate(ids):
            is_new = _add_user(user_id, seed, number)
            added_users += is_new
            samples = sample_tasks(user_id, tasks, moment, _lists(user_id, is_new))
            while page := list(islice(samples, PAGE)):
                with scope(user_id):
                    added_tasks += len(insert_tasks(user_id, page))
                tick(len(page))
    counts = {"users": users, "added_users": added_users, "tasks": users * tasks, "added_tasks": added_tasks}
    _print(counts, ids[0], json)


def _print(counts: dict[str, int], user_id: str, json: bool) -> None:
    settings = services().settings
    result: dict[str, Any] = {**counts, "user_id": user_id, "access_token": None, "curl": None}
    if settings.auth_secrets or (settings.better_auth_secrets and not settings.local_auth):
        token, seconds = make_token(user_id)
        result |= {"access_token": token, "curl": curl(token)}
    if json:
        print_json(result)
        return
    click.echo("Added {added_users} of {users} users and {added_tasks} of {tasks} tasks.".format(**result))
    if result["curl"] is None and settings.local_auth:
        click.echo(f"There is no AUTH_SECRET yet. Start the service to make one, then run: flask users token {user_id}")
    elif result["curl"] is None:
        click.echo(f"Tokens are signed elsewhere (AUTH_JWKS_URL). The first user's id is {user_id}.")
    else:
        click.echo(f"Call the service as the first user, for {lifetime(seconds)}:\n  {result['curl']}")


def _database_time() -> datetime:
    row = fetch_one(_clock)
    assert row is not None
    return datetime.fromisoformat(row.now)


def _user_id(seed: int, number: int) -> str:
    """Return an account's id, or without local accounts the id of a front end's user."""
    prefix = LOCAL_USER_PREFIX if services().settings.local_auth else ""
    return prefix + hashlib.sha256(f"seed {seed} user {number}".encode()).hexdigest()[:32]


def _add_user(user_id: str, seed: int, number: int) -> bool:
    """Add the user unless it exists; return whether it was added."""
    if queries.find_user(user_id):
        return False
    if not user_id.startswith(LOCAL_USER_PREFIX):
        queries.add_outside_user(user_id)
        return True
    _require_new_id(user_id)
    name = NAMES[number % len(NAMES)]
    email = _email(name, seed, number)
    try:
        queries.add_account(email, None, name, user_id)
    except EmailTaken as error:
        raise click.ClickException(f"{email} belongs to another account: try another --seed.") from error
    return True


def _lists(user_id: str, is_new: bool) -> Container[str]:
    """Return the ids of a user's lists. A new user gets some; those that were deleted later stay deleted."""
    with scope(user_id):
        if is_new:
            lists.add_lists(user_id, sample_lists(user_id))
        return lists.names_of_lists(user_id)


def _require_new_id(user_id: str) -> None:
    try:
        services().revocations.refuse_revoked(Identity(user_id))
    except TokenRevoked as error:
        raise click.ClickException(
            f"{user_id} was deleted, and the id of an account is never used again: try another --seed."
        ) from error


def _email(name: str, seed: int, number: int) -> str:
    """Return a unique address in a domain that nobody can own (RFC 2606)."""
    letters = unicodedata.normalize("NFKD", name.lower().translate(str.maketrans("ıøß", "ios")))
    address = "".join(letter for letter in letters if letter.isascii()).replace(" ", ".")
    is_plain = seed == 1 and number < len(NAMES)
    return f"{address}@example.com" if is_plain else f"{address}.{seed}.{number}@example.com"
