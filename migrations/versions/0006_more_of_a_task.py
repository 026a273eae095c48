"""Add priority, tags, due, time zone and recurrence to tasks, and an index for each sort order."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

NOT_DELETED, DELETED = "deleted_at IS NULL", "deleted_at IS NOT NULL"
# For each column, the condition of the tasks in its index.
PARTIAL = {
    "priority": NOT_DELETED,
    "title": NOT_DELETED,
    "due": f"{NOT_DELETED} AND due IS NOT NULL",
    "deleted_at": DELETED,
}
COLUMNS = ("priority", "tags", "due", "due_on", "time_zone", "recurrence", "next_id")


def upgrade() -> None:
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    moment = sa.DateTime(timezone=True) if on_postgresql else sa.String(27)
    day = sa.Date() if on_postgresql else sa.String(10)
    id_ = sa.Uuid(as_uuid=False) if on_postgresql else sa.String(36)
    op.add_column("tasks", sa.Column("priority", sa.SmallInteger, nullable=False, server_default=sa.text("0")))
    op.add_column("tasks", sa.Column("tags", sa.Text, nullable=False, server_default=""))
    op.add_column("tasks", sa.Column("due", moment))
    op.add_column("tasks", sa.Column("due_on", day))
    op.add_column("tasks", sa.Column("time_zone", sa.Text))
    op.add_column("tasks", sa.Column("recurrence", sa.Text))
    op.add_column("tasks", sa.Column("next_id", id_))
    op.create_index("tasks_user_id_updated_at_id_idx", "tasks", ["user_id", "updated_at", "id"])
    for column, condition in PARTIAL.items():
        where = sa.text(condition)
        op.create_index(
            f"tasks_user_id_{column}_id_idx",
            "tasks",
            ["user_id", column, "id"],
            postgresql_where=where,
            sqlite_where=where,
        )


def downgrade() -> None:
    for column in ("updated_at", *PARTIAL):
        op.drop_index(f"tasks_user_id_{column}_id_idx", "tasks")
    for column in reversed(COLUMNS):
        op.drop_column("tasks", column)
