"""SQLite: what it needs to behave like PostgreSQL, and to share its one file."""

import functools
import math
import os
import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from urllib.parse import quote

from sqlalchemy import Dialect, Engine, event
from sqlalchemy.pool import ConnectionPoolEntry

from app.database.columns import fold
from app.database.connections import CHECK, MADE_AT
from app.database.scopes import STATEMENT_SECONDS, takes_its_time
from app.times import rfc3339
from app.turns import give_way

SQLITE_BUSY_SECONDS = 3.0
# How long a statement that finds SQLite's file locked sleeps before it tries again: a write takes about as long.
SQLITE_RETRY_SECONDS = 0.002
# Steps of SQLite's virtual machine, about a millisecond, after which a statement looks at the clock.
SQLITE_STEPS = 2_000


def connect_arguments() -> dict[str, Any]:
    """What the driver is told."""
    return {"factory": _Connection}


def watch(engine: Engine) -> None:
    event.listen(engine, "connect", _prepare)
    _OpenFile(os.path.abspath(str(engine.url.database))).watch(engine)


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
        makes = takes_its_time.get() and not os.path.exists(self._path)
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


class _Connection(sqlite3.Connection):
    """A connection whose clock, like PostgreSQL's now(), stands still for the length of a statement."""

    statement_time = datetime.min.replace(tzinfo=UTC)
    # Of time.monotonic().
    statement_ends_at = 0.0

    def cursor(self, factory: Callable[..., sqlite3.Cursor] | None = None) -> sqlite3.Cursor:  # type: ignore[override]
        return super().cursor(factory or _Cursor)

    def from_now(self, seconds: float = 0) -> str:
        return rfc3339(self.statement_time + timedelta(seconds=seconds))

    def is_over(self) -> bool:
        """Called every millisecond or so while a statement runs: whether it has taken too long."""
        # The others have connections of their own.
        give_way()
        return time.monotonic() > self.statement_ends_at


class _Cursor(sqlite3.Cursor):
    connection: _Connection

    def execute(self, sql: str, parameters: Any = (), /) -> Self:
        connection = self.connection
        connection.statement_time = datetime.now(UTC)
        began_at = time.monotonic()
        connection.statement_ends_at = math.inf if takes_its_time.get() else began_at + STATEMENT_SECONDS
        while True:
            try:
                return super().execute(sql, parameters)
            except sqlite3.OperationalError as error:
                # Not by SQLite's own busy_timeout, which would stop the other requests of this process as well.
                is_locked = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
                if not is_locked or time.monotonic() - began_at > SQLITE_BUSY_SECONDS:
                    raise
            time.sleep(SQLITE_RETRY_SECONDS)


def _prepare(connection: _Connection, record: ConnectionPoolEntry) -> None:
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


def _on_text(function: Callable[..., Any]) -> Callable[..., Any]:
    """SQL's rule: NULL in, NULL out."""

    @functools.wraps(function)
    def wrapper(*arguments: str | None) -> Any:
        return None if None in arguments else function(*arguments)

    return wrapper
