"""Users and their sessions. Read before or across users, so not under row-level security; see queries.py."""

from sqlalchemy import CheckConstraint, Column, ForeignKeyConstraint, Index, Integer, PrimaryKeyConstraint, Table, Text

from app.database.columns import Id, Timestamp, metadata

users = Table(
    "users",
    metadata,
    Column("id", Text, primary_key=True),
    # As the user wrote it; NULL for a user of an outside issuer.
    Column("email", Text),
    Column("name", Text),
    Column("password_hash", Text),
    Column("created_at", Timestamp, nullable=False),
    Column("disabled_at", Timestamp),
    # An unset database setting reads as '', which must never be anybody's id.
    CheckConstraint("id <> ''", name="id"),
)

# Claims an address. A unique e-mail on `users` cannot be had where users are spread over machines by their id.
user_emails = Table(
    "user_emails",
    metadata,
    # As addresses.fold() makes it.
    Column("email", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("user_id", Text, nullable=False),
    Column("id", Id, nullable=False),
    # SHA-256, in hexadecimal, of what all refresh tokens of the session share, and of the newest one's secret.
    Column("family_hash", Text, nullable=False),
    Column("refresh_hash", Text, nullable=False),
    # How often the refresh token was renewed: a token with a lower number has been spent.
    Column("generation", Integer, nullable=False),
    Column("rotated_at", Timestamp, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    Column("expires_at", Timestamp, nullable=False),
    PrimaryKeyConstraint("user_id", "id"),
    ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
)

# What is refused although its signature is good; every process keeps a copy. Outlives its user, so no foreign key.
revocations = Table(
    "revocations",
    metadata,
    Column("user_id", Text, nullable=False),
    # A session's id, or one of revoked.EVERY_TOKEN and revoked.DISABLED.
    Column("subject", Text, nullable=False),
    # The ids of further sessions that ended with it, separated by spaces.
    Column("others", Text),
    # Tokens of the subject that were issued until then are refused.
    Column("issued_until", Timestamp, nullable=False),
    Column("changed_at", Timestamp, nullable=False),
    # When the last token that it could refuse has expired.
    Column("expires_at", Timestamp, nullable=False),
    PrimaryKeyConstraint("user_id", "subject"),
)
# Processes read what has changed lately, of all users.
Index(None, revocations.c.changed_at)

# Counts attempts in a window of time that begins with the first. Belongs to no user: the address may be unknown.
login_attempts = Table(
    "login_attempts",
    metadata,
    # What is counted: a hash of an e-mail address, or a client's address.
    Column("key", Text, primary_key=True),
    Column("started_at", Timestamp, nullable=False),
    Column("count", Integer, nullable=False),
)
