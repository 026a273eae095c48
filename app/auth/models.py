"""Users and their sessions. Read before or across users, so not under row-level security; see queries.py."""

from sqlalchemy import CheckConstraint, Column, ForeignKeyConstraint, PrimaryKeyConstraint, Table, Text

from app.columns import Id, Timestamp
from app.database import metadata

users = Table(
    "users",
    metadata,
    Column("id", Text, primary_key=True),
    # As the user wrote it; NULL for a user of an outside issuer.
    Column("email", Text),
    Column("name", Text),
    Column("password_hash", Text),
    Column("created_at", Timestamp, nullable=False),
    # An unset database setting reads as '', which must never be anybody's id.
    CheckConstraint("id <> ''", name="id"),
)

# Claims an address. A unique e-mail on `users` cannot be had where users are spread over machines by their id.
user_emails = Table(
    "user_emails",
    metadata,
    # Case-folded.
    Column("email", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("user_id", Text, nullable=False),
    Column("id", Id, nullable=False),
    # SHA-256 of the refresh token's secret, in hexadecimal.
    Column("refresh_hash", Text, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    Column("expires_at", Timestamp, nullable=False),
    PrimaryKeyConstraint("user_id", "id"),
    ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
)
