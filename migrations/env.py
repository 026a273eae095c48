"""Run migrations, one at a time, in one transaction.

The application's engine is in autocommit mode, in which a failure would leave half a revision behind. So this module
switches the connection to real transactions. Two upgrades at once wait for each other.
"""

import click
from alembic import context
from alembic.util import CommandError
from flask import current_app
from psycopg2.errors import InsufficientPrivilege, InvalidSchemaName
from sqlalchemy import Connection, MetaData
from sqlalchemy.exc import DBAPIError

from app.auth import models as _auth  # noqa: F401
from app.commands.output import closing_connections, first_line, in_one_line, quiet
from app.database.outages import DatabaseState, outages
from app.database.scopes import without_time_limits
from app.http.problems import DatabaseUnavailable
from app.tasks import models as _tasks  # noqa: F401

# Any number that no other program uses.
ADVISORY_LOCK = 4_951_207


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
    with connection.begin():
        # The lock ends with the transaction, so it works behind a pooler too.
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})")
        _migrate(connection, metadata)


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
    context.configure(
        connection=connection, target_metadata=metadata, render_as_batch=connection.dialect.name == "sqlite"
    )
    before = context.get_context().get_current_revision()
    context.run_migrations()
    after = context.get_context().get_current_revision()
    if after != before:
        click.echo(f"The database is at migration {after or 'none'}; it was at {before or 'none'}.")


if context.is_offline_mode():
    raise SystemExit("Migrations need a database: --sql is not supported, because they check which engine it is.")
run()
