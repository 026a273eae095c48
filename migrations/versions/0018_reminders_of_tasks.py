"""Give each task reminders."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Without a default, so that no row is rewritten.
    op.add_column("tasks", sa.Column("reminders", sa.Text))


def downgrade() -> None:
    op.drop_column("tasks", "reminders")
