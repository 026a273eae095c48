"""Turn temporary database failures into 503, and pause new attempts briefly."""

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

import psycopg2
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.database.connections import Connections
from app.database.sqlite import FileLost
from app.http.problems import DatabaseUnavailable

logger = logging.getLogger("tasks.database")

DRIVER_ERRORS = (psycopg2.Error, sqlite3.Error)

# Seconds without new attempts after a request has waited longer than this and failed.
PAUSE_SECONDS = 1

# https://www.postgresql.org/docs/current/errcodes-appendix.html
LOCK_NOT_AVAILABLE = "55P03"
READ_ONLY = "25006"
# Citus has no code of its own for a machine that was lost during a transaction, or while it was committed.
INTERNAL_ERROR = "XX000"
MACHINE_LOST = (
    "failure on connection marked as essential",
    "could not commit transaction for shard",
    "failed to prepare transaction",
    "execution cannot recover from multiple connection failures",
)
SQLITE_OUTAGES = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
}


# No such table, column or function, in PostgreSQL's words.
UNDEFINED = ("42P01", "42703", "42883")
NOT_MIGRATED = "The database is not at this version's migration: run `flask db upgrade`."


def _do_nothing(_user_id: str) -> None:
    """Nothing follows a write."""


@dataclass(slots=True)
class DatabaseState:
    """The state of the database as this process has seen it. Times are by time.monotonic().

    Requests queued behind one that timed out would time out in turn, so all fail fast for a moment.
    """

    connections: Connections
    # The lock of this process's writers, if the database allows only one at a time.
    one_writer: "Lock | None" = None
    reads_paused_until: float = 0.0
    writes_paused_until: float = 0.0
    # Connections made before this are broken, or lead to the wrong host.
    broken_at: float = 0.0
    # The last statement, except those that look for work. From then on the database stays awake for a while.
    used_at: float = float("-inf")
    # Called after each commit, with the user of its scope.
    after_write: Callable[[str], None] = _do_nothing

    def pause_attempts(self, writes: bool) -> None:
        """Pause new attempts; after a write only writes, because it may have waited for a lock or a standby."""
        self.writes_paused_until = time.monotonic() + PAUSE_SECONDS
        if not writes:
            self.reads_paused_until = self.writes_paused_until


@contextmanager
def outages(state: DatabaseState, writes: bool = True) -> Iterator[None]:
    """Turn temporary failures of the database into DatabaseUnavailable."""
    began_at = time.monotonic()
    if began_at < (state.writes_paused_until if writes else state.reads_paused_until):
        raise DatabaseUnavailable
    try:
        yield
    except PoolTimeout as error:
        raise DatabaseUnavailable("All connections to the database are busy. Try again shortly.") from error
    except (DBAPIError, *DRIVER_ERRORS) as error:
        # SQLAlchemy wraps an error on the first connection.
        cause = error.orig if isinstance(error, DBAPIError) else error
        if _is_not_migrated(cause):
            logger.error("the database is not migrated: %s", str(cause).strip())
            raise DatabaseUnavailable(NOT_MIGRATED) from error
        if not _is_outage(cause):
            raise
        logger.warning("database unavailable: %s", str(cause).strip())
        code = getattr(cause, "pgcode", None)
        # Without an SQLSTATE the error came from the driver, not the server.
        if (_is_locked(cause) or code is None) and time.monotonic() - began_at > PAUSE_SECONDS:
            state.pause_attempts(writes)
        if code == READ_ONLY:
            # Another host may have taken over.
            state.broken_at = time.monotonic()
        detail = f"The database is unavailable: {cause}." if isinstance(cause, FileLost) else None
        raise DatabaseUnavailable(detail) from error


def _is_not_migrated(error: BaseException | None) -> bool:
    return getattr(error, "pgcode", None) in UNDEFINED or str(error).startswith(("no such table", "no such column"))


def _is_locked(error: BaseException | None) -> bool:
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY
    return getattr(error, "pgcode", None) == LOCK_NOT_AVAILABLE


def _is_outage(error: BaseException | None) -> bool:
    if isinstance(error, sqlite3.Error):
        # The lower eight bits are the kind of error; errors of Python's own module have no code.
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in SQLITE_OUTAGES
    code = getattr(error, "pgcode", None)
    if code is None:
        return isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError)
    if code == INTERNAL_ERROR:
        return str(error).startswith(MACHINE_LOST)
    # Lost connection, rolled back transaction (deadlock), lack of resources, operator intervention, disk failure.
    return code[:2] in ("08", "40", "53", "57", "58") or code in (LOCK_NOT_AVAILABLE, READ_ONLY)
