"""Users and their sessions. They are read before the user is known, so without row-level security; see queries.py."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    false,
)

from app.database.columns import Id, Timestamp, metadata

users = Table(
    "users",
    metadata,
    Column("id", Text, primary_key=True),
    # In the user's own spelling; NULL for a user of an outside issuer.
    Column("email", Text),
    Column("name", Text),
    Column("password_hash", Text),
    Column("created_at", Timestamp, nullable=False),
    Column("disabled_at", Timestamp),
    # When the address was verified; NULL if it was not.
    Column("email_verified_at", Timestamp),
    # The address that replaces it once that is verified.
    Column("pending_email", Text),
    # Whether reminders are sent to the address, once it is verified.
    Column("reminder_mail", Boolean, nullable=False, server_default=false()),
    # An unset database setting reads as '', which must never be a user's id.
    CheckConstraint("id <> ''", name="id"),
)

# Claims an address. `users` cannot have a unique e-mail if users are distributed over machines by their id.
user_emails = Table(
    "user_emails",
    metadata,
    # In the form of addresses.fold().
    Column("email", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("user_id", Text, nullable=False),
    Column("id", Id, nullable=False),
    # SHA-256 (hexadecimal) of the part that all refresh tokens of the session share, and of the newest one's secret.
    Column("family_hash", Text, nullable=False),
    Column("refresh_hash", Text, nullable=False),
    # The number of renewals: a refresh token with a lower number has been spent.
    Column("generation", Integer, nullable=False),
    Column("rotated_at", Timestamp, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    Column("expires_at", Timestamp, nullable=False),
    PrimaryKeyConstraint("user_id", "id"),
    ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
)
# For deleting what has expired, like those of the other tables' times.
Index(None, sessions.c.expires_at)

# Found by the hash before the user is known. So no foreign key: the user may be on another machine.
personal_tokens = Table(
    "personal_tokens",
    metadata,
    # SHA-256 (hexadecimal) of the whole token. The id is made of it; see tokens.PersonalToken.
    Column("token_hash", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("id", Id, nullable=False),
    Column("name", Text, nullable=False),
    # Separated by spaces.
    Column("scopes", Text, nullable=False),
    # The token's first characters, so that its user recognizes it.
    Column("prefix", Text, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    # NULL for a token that never expires.
    Column("expires_at", Timestamp),
    # Up to personal_uses.WRITE_SECONDS late.
    Column("last_used_at", Timestamp),
)
Index(None, personal_tokens.c.user_id)
Index(None, personal_tokens.c.expires_at)

# Links in mails that work once: the newest of a user for each purpose.
links = Table(
    "links",
    metadata,
    Column("user_id", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    # The mail with the link; newer ones have greater ids.
    Column("mail_id", Id, nullable=False),
    # SHA-256 (hexadecimal) of the token.
    Column("token_hash", Text, nullable=False),
    # The address to which it was sent: it works for this address alone.
    Column("email", Text, nullable=False),
    Column("expires_at", Timestamp, nullable=False),
    # A spent link stays until it expires, because its mail may be sent a second time.
    Column("spent_at", Timestamp),
    PrimaryKeyConstraint("user_id", "purpose"),
    ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
)
Index(None, links.c.expires_at)

# Tokens to reject despite a valid signature; every process keeps a copy. Rows outlive their user: no foreign key.
revocations = Table(
    "revocations",
    metadata,
    Column("user_id", Text, nullable=False),
    # The id of a session or personal token, or one of revoked.EVERY_TOKEN and revoked.DISABLED.
    Column("subject", Text, nullable=False),
    # The ids of others that ended with it, separated by spaces.
    Column("others", Text),
    # Tokens of the subject issued until this time are rejected.
    Column("issued_until", Timestamp, nullable=False),
    Column("changed_at", Timestamp, nullable=False),
    # When the last token that the row could reject has expired.
    Column("expires_at", Timestamp, nullable=False),
    PrimaryKeyConstraint("user_id", "subject"),
)
# Processes read the recent changes of all users.
Index(None, revocations.c.changed_at)
Index(None, revocations.c.expires_at)

# Counts attempts in a time window that begins with the first. Without a user, because the address may be unknown.
login_attempts = Table(
    "login_attempts",
    metadata,
    # A hash of an e-mail address, or a client's address.
    Column("key", Text, primary_key=True),
    Column("started_at", Timestamp, nullable=False),
    Column("count", Integer, nullable=False),
)
Index(None, login_attempts.c.started_at)
