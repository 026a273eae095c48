"""Add what mails to accounts need: verified addresses, new ones that wait for it, and links that work once."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    moment = sa.DateTime(timezone=True) if on_postgresql else sa.String(27)
    op.add_column("users", sa.Column("email_verified_at", moment))
    op.add_column("users", sa.Column("pending_email", sa.Text))
    op.create_table(
        "links",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("mail_id", sa.Uuid(as_uuid=False) if on_postgresql else sa.String(36), nullable=False),
        sa.Column("token_hash", sa.Text, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.Column("spent_at", moment),
        sa.PrimaryKeyConstraint("user_id", "purpose", name="links_pkey"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="links_user_id_fkey", ondelete="CASCADE"),
    )
    op.create_index("links_expires_at_idx", "links", ["expires_at"])


def downgrade() -> None:
    op.drop_table("links")
    op.drop_column("users", "pending_email")
    op.drop_column("users", "email_verified_at")
