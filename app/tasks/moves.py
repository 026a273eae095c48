"""Put a task or a list next to another, so that every order that a client reads is one that the moves explain.

A move locks what it moves and both neighbours, so two moves into the same gap take turns. The write checks that nothing
has come into the gap before it had them.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Integer, Select, Table, bindparam, exists, select, tuple_, union_all, update

from app.database import execute, fetch_all, fetch_one
from app.database.columns import now
from app.database.engines import for_engine
from app.database.statements import Row
from app.tasks.bulk_queries import ENGINES, lock_tasks, locking, parameters
from app.tasks.models import BEFORE_EVERY_ID, LIST, TASK, lists, tasks
from app.tasks.order import LONG, after, between, spread

# How many on each side get new positions, if there is no room for one more.
SPREAD = 100

_user: Any = bindparam("of_user")


def _id(name: str) -> Any:
    return bindparam(name, type_=tasks.c.id.type)


class Place(NamedTuple):
    """Next to a neighbour, or at an end."""

    neighbour: str | None
    # After the neighbour, or last.
    behind: bool


class Among(NamedTuple):
    """The tasks that are in an order with each other: those of the same list and parent."""

    list_id: str | None
    parent_id: str | None

    @property
    def kind(self) -> str:
        return "parent" if self.parent_id else "list" if self.list_id else "inbox"


class Stands(NamedTuple):
    """Where a task or a list stands."""

    position: str
    id: str


BEFORE_ALL = Stands("", BEFORE_EVERY_ID)


class Gap(NamedTuple):
    """What the new place is between; None at an end."""

    low: Stands | None
    high: Stands | None

    @property
    def middle(self) -> str | None:
        """A position inside; None if there is no room."""
        low = self.low.position if self.low else ""
        found = between(low, self.high.position if self.high else after(low))
        return found if found and len(found) <= LONG else None


def place_of(move: Mapping[str, Any]) -> Place:
    """Read a body that has `before`, `after` or `place`."""
    if "place" in move:
        return Place(None, move["place"] == "last")
    return Place(move.get("before") or move["after"], "after" in move)


def gap(siblings: Iterable[Stands], neighbour: Stands | None, behind: bool) -> Gap:
    """Return the gap at a place among siblings, of which those around it must be given."""
    if neighbour is None:
        return Gap(max(siblings, default=None), None) if behind else Gap(None, min(siblings, default=None))
    if behind:
        return Gap(neighbour, min((each for each in siblings if each > neighbour), default=None))
    return Gap(max((each for each in siblings if each < neighbour), default=None), neighbour)


def last_position(gap: Gap, position: str) -> str | None:
    """Return the position of what is put last: this one, unless others are behind it; None if there is no room."""
    return position if gap.low is None or gap.low.position < position else gap.middle


# What a statement reads around a place.


def _siblings(table: Any, kind: str) -> list[Any]:
    conditions = [table.c.user_id == _user]
    if kind == "all":
        return conditions
    conditions.append(table.c.deleted_at.is_(None))
    if kind == "parent":
        return [*conditions, table.c.parent_id == _id("to_parent")]
    of_list = table.c.list_id.is_(None) if kind == "inbox" else table.c.list_id == _id("to_list")
    return [*conditions, table.c.parent_id.is_(None), of_list]


def _nearest(table: Any, conditions: Sequence[Any], edge: Any, behind: bool) -> Select[Any]:
    """Build the query for the sibling next to an edge; without one, for the last or the first."""
    here = tuple_(table.c.position, table.c.id)
    found = select(table.c.id).where(*conditions, table.c.id != _id("of_id")).limit(1)
    if edge is not None:
        found = found.where(here > edge if behind else here < edge)
    ascending = behind if edge is not None else not behind
    order = (table.c.position, table.c.id)
    return found.order_by(*(order if ascending else (column.desc() for column in order)))


def _of(table: Table, name: str, column: str) -> Any:
    """Return a column of the row with this id."""
    row = table.alias()
    return select(row.c[column]).where(row.c.user_id == _user, row.c.id == _id(name)).scalar_subquery()


def _edge(table: Table, neighbour: bool) -> Any:
    return tuple_(_of(table, "neighbour", "position"), _id("neighbour")) if neighbour else None


def _near(kind: str, neighbour: bool, behind: bool, parent_stays: bool) -> list[Select[Any]]:
    """Build the queries of which one finds the sibling at the place.

    `kind` tells whose siblings they are, but those of a subtask that stays one are its parent's.
    """
    each = tasks.alias("sibling")
    # The list and parent may be those of a row that is not read yet.
    row = "neighbour" if neighbour else "of_id"
    list_id, parent_id = _of(tasks, row, "list_id"), _of(tasks, row, "parent_id")
    live = [each.c.user_id == _user, each.c.deleted_at.is_(None)]
    own = [parent_id.is_(None)] if parent_stays else []
    if kind == "row":
        top = [*live, *own, each.c.parent_id.is_(None)]
        wanted = [[*top, each.c.list_id.is_(None), list_id.is_(None)], [*top, each.c.list_id == list_id]]
    else:
        wanted = [[*_siblings(each, kind), *own]]
    if parent_stays:
        wanted.append([*live, each.c.parent_id == parent_id])
    return [_nearest(each, conditions, _edge(tasks, neighbour), behind) for conditions in wanted]


@lru_cache
def _locking_tasks(kind: str, neighbour: bool, behind: bool, parent_stays: bool) -> Any:
    named = ["of_id", *(["neighbour"] if neighbour else []), *(["to_parent"] if kind == "parent" else [])]
    ids = [select(_id(name).label("id")) for name in named]
    near = [select(found.subquery().c.id) for found in _near(kind, neighbour, behind, parent_stays)]
    return locking([*ids, *near], union_all(*ids))


@lru_cache
def _locking_lists(neighbour: bool, behind: bool) -> Any:
    ids = [select(_id(name).label("id")) for name in ("of_id", *(["neighbour"] if neighbour else []))]
    each = lists.alias("sibling")
    near = select(_nearest(each, _siblings(each, "all"), _edge(lists, neighbour), behind).subquery().c.id)
    rows = select(*LIST, now().label("clock"))
    return (
        rows.where(lists.c.user_id == _user, lists.c.id.in_(union_all(*ids, near)))
        .order_by(lists.c.id)
        .with_for_update()
    )


def lock_for_move(user_id: str, task_id: str, move: Mapping[str, Any]) -> list[Row]:
    """Lock a task, its future neighbours, and the parents of all; return their rows."""
    place = place_of(move)
    if place.neighbour is None and move.get("parent_id"):
        kind = "parent"
    elif place.neighbour is None and "list_id" in move:
        kind = "list" if move["list_id"] else "inbox"
    else:
        kind = "row"
    given = {"neighbour": place.neighbour, "to_parent": move.get("parent_id"), "to_list": move.get("list_id")}
    parent_stays = place.neighbour is not None or "parent_id" not in move
    statement = _locking_tasks(kind, place.neighbour is not None, place.behind, parent_stays)
    return fetch_all(statement, {"of_user": user_id, "of_id": task_id, **given})


def lock_lists(user_id: str, list_id: str, place: Place) -> list[Row]:
    """Lock a list and its future neighbours; return their rows."""
    statement = _locking_lists(place.neighbour is not None, place.behind)
    return fetch_all(statement, {"of_user": user_id, "of_id": list_id, "neighbour": place.neighbour})


@lru_cache
def _putting(table: Table, kind: str, low: bool, high: bool) -> Any:
    other = table.alias("other")
    here = tuple_(other.c.position, other.c.id)
    inside = [*_siblings(other, kind), other.c.id != _id("of_id")]
    inside += [here > tuple_(bindparam("low", type_=table.c.position.type), _id("low_id"))] if low else []
    inside += [here < tuple_(bindparam("high", type_=table.c.position.type), _id("high_id"))] if high else []
    values = {"position": bindparam("new_position"), "updated_at": now(), "version": table.c.version + 1}
    if table is tasks:
        values |= {"list_id": _id("new_list"), "parent_id": _id("to_parent")}
    putting = update(table).where(table.c.user_id == _user, table.c.id == _id("of_id")).values(values)
    guarded = putting.where(~exists().where(*inside)) if low or high else putting
    return guarded.returning(*(TASK if table is tasks else LIST))


def put_task(user_id: str, task_id: str, among: Among, gap: Gap | None, position: str) -> Row | None:
    """Write a task's place; None if something has come into the gap. Without a gap nothing can be in the way."""
    where = {"new_list": among.list_id, "to_list": among.list_id, "to_parent": among.parent_id}
    return _put(tasks, among.kind, {"of_user": user_id, "of_id": task_id, **where}, gap, position)


def put_list(user_id: str, list_id: str, gap: Gap | None, position: str) -> Row | None:
    """Write a list's place; None if something has come into the gap."""
    return _put(lists, "all", {"of_user": user_id, "of_id": list_id}, gap, position)


def _put(table: Table, kind: str, given: dict[str, Any], gap: Gap | None, position: str) -> Row | None:
    low, high = gap or (None, None)
    given = {**given, "new_position": position}
    given |= {"low": low.position, "low_id": low.id} if low else {}
    given |= {"high": high.position, "high_id": high.id} if high else {}
    return fetch_one(_putting(table, kind, low is not None, high is not None), given)


# Spreading.


@lru_cache
def _around(table: Table, kind: str, behind: bool) -> Any:
    here = tuple_(table.c.position, table.c.id)
    edge = tuple_(bindparam("edge", type_=table.c.position.type), _id("edge_id"))
    order = (table.c.position, table.c.id)
    found = select(table.c.position, table.c.id).where(*_siblings(table, kind), here > edge if behind else here <= edge)
    found = found.order_by(*(order if behind else (column.desc() for column in order)))
    return found.limit(bindparam("rows", type_=Integer()))


def _writing_positions(table: Table, sent: Mapping[str, Any]) -> Any:
    values = {"position": sent["position"], "updated_at": now(), "version": table.c.version + 1}
    return update(table).where(table.c.user_id == _user, table.c.id == sent["id"]).values(values)


_write_positions = {
    table: {name: _writing_positions(table, columns(["id", "position"])) for name, columns in ENGINES.items()}
    for table in (tasks, lists)
}


def spread_tasks(user_id: str, among: Among, edge: Stands, last: str) -> None:
    """Give the tasks around an edge new positions with room between them, in the same order."""
    where = {"of_user": user_id, "to_list": among.list_id, "to_parent": among.parent_id}

    def lock(ids: list[str]) -> object:
        return lock_tasks(user_id, ids)

    _spread(tasks, among.kind, where, edge, last, lock)


def spread_lists(user_id: str, edge: Stands, last: str) -> None:
    """Give the lists around an edge new positions with room between them, in the same order."""
    every = select(lists.c.id).where(lists.c.user_id == _user).order_by(lists.c.id).with_for_update()
    _spread(lists, "all", {"of_user": user_id}, edge, last, lambda _: fetch_all(every, {"of_user": user_id}))


def _spread(table: Table, kind: str, where: dict[str, Any], edge: Stands, end: str, lock: Any) -> None:
    rows, locked = SPREAD, None
    while True:
        below, above = (
            [Stands(*row) for row in fetch_all(_around(table, kind, behind), given)]
            for given in [{**where, "edge": edge.position, "edge_id": edge.id, "rows": rows + 1}]
            for behind in (False, True)
        )
        # The outermost stay as they are.
        low = below[rows].position if len(below) > rows else ""
        last = [*reversed(below), *above][-1].position
        high = above[rows].position if len(above) > rows else max(end, after(last))
        changed = [*reversed(below[:rows]), *above[:rows]]
        if changed != locked:
            # What is read while the rows are locked stays as it is.
            lock([each.id for each in changed])
            locked = changed
        elif positions := spread(low, high, len(changed)):
            break
        else:
            rows *= 4
    sent = [{"id": each.id, "position": position} for each, position in zip(changed, positions, strict=True)]
    write_positions(table, where["of_user"], sent)


def write_positions(table: Table, user_id: str, sent: Sequence[Mapping[str, str]]) -> None:
    """Write positions, each with its id."""
    execute(for_engine(_write_positions[table]), parameters(user_id, sent))
