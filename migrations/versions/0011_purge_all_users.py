"""Show `flask purge`, and nothing else, what no user can reach any more, so that it need not visit each user."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# Instead of as_user(), with the same limits; see revision 0004. No user's id comes near this setting.
AS_PURGE = """
CREATE FUNCTION as_purge() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    SET LOCAL app.user_id = '';
    SET LOCAL app.purge = 'on';
    SET LOCAL statement_timeout = '5s';
    SET LOCAL lock_timeout = '2s';
END $$
"""

# For each table, what has been over for so long that its user can no longer reach it. The hours have no name, because
# Citus fails at a named argument in a policy of a distributed table.
OVER = {
    "tasks": "deleted_at <= now() - make_interval(0, 0, 0, 0, 720)",
    "idempotency_keys": "created_at <= now() - make_interval(0, 0, 0, 0, 24)",
}
# CASE and <>, so that users' queries keep their plans: the planner then expects almost every row to pass, and looks for
# none by an index of this condition. With AND alone, it sorted pages that it otherwise reads in order.
# PostgreSQL checks the policies in the reverse order of their names: own_rows, which suffices for users, comes first.
POLICY = """
CREATE POLICY expired_{command} ON {table} FOR {command}
USING (CASE WHEN current_setting('app.purge', true) = 'on' AND {is_over} THEN 1 ELSE 0 END <> 0)
"""
# Not UPDATE or INSERT: a row can only be found and deleted.
COMMANDS = ("SELECT", "DELETE")


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute(AS_PURGE)
    for table, is_over in OVER.items():
        for command in COMMANDS:
            op.execute(POLICY.format(command=command, table=table, is_over=is_over))


def downgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for table in OVER:
        for command in COMMANDS:
            op.execute(f"DROP POLICY expired_{command} ON {table}")
    op.execute("DROP FUNCTION as_purge()")
