"""What is ended for good: tasks that were deleted long ago, and keys of requests that nobody will repeat."""

from sqlalchemy import Integer, bindparam, delete, select

from app.database import execute
from app.database.execution import MAX_AT_ONCE
from app.tasks.idempotency import clear_keys
from app.tasks.models import TRASH_BEGINS, tasks

_old = (
    select(tasks.c.id)
    .where(
        tasks.c.user_id == bindparam("of_user"),
        tasks.c.deleted_at <= TRASH_BEGINS,
    )
    .limit(bindparam("rows", type_=Integer()))
)
# The age is looked at once more: while it waited for a row, that may have been restored.
_purge = delete(tasks).where(
    tasks.c.user_id == bindparam("of_user"), tasks.c.id.in_(_old), tasks.c.deleted_at <= TRASH_BEGINS
)


def purge(user_id: str) -> int:
    """End a user's tasks that were deleted more than 30 days ago; how many."""
    ended = 0
    while count := execute(_purge, {"of_user": user_id, "rows": MAX_AT_ONCE}):
        ended += count
    clear_keys(user_id)
    return ended
