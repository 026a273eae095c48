"""Limit the wait for a lock to 2 s: even the next in a queue then gets a response within 5 s."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# Each statement calls this first; see revision 0001.
AS_USER = """
CREATE OR REPLACE FUNCTION as_user(uid text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('SET LOCAL app.user_id = %L', uid);
    SET LOCAL statement_timeout = '5s';
    SET LOCAL lock_timeout = '2s';
END $$
"""
BEFORE = AS_USER.replace("    SET LOCAL lock_timeout = '2s';\n", "")


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(AS_USER)


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(BEFORE)
