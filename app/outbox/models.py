"""The outbox's table. It knows nothing of what a message means: `kind` picks its handler, which reads `body`."""

from sqlalchemy import Column, Index, Integer, PrimaryKeyConstraint, Table, Text, text

from app.database.columns import OWNED, Id, Timestamp, metadata

# How long a finished message stays, as a line of a log.
KEPT_SECONDS = 7 * 24 * 3600

DELIVERED, FAILED, UNFINISHED = "delivered", "failed", "waiting"

WAITING = text("finished_at IS NULL")
FINISHED = text("finished_at IS NOT NULL")

# No foreign key, because some messages have no user (SERVICE). Deleting a user deletes the messages after the user, in
# the same transaction: writers of a user's messages lock a row of that user's first.
outbox = Table(
    "outbox",
    metadata,
    Column("user_id", Text, nullable=False),
    Column("id", Id, nullable=False),
    Column("kind", Text, nullable=False),
    # One process sends one message with the same user, kind and key at a time.
    Column("key", Text, nullable=False),
    # Once delivered, what the handler keeps of it.
    Column("body", Text),
    Column("created_at", Timestamp, nullable=False),
    # The next attempt. While one is under way: when another worker may try, because this one has been lost.
    Column("due_at", Timestamp, nullable=False),
    Column("attempts", Integer, nullable=False),
    # Set while an attempt is under way, to its due_at.
    Column("leased_until", Timestamp),
    Column("finished_at", Timestamp),
    Column("status", Text, nullable=False),
    # What the last attempt led to: the receiver's status, and words for the user or the operator.
    Column("last_status", Integer),
    Column("last_error", Text),
    PrimaryKeyConstraint("user_id", "id"),
    # For a worker, which looks for all users' messages, in order of their time.
    Index(None, "due_at", "user_id", "id", postgresql_where=WAITING, sqlite_where=WAITING),
    # For the next message with the same key.
    Index(None, "user_id", "kind", "key", "due_at", "id", postgresql_where=WAITING, sqlite_where=WAITING),
    # For `flask purge`.
    Index(None, "finished_at", postgresql_where=FINISHED, sqlite_where=FINISHED),
    info=OWNED,
)
