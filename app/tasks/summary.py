"""Numbers to show next to lists: how many tasks are open, overdue, due today, and of each tag and priority."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import and_, bindparam, case, func, or_, select

from app.database import fetch_all, fetch_one
from app.database.columns import Day, Timestamp, now
from app.database.texts import fold
from app.tasks.fields import PRIORITIES, read_tags
from app.tasks.models import IN_TRASH, tasks
from app.times import rfc3339

MAX_TAGS_SHOWN = 100

_is_live = tasks.c.deleted_at.is_(None)
_is_open = and_(_is_live, tasks.c.completed_at.is_(None))
_begin, _end = (bindparam(name, type_=Timestamp()) for name in ("begin_of_today", "begin_of_tomorrow"))
_is_due_today = or_(
    tasks.c.due_on == bindparam("today", type_=Day()),
    and_(tasks.c.due_on.is_(None), tasks.c.due >= _begin, tasks.c.due < _end),
)
_state = case((~_is_live, "in_trash"), (tasks.c.completed_at.is_(None), "open"), else_="completed")
# Tasks with the same tags are one row, so that few rows leave the database.
_counted = (
    select(
        _state.label("state"),
        tasks.c.list_id,
        tasks.c.priority,
        tasks.c.tags,
        func.count().label("tasks"),
        func.count().filter(_is_open, tasks.c.due < select(now()).scalar_subquery()).label("overdue"),
        func.count().filter(_is_open, _is_due_today).label("due_today"),
    )
    .where(tasks.c.user_id == bindparam("of_user"), or_(_is_live, IN_TRASH))
    .group_by(_state, tasks.c.list_id, tasks.c.priority, tasks.c.tags)
)
_count_by_state = select(
    func.count().filter(_is_open).label("open"),
    func.count().filter(_is_live, tasks.c.completed_at.is_not(None)).label("completed"),
    func.count().filter(~_is_live).label("in_trash"),
).where(tasks.c.user_id == bindparam("of_user"))


def count_tasks(user_id: str) -> dict[str, int]:
    """Return the numbers of a user's tasks: open, completed, and in the trash."""
    counted = fetch_one(_count_by_state, {"of_user": user_id})
    assert counted is not None
    return dict(counted._asdict())


def summarize(user_id: str, time_zone: str | None) -> dict[str, Any]:
    """Count a user's tasks in one statement; today is today in this zone, or in UTC."""
    found = fetch_all(_counted, {"of_user": user_id, **_today(time_zone)})
    states: Counter[str] = Counter()
    # For each tag, how often which spelling is used.
    tags: dict[str, Counter[str]] = defaultdict(Counter)
    priorities: Counter[int] = Counter()
    # The inbox is always there.
    lists: dict[str | None, Counter[str]] = defaultdict(Counter, {None: Counter()})
    for row in found:
        states[row.state] += row.tasks
        if row.state != "in_trash":
            lists[row.list_id][row.state] += row.tasks
        if row.state == "open":
            priorities[row.priority] += row.tasks
            for tag in read_tags(row.tags):
                tags[fold(tag)][tag] += row.tasks
    by_tag = [(_most_used(spellings), spellings.total()) for spellings in tags.values()]
    by_tag.sort(key=lambda item: (-item[1], item[0]))
    return {
        "open": states["open"],
        "completed": states["completed"],
        "overdue": sum(row.overdue for row in found),
        "due_today": sum(row.due_today for row in found),
        "in_trash": states["in_trash"],
        "by_list": [
            {"list_id": id_, "open": counts["open"], "completed": counts["completed"]} for id_, counts in lists.items()
        ],
        "by_tag": [{"tag": tag, "open": number} for tag, number in by_tag[:MAX_TAGS_SHOWN]],
        "by_priority": {word: priorities[rank] for rank, word in enumerate(PRIORITIES)},
    }


def _most_used(spellings: Counter[str]) -> str:
    return min(spellings, key=lambda spelling: (-spellings[spelling], spelling))


def _today(time_zone: str | None) -> Mapping[str, str]:
    zone = ZoneInfo(time_zone or "UTC")
    today = datetime.now(zone).date()
    begins = [rfc3339(datetime.combine(day, time.min, zone)) for day in (today, today + timedelta(1))]
    return {"today": today.isoformat(), "begin_of_today": begins[0], "begin_of_tomorrow": begins[1]}
