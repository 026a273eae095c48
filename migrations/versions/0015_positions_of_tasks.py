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
    "postgresql": "lpad(to_hex(greatest(0, extract(epoch FROM created_at) * 1000000)::bigint), 14, '0')",
    "sqlite": ("printf('%014x', max(0, unixepoch(substr(created_at, 1, 19)) * 1000000 + substr(created_at, 21, 6)))"),
}

# Only while this revision runs, and only in the scope below. Written so that users' queries keep their plans; see
# revision 0011.
POLICY = """
CREATE POLICY without_position ON tasks
USING (CASE WHEN current_setting('app.positions', true) = 'on' THEN 1 ELSE 0 END <> 0)
"""
# In one message, and so in one transaction, with the statement after it.
SCOPE = "DO $$ BEGIN SET LOCAL app.user_id = ''; SET LOCAL app.positions = 'on'; END $$; "
ROWS = 5_000
# The last task of the next part, by the primary key.
LAST = f"""
SELECT user_id, id FROM tasks WHERE (user_id, id) > (%(user_id)s, %(id)s)
ORDER BY user_id, id LIMIT 1 OFFSET {ROWS - 1}
"""
PART = f"""
UPDATE tasks SET position = {POSITION["postgresql"]}
WHERE position = '' AND (user_id, id) > (%(user_id)s, %(id)s) AND (user_id, id) <= (%(last_user)s, %(last_id)s)
"""
REST = f"UPDATE tasks SET position = {POSITION['postgresql']} WHERE position = ''"
FIRST = {"user_id": "", "id": "00000000-0000-0000-0000-000000000000"}


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
    """Write the positions, each part in a transaction of its own, so that no request waits long for a row."""
    bind = op.get_bind()
    op.execute("DROP POLICY IF EXISTS without_position ON tasks")
    op.execute(POLICY)
    last = FIRST
    while found := bind.exec_driver_sql(SCOPE + LAST, last).first():
        bind.exec_driver_sql(SCOPE + PART, {**last, "last_user": found.user_id, "last_id": found.id})
        last = found._asdict()
    bind.exec_driver_sql(SCOPE + REST)
    op.execute("DROP POLICY without_position ON tasks")


def downgrade() -> None:
    with without_blocking_writes() as option:
        for index in INDEXES:
            op.drop_index(index, "tasks", if_exists=True, **option)
