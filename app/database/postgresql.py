"""The two engines: how each is reached, and what SQLite needs to behave like PostgreSQL."""

import functools
import math
import os
import re
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from urllib.parse import quote

import psycopg2.extensions
from sqlalchemy import Dialect, Engine, create_engine, event
from sqlalchemy.pool import ConnectionPoolEntry

from app import waiting
from app.connections import CHECK
from app.http.requests import current_request
from app.settings import Settings
from app.times import rfc3339
from app.turns import give_way

psycopg2.extensions.set_wait_callback(waiting.wait)

POOL_WAIT_SECONDS = 2
# Next to those for requests: for what is read in the background.
SPARE_CONNECTIONS = 1
CONNECT_SECONDS = 2
# For what was sent to be acknowledged by the other side's kernel.
UNACKNOWLEDGED_MILLISECONDS = 3_000
SQLITE_BUSY_SECONDS = 3.0
# How long a statement that finds SQLite's file locked sleeps before it tries again: a write takes about as long.
SQLITE_RETRY_SECONDS = 0.002
# On PostgreSQL it is set by as_user(), and for a transaction by its BEGIN.
STATEMENT_SECONDS = 5
# Steps of SQLite's virtual machine, about a millisecond, after which a statement looks at the clock.
SQLITE_STEPS = 2_000

# Where the pool keeps when a connection was made, of time.monotonic().
MADE_AT = "made_at"

# Whose rows the database shows; see database.scope().
current_user: ContextVar[str | None] = ContextVar("current_user", default=None)

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
        _OpenFile(os.path.abspath(str(url.database))).watch(engine)
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
    event.listen(engine, "do_connect", _connect)
    event.listen(engine, "connect", _prepare_postgresql)
    return engine


def _prepare_postgresql(connection: psycopg2.extensions.connection, record: ConnectionPoolEntry) -> None:
    """Read times as the text that the API answers with."""
    record.info[MADE_AT] = time.monotonic()
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

    def __init__(self, dsn: str, *arguments: Any, **options: Any) -> None:
        # See waiting.py; while it connects. Each statement sets its own.
        self.patience: float | None = float(psycopg2.extensions.parse_dsn(dsn).get("connect_timeout", CONNECT_SECONDS))
        super().__init__(dsn, *arguments, **options)
        self.prepared: set[str] = set()


def _connect(_dialect: object, _record: object, _arguments: object, parameters: dict[str, Any]) -> Any:
    """Try each host, and each address of its name, in turn: libpq's own time-out for each does not hold here."""
    failures = []
    for place in _places(parameters):
        try:
            return psycopg2.connect(**{**parameters, **place})
        except psycopg2.OperationalError as error:
            failures.append(error)
    raise failures[0]


def _places(parameters: dict[str, Any]) -> Iterator[dict[str, Any]]:
    hosts, ports = (str(parameters.get(name, "")).split(",") for name in ("host", "port"))
    for number, host in enumerate(hosts):
        port = ports[number] if len(ports) > 1 else ports[0]
        place = {name: value for name, value in (("host", host), ("port", port)) if value}
        if not host or host.startswith(("/", "@")) or "hostaddr" in parameters:
            # A socket's folder, or what libpq is told elsewhere.
            yield place
            continue
        try:
            addresses = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except OSError as error:
            raise psycopg2.OperationalError(f"the host {host} has no address: {error}") from error
        for address in addresses:
            yield {**place, "hostaddr": address[4][0]}


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
        self.connection.patience = None if _takes_its_time.get() else SILENCE_SECONDS
        super().execute(query, parameters)


class FileLost(sqlite3.OperationalError):
    """SQLite's file is not the one that was opened. The message, which clients may see, says what to do."""

    sqlite_errorcode = sqlite3.SQLITE_CANTOPEN


class _OpenFile:
    """SQLite writes on into a file that was deleted or replaced, and nobody would ever read that again.

    So each use of a connection looks at what is there by now: some 3 µs. Another file is not opened by a process that
    has had this one: where the old one's -wal was left beside it, SQLite would write what that holds over the new one.
    Only a migration makes a file where there is none.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._identity: tuple[int, int] | None = None

    def watch(self, engine: Engine) -> None:
        event.listen(engine, "do_connect", self._open)
        event.listen(engine, "checkout", self._compare)
        event.listen(engine, "connect", self._note)

    def _note(self, _connection: object, record: ConnectionPoolEntry) -> None:
        record.info[CHECK] = self._compare

    def _open(self, _dialect: Dialect, _record: ConnectionPoolEntry, arguments: list[Any], options: Any) -> None:
        makes = _takes_its_time.get() and not os.path.exists(self._path)
        if not makes:
            self._compare()
        mode = "rwc" if makes else "rw"
        arguments[0], options["uri"] = f"file:{quote(self._path)}?mode={mode}", True

    def _compare(self, *_: object) -> None:
        try:
            found = os.stat(self._path)
        except OSError as error:
            raise FileLost(
                "there is no file at DATABASE_URL: put it back, or run `flask db upgrade` for a new one"
            ) from error
        if self._identity not in (None, (found.st_dev, found.st_ino)):
            raise FileLost(
                "the file at DATABASE_URL was replaced: stop the service, see that nothing of the old one (-wal, -shm) "
                "is left beside the new one, and start it again"
            )
        self._identity = (found.st_dev, found.st_ino)


class _SqliteConnection(sqlite3.Connection):
    """A connection whose clock, like PostgreSQL's now(), stands still for the length of a statement."""

    statement_time = datetime.min.replace(tzinfo=UTC)
    # Of time.monotonic().
    statement_ends_at = 0.0

    def cursor(self, factory: Callable[..., sqlite3.Cursor] | None = None) -> sqlite3.Cursor:  # type: ignore[override]
        return super().cursor(factory or _SqliteCursor)

    def from_now(self, seconds: float = 0) -> str:
        return rfc3339(self.statement_time + timedelta(seconds=seconds))

    def is_over(self) -> bool:
        """Called every millisecond or so while a statement runs: whether it has taken too long."""
        # The others have connections of their own.
        give_way()
        return time.monotonic() > self.statement_ends_at


class _SqliteCursor(sqlite3.Cursor):
    connection: _SqliteConnection

    def execute(self, sql: str, parameters: Any = (), /) -> Self:
        connection = self.connection
        connection.statement_time = datetime.now(UTC)
        began_at = time.monotonic()
        connection.statement_ends_at = math.inf if _takes_its_time.get() else began_at + STATEMENT_SECONDS
        while True:
            try:
                return super().execute(sql, parameters)
            except sqlite3.OperationalError as error:
                # Not by SQLite's own busy_timeout, which would stop the other requests of this process as well.
                is_locked = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
                if not is_locked or time.monotonic() - began_at > SQLITE_BUSY_SECONDS:
                    raise
            time.sleep(SQLITE_RETRY_SECONDS)


def _prepare_sqlite(connection: _SqliteConnection, record: ConnectionPoolEntry) -> None:
    """Give SQLite what PostgreSQL has: durability, foreign keys, a clock, and letters beyond ASCII."""
    record.info[MADE_AT] = time.monotonic()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "busy_timeout=0",
    ):
        connection.execute(f"PRAGMA {pragma}").close()
    connection.set_progress_handler(connection.is_over, SQLITE_STEPS)
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
