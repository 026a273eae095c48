"""Run migrations, one upgrade at a time.

The application's engine is in autocommit mode, in which a failure would leave half a revision behind. So this module
switches the connection to real transactions: on PostgreSQL one for each revision, on SQLite one for all.

A revision that locks a table holds up every request that uses the table, even while it still waits for its lock. So on
PostgreSQL it gives up soon, lets the requests pass, and tries again. What takes long, such as building an index, runs
outside of the transaction, in `op.get_context().autocommit_block()`, and in such a way that it can be repeated.
"""

import time

import click
from alembic import context
from alembic.util import CommandError
from flask import current_app
from psycopg2.errors import DeadlockDetected, InsufficientPrivilege, InvalidSchemaName, LockNotAvailable
from sqlalchemy import Connection, MetaData, event
from sqlalchemy.exc import DBAPIError, OperationalError

from app.auth import models as _auth  # noqa: F401
from app.commands.output import closing_connections, first_line, in_one_line, quiet
from app.database.outages import DatabaseState, outages
from app.database.scopes import without_time_limits
from app.http.problems import DatabaseUnavailable
from app.outbox import models as _outbox  # noqa: F401
from app.tasks import models as _tasks  # noqa: F401
from app.tasks import watched as _watched  # noqa: F401

# Any number that no other program uses.
ADVISORY_LOCK = 4_951_207
# Between two looks whether another upgrade has ended.
TURN_SECONDS = 0.5
# Much shorter than execution.LOCK_SECONDS, after which a request behind the migration would fail.
LOCK_MILLISECONDS = 500
# Between two attempts to get a lock: requests that have waited meanwhile go on.
PAUSE_SECONDS = 1
# Longer than any transaction of the service.
ATTEMPTS = 60

BLOCKED = (
    "another transaction, such as a backup, has locked the tables for too long. Run this again when it has ended: "
    "finished revisions are kept"
)


def run() -> None:
    db = current_app.extensions["migrate"].db
    try:
        with (
            closing_connections(),
            quiet(),
            outages(DatabaseState(db.engine_and_state()[1].connections)),
            without_time_limits(),
            db.engine.connect() as connection,
        ):
            migrate = _migrate_sqlite if connection.dialect.name == "sqlite" else _migrate_postgresql
            migrate(connection, db.metadata)
    except DatabaseUnavailable as problem:
        # Flask-Migrate turns this into one line and exit status 1.
        raise CommandError(in_one_line(problem)) from problem
    except DBAPIError as error:
        if isinstance(error.orig, InvalidSchemaName):
            raise CommandError(f"{first_line(error)}: let the search_path of DATABASE_URL name one") from error
        if not isinstance(error.orig, InsufficientPrivilege):
            raise
        raise CommandError(f"{first_line(error)}: the role must own its database (see README.md)") from error


def _migrate_postgresql(connection: Connection, metadata: MetaData) -> None:
    connection = connection.execution_options(isolation_level="READ COMMITTED")
    event.listen(connection, "begin", _prepare_transaction)
    with connection.engine.connect() as guard:
        _wait_for_turn(guard.execution_options(isolation_level="READ COMMITTED"))
        _migrate(connection, metadata)


def _wait_for_turn(guard: Connection) -> None:
    """Take the lock of upgrades, for as long as this connection's transaction stays open.

    The lock ends with a transaction, so it works behind a pooler too. The transaction has its own connection, because
    the revisions commit theirs. Do not wait in the database: building an index waits for every running statement, and
    so would wait for this one, for ever.
    """
    while True:
        guard.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
        if guard.exec_driver_sql(f"SELECT pg_try_advisory_xact_lock({ADVISORY_LOCK})").scalar():
            return
        guard.rollback()
        time.sleep(TURN_SECONDS)


def _prepare_transaction(connection: Connection) -> None:
    """Limit the wait for a lock in the transaction that begins. Outside of one, no request waits behind a migration.

    In a cluster, change one shard after the other: after parallel changes Citus creates or drops no function in the
    same transaction. PostgreSQL without Citus ignores the setting.
    """
    driver = connection.connection.driver_connection
    if not driver.autocommit:
        driver.cursor().execute(f"SET LOCAL lock_timeout = {LOCK_MILLISECONDS}")
        driver.cursor().execute("SET LOCAL citus.multi_shard_modify_mode = 'sequential'")


def _migrate_sqlite(connection: Connection, metadata: MetaData) -> None:
    # SQLite changes a table by copying it: with foreign keys on, dropping the old one would delete the rows that refer
    # to it. Foreign keys can be switched only outside a transaction.
    connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    try:
        _migrate(connection, metadata)
        if dangling := connection.exec_driver_sql("PRAGMA foreign_key_check").all():
            raise RuntimeError(f"the migration would leave {len(dangling)} rows that refer to nothing")
    except BaseException:
        connection.exec_driver_sql("ROLLBACK")
        raise
    else:
        connection.exec_driver_sql("COMMIT")
    finally:
        connection.exec_driver_sql("PRAGMA foreign_keys=ON")


def _migrate(connection: Connection, metadata: MetaData) -> None:
    on_sqlite = connection.dialect.name == "sqlite"
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=on_sqlite,
        transaction_per_migration=not on_sqlite,
    )
    before = context.get_context().get_current_revision()
    _run_revisions(connection)
    after = context.get_context().get_current_revision()
    if after != before:
        click.echo(f"The database is at migration {after or 'none'}; it was at {before or 'none'}.")


def _run_revisions(connection: Connection) -> None:
    """Run the revisions; if one gets no lock, try it again. Those before it are committed."""
    for _ in range(ATTEMPTS):
        try:
            context.run_migrations()
            return
        except OperationalError as error:
            # A cluster, where a request locks the same shards on another machine, may call it a deadlock first.
            if not isinstance(error.orig, LockNotAvailable | DeadlockDetected):
                raise
        connection.rollback()
        click.echo("Another transaction has locked what the migration needs. Trying again.")
        time.sleep(PAUSE_SECONDS)
    raise CommandError(BLOCKED)


if context.is_offline_mode():
    raise SystemExit("Migrations need a database: --sql is not supported, because they check which engine it is.")
run()
