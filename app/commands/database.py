"""`flask db grant` and `flask db distribute`: a role that only reads and writes rows, and a cluster."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from app.commands.output import failing_in_one_line
from app.database import db, driver_connection
from app.database.cluster import SHARDS, distributing, is_cluster, misplaced
from app.database.columns import OWNED, metadata
from app.database.scopes import without_time_limits

ROWS = "SELECT, INSERT, UPDATE, DELETE"


@click.command()
@click.argument("role")
@failing_in_one_line
def grant(role: str) -> None:
    """Let ROLE read and write rows, but not change tables; the service then connects as that role.

    Run it as the owner of the tables (DATABASE_URL) after `flask db upgrade`. It covers later tables, too. From then on
    row-level security does not hold the owner itself, so the service must not connect as the owner.

    \b
    Example:
      flask db grant tasks_service
    """
    with _as_owner() as cursor:
        quoted = _quoted(role)
        cursor.execute("SELECT current_schema(), current_user")
        schema, owner = map(_quoted, cursor.fetchone())
        if quoted == owner:
            raise click.BadParameter(f"{role} owns the tables. Name the role of the service.", param_hint="ROLE")
        cursor.execute(f"GRANT USAGE ON SCHEMA {schema} TO {quoted}")
        cursor.execute(f"GRANT {ROWS} ON ALL TABLES IN SCHEMA {schema} TO {quoted}")
        cursor.execute(f"REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM {quoted}")
        cursor.execute(f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT {ROWS} ON TABLES TO {quoted}")
        _release_owner(cursor)
    click.echo(f"{role} can read and write rows. Name it in the service's DATABASE_URL.")


@click.command()
@click.option("--shards", type=click.IntRange(1, 8_192), default=SHARDS, show_default=True, help="Shards of a table.")
@failing_in_one_line
def distribute(shards: int) -> None:
    """Spread the tables over the machines of a Citus cluster, by their users.

    Run it on the coordinator, as the owner of the tables, after each `flask db upgrade`: tables that lie where they
    belong stay there.

    \b
    Example:
      flask db distribute
    """
    with _as_owner() as cursor:
        if not is_cluster():
            raise click.ClickException("This database has no Citus: run CREATE EXTENSION citus on every machine.")
        # Citus copies the rows as the owner, and its own roles copy them to another machine later.
        _release_owner(cursor)
        cursor.execute("SELECT current_database()")
        database = _quoted(cursor.fetchone()[0])
        # Without it, the user of a statement would not reach the machines.
        cursor.execute(f"ALTER DATABASE {database} SET citus.propagate_set_commands TO 'local'")
        wanted = set(misplaced())
        for name, statement in distributing(shards):
            if name in wanted:
                cursor.execute(statement)
    click.echo(f"Distributed {', '.join(sorted(wanted))}." if wanted else "Every table is where it belongs.")


@contextmanager
def _as_owner() -> Iterator[Any]:
    """Yield the driver's cursor, without a user and without limits of time."""
    if db.on_sqlite:
        raise click.ClickException("SQLite has neither roles nor machines: set DATABASE_URL to a PostgreSQL.")
    with without_time_limits(), driver_connection() as connection:
        yield connection.cursor()


def _quoted(name: str) -> str:
    return str(db.engine.dialect.identifier_preparer.quote(name))


def _release_owner(cursor: Any) -> None:
    """Exempt the owner from row-level security; it still holds every other role."""
    for table in metadata.sorted_tables:
        if table.info == OWNED:
            cursor.execute(f"ALTER TABLE {table.name} NO FORCE ROW LEVEL SECURITY")
