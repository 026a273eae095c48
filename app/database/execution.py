"""Run statements and transactions, each on a pooled connection in the scope of one user."""

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, TypeVar

import psycopg2
from sqlalchemy import Executable

from app.database.engines import db
from app.database.outages import DRIVER_ERRORS, outages
from app.database.pooled import PooledConnection
from app.database.scopes import (
    NOBODY,
    STATEMENT_SECONDS,
    WORK,
    UnscopedStatement,
    current_user,
    names_owned_table,
    scope,
)
from app.database.statements import Compiled, Result, Row, compiled
from app.http.problems import DatabaseUnavailable

# Maximum length of a transaction, so that readers of changes know how far to look back in time.
TRANSACTION_SECONDS = 20
STALE_SECONDS = 1
# Maximum wait for a lock: two such waits in a row must still end within 5 s.
LOCK_SECONDS = 2

IntegrityError = (psycopg2.IntegrityError, sqlite3.IntegrityError)

# READ COMMITTED, whatever the server's default. IMMEDIATE, because a transaction that reads before it writes would
# fail if another one wrote in between. The DO block costs 3 µs: Citus sends the whole message of a bare SET, with its
# BEGIN, to each machine again.
BEGIN = {
    "postgresql": (
        "BEGIN ISOLATION LEVEL READ COMMITTED; DO $$ BEGIN"
        f" SET LOCAL idle_in_transaction_session_timeout = '{TRANSACTION_SECONDS}s';"
        f" SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s';"
        f" SET LOCAL lock_timeout = '{LOCK_SECONDS}s'; END $$"
    ),
    "sqlite": "BEGIN IMMEDIATE",
}
# How often a transaction starts again before the client has to.
ATTEMPTS = 20
NOTHING: Mapping[str, Any] = MappingProxyType({})

# Maximum rows that one statement deletes permanently: more might not finish in time.
MAX_AT_ONCE = 5_000

T = TypeVar("T")

_transaction: ContextVar["_Transaction | None"] = ContextVar("transaction", default=None)


@dataclass(frozen=True, slots=True)
class _Transaction:
    # The driver's connection.
    connection: Any
    # By time.monotonic().
    ends_at: float
    afterwards: list[Callable[[], None]] = field(default_factory=list)

    def require_time(self) -> None:
        if time.monotonic() > self.ends_at:
            raise DatabaseUnavailable(
                "The transaction took too long and was rolled back. Try again, or send less at once."
            )

    def commit(self) -> None:
        # After a failed statement, PostgreSQL's response to COMMIT is ROLLBACK, not an error.
        if getattr(_command(self.connection, "COMMIT"), "statusmessage", "COMMIT") != "COMMIT":
            raise RuntimeError("the error of a failed statement was ignored, so the transaction was rolled back")


def fetch_one(statement: Executable, parameters: Mapping[str, Any] = NOTHING) -> Row | None:
    """Run one statement and return its only row, or None."""
    ready, (rows, _) = _run(statement, parameters)
    return ready.named(rows[0]) if rows else None


def fetch_all(statement: Executable, parameters: Mapping[str, Any] = NOTHING) -> list[Row]:
    """Run one statement and return its rows."""
    ready, (rows, _) = _run(statement, parameters)
    return list(map(ready.named, rows))


def fetch_tuples(statement: Executable, parameters: Mapping[str, Any] = NOTHING) -> list[tuple[Any, ...]]:
    """Run one statement and return plain tuples: naming the columns of many rows is slow."""
    _, (rows, _) = _run(statement, parameters)
    return rows


def execute(statement: Executable, parameters: Mapping[str, Any] = NOTHING) -> int:
    """Run one statement that returns no rows, and return the number of rows it changed."""
    _, (_, count) = _run(statement, parameters)
    return count


@contextmanager
def driver_connection() -> Iterator[Any]:
    """Yield a driver's connection, for statements outside any user's scope."""
    engine, state = db.engine_and_state()
    with scope(None), outages(state), closing(engine.raw_connection()) as pooled:
        yield pooled.driver_connection


class Overtaken(Exception):
    """Another request has changed what this transaction had read before it could lock it. It has to start again."""


def in_transaction(work: Callable[[], T]) -> T:
    """Run `work` in one transaction, and again if it is overtaken: then another request has succeeded."""
    if _transaction.get() is not None:
        return work()
    for _ in range(ATTEMPTS):
        with suppress(Overtaken), transaction():
            return work()
    raise DatabaseUnavailable("Other requests change the same data all the time. Try again.")


@contextmanager
def transaction() -> Iterator[None]:
    """Run everything inside in one transaction, or in the transaction around it if there is one.

    The connections are in autocommit mode, so nothing else spans two statements.
    """
    if _transaction.get() is not None:
        yield
        return
    engine, state = db.engine_and_state()
    with outages(state), PooledConnection(state) as connection:
        _command(connection, BEGIN[engine.dialect.name])
        here = _Transaction(connection, time.monotonic() + TRANSACTION_SECONDS)
        token = _transaction.set(here)
        try:
            yield
            here.require_time()
            here.commit()
        except BaseException:
            # If the connection broke, there is nothing left to roll back.
            with suppress(*DRIVER_ERRORS):
                _command(connection, "ROLLBACK")
            raise
        finally:
            _transaction.reset(token)
    state.after_write(current_user.get() or NOBODY)
    for call in here.afterwards:
        call()


def after_commit(call: Callable[[], None]) -> None:
    """Call it as soon as the current transaction is committed; without one, now."""
    here = _transaction.get()
    here.afterwards.append(call) if here else call()


def violation(error: BaseException) -> Literal["unique", "foreign_key", "other"]:
    """Return the kind of constraint that was violated, by its code: a cluster does not report its name."""
    code = getattr(error, "pgcode", None) or getattr(error, "sqlite_errorname", None)
    if code in ("23505", "SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY"):
        return "unique"
    if code in ("23503", "SQLITE_CONSTRAINT_FOREIGNKEY"):
        return "foreign_key"
    return "other"


def _run(statement: Any, parameters: Mapping[str, Any]) -> tuple[Compiled, Result]:
    """Run one statement in the current transaction, or alone."""
    if (user_id := current_user.get()) is None:
        if names_owned_table(statement):
            raise UnscopedStatement("enter scope(user_id) before you access users' data")
        with scope(NOBODY):
            return _run(statement, parameters)
    engine, state = db.engine_and_state()
    if user_id != WORK:
        state.used_at = time.monotonic()
    is_read = statement.is_select
    ready = compiled(statement, engine.dialect.name, tuple(parameters) if statement.is_insert else None)
    with outages(state, writes=not is_read):
        if (here := _transaction.get()) is not None:
            here.require_time()
            return ready, ready.run(here.connection, parameters)
        began_at, lease = time.monotonic(), PooledConnection(state, writes=not is_read)
        try:
            with lease as connection:
                result = ready.run_alone(connection, parameters)
            if not is_read:
                state.after_write(user_id)
            return ready, result
        except psycopg2.Error:
            # The server may have restarted since the last request, so try another connection. Only a read is safe to
            # repeat, and only after a short wait: after a long one, the response would take twice as long.
            if not (is_read and lease.is_broken and time.monotonic() - began_at < STALE_SECONDS):
                raise
        with PooledConnection(state, writes=False) as connection:
            return ready, ready.run_alone(connection, parameters)


def _command(connection: Any, text: str) -> Any:
    """Send a command outside any user's scope: nothing may precede BEGIN in its message."""
    with scope(None):
        cursor = connection.cursor()
        cursor.execute(text)
        return cursor
