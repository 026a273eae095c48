"""Add the times at which reminders fire, and let a worker look through all of them."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

OWN_ROWS = """
CREATE POLICY own_rows ON reminders
USING (user_id = current_setting('app.user_id', true))
WITH CHECK (user_id = current_setting('app.user_id', true))
"""
# Only SELECT: a worker writes in the scope of the reminder's user. CASE and <> as in revision 0011.
AT_WORK = """
CREATE POLICY at_work ON reminders FOR SELECT
USING (CASE WHEN current_setting('app.work', true) = 'on' THEN 1 ELSE 0 END <> 0)
"""
# On a cluster, reminders can refer to tasks only where both are spread alike.
IS_SPREAD = "SELECT count(*) FROM pg_dist_partition WHERE logicalrelid = 'tasks'::regclass AND partmethod = 'h'"
KEY = "reminders_task_id_fkey"


def upgrade() -> None:
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    key = sa.ForeignKeyConstraint(["user_id", "task_id"], ["tasks.user_id", "tasks.id"], name=KEY, ondelete="CASCADE")
    op.create_table(
        "reminders",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("task_id", sa.Uuid(as_uuid=False) if on_postgresql else sa.String(36), nullable=False),
        sa.Column("fire_at", sa.DateTime(timezone=True) if on_postgresql else sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "task_id", "fire_at", name="reminders_pkey"),
        *([] if on_postgresql else [key]),
    )
    op.create_index("reminders_fire_at_idx", "reminders", ["fire_at"])
    if not on_postgresql:
        return
    spread_like_tasks()
    op.create_foreign_key(KEY, "reminders", "tasks", ["user_id", "task_id"], ["user_id", "id"], ondelete="CASCADE")
    op.execute("ALTER TABLE reminders ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE reminders FORCE ROW LEVEL SECURITY")
    for policy in (OWN_ROWS, AT_WORK):
        op.execute(policy)


def spread_like_tasks() -> None:
    bind = op.get_bind()
    if bind.exec_driver_sql("SELECT to_regclass('pg_catalog.pg_dist_partition')").scalar() is None:
        return
    if bind.exec_driver_sql(IS_SPREAD).scalar():
        op.execute("SELECT create_distributed_table('reminders', 'user_id', colocate_with => 'users')")


def downgrade() -> None:
    op.drop_table("reminders")
