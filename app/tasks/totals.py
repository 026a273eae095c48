"""How many tasks a user has."""

from sqlalchemy import bindparam, func, select

from app.database import fetch_one
from app.tasks.models import tasks

_kept = tasks.c.deleted_at.is_(None)
_count = select(
    func.count().filter(_kept, tasks.c.completed_at.is_(None)).label("open"),
    func.count().filter(_kept, tasks.c.completed_at.is_not(None)).label("completed"),
    func.count().filter(~_kept).label("in_trash"),
).where(tasks.c.user_id == bindparam("of_user"))


def count_tasks(user_id: str) -> dict[str, int]:
    """The numbers of a user's tasks: open, completed, and in the trash."""
    counted = fetch_one(_count, {"of_user": user_id})
    assert counted is not None
    return dict(counted._asdict())
