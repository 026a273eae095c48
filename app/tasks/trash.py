"""Delete old trash and expired idempotency keys permanently."""

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
# Check the age again, because a row may have been restored while the statement waited for it.
_purge = delete(tasks).where(
    tasks.c.user_id == bindparam("of_user"), tasks.c.id.in_(_old), tasks.c.deleted_at <= TRASH_BEGINS
)


def purge(user_id: str) -> int:
    """Permanently delete a user's tasks that were deleted more than 30 days ago, and return their number."""
    ended = 0
    while count := execute(_purge, {"of_user": user_id, "rows": MAX_AT_ONCE}):
        ended += count
    clear_keys(user_id)
    return ended
