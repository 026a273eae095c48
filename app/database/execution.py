"""Statements: the scope that isolates users, and transactions.

PostgreSQL keeps users apart itself (row-level security): the user of the current scope travels in the same
message as each statement, so no session state exists that a pooler could hand to somebody else.
"""

import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from functools import partial
from threading import Lock
from types import MappingProxyType
from typing import Any, Literal, TypeVar

import psycopg2
from flask import Flask, current_app
from sqlalchemy import Engine, Executable, MetaData, Table
from sqlalchemy.pool import PoolProxiedConnection
from sqlalchemy.sql import visitors

from app.connections import Connections
from app.engines import MADE_AT, SQLITE_BUSY_SECONDS, STATEMENT_SECONDS, current_user, make_engine
from app.http.problems import DatabaseUnavailable
from app.outages import DRIVER_ERRORS, Trouble, outages
from app.settings import Settings
from app.statements import Compiled, Result, Row, compiled

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

# A table with this in its `info` holds what users write: it is read and written inside a scope only.
OWNED = {"owned_by_user": True}

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)

# Rows that one statement ends for good: more would perhaps not be ended in time.
MOST_AT_ONCE = 5_000

# Nobody's user id: PostgreSQL shows no owned row, but ends a statement in time all the same.
NOBODY = ""

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


class UnscopedStatement(Exception):
    """A statement on an owned table was about to run outside a user's scope: a fault of this program."""


class AnothersScope(Exception):
    """Somebody's scope was about to be entered inside another user's: a fault of this program."""


class Database:
    """What Flask-Migrate and the queries need: the metadata, and the engine of the current app."""

    metadata = metadata

    def init_app(self, app: Flask, settings: Settings) -> None:
        engine = app.extensions["database"] = make_engine(settings)
        # SQLite has one writer at a time.
        turn = Lock() if engine.dialect.name == "sqlite" else None
        app.extensions["database_trouble"] = Trouble(Connections(engine), turn)

    @property
    def engine(self) -> Engine:
        engine: Engine = current_app.extensions["database"]
        return engine

    def here(self) -> tuple[Engine, Trouble]:
        """What a statement needs of the current app."""
        extensions = current_app.extensions
        return extensions["database"], extensions["database_trouble"]

    @property
    def on_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"


db = Database()

Piece = TypeVar("Piece")


def in_this_scope(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """Read on in the scope of now, for an answer that is streamed once its view has returned."""
    # Not `with scope()` around the pieces: a generator that waits would leave it open in whoever reads from it.
    return iter(partial(copy_context().run, next, pieces, None), None)


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
    engine, trouble = db.here()
    with outages(trouble), _Lease(trouble) as connection:
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
        if _names_owned_table(statement):
            raise UnscopedStatement("enter scope(user_id) before you touch what users own")
        with scope(NOBODY):
            return _run(statement, parameters)
    engine, trouble = db.here()
    is_read = statement.is_select
    ready = compiled(statement, engine.dialect, tuple(parameters) if statement.is_insert else None)
    with outages(trouble, writes=not is_read):
        if (here := _transaction.get()) is not None:
            here.require_time()
            return ready, ready.run(here.connection, parameters)
        began_at, lease = time.monotonic(), _Lease(trouble, writes=not is_read)
        try:
            with lease as connection:
                return ready, ready.run_alone(connection, parameters)
        except psycopg2.Error:
            # The server was restarted since the last request: another connection will do. Only a read can be repeated
            # without knowing what it did; and not after a long wait, or the answer would take twice as long.
            if not (is_read and lease.is_broken and time.monotonic() - began_at < STALE_SECONDS):
                raise
        with _Lease(trouble, writes=False) as connection:
            return ready, ready.run_alone(connection, parameters)


class _Lease:
    """A driver's connection from the pool. Once one breaks, those made before it are given up."""

    is_broken = False

    def __init__(self, trouble: Trouble, writes: bool = True) -> None:
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


def _names_owned_table(statement: Executable) -> bool:
    parts = visitors.iterate(statement)  # type: ignore[arg-type]
    return any(isinstance(part, Table) and part.info == OWNED for part in parts)
