"""Statements and transactions: each on a connection of the pool, in the scope of one user."""

import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import psycopg2
from sqlalchemy import Executable
from sqlalchemy.pool import PoolProxiedConnection

from app.database.connections import MADE_AT
from app.database.engines import db
from app.database.outages import DRIVER_ERRORS, DatabaseState, outages
from app.database.scopes import NOBODY, STATEMENT_SECONDS, UnscopedStatement, current_user, names_owned_table, scope
from app.database.sqlite import SQLITE_BUSY_SECONDS
from app.database.statements import Compiled, Result, Row, compiled
from app.http.problems import DatabaseUnavailable

# No transaction lives longer, so that whoever reads changes by time knows how far to look back.
TRANSACTION_SECONDS = 20
STALE_SECONDS = 1
# A lock that does not come: two of them one after the other must still be answered within 5 s.
LOCK_SECONDS = 2

IntegrityError = (psycopg2.IntegrityError, sqlite3.IntegrityError)

# READ COMMITTED, whatever the server's default. IMMEDIATE: a read that turns into a write later would fail when
# somebody else wrote in between.
BEGIN = {
    "postgresql": (
        "BEGIN ISOLATION LEVEL READ COMMITTED;"
        f"SET LOCAL idle_in_transaction_session_timeout = '{TRANSACTION_SECONDS}s';"
        f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s';"
        f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"
    ),
    "sqlite": "BEGIN IMMEDIATE",
}
NOTHING: Mapping[str, Any] = MappingProxyType({})

# Rows that one statement ends for good: more would perhaps not be ended in time.
MAX_AT_ONCE = 5_000

_transaction: ContextVar["_Transaction | None"] = ContextVar("transaction", default=None)


@dataclass(frozen=True, slots=True)
class _Transaction:
    # The driver's.
    connection: Any
    # Of time.monotonic().
    ends_at: float

    def require_time(self) -> None:
        if time.monotonic() > self.ends_at:
            raise DatabaseUnavailable("The transaction took too long and was undone. Try again.")

    def commit(self) -> None:
        # PostgreSQL answers ROLLBACK, and no error, where a statement has failed before.
        if getattr(_command(self.connection, "COMMIT"), "statusmessage", "COMMIT") != "COMMIT":
            raise RuntimeError("a failed statement was passed over, and with it the transaction was undone")


def fetch_one(statement: Executable, parameters: Mapping[str, Any] = NOTHING) -> Row | None:
    """Run one statement; its only row, or None."""
    ready, (rows, _) = _run(statement, parameters)
    return ready.named(rows[0]) if rows else None


def fetch_all(statement: Executable, parameters: Mapping[str, Any] = NOTHING) -> list[Row]:
    """Run one statement; its rows."""
    ready, (rows, _) = _run(statement, parameters)
    return list(map(ready.named, rows))


def fetch_tuples(statement: Executable, parameters: Mapping[str, Any] = NOTHING) -> list[tuple[Any, ...]]:
    """Run one statement; its rows without names, for many of them take time to be given."""
    _, (rows, _) = _run(statement, parameters)
    return rows


def execute(statement: Executable, parameters: Mapping[str, Any] = NOTHING) -> int:
    """Run one statement that returns no rows; how many it changed."""
    _, (_, count) = _run(statement, parameters)
    return count


@contextmanager
def transaction() -> Iterator[None]:
    """Everything inside is one transaction, and part of the one around it, if there is one.

    The connections are in autocommit, so nothing else spans two statements.
    """
    if _transaction.get() is not None:
        yield
        return
    engine, trouble = db.engine_and_state()
    with outages(trouble), _PooledConnection(trouble) as connection:
        _command(connection, BEGIN[engine.dialect.name])
        here = _Transaction(connection, time.monotonic() + TRANSACTION_SECONDS)
        token = _transaction.set(here)
        try:
            yield
            here.require_time()
            here.commit()
        except BaseException:
            # Where the connection broke there is nothing left to roll back.
            with suppress(*DRIVER_ERRORS):
                _command(connection, "ROLLBACK")
            raise
        finally:
            _transaction.reset(token)


def violation(error: BaseException) -> Literal["unique", "foreign_key", "other"]:
    """Which kind of constraint refused. By code, since a cluster does not tell its name."""
    code = getattr(error, "pgcode", None) or getattr(error, "sqlite_errorname", None)
    if code in ("23505", "SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY"):
        return "unique"
    if code in ("23503", "SQLITE_CONSTRAINT_FOREIGNKEY"):
        return "foreign_key"
    return "other"


def _run(statement: Any, parameters: Mapping[str, Any]) -> tuple[Compiled, Result]:
    """Run one statement in the transaction under way, or alone."""
    if current_user.get() is None:
        if names_owned_table(statement):
            raise UnscopedStatement("enter scope(user_id) before you touch what users own")
        with scope(NOBODY):
            return _run(statement, parameters)
    engine, trouble = db.engine_and_state()
    is_read = statement.is_select
    ready = compiled(statement, engine.dialect, tuple(parameters) if statement.is_insert else None)
    with outages(trouble, writes=not is_read):
        if (here := _transaction.get()) is not None:
            here.require_time()
            return ready, ready.run(here.connection, parameters)
        began_at, lease = time.monotonic(), _PooledConnection(trouble, writes=not is_read)
        try:
            with lease as connection:
                return ready, ready.run_alone(connection, parameters)
        except psycopg2.Error:
            # The server was restarted since the last request: another connection will do. Only a read can be repeated
            # without knowing what it did; and not after a long wait, or the answer would take twice as long.
            if not (is_read and lease.is_broken and time.monotonic() - began_at < STALE_SECONDS):
                raise
        with _PooledConnection(trouble, writes=False) as connection:
            return ready, ready.run_alone(connection, parameters)


class _PooledConnection:
    """A driver's connection from the pool. Once one breaks, those made before it are given up."""

    is_broken = False

    def __init__(self, trouble: DatabaseState, writes: bool = True) -> None:
        self._trouble = trouble
        # Who waits for another writer holds no connection: those that read go on.
        self._turn = trouble.one_writer if writes else None

    def __enter__(self) -> Any:
        if self._turn is None:
            return self._connect()
        if not self._turn.acquire(timeout=SQLITE_BUSY_SECONDS):
            raise DatabaseUnavailable
        try:
            if time.monotonic() < self._trouble.writes_paused_until:
                # The one before has waited in vain for another process.
                raise DatabaseUnavailable
            return self._connect()
        except BaseException:
            self._turn.release()
            raise

    def _connect(self) -> Any:
        self._pooled = self._take()
        while self._pooled.info[MADE_AT] <= self._trouble.broken_at:
            self._pooled.invalidate()
            self._pooled = self._take()
        self._connection = self._pooled.driver_connection
        return self._connection

    def _take(self) -> PoolProxiedConnection:
        # At the very first one SQLAlchemy asks the server about itself: that is nobody's.
        with scope(None):
            return self._trouble.connections.take()

    def __exit__(self, *error: object) -> None:
        try:
            self._give_back()
        finally:
            if self._turn is not None:
                self._turn.release()

    def _give_back(self) -> None:
        self.is_broken = bool(getattr(self._connection, "closed", False))
        if self.is_broken:
            self._trouble.broken_at = time.monotonic()
            self._pooled.invalidate()
        else:
            self._trouble.connections.give_back(self._pooled)


def _command(connection: Any, text: str) -> Any:
    """Send what is nobody's: before BEGIN, nothing else may stand in its message."""
    with scope(None):
        cursor = connection.cursor()
        cursor.execute(text)
        return cursor
