"""Give each task a list, a parent and a position."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

COLUMNS = ("list_id", "parent_id", "is_parent", "position")
# Of each foreign key, the columns and what they refer to.
KEYS = {
    "tasks_list_id_fkey": ("list_id", "lists", ""),
    "tasks_parent_id_fkey": ("parent_id", "tasks", " ON DELETE CASCADE"),
}
# On a cluster, tasks can refer to lists only where both are spread alike.
IS_SPREAD = "SELECT count(*) FROM pg_dist_partition WHERE logicalrelid = 'tasks'::regclass AND partmethod = 'h'"


def upgrade() -> None:
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    id_ = sa.Uuid(as_uuid=False) if on_postgresql else sa.String(36)
    columns = (
        sa.Column("list_id", id_),
        sa.Column("parent_id", id_),
        sa.Column("is_parent", sa.Boolean, nullable=False, server_default=sa.false()),
        # Constant, so that no row is rewritten, and older instances keep working. Revision 0015 fills it.
        sa.Column("position", sa.Text(collation="C") if on_postgresql else sa.Text, nullable=False, server_default=""),
    )
    if not on_postgresql:
        with op.batch_alter_table("tasks") as tasks:
            for column in columns:
                tasks.add_column(column)
            for name, (key, table, rule) in KEYS.items():
                cascades = "CASCADE" if rule else None
                tasks.create_foreign_key(name, table, ["user_id", key], ["user_id", "id"], ondelete=cascades)
        return
    spread_lists_like_tasks()
    for column in columns:
        op.add_column("tasks", column)
    for name, (key, table, rule) in KEYS.items():
        # Not validated here, because that reads all tasks.
        op.execute(
            f"ALTER TABLE tasks ADD CONSTRAINT {name} FOREIGN KEY (user_id, {key}) REFERENCES {table} (user_id, id)"
            f"{rule} NOT VALID"
        )


def spread_lists_like_tasks() -> None:
    bind = op.get_bind()
    if bind.exec_driver_sql("SELECT to_regclass('pg_catalog.pg_dist_partition')").scalar() is None:
        return
    if bind.exec_driver_sql(IS_SPREAD).scalar():
        op.execute("SELECT create_distributed_table('lists', 'user_id', colocate_with => 'users')")


def downgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        with op.batch_alter_table("tasks") as tasks:
            for name in KEYS:
                tasks.drop_constraint(name, type_="foreignkey")
            for column in COLUMNS:
                tasks.drop_column(column)
        return
    for name in KEYS:
        op.drop_constraint(name, "tasks", type_="foreignkey")
    for column in COLUMNS:
        op.drop_column("tasks", column)
