"""Add rotation and expiry of sessions, disabled users, revocations, and sign-in attempts."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    moment = sa.DateTime(timezone=True) if on_postgresql else sa.String(27)
    op.add_column("users", sa.Column("disabled_at", moment))
    # Existing sessions count from their first token. The defaults are only for them, so they are removed again.
    with op.batch_alter_table("sessions") as sessions:
        sessions.add_column(sa.Column("generation", sa.Integer, nullable=False, server_default="0"))
        sessions.add_column(sa.Column("family_hash", sa.Text, nullable=False, server_default=""))
        sessions.add_column(sa.Column("rotated_at", moment))
    op.execute("UPDATE sessions SET rotated_at = created_at")
    with op.batch_alter_table("sessions") as sessions:
        sessions.alter_column("generation", existing_type=sa.Integer, existing_nullable=False, server_default=None)
        sessions.alter_column("family_hash", existing_type=sa.Text, existing_nullable=False, server_default=None)
        sessions.alter_column("rotated_at", existing_type=moment, nullable=False)
    op.create_table(
        "revocations",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("issued_until", moment, nullable=False),
        sa.Column("changed_at", moment, nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "subject", name="revocations_pkey"),
    )
    op.create_table(
        "login_attempts",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("started_at", moment, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("key", name="login_attempts_pkey"),
    )


def downgrade() -> None:
    op.drop_table("login_attempts")
    op.drop_table("revocations")
    with op.batch_alter_table("sessions") as sessions:
        sessions.drop_column("rotated_at")
        sessions.drop_column("family_hash")
        sessions.drop_column("generation")
    with op.batch_alter_table("users") as users:
        users.drop_column("disabled_at")
