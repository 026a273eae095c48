"""The filters of lists. Each is a condition with a value."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, bindparam, cast, func, literal, or_, select

from app.database.columns import Day, Id, Timestamp, now
from app.database.texts import compose, folded, folded_ascii
from app.tasks.fields import LINE_END, PRIORITIES, line_of
from app.tasks.models import IN_TRASH, tasks
from app.times import rfc3339

Filters = Mapping[str, Any]

# In a query: the tasks in no list, or under no parent.
NONE = "none"

_overdue = and_(tasks.c.due < select(now()).scalar_subquery(), tasks.c.completed_at.is_(None))


def _text(name: str) -> Any:
    return bindparam(name, type_=Text())


def _moment(name: str) -> Any:
    return bindparam(name, type_=Timestamp())


def _holds(column: ColumnElement[str], part: str, is_ascii: bool) -> ColumnElement[bool]:
    """Return a condition for text that contains another, ignoring case. ASCII is folded more than twice as fast."""
    fold = folded_ascii if is_ascii else folded
    return func.strpos(fold(column), fold(_text(part))) > 0


_CONDITIONS: dict[str, ColumnElement[bool]] = {
    "live": tasks.c.deleted_at.is_(None),
    "deleted": IN_TRASH,
    "completed": tasks.c.completed_at.is_not(None),
    "pending": tasks.c.completed_at.is_(None),
    "priorities": func.strpos(_text("priorities"), cast(tasks.c.priority, Text)) > 0,
    "q": or_(_holds(tasks.c.title, "q", is_ascii=False), _holds(tasks.c.details, "q", is_ascii=False)),
    "q_ascii": or_(_holds(tasks.c.title, "q_ascii", is_ascii=True), _holds(tasks.c.details, "q_ascii", is_ascii=True)),
    "due_before": tasks.c.due < _moment("due_before"),
    "due_after": tasks.c.due > _moment("due_after"),
    # A task due on a day is compared by that day, in any zone; one due at a time, by the day in UTC. The first
    # condition follows from the others, because no zone is a day off; it is there to use an index.
    "due_before_day": and_(
        tasks.c.due < _moment("day_after"),
        or_(
            tasks.c.due_on < bindparam("due_before_day", type_=Day),
            and_(tasks.c.due_on.is_(None), tasks.c.due < _moment("begin_of_day")),
        ),
    ),
    "due_after_day": and_(
        tasks.c.due > _moment("begin_of_that_day"),
        or_(
            tasks.c.due_on > bindparam("due_after_day", type_=Day),
            and_(tasks.c.due_on.is_(None), tasks.c.due >= _moment("end_of_day")),
        ),
    ),
    "list": tasks.c.list_id == bindparam("list", type_=Id),
    "inbox": tasks.c.list_id.is_(None),
    "lists": func.strpos(_text("lists"), func.coalesce(cast(tasks.c.list_id, Text), literal(NONE))) > 0,
    "parent": tasks.c.parent_id == bindparam("parent", type_=Id),
    "top": tasks.c.parent_id.is_(None),
    "overdue": _overdue,
    "not_overdue": ~func.coalesce(_overdue, literal(False)),
}

WITHOUT_VALUES = frozenset({"inbox", "top", "live", "deleted", "completed", "pending", "overdue", "not_overdue"})


def read(query: Mapping[str, Any]) -> dict[str, Any]:
    """Return a query's filters by the names of their conditions. Contradicting filters match no task."""
    wanted = {query.get("completed"), {"completed": True, "pending": False}.get(query.get("status", "all"))}
    found: dict[str, Any] = {"deleted" if query.get("deleted") else "live": True}
    found |= {name: True for name, value in (("completed", True), ("pending", False)) if value in wanted}
    if "priority" in query:
        found["priorities"] = "".join(sorted({str(PRIORITIES.index(word)) for word in query["priority"]}))
    for number, tag in enumerate(map(compose, query.get("tag", ()))):
        found[f"tag_ascii_{number}" if tag.isascii() else f"tag_{number}"] = line_of(tag) + LINE_END
    if "q" in query:
        part = compose(query["q"])
        found["q_ascii" if part.isascii() else "q"] = part
    for name in ("due_before", "due_after"):
        if name in query:
            found[name if "T" in query[name] else f"{name}_day"] = query[name]
    match sorted(set(query.get("list", ()))):
        case [one]:
            found |= {"inbox": True} if one == NONE else {"list": one}
        case [_, *_] as several:
            found["lists"] = ",".join(several)
    if "parent" in query:
        found |= {"top": True} if query["parent"] == NONE else {"parent": query["parent"]}
    if "overdue" in query:
        found["overdue" if query["overdue"] else "not_overdue"] = True
    return found


def values(filters: Filters) -> dict[str, Any]:
    """Return the parameters of the conditions."""
    given = dict(filters)
    if "due_before_day" in given:
        given["begin_of_day"] = _begin_of(given["due_before_day"], 0)
        given["day_after"] = _begin_of(given["due_before_day"], 1)
    if "due_after_day" in given:
        given["begin_of_that_day"] = _begin_of(given["due_after_day"], 0)
        given["end_of_day"] = _begin_of(given["due_after_day"], 1)
    return given


@lru_cache(maxsize=64)
def condition(name: str) -> ColumnElement[bool]:
    if name.startswith("tag_"):
        return _holds(tasks.c.tags, name, is_ascii=name.startswith("tag_ascii"))
    return _CONDITIONS[name]


def _begin_of(day: str, days_later: int) -> str:
    begin = datetime.combine(date.fromisoformat(day) + timedelta(days_later), time.min, UTC)
    return rfc3339(begin)
