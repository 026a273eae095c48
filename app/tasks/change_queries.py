"""The statements that read what changed after some time: a page of it, or a sum that tells whether there is more."""

from typing import Any, NamedTuple

from sqlalchemy import (
    Column,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    bindparam,
    case,
    exists,
    false,
    func,
    literal,
    null,
    select,
    true,
    tuple_,
    union_all,
)

from app.database import fetch_all
from app.database.columns import from_now, now, row_mark
from app.database.statements import Row
from app.tasks.change_tokens import OVERLAP, Position, Sums
from app.tasks.models import LIST, LISTED, deleted_lists, lists, tasks

_user: Any = bindparam("of_user")


class Look(NamedTuple):
    """What has changed after two positions, and in the last minute, by a clock."""

    clock: str
    sums: Sums
    recent: Sums


def _paged(found: Select[Any], time: ColumnElement[str], id_: ColumnElement[str]) -> Select[Any]:
    """Limit a query to a page after a position, in the order of time."""
    position = bindparam("after_time", type_=tasks.c.updated_at.type), bindparam("after_id", type_=tasks.c.id.type)
    rows = bindparam("rows", type_=Integer())
    return found.where(tuple_(time, id_) > tuple_(*position)).order_by(time, id_).limit(rows)


def _with_clock(page: FromClause) -> Select[Any]:
    """Add the clock, which is returned even without changes."""
    clock = select(now().label("clock")).subquery()
    found = select(*page.c, clock.c.clock).select_from(clock.outerjoin(page, true()))
    return found.order_by(page.c.updated_at, page.c.id)


# A deleted list whose id is used again is only listed as what it is now.
_is_gone = ~exists().where(lists.c.user_id == _user, lists.c.id == deleted_lists.c.id)
_living = select(*LIST[:-1], false().label("is_deleted"), row_mark(lists.c.id, lists.c.version).label("mark"))
_living = _living.where(lists.c.user_id == _user)
_gone = select(
    deleted_lists.c.id,
    *(null().label(column.name) for column in LIST[1:4]),
    deleted_lists.c.deleted_at.label("created_at"),
    deleted_lists.c.deleted_at.label("updated_at"),
    deleted_lists.c.user_id,
    true().label("is_deleted"),
    row_mark(deleted_lists.c.id, literal(0)).label("mark"),
).where(deleted_lists.c.user_id == _user, _is_gone)

_task = select(*LISTED, tasks.c.deleted_at, row_mark(tasks.c.id, tasks.c.version).label("mark"))
_task_page = _with_clock(_paged(_task.where(tasks.c.user_id == _user), tasks.c.updated_at, tasks.c.id).subquery())
_list_pages = (
    _paged(_living, lists.c.updated_at, lists.c.id).subquery(),
    _paged(_gone, deleted_lists.c.deleted_at, deleted_lists.c.id).subquery(),
)
_both = union_all(*(select(page) for page in _list_pages)).subquery()
_list_page = _with_clock(
    select(_both).order_by(_both.c.updated_at, _both.c.id).limit(bindparam("rows", type_=Integer())).subquery()
)


def _sums(name: str, *marks: Any) -> Any:
    """Build a query for the sum of the marks from the time `name`_since on, and from OVERLAP before now on."""
    found = union_all(*marks).subquery()
    since, recent = bindparam(f"{name}_since", type_=tasks.c.updated_at.type), from_now(literal(-OVERLAP.seconds))
    each = select(found).where(found.c.time >= since).subquery()
    in_sum = each.c.mark, case((each.c.time >= recent, each.c.mark))
    columns = zip((name, f"{name}_recent"), in_sum, strict=True)
    return select(*(func.coalesce(func.sum(mark), 0).label(label) for label, mark in columns)).subquery()


def _marks(table: FromClause, time: Column[str], version: Any, *conditions: ColumnElement[bool]) -> Any:
    mark = row_mark(table.c.id, version).label("mark")
    return select(mark, time.label("time")).where(table.c.user_id == _user, *conditions)


_of_tasks = _sums("tasks", _marks(tasks, tasks.c.updated_at, tasks.c.version))
_of_lists = _sums(
    "lists",
    _marks(lists, lists.c.updated_at, lists.c.version),
    _marks(deleted_lists, deleted_lists.c.deleted_at, literal(0), _is_gone),
)
_clock = now().label("clock")
# Prepared, because each user who waits needs one every second or two.
_look = select(*_of_tasks.c, _clock).execution_options(prepared=True)
_look_at_lists_too = (
    select(*_of_tasks.c, *_of_lists.c, _clock)
    .select_from(_of_tasks.join(_of_lists, true()))
    .execution_options(prepared=True)
)


def page_of_tasks(user_id: str, position: Position, rows: int) -> tuple[str, list[Row]]:
    """Return the clock, and up to so many tasks that changed after the position, oldest change first."""
    return _page(_task_page, user_id, position, rows)


def page_of_lists(user_id: str, position: Position, rows: int) -> tuple[str, list[Row]]:
    """Return the clock, and up to so many lists that were changed or deleted after the position, oldest first."""
    return _page(_list_page, user_id, position, rows)


def look(user_id: str, tasks_since: str, lists_since: str | None) -> Look:
    """Return what tells whether anything has changed since then; without a time for lists, they do not count."""
    given = {"of_user": user_id, "tasks_since": tasks_since}
    if lists_since is None:
        [row] = fetch_all(_look, given)
        return Look(row.clock, Sums(row.tasks), Sums(row.tasks_recent))
    [row] = fetch_all(_look_at_lists_too, {**given, "lists_since": lists_since})
    return Look(row.clock, Sums(row.tasks, row.lists), Sums(row.tasks_recent, row.lists_recent))


def _page(statement: Select[Any], user_id: str, position: Position, rows: int) -> tuple[str, list[Row]]:
    after = {"after_time": position.time, "after_id": position.id}
    found = fetch_all(statement, {"of_user": user_id, "rows": rows, **after})
    return found[0].clock, [row for row in found if row.id is not None]
