"""The two engines, the scope that isolates users, transactions, and what an outage becomes.

PostgreSQL keeps users apart itself (row-level security): the user of the current scope travels in the same
message as each statement, so no session state exists that a pooler could hand to somebody else.
"""

import functools
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Self, TypeVar

import psycopg2.extensions
from flask import Flask, current_app
from sqlalchemy import Connection, CursorResult, Engine, Executable, MetaData, Row, Table, create_engine, event
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.sql import visitors

from app.problems import DatabaseUnavailable
from app.settings import Settings

POOL_WAIT_SECONDS = 3
SQLITE_BUSY_MILLISECONDS = 3_000
TRANSACTION_IDLE_SECONDS = 20

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

_scope: ContextVar[str | None] = ContextVar("scope", default=None)
_transaction: ContextVar[Connection | None] = ContextVar("transaction", default=None)


class UnscopedStatement(Exception):
    """A statement on an owned table was about to run outside a user's scope: a fault of this program."""


class Database:
    """What Flask-Migrate and the queries need: the metadata, and the engine of the current app."""

    metadata = metadata

    def init_app(self, app: Flask, settings: Settings) -> None:
        app.extensions["database"] = _create_engine(settings)

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
    token = _scope.set(user_id)
    try:
        yield
    finally:
        _scope.reset(token)


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
        token = _transaction.set(begun)
        try:
            yield
        finally:
            _transaction.reset(token)


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
    if _scope.get() is None and _names_owned_table(statement):
        raise UnscopedStatement("enter scope(user_id) before you touch what users own")
    with _outages():
        if (connection := _transaction.get()) is not None:
            return read(connection.execute(statement, parameters))
        try:
            return _run_alone(statement, parameters, read)
        except DBAPIError as error:
            # The server was restarted since the last request. Only a read can be repeated without knowing what it did.
            if not (error.connection_invalidated and statement.is_select):
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
            connection.exec_driver_sql(f"SET LOCAL idle_in_transaction_session_timeout = '{TRANSACTION_IDLE_SECONDS}s'")
            yield connection


@contextmanager
def _outages() -> Iterator[None]:
    """Turn what is the database's fault, and passes, into a 503."""
    try:
        yield
    except PoolTimeout as error:
        raise DatabaseUnavailable("All connections to the database are busy. Try again shortly.") from error
    except DBAPIError as error:
        if _is_outage(error):
            current_app.logger.warning("database unavailable: %s", str(error.orig).strip())
            raise DatabaseUnavailable from error
        raise


def _is_outage(error: DBAPIError) -> bool:
    if isinstance(error.orig, sqlite3.Error):
        # Locked by another process, disk full, unreadable: all of them are operational.
        return isinstance(error.orig, sqlite3.OperationalError) and _sqlite_passes(error.orig)
    code = getattr(error.orig, "pgcode", None)
    if code is None:
        return isinstance(error, OperationalError | InterfaceError)
    # Connection lost, out of resources, an operator's intervention, lock not available, read-only.
    return code[:2] in ("08", "53", "57") or code in ("55P03", "25006")


def _sqlite_passes(error: sqlite3.OperationalError) -> bool:
    name = error.sqlite_errorname.split("_")[1]
    return name in ("BUSY", "LOCKED", "FULL", "IOERR", "CANTOPEN", "READONLY")


def _create_engine(settings: Settings) -> Engine:
    common: dict[str, Any] = {
        "isolation_level": "AUTOCOMMIT",
        # A failing statement must not put its users' data into the log.
        "hide_parameters": True,
        "pool_size": settings.threads,
        "max_overflow": 1,
        "pool_timeout": POOL_WAIT_SECONDS,
    }
    url = settings.database_url
    if url.drivername == "sqlite":
        engine = create_engine(url, connect_args={"factory": _SqliteConnection}, **common)
        event.listen(engine, "connect", _prepare_sqlite)
        return engine
    # With keepalives and a connect time-out alone, a vanished server held a request for over 35 s.
    limits = {"connect_timeout": 2, "tcp_user_timeout": 3_000, "keepalives_idle": 5, "application_name": "tasks"}
    arguments = {name: value for name, value in limits.items() if name not in url.query}
    return create_engine(
        url, use_native_hstore=False, connect_args=arguments | {"cursor_factory": _ScopedCursor}, **common
    )


class _ScopedCursor(psycopg2.extensions.cursor):
    """Sends the scope's user in the same message as each statement, as a setting of that transaction alone.

    The user comes from the scope and from nowhere else, so a query that names a wrong user finds no row.
    `executemany` is left alone: without the prefix, row-level security refuses everything.
    """

    def execute(self, query: Any, parameters: Any = None) -> None:
        user_id = _scope.get()
        if user_id is None:
            super().execute(query, parameters)
        else:
            # A new dictionary, for SQLAlchemy keeps the one it passed.
            super().execute("SELECT as_user(%(app_user)s); " + query, {**(parameters or {}), "app_user": user_id})


class _SqliteConnection(sqlite3.Connection):
    """A connection whose clock, like PostgreSQL's now(), stands still for the length of a statement."""

    statement_time = datetime.min.replace(tzinfo=UTC)

    def cursor(self, factory: Callable[..., sqlite3.Cursor] | None = None) -> sqlite3.Cursor:  # type: ignore[override]
        return super().cursor(factory or _SqliteCursor)

    def from_now(self, seconds: float = 0) -> str:
        return rfc3339(self.statement_time + timedelta(seconds=seconds))


class _SqliteCursor(sqlite3.Cursor):
    connection: _SqliteConnection

    def execute(self, sql: str, parameters: Any = (), /) -> Self:
        self.connection.statement_time = datetime.now(UTC)
        return super().execute(sql, parameters)


def _prepare_sqlite(connection: _SqliteConnection, _record: object) -> None:
    """Give SQLite what PostgreSQL has: durability, foreign keys, a clock, and letters beyond ASCII."""
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={SQLITE_BUSY_MILLISECONDS}",
    ):
        connection.execute(f"PRAGMA {pragma}").close()
    connection.create_function("now", 0, connection.from_now)
    connection.create_function("from_now", 1, connection.from_now)
    connection.create_function("fold", 1, _on_text(lambda text: text.lower().replace("ς", "σ")), deterministic=True)
    connection.create_function("strpos", 2, _on_text(lambda text, part: text.find(part) + 1), deterministic=True)


def _on_text(function: Callable[..., Any]) -> Callable[..., Any]:
    """SQL's rule: NULL in, NULL out."""

    @functools.wraps(function)
    def wrapper(*arguments: str | None) -> Any:
        return None if None in arguments else function(*arguments)

    return wrapper


def rfc3339(moment: datetime) -> str:
    """An aware time as the API writes it: UTC, `Z`, always six digits of microseconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
