"""The scope that isolates users, and how long its statements may take.

PostgreSQL keeps users apart itself (row-level security): the user of the current scope travels in the same message as
each statement, so no session state exists that a pooler could hand to somebody else.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import partial
from typing import TypeVar

from sqlalchemy import Executable, Table
from sqlalchemy.sql import visitors

from app.database.columns import OWNED

# Nobody's user id: PostgreSQL shows no owned row, but ends a statement in time all the same.
NOBODY = ""

# On SQLite, and in a transaction on PostgreSQL. Elsewhere it is as_user(), in migration 0004, that says the same.
STATEMENT_SECONDS = 5

# Whose rows the database shows.
current_user: ContextVar[str | None] = ContextVar("current_user", default=None)

takes_its_time: ContextVar[bool] = ContextVar("takes_its_time", default=False)

Piece = TypeVar("Piece")


class UnscopedStatement(Exception):
    """A statement on an owned table was about to run outside a user's scope: a fault of this program."""


class AnothersScope(Exception):
    """Somebody's scope was about to be entered inside another user's: a fault of this program."""


@contextmanager
def scope(user_id: str | None) -> Iterator[None]:
    """Until its end, the database shows and takes the rows of this user only; with None, nobody's.

    Whoever begins the work enters it: a view's decorator, or a command. What they call cannot become another user.
    """
    if user_id is not None and current_user.get() not in (None, user_id):
        raise AnothersScope("leave this user's scope before you enter another's")
    token = current_user.set(user_id)
    try:
        yield
    finally:
        current_user.reset(token)


def in_this_scope(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """Read on in the scope of now, for an answer that is streamed once its view has returned."""
    # Not `with scope()` around the pieces: a generator that waits would leave it open in whoever reads from it.
    return iter(partial(copy_context().run, next, pieces, None), None)


@contextmanager
def without_time_limits() -> Iterator[None]:
    """Nobody waits at the other end: a migration takes as long as the tables are large."""
    token = takes_its_time.set(True)
    try:
        yield
    finally:
        takes_its_time.reset(token)


def names_owned_table(statement: Executable) -> bool:
    parts = visitors.iterate(statement)  # type: ignore[arg-type]
    return any(isinstance(part, Table) and part.info == OWNED for part in parts)
