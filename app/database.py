"""Statements: the scope that isolates users, transactions, and what an outage becomes.

PostgreSQL keeps users apart itself (row-level security): the user of the current scope travels in the same
message as each statement, so no session state exists that a pooler could hand to somebody else.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import psycopg2
from flask import Flask, current_app
from sqlalchemy import Connection, CursorResult, Engine, Executable, MetaData, Row, Table
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.sql import visitors

from app.engines import current_user, make_engine
from app.problems import DatabaseUnavailable
from app.settings import Settings

# No transaction lives longer, so that whoever reads changes by time knows how far to look back.
TRANSACTION_SECONDS = 20
STATEMENT_SECONDS = 5
STALE_SECONDS = 1
SILENCE_SECONDS = 1

Result = TypeVar("Result")

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

# Nobody's user id: PostgreSQL shows no owned row, but ends a statement in time all the same.
NOBODY = ""

_transaction: ContextVar["_Transaction | None"] = ContextVar("transaction", default=None)


@dataclass(frozen=True, slots=True)
class _Transaction:
    connection: Connection
    # Of time.monotonic().
    ends_at: float

    def require_time(self) -> None:
        if time.monotonic() > self.ends_at:
            raise DatabaseUnavailable("The transaction took too long and was undone. Try again.")


@dataclass(slots=True)
class _Silence:
    """A server that just kept a request waiting in vain is left alone for a second.

    Else all who queue behind that request would wait as long, one after the other.
    """

    # Of time.monotonic().
    until: float = 0.0


class UnscopedStatement(Exception):
    """A statement on an owned table was about to run outside a user's scope: a fault of this program."""


class Database:
    """What Flask-Migrate and the queries need: the metadata, and the engine of the current app."""

    metadata = metadata

    def init_app(self, app: Flask, settings: Settings) -> None:
        app.extensions["database"] = make_engine(settings)
        app.extensions["database_silence"] = _Silence()

    @property
    def engine(self) -> Engine:
        engine: Engine = current_app.extensions["database"]
        return engine

    @property
    def on_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"


db = Database()


@contextmanager
def scope(user_id: str) -> Iterator[None]:
    """Until its end, the database shows and takes the rows of this user only."""
    token = current_user.set(user_id)
    try:
        yield
    finally:
        current_user.reset(token)


def fetch_one(statement: Executable, parameters: Mapping[str, Any] | None = None) -> Row[Any] | None:
    """Run one statement; its only row, or None."""
    return _run(statement, parameters, CursorResult.one_or_none)


def fetch_all(statement: Executable, parameters: Mapping[str, Any] | None = None) -> Sequence[Row[Any]]:
    """Run one statement; its rows."""
    return _run(statement, parameters, CursorResult.all)


def execute(statement: Executable, parameters: Mapping[str, Any] | None = None) -> int:
    """Run one statement that returns no rows; how many it changed."""
    return _run(statement, parameters, lambda result: result.rowcount)


@contextmanager
def transaction() -> Iterator[None]:
    """Everything inside is one transaction, and part of the one around it, if there is one.

    The engine is in autocommit, so nothing else spans two statements.
    """
    if _transaction.get() is not None:
        yield
        return
    with _outages(), db.engine.connect() as connection, _begin(connection) as begun:
        here = _Transaction(begun, time.monotonic() + TRANSACTION_SECONDS)
        token = _transaction.set(here)
        try:
            yield
        finally:
            _transaction.reset(token)
        here.require_time()


def violation(error: IntegrityError) -> Literal["unique", "foreign_key", "other"]:
    """Which kind of constraint refused. By code, since a cluster does not tell its name."""
    code = getattr(error.orig, "pgcode", None) or getattr(error.orig, "sqlite_errorname", None)
    if code in ("23505", "SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY"):
        return "unique"
    if code in ("23503", "SQLITE_CONSTRAINT_FOREIGNKEY"):
        return "foreign_key"
    return "other"


def _run(
    statement: Executable, parameters: Mapping[str, Any] | None, read: Callable[[CursorResult[Any]], Result]
) -> Result:
    """Run one statement in the transaction under way, or alone."""
    if current_user.get() is None:
        if _names_owned_table(statement):
            raise UnscopedStatement("enter scope(user_id) before you touch what users own")
        with scope(NOBODY):
            return _run(statement, parameters, read)
    with _outages(writes=not statement.is_select):
        if (here := _transaction.get()) is not None:
            here.require_time()
            return read(here.connection.execute(statement, parameters))
        began_at = time.monotonic()
        try:
            return _run_alone(statement, parameters, read)
        except DBAPIError as error:
            # The server was restarted since the last request: another connection will do. Only a read can be repeated
            # without knowing what it did; and not after a long wait, or the answer would take twice as long.
            was_stale = error.connection_invalidated and time.monotonic() - began_at < STALE_SECONDS
            if not (was_stale and statement.is_select):
                raise
        return _run_alone(statement, parameters, read)


def _run_alone(
    statement: Executable, parameters: Mapping[str, Any] | None, read: Callable[[CursorResult[Any]], Result]
) -> Result:
    with db.engine.connect() as connection:
        return read(connection.execute(statement, parameters))


def _names_owned_table(statement: Executable) -> bool:
    parts = visitors.iterate(statement)  # type: ignore[arg-type]
    return any(isinstance(part, Table) and part.info == OWNED for part in parts)


@contextmanager
def _begin(connection: Connection) -> Iterator[Connection]:
    if connection.dialect.name == "sqlite":
        # IMMEDIATE: a read that turns into a write later would fail when somebody else wrote in between.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.exec_driver_sql("ROLLBACK")
            raise
        connection.exec_driver_sql("COMMIT")
    else:
        connection = connection.execution_options(isolation_level="READ COMMITTED")
        with connection.begin():
            connection.exec_driver_sql(
                f"SET LOCAL idle_in_transaction_session_timeout = '{TRANSACTION_SECONDS}s';"
                f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'"
            )
            yield connection


@contextmanager
def _outages(writes: bool = True) -> Iterator[None]:
    """Turn what is the database's fault, and passes, into a 503."""
    silence: _Silence = current_app.extensions["database_silence"]
    began_at = time.monotonic()
    # Readers of SQLite wait for nobody.
    if began_at < silence.until and (writes or not db.on_sqlite):
        raise DatabaseUnavailable
    try:
        yield
    except PoolTimeout as error:
        raise DatabaseUnavailable("All connections to the database are busy. Try again shortly.") from error
    except (DBAPIError, psycopg2.Error) as error:
        # SQLAlchemy does not wrap what fails while it changes a connection's isolation level.
        orig = error.orig if isinstance(error, DBAPIError) else error
        if not _is_outage(orig):
            raise
        current_app.logger.warning("database unavailable: %s", str(orig).strip())
        # Without a code the server did not say it. SQLite never has one: a writer waited for its lock in vain.
        said_nothing = getattr(orig, "pgcode", None) is None
        if said_nothing and time.monotonic() - began_at > SILENCE_SECONDS:
            silence.until = time.monotonic() + SILENCE_SECONDS
        raise DatabaseUnavailable from error


def _is_outage(error: BaseException | None) -> bool:
    if isinstance(error, sqlite3.Error):
        # Locked by another process, disk full, unreadable: all of them are operational.
        return isinstance(error, sqlite3.OperationalError) and _sqlite_passes(error)
    code = getattr(error, "pgcode", None)
    if code is None:
        return isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError)
    # Connection lost, out of resources, an operator's intervention, lock not available, read-only.
    return code[:2] in ("08", "53", "57") or code in ("55P03", "25006")


def _sqlite_passes(error: sqlite3.OperationalError) -> bool:
    name = error.sqlite_errorname.split("_")[1]
    return name in ("BUSY", "LOCKED", "FULL", "IOERR", "CANTOPEN", "READONLY")
