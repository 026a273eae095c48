"""Keep the local time that a recurrence means, if the clocks skip it."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Nullable and without a default, so that no row is rewritten, and older instances keep working.
    op.add_column("tasks", sa.Column("skipped_time", sa.Text))


def downgrade() -> None:
    op.drop_column("tasks", "skipped_time")
