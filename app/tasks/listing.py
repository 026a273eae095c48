"""Lists: filters, sorts, and cursors that neither skip nor repeat while rows come and go."""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import orjson
from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    Text,
    asc,
    bindparam,
    desc,
    func,
    or_,
    select,
    tuple_,
)

from app import strict_json
from app.columns import folded
from app.database import fetch_all, fetch_one
from app.problems import Problem
from app.statements import Row
from app.tasks.models import tasks
from app.tasks.queries import TASK

CHECKSUM_BYTES = 9

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")

SORTS = {"created_at": tasks.c.created_at, "updated_at": tasks.c.updated_at, "title": tasks.c.title}


class InvalidCursor(Problem):
    """The cursor is damaged, or belongs to another list."""

    status, code, title = 422, "invalid_cursor", "The cursor does not fit"
    detail = "Use a cursor as it was given, with the filters and the sort it was given for; or begin without one."


class Position(NamedTuple):
    """Where a page ended: the value it was sorted by, and the task's id for ties."""

    value: str
    task_id: str


@dataclass(frozen=True, slots=True)
class Page:
    tasks: Sequence[Row]
    next_cursor: str | None


def list_tasks(user_id: str, query: Mapping[str, Any]) -> Page:
    """One page of a user's tasks. `query` holds `limit` and `sort`, and may hold `cursor` and filters."""
    after, filters = _read(user_id, query)
    rows = fetch_all(
        _page(frozenset(filters), query["sort"], after is not None), _parameters(user_id, query, filters, after)
    )
    return _cut(user_id, query, filters, rows)


def list_tasks_and_total(user_id: str, query: Mapping[str, Any]) -> tuple[Page, int]:
    """One page, and how many tasks there are on all pages."""
    after, filters = _read(user_id, query)
    parameters = _parameters(user_id, query, filters, after)
    rows = fetch_all(_page_and_total(frozenset(filters), query["sort"], after is not None), parameters)
    if not rows and after:
        # The tasks behind the cursor are gone; those before it count.
        rest = fetch_one(_count(frozenset(filters)), parameters)
        return Page(rows, None), rest.total if rest else 0
    return _cut(user_id, query, filters, rows), rows[0].total if rows else 0


def _filter_values(query: Mapping[str, Any]) -> dict[str, Any]:
    """The filters by the name of their condition; two that contradict each other show nothing."""
    wanted = {query.get("completed"), {"completed": True, "pending": False}.get(query.get("status", "all"))}
    filters = {name: True for name, value in (("completed", True), ("pending", False)) if value in wanted}
    return filters | ({"q": query["q"]} if "q" in query else {})


_CONDITIONS: dict[str, ColumnElement[bool]] = {
    "completed": tasks.c.completed_at.is_not(None),
    "pending": tasks.c.completed_at.is_(None),
    "q": or_(
        *(
            func.strpos(folded(column), folded(bindparam("q", type_=Text()))) > 0
            for column in (tasks.c.title, tasks.c.details)
        )
    ),
}


@lru_cache(maxsize=256)
def _page(filters: frozenset[str], sort: str, after: bool) -> Select[Any]:
    column, descending = SORTS[sort.removeprefix("-")], sort.startswith("-")
    order = desc if descending else asc
    page = (
        select(*TASK)
        .where(*_wanted(filters))
        .order_by(order(column), order(tasks.c.id))
        .limit(bindparam("rows", type_=Integer()))
    )
    if not after:
        return page
    here = tuple_(column, tasks.c.id)
    there = tuple_(bindparam("after_value", type_=column.type), bindparam("after_id", type_=tasks.c.id.type))
    return page.where(here < there if descending else here > there)


@lru_cache(maxsize=256)
def _page_and_total(filters: frozenset[str], sort: str, after: bool) -> Select[Any]:
    """The page with the total beside each row. It is counted once; next to nothing where the page holds all."""
    return _page(filters, sort, after).add_columns(_count(filters).correlate(None).scalar_subquery().label("total"))


@lru_cache(maxsize=256)
def _count(filters: frozenset[str]) -> Select[Any]:
    return select(func.count().label("total")).select_from(tasks).where(*_wanted(filters))


def _wanted(filters: frozenset[str]) -> list[ColumnElement[bool]]:
    mine = (tasks.c.user_id == bindparam("of_user"), tasks.c.deleted_at.is_(None))
    return [*mine, *(_CONDITIONS[name] for name in sorted(filters))]


def _parameters(
    user_id: str, query: Mapping[str, Any], filters: Mapping[str, Any], after: Position | None
) -> dict[str, Any]:
    # One row more than asked for tells whether there is another page.
    parameters = {"of_user": user_id, "rows": query["limit"] + 1, **filters}
    return parameters | ({"after_value": after.value, "after_id": after.task_id} if after else {})


def _read(user_id: str, query: Mapping[str, Any]) -> tuple[Position | None, dict[str, Any]]:
    filters = _filter_values(query)
    return _read_cursor(query["cursor"], user_id, query["sort"], filters) if "cursor" in query else None, filters


def _cut(user_id: str, query: Mapping[str, Any], filters: Mapping[str, Any], rows: Sequence[Row]) -> Page:
    limit, sort = query["limit"], query["sort"]
    if len(rows) <= limit:
        return Page(rows, None)
    last = rows[limit - 1]
    position = Position(getattr(last, sort.removeprefix("-")), last.id)
    return Page(rows[:limit], _write_cursor(position, user_id, sort, filters))


def _write_cursor(position: Position, user_id: str, sort: str, filters: Mapping[str, Any]) -> str:
    text = orjson.dumps(list(position))
    return base64.urlsafe_b64encode(_checksum(text, user_id, sort, filters) + text).rstrip(b"=").decode()


def _read_cursor(cursor: str, user_id: str, sort: str, filters: Mapping[str, Any]) -> Position:
    """The position in a cursor that was made for this list."""
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        position = Position(*strict_json.loads(raw[CHECKSUM_BYTES:]))
    except (binascii.Error, ValueError, TypeError) as error:
        raise InvalidCursor from error
    if not _could_be(position, sort) or cursor != _write_cursor(position, user_id, sort, filters):
        raise InvalidCursor
    return position


def _could_be(position: Position, sort: str) -> bool:
    """Whether the database can compare with it: the checksum is no signature, anybody can make one."""
    value, task_id = position
    if not isinstance(value, str) or not isinstance(task_id, str) or not _ID.fullmatch(task_id):
        return False
    if sort.removeprefix("-") == "title":
        return "\x00" not in value
    try:
        return bool(_TIME.fullmatch(value) and datetime.fromisoformat(value))
    except ValueError:
        return False


def _checksum(text: bytes, user_id: str, sort: str, filters: Mapping[str, Any]) -> bytes:
    """Binds a position to its list, so that a cursor of another is noticed."""
    list_ = orjson.dumps([user_id, sort, filters], option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(list_ + text, digest_size=CHECKSUM_BYTES).digest()
