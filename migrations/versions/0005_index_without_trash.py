"""Leave the trash out of the lists' index, so that pages and totals stay fast however full the trash is."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

INDEX = "tasks_user_id_created_at_id_idx"
COLUMNS = ["user_id", "created_at", "id"]
NOT_DELETED = sa.text("deleted_at IS NULL")


def upgrade() -> None:
    op.drop_index(INDEX, "tasks")
    op.create_index(INDEX, "tasks", COLUMNS, postgresql_where=NOT_DELETED, sqlite_where=NOT_DELETED)


def downgrade() -> None:
    op.drop_index(INDEX, "tasks")
    op.create_index(INDEX, "tasks", COLUMNS)
