"""Add webhooks."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

OWN_ROWS = """
CREATE POLICY own_rows ON webhooks
USING (user_id = current_setting('app.user_id', true))
WITH CHECK (user_id = current_setting('app.user_id', true))
"""


def upgrade() -> None:
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    moment = sa.DateTime(timezone=True) if on_postgresql else sa.String(27)
    op.create_table(
        "webhooks",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False) if on_postgresql else sa.String(36), nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("events", sa.Text, nullable=False),
        sa.Column("description", sa.Text),
        sa.Column("secret", sa.Text, nullable=False),
        sa.Column("old_secret", sa.Text),
        sa.Column("old_secret_until", moment),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("disabled_reason", sa.Text),
        sa.Column("created_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "id", name="webhooks_pkey"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE", name="webhooks_user_id_fkey"),
    )
    if on_postgresql:
        op.execute("ALTER TABLE webhooks ENABLE ROW LEVEL SECURITY")
        op.execute("ALTER TABLE webhooks FORCE ROW LEVEL SECURITY")
        op.execute(OWN_ROWS)


def downgrade() -> None:
    op.drop_table("webhooks")
