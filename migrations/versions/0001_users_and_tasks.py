"""Add users, their addresses, sessions and tasks, and the isolation of their data."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Runs in the same message, and so in the same transaction, as the statement after it. EXECUTE, because SET takes no
# parameters; a function, because set_config() does not reach the shards of a cluster. The time-out ends a statement
# that no client waits for any more.
AS_USER = """
CREATE FUNCTION as_user(uid text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('SET LOCAL app.user_id = %L', uid);
    SET LOCAL statement_timeout = '5s';
END $$
"""

# An unset setting is NULL at first and '' later; neither is a user's id.
OWN_ROWS = """
CREATE POLICY own_rows ON tasks
USING (user_id = current_setting('app.user_id', true))
WITH CHECK (user_id = current_setting('app.user_id', true))
"""


def upgrade() -> None:
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    moment = sa.DateTime(timezone=True) if on_postgresql else sa.String(27)
    id_ = sa.Uuid(as_uuid=False) if on_postgresql else sa.String(36)
    op.create_table(
        "users",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("email", sa.Text),
        sa.Column("name", sa.Text),
        sa.Column("password_hash", sa.Text),
        sa.Column("created_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name="users_pkey"),
        sa.CheckConstraint("id <> ''", name=op.f("users_id_check")),
    )
    op.create_table(
        "user_emails",
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("email", name="user_emails_pkey"),
    )
    op.create_table(
        "sessions",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("id", id_, nullable=False),
        sa.Column("refresh_hash", sa.Text, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "id", name="sessions_pkey"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="sessions_user_id_fkey", ondelete="CASCADE"),
    )
    op.create_table(
        "tasks",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("id", id_, nullable=False),
        sa.Column("title", sa.Text(collation="C") if on_postgresql else sa.Text, nullable=False),
        sa.Column("details", sa.Text),
        sa.Column("completed_at", moment),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("updated_at", moment, nullable=False),
        sa.Column("deleted_at", moment),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "id", name="tasks_pkey"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="tasks_user_id_fkey", ondelete="CASCADE"),
    )
    op.create_index("tasks_user_id_created_at_id_idx", "tasks", ["user_id", "created_at", "id"])
    if on_postgresql:
        op.execute(AS_USER)
        op.execute("ALTER TABLE tasks ENABLE ROW LEVEL SECURITY")
        op.execute("ALTER TABLE tasks FORCE ROW LEVEL SECURITY")
        op.execute(OWN_ROWS)


def downgrade() -> None:
    for table in ("tasks", "sessions", "user_emails", "users"):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION as_user(text)")
