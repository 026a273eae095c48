"""A user's lists: create, read, change, move and delete. Each statement names the user."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import Integer, Update, bindparam, case, delete, func, insert, literal, select, update

from app.auth.identity import Identity
from app.database import (
    IntegrityError,
    Overtaken,
    execute,
    fetch_all,
    fetch_one,
    fetch_tuples,
    in_transaction,
    transaction,
    violation,
)
from app.database.columns import new_position, now, now_if
from app.database.engines import both_engines, for_engine
from app.database.execution import ATTEMPTS, MAX_AT_ONCE
from app.database.statements import Row
from app.database.texts import position_at
from app.http.problems import DatabaseUnavailable, LimitReached, NotFound, ValidationFailed
from app.tasks import moves
from app.tasks.bulk_queries import ENGINES, INSERT_OF, inserting, lock_tasks, parameters
from app.tasks.events import events_between, tell
from app.tasks.models import LIST, TASK, deleted_lists, lists, tasks
from app.tasks.moves import Stands
from app.tasks.preconditions import ANY, Precondition
from app.tasks.queries import NO_SUCH_LIST, for_known_user, new_id, with_precondition
from app.tasks.watched import IS_WATCHED

MAX_LISTS = 500
# The tasks of a deleted list that leave it in one transaction, if its user is told of each.
TOLD_AT_ONCE = 500
_user: Any = bindparam("of_user")
_id: Any = bindparam("of_id", type_=lists.c.id.type)
_of_user = lists.c.user_id == _user
_this = (_of_user, lists.c.id == _id)
_all = select(*LIST).where(_of_user).order_by(lists.c.position, lists.c.id)
_get = select(*LIST).where(*_this)
_lock_all = select(*LIST).where(_of_user).order_by(lists.c.position, lists.c.id)
_lock_all = _lock_all.with_for_update(read=True, key_share=True)
_lock = select(lists.c.id).where(*_this).with_for_update(read=True, key_share=True)
# Two that add a list at once take turns here, so that they count right.
_take_turn = select(lists.c.id).where(_of_user).order_by(lists.c.id).limit(1).with_for_update()
_count = select(func.count().label("lists")).where(_of_user)
_create = insert(lists).values(position=new_position(), created_at=now(), updated_at=now(), version=1).returning(*LIST)


def _adding(insert_for_engine: Any, sent: Mapping[str, Any]) -> Any:
    """Build an INSERT that leaves existing lists unchanged."""
    values = {
        "user_id": _user,
        "id": sent["id"],
        "name": sent["name"],
        "position": new_position().concat(sent["place"]),
        "created_at": now(),
        "updated_at": now(),
        "version": literal(1),
    }
    return inserting(insert_for_engine, lists, values).on_conflict_do_nothing()


_add = {name: _adding(INSERT_OF[name], columns(["id", "name", "place"])) for name, columns in ENGINES.items()}
_writing = update(lists).where(*_this).values(updated_at=now(), version=lists.c.version + 1).returning(*LIST)
_delete = delete(lists).where(*_this)


def _noting_deletion(insert_for_engine: Any) -> Any:
    statement = insert_for_engine(deleted_lists).values(deleted_at=now())
    # Its id may have been another deleted list's.
    again = {"deleted_at": statement.excluded.deleted_at}
    return statement.on_conflict_do_update(index_elements=["user_id", "id"], set_=again)


_note_deletion = both_engines(_noting_deletion)

_in_list = (tasks.c.user_id == _user, tasks.c.list_id == _id)
# Parents first, so that their subtasks go to the trash after them, and come back with them.
_some = (
    select(tasks.c.id)
    .where(*_in_list)
    .order_by(tasks.c.parent_id.is_not(None), tasks.c.position, tasks.c.id)
    .limit(bindparam("rows", type_=Integer()))
)
_some_and_clock = _some.add_columns(now().label("clock"), IS_WATCHED.label("is_watched"))
_is_live = tasks.c.deleted_at.is_(None)
_to_trash = {"deleted_at": now_if(_is_live, case((~_is_live, tasks.c.deleted_at)))}


def _leaving(sent: Mapping[str, Any], values: Mapping[str, Any]) -> Update:
    left = {**values, "list_id": None, "updated_at": now(), "version": tasks.c.version + 1}
    return update(tasks).where(*_in_list, tasks.c.id == sent["id"]).values(left)


# By engine, and by whether the tasks are kept.
_leave = {
    name: {
        False: _leaving(columns(["id"]), _to_trash),
        True: _leaving(sent := columns(["id", "position"]), {"position": sent["position"]}),
    }
    for name, columns in ENGINES.items()
}
_leave_and_tell = {
    name: {keep: each.returning(*TASK, tasks.c.deleted_at) for keep, each in leaving.items()}
    for name, leaving in _leave.items()
}


def list_lists(user_id: str) -> list[Row]:
    """Return all lists of a user, in their order."""
    return fetch_all(_all, {"of_user": user_id})


def names_of_lists(user_id: str) -> dict[str, str]:
    return {row.id: row.name for row in list_lists(user_id)}


def get_list(user_id: str, list_id: str) -> Row:
    return _found(fetch_one(_get, {"of_user": user_id, "of_id": list_id}))


def lock_lists(user_id: str) -> list[Row]:
    """Return all lists of a user, in their order. None of them can be deleted until the transaction ends."""
    return fetch_all(_lock_all, {"of_user": user_id})


def add_lists(user_id: str, names: Mapping[str, str]) -> None:
    """Add lists behind the others, in this order, each with its id and name; leave out those whose id is taken."""
    new = [{"id": id_, "name": name, "place": f"{place:03}"} for place, (id_, name) in enumerate(names.items())]
    execute(for_engine(_add), parameters(user_id, new))


def lock_list(user_id: str, list_id: str) -> bool:
    """Return whether there is such a list; if so, it cannot be deleted until the transaction ends."""
    return fetch_one(_lock, {"of_user": user_id, "of_id": list_id}) is not None


def create_list(identity: Identity, values: Mapping[str, Any]) -> Row:
    """Add a list behind the others."""
    row = {"color": None, **values, "user_id": identity.user_id, "id": values.get("id") or new_id()}

    def add() -> Row:
        with transaction():
            fetch_tuples(_take_turn, {"of_user": identity.user_id})
            if fetch_all(_count, {"of_user": identity.user_id})[0].lists >= MAX_LISTS:
                raise LimitReached(f"You have {MAX_LISTS} lists. Delete one first.")
            return _found(fetch_one(_create, row))

    return for_known_user(identity, add)


def change_list(user_id: str, list_id: str, changes: Mapping[str, Any], precondition: Precondition = ANY) -> Row:
    """Write the named fields; without any, write nothing."""
    if not changes:
        row = get_list(user_id, list_id)
        precondition.require(row.version)
        return row
    statement, versions = with_precondition(_changing(frozenset(changes)), lists.c.version, precondition)
    row = fetch_one(statement, {"of_user": user_id, "of_id": list_id, **changes, **versions})
    return row or _refuse(user_id, list_id, precondition)


def move_list(user_id: str, list_id: str, move: Mapping[str, Any], precondition: Precondition = ANY) -> Row:
    """Put a list next to another one, or at an end."""
    place = moves.place_of(move)

    def run() -> Row:
        while True:
            rows = {row.id: row for row in moves.lock_lists(user_id, list_id, place)}
            moved = _found(rows.pop(list_id, None))
            precondition.require(moved.version)
            if place.neighbour and place.neighbour not in rows:
                remedy = NO_SUCH_LIST if place.neighbour != list_id else "Name another list than this one."
                raise ValidationFailed(errors={"after" if place.behind else "before": [remedy]})
            siblings = {id_: Stands(row.position, id_) for id_, row in rows.items()}
            gap = moves.gap(siblings.values(), siblings.get(place.neighbour or ""), place.behind)
            at_end = place == (None, True)
            position = moves.last_position(gap, position_at(moved.clock)) if at_end else gap.middle
            if position is None:
                moves.spread_lists(user_id, gap.low or moves.BEFORE_ALL, position_at(moved.clock))
            elif row := moves.put_list(user_id, list_id, None if at_end else gap, position):
                return row
            else:
                raise Overtaken

    return in_transaction(run)


def delete_list(user_id: str, list_id: str, keep_tasks: bool, precondition: Precondition = ANY) -> None:
    """Delete a list, and move its tasks to the trash or to the inbox.

    The tasks leave it in parts, each in a transaction of its own. If this is interrupted, call it again.
    """
    precondition.require(get_list(user_id, list_id).version)
    here = {"of_user": user_id, "of_id": list_id, "rows": MAX_AT_ONCE}
    statement, versions = with_precondition(_delete, lists.c.version, precondition)
    for _ in range(ATTEMPTS):
        while _empty(here, keep_tasks):
            pass
        try:
            with transaction():
                if not execute(statement, {**here, **versions}):
                    _refuse(user_id, list_id, precondition)
                execute(for_engine(_note_deletion), {"user_id": user_id, "id": list_id})
            return
        except IntegrityError as error:
            # Another request has added a task to it.
            if violation(error) != "foreign_key":
                raise
    raise DatabaseUnavailable("Others add tasks to the list all the time. Try again.")


def _empty(here: Mapping[str, Any], keep_tasks: bool) -> int:
    """Put some tasks of a list into the trash, or behind those of the inbox in the same order; return their number."""
    with transaction():
        rows = fetch_all(_some_and_clock, here)
        is_watched = bool(rows and rows[0].is_watched)
        rows = rows[:TOLD_AT_ONCE] if is_watched else rows
        sent = [{"id": row.id, "position": f"{position_at(row.clock)}{place:05}"} for place, row in enumerate(rows)]
        given = {**here, **parameters(here["of_user"], sent)}
        if not is_watched:
            return execute(for_engine(_leave)[keep_tasks], given) if sent else 0
        before = {row.id: row for row in lock_tasks(here["of_user"], [row.id for row in rows])}
        after = fetch_all(for_engine(_leave_and_tell)[keep_tasks], given)
        tell(here["of_user"], events_between(before, after))
        # Others may have moved all of them meanwhile.
        return len(sent)


@lru_cache
def _changing(names: frozenset[str]) -> Update:
    return _writing.values({name: bindparam(name) for name in names})


def _refuse(user_id: str, list_id: str, precondition: Precondition) -> Row:
    """Raise the reason why a write met no list."""
    precondition.require(get_list(user_id, list_id).version)
    # It came in between.
    raise NotFound


def _found(row: Row | None) -> Row:
    """Return the row, or raise NotFound: a missing list and another user's look the same."""
    if row is None:
        raise NotFound
    return row
