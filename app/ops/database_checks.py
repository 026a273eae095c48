"""The database checks of `flask doctor`."""

import sqlite3
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import literal, select

from app.auth.claims import LEEWAY_SECONDS
from app.database import db, driver_connection, fetch_one
from app.database.cluster import is_cluster
from app.database.columns import now
from app.database.texts import folded
from app.ops.checks import Finding
from app.ops.health import require_distribution, require_isolation, require_newest_migration
from app.ops.isolation_probe import find_leak
from app.outbox.delivery import count_messages, seconds_late
from app.settings import Settings

OLDEST_POSTGRESQL = 140_000
# From this difference on, times from the two clocks are compared wrongly.
CLOCKS_APART = 1.0
# A worker is late by less, unless a receiver does not respond.
LATE_SECONDS = 120

_clock = select(now().label("now"))
_folded = select(folded(literal("Ä")).label("letter"))


def check_database(_settings: Settings) -> Finding:
    """Check that the database responds, and report its version."""
    began_at = time.perf_counter()
    with driver_connection() as connection:
        _ask(connection, "SELECT 1")
        took = f"in {(time.perf_counter() - began_at) * 1_000:.0f} ms"
        if db.on_sqlite:
            return Finding(
                "database", "ok", f"SQLite {sqlite3.sqlite_version}: {db.engine.url.database} responded {took}."
            )
        version, encoding = map(connection.get_parameter_status, ("server_version", "server_encoding"))
        reached = f"PostgreSQL {version} responded {took}"
        if connection.server_version < OLDEST_POSTGRESQL:
            return Finding("database", "failed", f"{reached}, which is too old.", "Use PostgreSQL 14 or newer.")
        if encoding != "UTF8":
            fix = "Create the database with ENCODING 'UTF8'."
            return Finding("database", "failed", f"{reached}, but stores text as {encoding}.", fix)
        return Finding("database", "ok", f"{reached}.")


def check_migrations(_settings: Settings) -> Finding:
    """Check that the schema matches this version."""
    require_newest_migration()
    return Finding("migrations", "ok", "The schema is at this version's migration.")


def check_isolation(_settings: Settings) -> Finding:
    """Check that users are isolated: ask the database, and try it."""
    require_isolation()
    if leak := find_leak():
        return Finding(
            "isolation", "failed", leak, "Stop the service. Check the tables' policies and the role's rights."
        )
    return Finding("isolation", "ok", "A task written as one user was invisible to another (and was rolled back).")


def check_cluster(_settings: Settings) -> Finding:
    """Check that a cluster's tables are distributed."""
    if not is_cluster():
        return Finding("cluster", "ok", "There is none: one machine has all rows.")
    require_distribution()
    return Finding("cluster", "ok", "Citus: every table is where it belongs.")


def check_pooler(_settings: Settings) -> Finding:
    """Check whether a pooler in front of PostgreSQL shares sessions."""
    if db.on_sqlite:
        return Finding("pooler", "ok", "SQLite needs none.")
    with driver_connection() as one, driver_connection() as two:
        session = _session(one)
        if session == one.get_backend_pid():
            return Finding("pooler", "ok", "There is none: each connection has its own session.")
        _ask(two, "BEGIN")
        try:
            # A connection whose transaction is over has returned its session to the pooler.
            is_shared = _session(two) == session or _session(one) != session
        finally:
            _ask(two, "ROLLBACK")
    kind = "shares sessions by transaction, which is supported" if is_shared else "leaves each connection its session"
    return Finding("pooler", "ok", f"There is one (such as PgBouncer). It {kind}.")


def check_clock(_settings: Settings) -> Finding:
    """Compare this machine's clock with the database's."""
    if db.on_sqlite:
        return Finding("clock", "ok", "SQLite uses this machine's clock.")
    before = time.time()
    row = fetch_one(_clock)
    assert row is not None
    after = time.time()
    # The database read its clock between the two.
    theirs = datetime.fromisoformat(row.now).timestamp()
    apart = max(before - theirs, theirs - after, 0.0)
    message = f"This machine's clock and the database's differ by {apart:.1f} s."
    if apart <= CLOCKS_APART:
        return Finding("clock", "ok", message)
    status: Any = "failed" if apart > LEEWAY_SECONDS else "warning"
    return Finding("clock", status, message, "Set both clocks by NTP: logouts and tokens depend on them.")


def check_letters(_settings: Settings) -> Finding:
    """Check that the database ignores case beyond ASCII."""
    row = fetch_one(_folded)
    if row is not None and row.letter == "ä":
        return Finding("letters", "ok", "Searches and tags ignore case in every alphabet.")
    return Finding(
        "letters",
        "warning",
        "The database's locale knows only ASCII letters: a search for ä does not find Ä.",
        "Create a new database with a UTF-8 locale (such as LC_CTYPE 'C.UTF-8'), and copy the data.",
    )


def check_outbox(_settings: Settings) -> Finding:
    """Check that mails, webhooks and the daily purge are sent in time."""
    counts, late = count_messages(), seconds_late()
    message = "Messages: {waiting} waiting, {due} of them due, {sending} being sent; {failed} failed.".format(**counts)
    if late < LATE_SECONDS:
        return Finding("outbox", "ok", message)
    return Finding(
        "outbox",
        "warning",
        f"{message} The oldest has been due for {late:.0f} s.",
        "Start the service without WORK=off, or `flask work`. Its log says why attempts fail.",
    )


# If one of these fails, the others mean nothing.
FIRST: tuple[Callable[[Settings], Finding], ...] = (check_database, check_migrations)
THEN: tuple[Callable[[Settings], Finding], ...] = (
    check_isolation,
    check_cluster,
    check_pooler,
    check_clock,
    check_letters,
    check_outbox,
)


def _ask(connection: Any, statement: str) -> Any:
    cursor = connection.cursor()
    cursor.execute(statement)
    return cursor.fetchone() if cursor.description else None


def _session(connection: Any) -> int:
    """Return the server's number for the session that responds."""
    return int(_ask(connection, "SELECT pg_backend_pid()")[0])
