"""Who is told of changes: the table of webhooks, and the condition that lets all other users' writes stay as they are.

The table is declared here, because the statements on tasks name it. What it is for is in the room `webhooks`.
"""

from sqlalchemy import Boolean, Column, ForeignKeyConstraint, PrimaryKeyConstraint, Table, Text, bindparam, exists

from app.database.columns import OWNED, Id, Timestamp, metadata

webhooks = Table(
    "webhooks",
    metadata,
    Column("user_id", Text, nullable=False),
    Column("id", Id, nullable=False),
    Column("url", Text, nullable=False),
    # Names of events, separated by spaces.
    Column("events", Text, nullable=False),
    Column("description", Text),
    # In plain text, because each delivery is signed with it.
    Column("secret", Text, nullable=False),
    # Signs too until then, after a rotation.
    Column("old_secret", Text),
    Column("old_secret_until", Timestamp),
    Column("enabled", Boolean, nullable=False),
    # Why the service has switched it off; NULL if its user has.
    Column("disabled_reason", Text),
    Column("created_at", Timestamp, nullable=False),
    PrimaryKeyConstraint("user_id", "id"),
    ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
    info=OWNED,
)

# Whether the user must be told of changes. Then a write is a unit of work, which also writes what to tell.
IS_WATCHED = exists().where(webhooks.c.user_id == bindparam("of_user", type_=Text()), webhooks.c.enabled)
