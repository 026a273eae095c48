"""Let users ask for reminders by mail."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A constant, so that no row is rewritten.
    op.add_column("users", sa.Column("reminder_mail", sa.Boolean, nullable=False, server_default=sa.false()))


def downgrade() -> None:
    op.drop_column("users", "reminder_mail")
