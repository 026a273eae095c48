"""Create, read, change and delete one task. Each is one statement that names the user."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeVar

import uuid_utils
from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Delete,
    Text,
    Update,
    and_,
    bindparam,
    case,
    cast,
    exists,
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
from app.database import IntegrityError, db, fetch_one, violation
from app.database.columns import new_position, now, now_if
from app.database.execution import NOTHING
from app.database.statements import Row
from app.http.problems import NotFound, ValidationFailed
from app.tasks.models import IN_TRASH, TASK, WRITABLE, lists, tasks
from app.tasks.preconditions import ANY, Precondition, Versions
from app.tasks.problems import IdTaken
from app.tasks.watched import IS_WATCHED

T = TypeVar("T")

NO_SUCH_LIST = "There is no such list."


_completed: Any = bindparam("completed", type_=Boolean())
_task = (tasks.c.user_id == bindparam("of_user"), tasks.c.id == bindparam("of_id"))
_task_of_user = (*_task, tasks.c.deleted_at.is_(None))
# Prepared, because these are few and small: parsing and planning one took longer than running it.
_PREPARED = {"prepared": True}
_writing = (
    update(tasks)
    .where(*_task_of_user, ~IS_WATCHED)
    .values(updated_at=now(), version=tasks.c.version + 1)
    .execution_options(**_PREPARED)
)

# The assignments of each field that a client can change. Completing again keeps the first time. A task is put into
# another list or under another parent in a transaction only.
_ASSIGNMENTS: dict[str, dict[str, Any]] = {
    **{name: {} if name in ("list_id", "parent_id") else {name: bindparam(name)} for name in WRITABLE},
    "recurrence": {"recurrence": bindparam("recurrence"), "skipped_time": None},
    "completed": {
        "completed_at": now_if(
            and_(_completed, tasks.c.completed_at.is_(None)), case((_completed, tasks.c.completed_at))
        )
    },
}

_VALUES: dict[str, Callable[[Column[Any]], Any]] = {
    # PostgreSQL does not know the types of parameters in a SELECT.
    "postgresql": lambda column: cast(bindparam(column.name, type_=column.type), column.type),
    "sqlite": lambda column: bindparam(column.name, type_=column.type),
}


@lru_cache
def _creating(engine: str, names: frozenset[str], in_list: bool) -> Any:
    """Build the INSERT that adds a row only if its list exists: a failed one would end the transaction around it."""
    given = {name: _VALUES[engine](tasks.c[name]) for name in sorted(names)}
    made = {"position": new_position(), "created_at": now(), "updated_at": now(), "version": literal(1)}
    values = {**given, **made, "completed_at": case((_completed, now()))}
    adding = select(*values.values()).where(~IS_WATCHED)
    if in_list:
        adding = adding.where(exists().where(lists.c.user_id == given["user_id"], lists.c.id == given["list_id"]))
    return insert(tasks).from_select([*values], adding).returning(*TASK).execution_options(**_PREPARED)


_get = select(*TASK).where(*_task_of_user).execution_options(**_PREPARED)
# One statement is not enough if the user is watched, to complete a recurring task, to complete or delete a task with
# subtasks, to reopen or restore a subtask, or to reopen, restore or schedule a task with reminders.
_recurs_not, _has_no_subtasks, _is_no_subtask, _has_no_reminders = (
    tasks.c.recurrence.is_(None),
    tasks.c.is_parent.is_(False),
    tasks.c.parent_id.is_(None),
    tasks.c.reminders.is_(None),
)
_toggling = (
    _writing.where(_recurs_not, _has_no_subtasks, _is_no_subtask, _has_no_reminders)
    .values(completed_at=now_if(tasks.c.completed_at.is_(None)))
    .returning(*TASK)
)
_deleting = _writing.where(_has_no_subtasks).values(deleted_at=now()).returning(*TASK)
# A task outside the trash is only read. A second statement would be too late: it could be in the trash again.
_is_live = tasks.c.deleted_at.is_(None)
_restoring_any = (
    update(tasks)
    .where(*_task, or_(_is_live, IN_TRASH))
    .values(
        deleted_at=None,
        updated_at=now_if(tasks.c.deleted_at.is_not(None), case((_is_live, tasks.c.updated_at))),
        version=case((_is_live, tasks.c.version), else_=tasks.c.version + 1),
    )
    .returning(*TASK)
)
_restoring = _restoring_any.where(~IS_WATCHED, _has_no_subtasks, _is_no_subtask, _has_no_reminders)


def create_at_once(identity: Identity, task: Mapping[str, Any]) -> Row | None:
    """Add a task that is not a subtask, and has no reminders.

    Return None if its list is missing, or if it takes more than one statement.
    """
    row = {"user_id": identity.user_id, "id": new_id(), **task}
    in_list = row.get("list_id") is not None
    statement = _creating(db.engine.dialect.name, frozenset(row.keys() - {"completed"}), in_list)
    row["of_user"] = identity.user_id
    if not in_list:
        return for_known_user(identity, lambda: fetch_one(statement, row))
    try:
        return _unless_taken(lambda: fetch_one(statement, row))
    except IntegrityError as error:
        if violation(error) != "foreign_key":
            raise
        # The list was deleted at the same time.
        raise ValidationFailed(errors={"list_id": [NO_SUCH_LIST]}) from error


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


def change_at_once(
    user_id: str, task_id: str, changes: Mapping[str, Any], precondition: Precondition = ANY
) -> Row | None:
    """Write the named fields, a schedule as a whole or not at all; without any, write nothing.

    A list, a parent and reminders can only be none. Return None if there is no such task, or if it takes more than one
    statement.
    """
    if not changes:
        task = get_task(user_id, task_id)
        precondition.require(task.version)
        return task
    names, completed = frozenset(changes), changes.get("completed")
    row = _write(_changing(names, completed), user_id, task_id, precondition, changes)
    if row is None and completed is None:
        # Only a missing task or its version is in the way of most changes; one more statement tells.
        precondition.require(get_task(user_id, task_id).version)
    return row


def toggle_at_once(user_id: str, task_id: str, precondition: Precondition = ANY) -> Row | None:
    """Complete or reopen atomically: N concurrent toggles are exactly N flips. Return None as `change_at_once` does."""
    return _write(_toggling, user_id, task_id, precondition)


def delete_at_once(user_id: str, task_id: str, precondition: Precondition = ANY) -> Row | None:
    """Move a task to the trash. Return None as `change_at_once` does."""
    return _write(_deleting, user_id, task_id, precondition)


def restore_at_once(user_id: str, task_id: str) -> Row | None:
    """Restore a task from the trash; leave a task outside the trash unchanged.

    Return None if there is no such task, or if it takes more than one statement.
    """
    return fetch_one(_restoring, _key(user_id, task_id))


def restore_alone(user_id: str, task_id: str) -> Row:
    """Restore any task from the trash, and no other task with it."""
    return _found(fetch_one(_restoring_any, _key(user_id, task_id)))


def _write(
    statement: Update, user_id: str, task_id: str, precondition: Precondition, values: Mapping[str, Any] = NOTHING
) -> Row | None:
    """Check and write in one statement. Return None if it met no task that it may write."""
    statement, versions = with_precondition(statement, tasks.c.version, precondition)
    return fetch_one(statement, {**_key(user_id, task_id), **values, **versions})


@lru_cache
def _changing(names: frozenset[str], completed: bool | None) -> Update:
    values = {column: value for name in names for column, value in _ASSIGNMENTS[name].items()}
    changing = _writing.values(values).returning(*TASK)
    if completed:
        changing = changing.where(_has_no_subtasks)
        changing = changing if "recurrence" in names else changing.where(_recurs_not)
    if completed is False or "parent_id" in names:
        changing = changing.where(_is_no_subtask)
    if completed is False or "due" in names:
        changing = changing.where(_has_no_reminders)
    return changing.where(tasks.c.list_id.is_(None)) if "list_id" in names else changing


Statement = TypeVar("Statement", Update, Delete)


def with_precondition(
    statement: Statement, version: Column[int], precondition: Precondition
) -> tuple[Statement, dict[str, str]]:
    """Return the statement for rows whose version the precondition allows, and its parameters."""
    if precondition is ANY:
        return statement, {}
    conditional: Statement = _conditional(statement, version, precondition.wanted.every, precondition.unwanted.every)
    return conditional, {"wanted": _listed(precondition.wanted), "unwanted": _listed(precondition.unwanted)}


@lru_cache
def _conditional(statement: Any, version: Column[int], every_wanted: bool, every_unwanted: bool) -> Any:
    if not every_wanted:
        statement = statement.where(_is_listed("wanted", version))
    if every_unwanted:
        return statement.where(false())
    return statement.where(~_is_listed("unwanted", version))


def _is_listed(name: str, version: Column[int]) -> ColumnElement[bool]:
    """Return a condition for a version in a list of any length. The list is one value, so the statement is the same."""
    text = literal(",").concat(cast(version, Text)).concat(",")
    return func.strpos(bindparam(name, type_=Text()), text) > 0


def _listed(versions: Versions) -> str:
    return f",{','.join(map(str, versions.numbers))},"


def _key(user_id: str, task_id: str) -> dict[str, Any]:
    return {"of_user": user_id, "of_id": task_id}


def _found(row: Row | None) -> Row:
    """Return the row, or raise NotFound: a missing task and another user's look the same."""
    if row is None:
        raise NotFound
    return row
