"""Create, read, change and delete one task. Each is one statement that names the user."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeVar

import uuid_utils
from sqlalchemy import (
    Boolean,
    ColumnElement,
    Text,
    Update,
    and_,
    bindparam,
    case,
    cast,
    false,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from app.auth.identity import Identity
from app.auth.problems import TokenRevoked
from app.auth.queries import add_outside_user
from app.database import IntegrityError, fetch_one, violation
from app.database.columns import now, now_if
from app.database.execution import NOTHING
from app.database.statements import Row
from app.http.problems import NotFound
from app.tasks.models import IN_TRASH, TASK, WRITABLE, tasks
from app.tasks.preconditions import ANY, Precondition, Versions
from app.tasks.problems import IdTaken, PreconditionFailed

T = TypeVar("T")


_completed: Any = bindparam("completed", type_=Boolean())
_task = (tasks.c.user_id == bindparam("of_user"), tasks.c.id == bindparam("of_id"))
_task_of_user = (*_task, tasks.c.deleted_at.is_(None))
# Prepared, because these are few and small: parsing and planning one took longer than running it.
_PREPARED = {"prepared": True}
_writing = (
    update(tasks)
    .where(*_task_of_user)
    .values(updated_at=now(), version=tasks.c.version + 1)
    .execution_options(**_PREPARED)
)

# The assignments of each field that a client can change. Completing again keeps the first time.
_ASSIGNMENTS: dict[str, dict[str, Any]] = {
    **{name: {name: bindparam(name)} for name in WRITABLE},
    "recurrence": {"recurrence": bindparam("recurrence"), "skipped_time": None},
    "completed": {
        "completed_at": now_if(
            and_(_completed, tasks.c.completed_at.is_(None)), case((_completed, tasks.c.completed_at))
        )
    },
}

_create = (
    insert(tasks)
    .values(created_at=now(), updated_at=now(), completed_at=case((_completed, now())), version=1)
    .returning(*TASK)
    .execution_options(**_PREPARED)
)
_get = select(*TASK).where(*_task_of_user).execution_options(**_PREPARED)
# Completing a recurring task takes more than one statement.
_recurs_not = tasks.c.recurrence.is_(None)
_toggling = _writing.where(_recurs_not).values(completed_at=now_if(tasks.c.completed_at.is_(None))).returning(*TASK)
_deleting = _writing.values(deleted_at=now()).returning(*TASK)
# A task outside the trash is only read. A second statement would be too late: it could be in the trash again.
_is_live = tasks.c.deleted_at.is_(None)
_restoring = (
    update(tasks)
    .where(*_task, or_(_is_live, IN_TRASH))
    .values(
        deleted_at=None,
        updated_at=now_if(tasks.c.deleted_at.is_not(None), case((_is_live, tasks.c.updated_at))),
        version=case((_is_live, tasks.c.version), else_=tasks.c.version + 1),
    )
    .returning(*TASK)
)


def create_task(identity: Identity, task: Mapping[str, Any]) -> Row:
    """Add a task."""
    row = {"user_id": identity.user_id, "id": new_id(), **task}
    return for_known_user(identity, lambda: _found(fetch_one(_create, row)))


def new_id() -> str:
    return str(uuid_utils.uuid7())


def for_known_user(identity: Identity, write: Callable[[], T]) -> T:
    """Run a write of this user's rows; a user known only from a token is added to `users` at the first write."""
    try:
        return _unless_taken(write)
    except IntegrityError as error:
        if violation(error) != "foreign_key":
            raise
        if identity.is_local:
            # The account was deleted after the token was made.
            raise TokenRevoked from error
    add_outside_user(identity.user_id)
    return _unless_taken(write)


def _unless_taken(write: Callable[[], T]) -> T:
    try:
        return write()
    except IntegrityError as error:
        if violation(error) == "unique":
            raise IdTaken from error
        raise


def get_task(user_id: str, task_id: str) -> Row:
    return _found(fetch_one(_get, _key(user_id, task_id)))


def change_unless_recurring(
    user_id: str, task_id: str, changes: Mapping[str, Any], precondition: Precondition = ANY
) -> Row | None:
    """Write the named fields, a schedule as a whole or not at all; without any, write nothing.

    Return None if it would complete a recurring task, because that takes more than one statement.
    """
    if not changes:
        task = get_task(user_id, task_id)
        precondition.require(task.version)
        return task
    completes = changes.get("completed", False) and "recurrence" not in changes
    return _write(_changing(frozenset(changes), completes), user_id, task_id, precondition, changes, completes)


def toggle_unless_recurring(user_id: str, task_id: str, precondition: Precondition = ANY) -> Row | None:
    """Complete or reopen atomically: N concurrent toggles are exactly N flips. Return None if the task recurs."""
    return _write(_toggling, user_id, task_id, precondition, completes=True)


def delete_task(user_id: str, task_id: str, precondition: Precondition = ANY) -> None:
    """Move a task to the trash."""
    _write(_deleting, user_id, task_id, precondition)


def restore_task(user_id: str, task_id: str) -> Row:
    """Restore a task from the trash; leave a task outside the trash unchanged."""
    return _found(fetch_one(_restoring, _key(user_id, task_id)))


def _write(
    statement: Update,
    user_id: str,
    task_id: str,
    precondition: Precondition,
    values: Mapping[str, Any] = NOTHING,
    completes: bool = False,
) -> Row | None:
    """Check and write in one statement; only a rejection needs a second, to find its reason.

    Return None if it would complete a recurring task.
    """
    parameters = {**_key(user_id, task_id), **values}
    if precondition is not ANY:
        parameters |= {"wanted": _listed(precondition.wanted), "unwanted": _listed(precondition.unwanted)}
        statement = _conditional(statement, precondition.wanted.every, precondition.unwanted.every)
    row = fetch_one(statement, parameters)
    if row is not None:
        return row
    if precondition is ANY and not completes:
        raise NotFound
    task = get_task(user_id, task_id)
    if completes and precondition.allows(task.version):
        return None
    raise PreconditionFailed(precondition.hint)


@lru_cache
def _changing(names: frozenset[str], completes: bool) -> Update:
    values = {column: value for name in names for column, value in _ASSIGNMENTS[name].items()}
    changing = _writing.values(values).returning(*TASK)
    return changing.where(_recurs_not) if completes else changing


@lru_cache
def _conditional(statement: Update, every_wanted: bool, every_unwanted: bool) -> Update:
    if not every_wanted:
        statement = statement.where(_is_listed("wanted"))
    if every_unwanted:
        return statement.where(false())
    return statement.where(~_is_listed("unwanted"))


def _is_listed(name: str) -> ColumnElement[bool]:
    """Return a condition for a version in a list of any length. The list is one value, so the statement is the same."""
    version = literal(",").concat(cast(tasks.c.version, Text)).concat(",")
    return func.strpos(bindparam(name, type_=Text()), version) > 0


def _listed(versions: Versions) -> str:
    return f",{','.join(map(str, versions.numbers))},"


def _key(user_id: str, task_id: str) -> dict[str, Any]:
    return {"of_user": user_id, "of_id": task_id}


def _found(row: Row | None) -> Row:
    """Return the row, or raise NotFound: a missing task and another user's look the same."""
    if row is None:
        raise NotFound
    return row
