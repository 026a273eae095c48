"""Remember for 30 days which lists were deleted, for clients that keep a copy."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

OWN_ROWS = """
CREATE POLICY own_rows ON deleted_lists
USING (user_id = current_setting('app.user_id', true))
WITH CHECK (user_id = current_setting('app.user_id', true))
"""
# What `flask purge` sees and deletes, of all users; see revision 0011.
EXPIRED = """
CREATE POLICY expired_{command} ON deleted_lists FOR {command}
USING (
    CASE WHEN current_setting('app.purge', true) = 'on' AND deleted_at <= now() - make_interval(0, 0, 0, 0, 720)
    THEN 1 ELSE 0 END <> 0
)
"""


def upgrade() -> None:
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    op.create_table(
        "deleted_lists",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False) if on_postgresql else sa.String(36), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True) if on_postgresql else sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "id", name="deleted_lists_pkey"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="deleted_lists_user_id_fkey", ondelete="CASCADE"),
    )
    op.create_index("deleted_lists_user_id_deleted_at_id_idx", "deleted_lists", ["user_id", "deleted_at", "id"])
    op.create_index("deleted_lists_deleted_at_idx", "deleted_lists", ["deleted_at"])
    if on_postgresql:
        op.execute("ALTER TABLE deleted_lists ENABLE ROW LEVEL SECURITY")
        op.execute("ALTER TABLE deleted_lists FORCE ROW LEVEL SECURITY")
        op.execute(OWN_ROWS)
        for command in ("SELECT", "DELETE"):
            op.execute(EXPIRED.format(command=command))


def downgrade() -> None:
    op.drop_table("deleted_lists")
