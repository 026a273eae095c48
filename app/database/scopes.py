"""The scope that isolates users, and the time limit of its statements.

PostgreSQL itself isolates users (row-level security). Each statement's message contains the current scope's user. So
there is no session state that a pooler could give to another user.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import partial
from typing import TypeVar

from sqlalchemy import Executable, Table
from sqlalchemy.sql import visitors

from app.database.columns import OWNED

# The id of no user: PostgreSQL shows no owned row, but still ends a statement in time.
NOBODY = ""
# The scope of `flask purge`: PostgreSQL shows only rows that their users can no longer reach, to be deleted (revision
# 0011). PostgreSQL has no such text, so it cannot be a user's id.
PURGE = "\0"
# The scope in which a worker looks for messages to send: PostgreSQL shows the whole outbox, to be read, and nothing
# else (revision 0017).
WORK = "\0work"
# The owner of messages that belong to no user. No user's id is blank.
SERVICE = " "

# For SQLite, and for transactions on PostgreSQL. For other statements as_user() in migration 0004 sets the same.
STATEMENT_SECONDS = 5

# The user whose rows the database shows.
current_user: ContextVar[str | None] = ContextVar("current_user", default=None)

takes_its_time: ContextVar[bool] = ContextVar("takes_its_time", default=False)

Piece = TypeVar("Piece")


class UnscopedStatement(Exception):
    """A statement on an owned table was about to run outside a user's scope: a bug in this program."""


class AnothersScope(Exception):
    """A user's scope was about to be entered inside another user's: a bug in this program."""


@contextmanager
def scope(user_id: str | None) -> Iterator[None]:
    """Limit the database to this user's rows until the block ends; with None, to no user's.

    A view's decorator or a command enters it, and the code that they call cannot become another user.
    """
    if user_id is not None and current_user.get() not in (None, user_id):
        raise AnothersScope("leave this user's scope before you enter another's")
    token = current_user.set(user_id)
    try:
        yield
    finally:
        current_user.reset(token)


def in_this_scope(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """Yield the pieces in the current scope, for a response that is streamed after its view has returned."""
    # Not `with scope()` around the pieces: a paused generator would leave the scope open in its reader.
    return iter(partial(copy_context().run, next, pieces, None), None)


@contextmanager
def without_time_limits() -> Iterator[None]:
    """Lift the time limits: a migration may take as long as it needs."""
    token = takes_its_time.set(True)
    try:
        yield
    finally:
        takes_its_time.reset(token)


def names_owned_table(statement: Executable) -> bool:
    parts = visitors.iterate(statement)  # type: ignore[arg-type]
    return any(isinstance(part, Table) and part.info == OWNED for part in parts)
