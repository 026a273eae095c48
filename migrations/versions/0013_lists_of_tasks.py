"""Add lists."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

OWN_ROWS = """
CREATE POLICY own_rows ON lists
USING (user_id = current_setting('app.user_id', true))
WITH CHECK (user_id = current_setting('app.user_id', true))
"""


def upgrade() -> None:
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    moment = sa.DateTime(timezone=True) if on_postgresql else sa.String(27)
    op.create_table(
        "lists",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False) if on_postgresql else sa.String(36), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("color", sa.Text),
        sa.Column("position", sa.Text(collation="C") if on_postgresql else sa.Text, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("updated_at", moment, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "id", name="lists_pkey"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="lists_user_id_fkey", ondelete="CASCADE"),
    )
    if on_postgresql:
        op.execute("ALTER TABLE lists ENABLE ROW LEVEL SECURITY")
        op.execute("ALTER TABLE lists FORCE ROW LEVEL SECURITY")
        op.execute(OWN_ROWS)


def downgrade() -> None:
    op.drop_table("lists")
