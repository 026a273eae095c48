"""Give the tasks positions in the order of their creation, and index lists, subtasks and positions."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

# Of each index, its columns and the tasks in it.
INDEXES = {
    "tasks_user_id_position_id_idx": (
        ["user_id", "position", "id"],
        "deleted_at IS NULL AND list_id IS NULL AND parent_id IS NULL",
    ),
    "tasks_user_id_list_id_position_id_idx": (
        ["user_id", "list_id", "position", "id"],
        "deleted_at IS NULL AND list_id IS NOT NULL",
    ),
    "tasks_user_id_parent_id_position_id_idx": (["user_id", "parent_id", "position", "id"], "parent_id IS NOT NULL"),
}
KEYS = ("tasks_list_id_fkey", "tasks_parent_id_fkey")

# The microseconds since 1970, as 14 hexadecimal digits.
POSITION = {
    "postgresql": (
        "lpad(to_hex(greatest(0, extract(epoch FROM timezone('UTC', created_at)) * 1000000)::bigint), 14, '0')"
    ),
    "sqlite": ("printf('%014x', max(0, unixepoch(substr(created_at, 1, 19)) * 1000000 + substr(created_at, 21, 6)))"),
}

# Each user's tasks in that user's scope, because row-level security applies to the owner too; committed after so many
# tasks that no request waits long for one of them.
USERS, ROWS = 1_000, 5_000
LAST = f"SELECT id FROM users WHERE id > %(after)s ORDER BY id LIMIT 1 OFFSET {USERS - 1}"
NEWEST = "SELECT max(id) FROM users"
FILL = f"""
DO $$
DECLARE
    someone text;
    written integer;
    uncommitted integer := 0;
BEGIN
    FOR someone IN SELECT id FROM users WHERE id > %(after)s AND id <= %(last)s LOOP
        LOOP
            PERFORM as_user(someone);
            UPDATE tasks SET position = {POSITION["postgresql"].replace("%", "%%")}
            WHERE user_id = someone
            AND id IN (SELECT id FROM tasks WHERE user_id = someone AND position = '' LIMIT {ROWS});
            GET DIAGNOSTICS written = ROW_COUNT;
            uncommitted := uncommitted + written;
            IF uncommitted >= {ROWS} THEN
                COMMIT;
                uncommitted := 0;
            END IF;
            EXIT WHEN written < {ROWS};
        END LOOP;
    END LOOP;
END $$
"""


@contextmanager
def without_blocking_writes() -> Iterator[dict[str, bool]]:
    """Yield the option that lets PostgreSQL write meanwhile. It works only outside a transaction."""
    if op.get_bind().dialect.name != "postgresql":
        yield {}
        return
    with op.get_context().autocommit_block():
        yield {"postgresql_concurrently": True}


def upgrade() -> None:
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    with without_blocking_writes() as option:
        if on_postgresql:
            fill_in_parts()
            for key in KEYS:
                op.execute(f"ALTER TABLE tasks VALIDATE CONSTRAINT {key}")
        else:
            op.execute(f"UPDATE tasks SET position = {POSITION['sqlite']} WHERE position = ''")
        for index, (columns, condition) in INDEXES.items():
            where = sa.text(condition)
            # An interrupted upgrade leaves an index that is not valid.
            op.drop_index(index, "tasks", if_exists=True, **option)
            op.create_index(index, "tasks", columns, postgresql_where=where, sqlite_where=where, **option)


def fill_in_parts() -> None:
    """Write the positions of all users' tasks."""
    bind, after = op.get_bind(), ""
    while last := bind.exec_driver_sql(LAST, {"after": after}).scalar() or bind.exec_driver_sql(NEWEST).scalar():
        if last == after:
            return
        bind.exec_driver_sql(FILL, {"after": after, "last": last})
        after = last


def downgrade() -> None:
    with without_blocking_writes() as option:
        for index in INDEXES:
            op.drop_index(index, "tasks", if_exists=True, **option)
