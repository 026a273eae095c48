"""Add personal tokens."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    moment = sa.DateTime(timezone=True) if on_postgresql else sa.String(27)
    op.create_table(
        "personal_tokens",
        sa.Column("token_hash", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False) if on_postgresql else sa.String(36), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("prefix", sa.Text, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("expires_at", moment),
        sa.Column("last_used_at", moment),
        sa.PrimaryKeyConstraint("token_hash", name="personal_tokens_pkey"),
    )
    for column in ("user_id", "expires_at"):
        op.create_index(f"personal_tokens_{column}_idx", "personal_tokens", [column])


def downgrade() -> None:
    op.drop_table("personal_tokens")
