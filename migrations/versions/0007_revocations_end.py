"""Let revocations expire, revoke many sessions in one row, index changes, and limit users to 200 sessions."""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

INDEX = "revocations_changed_at_idx"
# The maximum AUTH_MAX_TOKEN_SECONDS and ACCESS_TOKEN_SECONDS, plus a margin for differing clocks.
OUTSIDE_TOKENS_GONE = timedelta(seconds=31_536_000 + 60)
OWN_TOKENS_GONE = timedelta(seconds=86_400 + 60)

# Keep the newest. The access tokens of the others may expire by themselves: no user asked to end these sessions.
MORE_THAN_200 = """
DELETE FROM sessions WHERE (user_id, id) IN (
    SELECT user_id, id FROM (
        SELECT user_id, id, row_number() OVER (PARTITION BY user_id ORDER BY rotated_at DESC, id DESC) AS place
        FROM sessions
    ) AS numbered WHERE place > 200
)
"""


def upgrade() -> None:
    op.add_column("revocations", sa.Column("others", sa.Text))
    op.create_index(INDEX, "revocations", ["changed_at"])
    op.execute(MORE_THAN_200)
    # These were kept forever. A disabled user stays disabled.
    every_token, switched = "subject = 'every token'", "subject = 'disabled' AND issued_until < '2000-01-01'"
    end_latest(OUTSIDE_TOKENS_GONE, f"{every_token} OR {switched}")
    end_latest(OWN_TOKENS_GONE, f"({every_token} AND user_id LIKE 'usr\\_%' ESCAPE '\\') OR ({switched})")


def end_latest(after: timedelta, condition: str) -> None:
    """Let rows expire at the latest this long from now."""
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    moment = datetime.now(UTC) + after
    text = moment.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"
    update = sa.text(f"UPDATE revocations SET expires_at = :moment WHERE expires_at > :moment AND ({condition})")
    op.get_bind().execute(update, {"moment": moment if on_postgresql else text})


def downgrade() -> None:
    op.drop_index(INDEX, "revocations")
    # An older version would reject only the first session.
    op.drop_column("revocations", "others")
