"""SQLite: make it behave like PostgreSQL, and share its one file."""

import functools
import math
import os
import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from urllib.parse import quote
from zlib import crc32

from sqlalchemy import Dialect, Engine, event
from sqlalchemy.pool import ConnectionPoolEntry

from app.database.connections import CHECK, MADE_AT
from app.database.scopes import STATEMENT_SECONDS, takes_its_time
from app.database.texts import compose, fold, key_for_sorting, position_at
from app.times import rfc3339
from app.turns import give_way

SQLITE_BUSY_SECONDS = 3.0
# Wait before a statement tries a locked file again: a write takes about as long.
SQLITE_RETRY_SECONDS = 0.002
# Steps of SQLite's virtual machine, about a millisecond, between two looks at the clock.
SQLITE_STEPS = 2_000


def connect_arguments() -> dict[str, Any]:
    """Return the driver's arguments."""
    return {"factory": _Connection}


def watch(engine: Engine) -> None:
    event.listen(engine, "connect", _prepare)
    _OpenFile(os.path.abspath(str(engine.url.database))).watch(engine)


class FileLost(sqlite3.OperationalError):
    """SQLite's file is not the one that was opened. The message says what to do, and clients may see it."""

    sqlite_errorcode = sqlite3.SQLITE_CANTOPEN


class _OpenFile:
    """A check for a deleted or replaced file: SQLite would write to the old one, and those writes would be lost.

    Each use of a connection looks at the file, which takes some 3 µs. A process that has opened one file never opens
    another: SQLite would write the contents of an old -wal next to it over the new file. Only a migration creates a
    missing file.
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
                "the file at DATABASE_URL was replaced: stop the service, delete the old file's -wal and -shm next to "
                "the new one, and start it again"
            )
        self._identity = (found.st_dev, found.st_ino)


class _Connection(sqlite3.Connection):
    """A connection whose clock stands still during a statement or a transaction, like PostgreSQL's now()."""

    clock = datetime.min.replace(tzinfo=UTC)
    # By time.monotonic().
    statement_ends_at = 0.0

    def cursor(self, factory: Callable[..., sqlite3.Cursor] | None = None) -> sqlite3.Cursor:  # type: ignore[override]
        return super().cursor(factory or _Cursor)

    def from_now(self, seconds: float = 0) -> str:
        return rfc3339(self.clock + timedelta(seconds=seconds))

    def is_over(self) -> bool:
        """Return whether a statement has taken too long; SQLite calls it about every millisecond."""
        # Other requests have their own connections, so they can go on meanwhile.
        give_way()
        return time.monotonic() > self.statement_ends_at


class _Cursor(sqlite3.Cursor):
    connection: _Connection

    def execute(self, sql: str, parameters: Any = (), /) -> Self:
        connection = self.connection
        in_transaction = connection.in_transaction
        if not in_transaction:
            connection.clock = datetime.now(UTC)
        began_at = time.monotonic()
        connection.statement_ends_at = math.inf if takes_its_time.get() else began_at + STATEMENT_SECONDS
        while True:
            try:
                super().execute(sql, parameters)
                if connection.in_transaction and not in_transaction:
                    # The transaction begins when it has the lock.
                    connection.clock = datetime.now(UTC)
                return self
            except sqlite3.OperationalError as error:
                # Not with SQLite's own busy_timeout, which would also stop this process's other requests.
                is_locked = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
                if not is_locked or time.monotonic() - began_at > SQLITE_BUSY_SECONDS:
                    raise
            time.sleep(SQLITE_RETRY_SECONDS)


def _moved(time: str, seconds: float) -> str:
    return rfc3339(datetime.fromisoformat(time) + timedelta(seconds=seconds))


def _row_mark(id_: str, version: int) -> int:
    return crc32(f"{id_}{version}".encode())


def _prepare(connection: _Connection, record: ConnectionPoolEntry) -> None:
    """Give SQLite PostgreSQL's features: durability, foreign keys, a clock, and letters beyond ASCII."""
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
    connection.create_function("moved", 2, _moved, deterministic=True)
    connection.create_function("position_at", 1, position_at, deterministic=True)
    connection.create_function("row_mark", 2, _row_mark, deterministic=True)
    connection.create_function("compose", 1, _on_text(compose), deterministic=True)
    connection.create_function("sort_key", 1, _on_text(key_for_sorting), deterministic=True)
    connection.create_function("fold", 1, _on_text(fold), deterministic=True)
    connection.create_function("strpos", 2, _on_text(lambda text, part: text.find(part) + 1), deterministic=True)


def _on_text(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function follow SQL's rule: NULL in, NULL out."""

    @functools.wraps(function)
    def wrapper(*arguments: str | None) -> Any:
        return None if None in arguments else function(*arguments)

    return wrapper
