"""Index what expires by its time, so that deleting it reads nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

# A task that is not in the trash is in none of them.
COLUMNS = {
    "tasks": ("deleted_at", sa.text("deleted_at IS NOT NULL")),
    "idempotency_keys": ("created_at", None),
    "sessions": ("expires_at", None),
    "revocations": ("expires_at", None),
    "login_attempts": ("started_at", None),
}


@contextmanager
def without_blocking_writes() -> Iterator[dict[str, bool]]:
    """Yield the option that lets PostgreSQL write meanwhile. It works only outside a transaction."""
    if op.get_bind().dialect.name != "postgresql":
        yield {}
        return
    with op.get_context().autocommit_block():
        yield {"postgresql_concurrently": True}


def upgrade() -> None:
    with without_blocking_writes() as option:
        for table, (column, where) in COLUMNS.items():
            index = f"{table}_{column}_idx"
            # An interrupted upgrade leaves an index that is not valid.
            op.drop_index(index, table, if_exists=True, **option)
            op.create_index(index, table, [column], postgresql_where=where, sqlite_where=where, **option)


def downgrade() -> None:
    with without_blocking_writes() as option:
        for table, (column, _) in COLUMNS.items():
            op.drop_index(f"{table}_{column}_idx", table, if_exists=True, **option)
