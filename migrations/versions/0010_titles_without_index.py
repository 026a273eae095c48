"""Drop the index of titles by code point: lists by title ignore case and accents first, so none is read from it."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

INDEX = "tasks_user_id_title_id_idx"
NOT_DELETED = sa.text("deleted_at IS NULL")


def upgrade() -> None:
    op.drop_index(INDEX, "tasks")


def downgrade() -> None:
    op.create_index(INDEX, "tasks", ["user_id", "title", "id"], postgresql_where=NOT_DELETED, sqlite_where=NOT_DELETED)
