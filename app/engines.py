"""The two engines: how each is reached, and what SQLite needs to behave like PostgreSQL."""

import functools
import math
import os
import re
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import psycopg2.extensions
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.pool import ConnectionPoolEntry

from app.settings import Settings
from app.watchdog import Watchdog

POOL_WAIT_SECONDS = 2
# Beside one connection for each thread: for what is read in the background.
SPARE_CONNECTIONS = 1
CONNECT_SECONDS = 2
# For what was sent to be acknowledged by the other side's kernel.
UNACKNOWLEDGED_MILLISECONDS = 3_000
SQLITE_BUSY_MILLISECONDS = 3_000
# On PostgreSQL it is set by as_user(), and for a transaction by its BEGIN.
STATEMENT_SECONDS = 5
# Steps of SQLite's virtual machine, some milliseconds, after which it looks at the clock.
SQLITE_STEPS = 10_000

# Where the pool keeps when a connection was made, of time.monotonic().
MADE_AT = "made_at"

# Whose rows the database shows; see database.scope().
current_user: ContextVar[str | None] = ContextVar("current_user", default=None)

# The id of the request that statements are sent for.
current_request: ContextVar[str | None] = ContextVar("current_request", default=None)

_takes_its_time: ContextVar[bool] = ContextVar("takes_its_time", default=False)

# What could end a comment or its quotes, or means something to the driver.
_NOT_FOR_A_COMMENT = re.compile(r"[^!-~]|[%'*\\]")

# PostgreSQL's number for the type.
UUID = 2950

WHOLE_TIMESTAMP = len("2026-03-14 09:26:53.589793")

# Longer than the server's own statement_timeout, which is the gentler end.
SILENCE_SECONDS = 7


@contextmanager
def without_time_limits() -> Iterator[None]:
    """Nobody waits at the other end: a migration takes as long as the tables are large."""
    token = _takes_its_time.set(True)
    try:
        yield
    finally:
        _takes_its_time.reset(token)


def _shut_down(connection: psycopg2.extensions.connection) -> None:
    """Let the waiting thread's read fail; it closes the connection itself."""
    # It may be closed in this very moment.
    with suppress(OSError, psycopg2.InterfaceError):
        # A duplicate, since a socket object closes its descriptor.
        duplicate = socket.socket(fileno=os.dup(connection.fileno()))
        with duplicate:
            duplicate.shutdown(socket.SHUT_RDWR)


watchdog = Watchdog("database watchdog", SILENCE_SECONDS, _shut_down)


def make_engine(settings: Settings) -> Engine:
    common: dict[str, Any] = {
        "isolation_level": "AUTOCOMMIT",
        # A failing statement must not put its users' data into the log.
        "hide_parameters": True,
        # All are kept: the spare one, opened anew each time, would come and go twice a second.
        "pool_size": settings.threads + SPARE_CONNECTIONS,
        "max_overflow": 0,
        "pool_timeout": POOL_WAIT_SECONDS,
        # Nothing is left to be undone: a transaction that fails undoes itself.
        "pool_reset_on_return": None,
    }
    url = settings.database_url
    if url.drivername == "sqlite":
        engine = create_engine(url, connect_args={"factory": _SqliteConnection}, **common)
        event.listen(engine, "connect", _prepare_sqlite)
        return engine
    # With keepalives and a connect time-out alone, a vanished server held a request for over 35 s.
    limits = {
        "connect_timeout": CONNECT_SECONDS,
        "tcp_user_timeout": UNACKNOWLEDGED_MILLISECONDS,
        "keepalives_idle": 5,
        "application_name": "tasks",
    }
    arguments = {name: value for name, value in limits.items() if name not in url.query}
    arguments |= {"connection_factory": _PostgresqlConnection, "cursor_factory": _ScopedCursor}
    engine = create_engine(url, use_native_hstore=False, connect_args=arguments, **common)
    event.listen(engine, "connect", _prepare_postgresql)
    return engine


def _prepare_postgresql(connection: psycopg2.extensions.connection, record: ConnectionPoolEntry) -> None:
    """Read times as the text that the API answers with."""
    record.info[MADE_AT] = time.monotonic()
    watchdog.start()
    psycopg2.extensions.register_type(_TIMESTAMP, connection)
    # What nobody has registered is the text that the server sent, made without a call of Python.
    connection.string_types.pop(UUID, None)


def _read_timestamp(text: str | None, _cursor: object) -> str | None:
    """PostgreSQL's `2026-03-14 09:26:53.5` as `2026-03-14T09:26:53.500000Z`."""
    if text is None:
        return None
    if len(text) < WHOLE_TIMESTAMP:
        # PostgreSQL leaves out the last zeros.
        text = (text if "." in text else text + ".").ljust(WHOLE_TIMESTAMP, "0")
    return text.replace(" ", "T") + "Z"


# Without a time zone, as _in_utc() in columns.py makes them.
_TIMESTAMP = psycopg2.extensions.new_type((1114,), "TIMESTAMP", _read_timestamp)


class _PostgresqlConnection(psycopg2.extensions.connection):
    """A connection that knows which statements its server's session has prepared."""

    # Of all connections of this process: whether a pooler gives each transaction another session.
    has_own_session = True

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.prepared: set[str] = set()


class _ScopedCursor(psycopg2.extensions.cursor):
    """Sends the scope's user in the same message as each statement, as a setting of that transaction alone.

    The user comes from the scope and from nowhere else, so a query that names a wrong user finds no row.
    `executemany` is left alone: without the prefix, row-level security refuses everything.
    The request's id stands before it, so that the server's log and pg_stat_activity lead back to the request.
    """

    def execute(self, query: Any, parameters: Any = None) -> None:
        user_id = current_user.get()
        if user_id is not None:
            query = "SELECT as_user(%(app_user)s); " + query
            # A new dictionary, for SQLAlchemy keeps the one it passed.
            parameters = {**(parameters or {}), "app_user": user_id}
        request_id = current_request.get()
        if request_id is not None:
            # In front, for pg_stat_activity shows the first kilobyte; and outside of what is prepared.
            query = f"/* request_id='{_NOT_FOR_A_COMMENT.sub('_', request_id)}' */ {query}"
        if _takes_its_time.get():
            super().execute(query, parameters)
            return
        watchdog.begin(self.connection)
        try:
            super().execute(query, parameters)
        finally:
            watchdog.end(self.connection)


class _SqliteConnection(sqlite3.Connection):
    """A connection whose clock, like PostgreSQL's now(), stands still for the length of a statement."""

    statement_time = datetime.min.replace(tzinfo=UTC)
    # Of time.monotonic().
    statement_ends_at = 0.0

    def cursor(self, factory: Callable[..., sqlite3.Cursor] | None = None) -> sqlite3.Cursor:  # type: ignore[override]
        return super().cursor(factory or _SqliteCursor)

    def from_now(self, seconds: float = 0) -> str:
        return rfc3339(self.statement_time + timedelta(seconds=seconds))


class _SqliteCursor(sqlite3.Cursor):
    connection: _SqliteConnection

    def execute(self, sql: str, parameters: Any = (), /) -> Self:
        self.connection.statement_time = datetime.now(UTC)
        seconds = math.inf if _takes_its_time.get() else STATEMENT_SECONDS
        self.connection.statement_ends_at = time.monotonic() + seconds
        return super().execute(sql, parameters)


def _prepare_sqlite(connection: _SqliteConnection, record: ConnectionPoolEntry) -> None:
    """Give SQLite what PostgreSQL has: durability, foreign keys, a clock, and letters beyond ASCII."""
    record.info[MADE_AT] = time.monotonic()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={SQLITE_BUSY_MILLISECONDS}",
    ):
        connection.execute(f"PRAGMA {pragma}").close()
    connection.set_progress_handler(lambda: time.monotonic() > connection.statement_ends_at, SQLITE_STEPS)
    connection.create_function("now", 0, connection.from_now)
    connection.create_function("from_now", 1, connection.from_now)
    connection.create_function("fold", 1, _on_text(fold), deterministic=True)
    connection.create_function("strpos", 2, _on_text(lambda text, part: text.find(part) + 1), deterministic=True)


def fold(text: str) -> str:
    """Text for comparing without case; the two small sigmas of Greek are one letter. See columns.folded."""
    return text.lower().replace("ς", "σ")


def _on_text(function: Callable[..., Any]) -> Callable[..., Any]:
    """SQL's rule: NULL in, NULL out."""

    @functools.wraps(function)
    def wrapper(*arguments: str | None) -> Any:
        return None if None in arguments else function(*arguments)

    return wrapper


def rfc3339(moment: datetime) -> str:
    """An aware time as the API writes it: UTC, `Z`, always six digits of microseconds."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"
