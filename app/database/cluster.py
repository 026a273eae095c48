"""Where each table lies in a Citus cluster: a user's rows together on one machine."""

from collections.abc import Iterator

from sqlalchemy import String, cast, column, func, select, table

from app.database.columns import metadata
from app.database.engines import db
from app.database.execution import fetch_all, fetch_one

# Each machine has a copy of these, because every process reads them through whichever machine it uses: all users'
# revocations twice a second. If they were distributed, one lost machine would stop everybody.
MIGRATION = "alembic_version"
COPIED = frozenset({MIGRATION, "revocations"})
# More than machines, so that some can be moved to a new one.
SHARDS = 128

_partitions = table("pg_dist_partition", column("logicalrelid"), column("partmethod", String), schema="pg_catalog")
# Citus's words for a table whose rows are spread by their hash, and for one that is copied.
_BY_HASH, _NOT_SPREAD = "h", "n"

# Whether the database has Citus, as a column of any statement.
HAS_CITUS = func.to_regclass("pg_catalog.pg_dist_partition").is_not(None).label("has_citus")


def is_cluster() -> bool:
    """Return whether the database has Citus."""
    if db.on_sqlite:
        return False
    row = fetch_one(select(HAS_CITUS))
    return row is not None and bool(row.has_citus)


def misplaced() -> list[str]:
    """Return the tables that do not lie where they belong; only a cluster has the catalogue for it."""
    name, method = (cast(_partitions.c[each], String) for each in ("logicalrelid", "partmethod"))
    rows = fetch_all(select(name.label("name"), method.label("method")))
    found = {row.name.rpartition(".")[2]: row.method for row in rows}
    return [name for name in _names() if found.get(name) != (_NOT_SPREAD if name in COPIED else _BY_HASH)]


def distributing(shards: int = SHARDS) -> Iterator[tuple[str, str]]:
    """Yield each table and the statement that puts it into its place, in an order that their foreign keys allow."""
    for name in _names():
        yield name, _distributing(name, shards)


def _names() -> list[str]:
    # The users first, because the others are placed next to them, also those without a foreign key.
    tables = sorted(metadata.sorted_tables, key=lambda each: each.name != "users")
    return [MIGRATION, *(each.name for each in tables)]


def _distributing(name: str, shards: int) -> str:
    if name in COPIED:
        return f"SELECT create_reference_table('{name}')"
    by = next(iter(metadata.tables[name].primary_key)).name
    if by == "user_id":
        return f"SELECT create_distributed_table('{name}', '{by}', colocate_with => 'users')"
    return f"SELECT create_distributed_table('{name}', '{by}', colocate_with => 'none', shard_count => {shards})"
