"""The tables of users' data. Every key begins with the user, so a user's rows are stored together."""

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    TextClause,
    and_,
    false,
    literal,
    select,
    text,
)

from app.database.columns import OWNED, Day, Id, PlainText, Timestamp, from_now, metadata

# How long a task stays in the trash, and it is known that a list was deleted.
TRASH_SECONDS = 30 * 24 * 3600

# Lists never read the trash, however full it is.
NOT_DELETED = text("deleted_at IS NULL")
DUE = text("deleted_at IS NULL AND due IS NOT NULL")
DELETED = text("deleted_at IS NOT NULL")
IN_INBOX = text("deleted_at IS NULL AND list_id IS NULL AND parent_id IS NULL")
IN_LIST = text("deleted_at IS NULL AND list_id IS NOT NULL")
SUBTASK = text("parent_id IS NOT NULL")


def _index(condition: TextClause, *columns: str) -> Index:
    """Return an index over the part of each user's tasks that meets the condition."""
    return Index(None, "user_id", *columns, "id", postgresql_where=condition, sqlite_where=condition)


lists = Table(
    "lists",
    metadata,
    Column("user_id", Text, nullable=False),
    Column("id", Id, nullable=False),
    Column("name", Text, nullable=False),
    Column("color", Text),
    # See order.py.
    Column("position", PlainText, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    Column("updated_at", Timestamp, nullable=False),
    # The number of writes, used as the ETag.
    Column("version", Integer, nullable=False),
    PrimaryKeyConstraint("user_id", "id"),
    ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
    info=OWNED,
)

tasks = Table(
    "tasks",
    metadata,
    Column("user_id", Text, nullable=False),
    Column("id", Id, nullable=False),
    Column("title", PlainText, nullable=False),
    Column("details", Text),
    # Set if the task is completed.
    Column("completed_at", Timestamp),
    # The rank; see fields.Priority.
    Column("priority", SmallInteger, nullable=False, server_default=text("0")),
    # See fields.Tags.
    Column("tags", Text, nullable=False, server_default=""),
    # The time used for sorting and filtering; if the task is due on a day, the end of that day in its zone.
    Column("due", Timestamp),
    Column("due_on", Day),
    Column("time_zone", Text),
    Column("recurrence", Text),
    # The local time that the recurrence means, if the clocks of the zone skip it; `due` is later by the gap.
    Column("skipped_time", Text),
    # NULL if there are none; see reminders.py.
    Column("reminders", Text),
    # The next occurrence, once completing this task has created it.
    Column("next_id", Id),
    # The inbox, if NULL. A subtask is in the list of its parent.
    Column("list_id", Id),
    # Set if it is a subtask.
    Column("parent_id", Id),
    # Whether it has had subtasks. Only then must a write look for them.
    Column("is_parent", Boolean, nullable=False, server_default=false()),
    # The place among the tasks of the same list and parent; see order.py. The default is for instances of the version
    # before, while they still run.
    Column("position", PlainText, nullable=False, server_default=""),
    Column("created_at", Timestamp, nullable=False),
    Column("updated_at", Timestamp, nullable=False),
    # When it was moved to the trash.
    Column("deleted_at", Timestamp),
    # The number of writes, used as the ETag.
    Column("version", Integer, nullable=False),
    PrimaryKeyConstraint("user_id", "id"),
    ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
    ForeignKeyConstraint(["user_id", "list_id"], ["lists.user_id", "lists.id"], name="tasks_list_id_fkey"),
    ForeignKeyConstraint(
        ["user_id", "parent_id"], ["tasks.user_id", "tasks.id"], name="tasks_parent_id_fkey", ondelete="CASCADE"
    ),
    # Each costs a write some 8 µs in the database; without it, a page in this order reads all of the user's tasks.
    # A page by title does: row-level security allows no search in an index of sort keys.
    _index(NOT_DELETED, "created_at"),
    _index(NOT_DELETED, "priority"),
    _index(DUE, "due"),
    _index(DELETED, "deleted_at"),
    # For moves, and pages in their order. The inbox has its own, because PostgreSQL sorts again after `IS NULL`.
    _index(IN_INBOX, "position"),
    _index(IN_LIST, "list_id", "position"),
    # Also those in the trash, for the foreign key.
    _index(SUBTASK, "parent_id", "position"),
    # For the list of changes, which includes the trash.
    Index(None, "user_id", "updated_at", "id"),
    # For `flask purge`, which deletes the oldest of all users' trash.
    Index(None, "deleted_at", postgresql_where=DELETED, sqlite_where=DELETED),
    info=OWNED,
)

# When the reminders of tasks fire; deleted when they do. They mean nothing without the task's row.
reminders = Table(
    "reminders",
    metadata,
    Column("user_id", Text, nullable=False),
    Column("task_id", Id, nullable=False),
    Column("fire_at", Timestamp, nullable=False),
    PrimaryKeyConstraint("user_id", "task_id", "fire_at"),
    ForeignKeyConstraint(
        ["user_id", "task_id"], ["tasks.user_id", "tasks.id"], name="reminders_task_id_fkey", ondelete="CASCADE"
    ),
    # For the worker, which reads those of all users.
    Index(None, "fire_at"),
    info=OWNED,
)

# Lists that were deleted, for clients that keep a copy. An id may be here and in `lists`, because it can be used again.
deleted_lists = Table(
    "deleted_lists",
    metadata,
    Column("user_id", Text, nullable=False),
    Column("id", Id, nullable=False),
    Column("deleted_at", Timestamp, nullable=False),
    PrimaryKeyConstraint("user_id", "id"),
    ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
    Index(None, "user_id", "deleted_at", "id"),
    # For `flask purge`.
    Index(None, "deleted_at"),
    info=OWNED,
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("user_id", Text, nullable=False),
    Column("key", Text, nullable=False),
    # SHA-256 (hexadecimal) of method, path and body.
    Column("request_hash", Text, nullable=False),
    # The response's status, headers and body as JSON; NULL only within the transaction that adds the key.
    Column("answer", Text),
    Column("created_at", Timestamp, nullable=False),
    PrimaryKeyConstraint("user_id", "key"),
    ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
    Index(None, "created_at"),
    info=OWNED,
)

# The columns that a client can write. The service derives or sets the others.
WRITABLE = (
    "title",
    "details",
    "priority",
    "tags",
    "due_on",
    "due",
    "time_zone",
    "recurrence",
    "reminders",
    "list_id",
    "parent_id",
)

# The columns of a list, except the user, who is the same for all tasks.
LISTED = (
    tasks.c.id,
    tasks.c.title,
    tasks.c.details,
    tasks.c.completed_at,
    tasks.c.priority,
    tasks.c.tags,
    tasks.c.due_on,
    tasks.c.due,
    tasks.c.time_zone,
    tasks.c.recurrence,
    tasks.c.reminders,
    tasks.c.list_id,
    tasks.c.parent_id,
    tasks.c.position,
    tasks.c.created_at,
    tasks.c.updated_at,
)
TASK = (*LISTED, tasks.c.user_id, tasks.c.version)

# The columns of a list; of its response all but the version.
LIST = (
    lists.c.id,
    lists.c.name,
    lists.c.color,
    lists.c.position,
    lists.c.created_at,
    lists.c.updated_at,
    lists.c.user_id,
    lists.c.version,
)

# The clock is read once, not for each row.
TRASH_BEGINS = select(from_now(literal(-TRASH_SECONDS))).scalar_subquery()
IN_TRASH = and_(tasks.c.deleted_at.is_not(None), tasks.c.deleted_at > TRASH_BEGINS)

BEFORE_EVERY_ID = "00000000-0000-0000-0000-000000000000"
