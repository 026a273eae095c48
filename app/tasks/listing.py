"""Lists with filters, sorts, and cursors that neither skip nor repeat tasks while others are added or deleted."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Integer, Select, asc, bindparam, desc, func, select, tuple_, union_all

from app.database import fetch_one, fetch_tuples
from app.database.texts import sort_key
from app.tasks import cursors, filters
from app.tasks.cursors import is_id
from app.tasks.fields import PRIORITIES
from app.tasks.models import LISTED, tasks
from app.tasks.order import is_position
from app.tasks.problems import InvalidCursor
from app.times import is_time

# For each sort, a check that a cursor's value has the right type.
SORTS: Mapping[str, Callable[[Any], bool]] = {
    "created_at": is_time,
    "updated_at": is_time,
    "due": lambda value: value is None or is_time(value),
    "priority": lambda value: type(value) is int and value in range(len(PRIORITIES)),
    "position": is_position,
    "title": lambda value: isinstance(value, str) and "\x00" not in value,
}

_PLACE = {column.key: place for place, column in enumerate(LISTED)}


class Position(NamedTuple):
    """The end of a page: the last task's sort value, and its id for ties."""

    value: Any
    task_id: str


@dataclass(frozen=True, slots=True)
class Page:
    # Each with the columns of models.LISTED.
    tasks: Sequence[tuple[Any, ...]]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class _List:
    """A requested list: the user, the filters, the sort, the limit and the start."""

    user_id: str
    filters: Mapping[str, Any]
    sort: str
    limit: int
    after: Position | None

    @property
    def column(self) -> str:
        return self.sort.removeprefix("-")

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self.filters)

    @property
    def begin(self) -> str | None:
        """The start of the page: None for the list's start, else after a value, or among the tasks without a value."""
        if self.after is None:
            return None
        return "nulls" if self.after.value is None else "values"

    @property
    def parameters(self) -> dict[str, Any]:
        # One row more than requested shows whether there is another page.
        parameters = {"of_user": self.user_id, "rows": self.limit + 1, **filters.values(self.filters)}
        return parameters | ({"after_value": self.after.value, "after_id": self.after.task_id} if self.after else {})

    def cut(self, rows: Sequence[tuple[Any, ...]]) -> Page:
        if len(rows) <= self.limit:
            return Page(rows, None)
        last = rows[self.limit - 1]
        position = Position(last[_PLACE[self.column]], last[_PLACE["id"]])
        return Page(rows[: self.limit], cursors.encode([*position], self.user_id, self.sort, self.filters))


def list_tasks(user_id: str, query: Mapping[str, Any]) -> Page:
    """Return one page of a user's tasks. `query` has `limit` and `sort`, and may have `cursor` and filters."""
    return _fetch(_read(user_id, query))


def list_tasks_and_total(user_id: str, query: Mapping[str, Any]) -> tuple[Page, int]:
    """Return one page and the number of tasks on all pages.

    Counting takes half as long as a page of a hundred, so it is done only if there is another page.
    """
    wanted = _read(user_id, query)
    page = _fetch(wanted)
    if wanted.after is None and page.next_cursor is None:
        return page, len(page.tasks)
    counted = fetch_one(_count(wanted.names), wanted.parameters)
    return page, counted.total if counted else 0


def _fetch(wanted: _List) -> Page:
    return wanted.cut(fetch_tuples(_page(wanted.names, wanted.sort, wanted.begin), wanted.parameters))


def _read(user_id: str, query: Mapping[str, Any]) -> _List:
    sort, found = query["sort"], filters.read(query)
    after = _read_position(cursors.decode(query["cursor"], user_id, sort, found), sort) if "cursor" in query else None
    return _List(user_id, found, sort, query["limit"], after)


def _read_position(values: list[Any], sort: str) -> Position:
    if len(values) != 2 or not SORTS[sort.removeprefix("-")](values[0]) or not is_id(values[1]):
        raise InvalidCursor
    return Position(*values)


@lru_cache(maxsize=256)
def _page(names: frozenset[str], sort: str, begin: str | None) -> Select[Any]:
    # Prepare the statement only if no filter value could make another plan better.
    return _rows(names, sort, begin).execution_options(prepared=names <= filters.WITHOUT_VALUES)


def _rows(names: frozenset[str], sort: str, begin: str | None) -> Select[Any]:
    column, descending = tasks.c[sort.removeprefix("-")], sort.startswith("-")
    order = desc if descending else asc
    rows = bindparam("rows", type_=Integer())
    page = select(*LISTED).where(*_wanted(names)).limit(rows)
    place = (*_place(column, column), tasks.c.id)
    with_value, without = page.order_by(*map(order, place)), page.order_by(order(tasks.c.id))
    after_id = bindparam("after_id", type_=tasks.c.id.type)
    if begin == "values":
        after_value = bindparam("after_value", type_=column.type)
        here, there = tuple_(*place), tuple_(*_place(column, after_value), after_id)
        with_value = with_value.where(here < there if descending else here > there)
    if not column.nullable:
        return with_value
    # Tasks without a value always come last; each part uses its own index.
    without = without.where(column.is_(None))
    if begin == "nulls":
        return without.where(tasks.c.id < after_id if descending else tasks.c.id > after_id)
    first = with_value.where(column.is_not(None)).cte("with_value")
    # The second part is read only if the first leaves room.
    rest = without.where(select(func.count()).select_from(first).scalar_subquery() < rows).subquery()
    both = union_all(select(*first.c), select(*rest.c)).subquery()
    value = both.c[column.key]
    return select(*both.c).order_by(value.is_(None), order(value), order(both.c.id)).limit(rows)


def _place(column: ColumnElement[Any], value: ColumnElement[Any]) -> tuple[ColumnElement[Any], ...]:
    """Return what decides, before the id, where a value of this column stands in a list sorted by it."""
    if column is not tasks.c.title:
        return (value,)
    # Letters first, case and accents only among the same letters. A cursor's key is computed once, not for each row.
    key = sort_key(value)
    return (key if value is column else select(key).scalar_subquery(), value)


@lru_cache(maxsize=256)
def _count(names: frozenset[str]) -> Select[Any]:
    return select(func.count().label("total")).select_from(tasks).where(*_wanted(names))


def _wanted(names: frozenset[str]) -> list[ColumnElement[bool]]:
    return [tasks.c.user_id == bindparam("of_user"), *(filters.condition(name) for name in sorted(names))]
