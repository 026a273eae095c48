"""Add the outbox, and let a worker look through all of it."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

OWN_ROWS = """
CREATE POLICY own_rows ON outbox
USING (user_id = current_setting('app.user_id', true))
WITH CHECK (user_id = current_setting('app.user_id', true))
"""

# Instead of as_user(), with the same limits; see revisions 0004 and 0011.
AS_WORK = """
CREATE FUNCTION as_work() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    SET LOCAL app.user_id = '';
    SET LOCAL app.work = 'on';
    SET LOCAL statement_timeout = '5s';
    SET LOCAL lock_timeout = '2s';
END $$
"""
# Only SELECT: a worker writes in the scope of the message's user. CASE and <> as in revision 0011.
WORK = """
CREATE POLICY work ON outbox FOR SELECT
USING (CASE WHEN current_setting('app.work', true) = 'on' THEN 1 ELSE 0 END <> 0)
"""
# As in revision 0011, for what was finished over 7 days ago.
EXPIRED = """
CREATE POLICY expired_{command} ON outbox FOR {command}
USING (CASE WHEN current_setting('app.purge', true) = 'on'
AND finished_at <= now() - make_interval(0, 0, 0, 0, 168) THEN 1 ELSE 0 END <> 0)
"""

WAITING, FINISHED = sa.text("finished_at IS NULL"), sa.text("finished_at IS NOT NULL")
INDEXES = {
    ("due_at", "user_id", "id"): WAITING,
    ("user_id", "kind", "key", "due_at", "id"): WAITING,
    ("finished_at",): FINISHED,
}


def upgrade() -> None:
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    moment = sa.DateTime(timezone=True) if on_postgresql else sa.String(27)
    op.create_table(
        "outbox",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False) if on_postgresql else sa.String(36), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("body", sa.Text),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("due_at", moment, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("leased_until", moment),
        sa.Column("finished_at", moment),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("last_status", sa.Integer),
        sa.Column("last_error", sa.Text),
        sa.PrimaryKeyConstraint("user_id", "id", name="outbox_pkey"),
    )
    for columns, where in INDEXES.items():
        name = f"outbox_{'_'.join(columns)}_idx"
        op.create_index(name, "outbox", list(columns), postgresql_where=where, sqlite_where=where)
    if on_postgresql:
        op.execute("ALTER TABLE outbox ENABLE ROW LEVEL SECURITY")
        op.execute("ALTER TABLE outbox FORCE ROW LEVEL SECURITY")
        for statement in (OWN_ROWS, AS_WORK, WORK):
            op.execute(statement)
        for command in ("SELECT", "DELETE"):
            op.execute(EXPIRED.format(command=command))


def downgrade() -> None:
    op.drop_table("outbox")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION as_work()")
