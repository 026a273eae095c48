"""One task: create, read, change, delete. Each is one statement that names its user."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import uuid_utils
from sqlalchemy import (
    Boolean,
    ColumnElement,
    Text,
    Update,
    bindparam,
    case,
    cast,
    false,
    func,
    insert,
    literal,
    select,
    update,
)

from app.auth.identity import Identity
from app.auth.problems import TokenRevoked
from app.auth.queries import add_outside_user
from app.columns import now
from app.database import IntegrityError, fetch_one, violation
from app.problems import NotFound
from app.statements import Row
from app.tasks.models import tasks
from app.tasks.preconditions import ANY, Precondition, PreconditionFailed, Versions

TASK = (
    tasks.c.id,
    tasks.c.title,
    tasks.c.details,
    tasks.c.completed_at,
    tasks.c.created_at,
    tasks.c.updated_at,
    tasks.c.user_id,
    tasks.c.version,
)

_completed: Any = bindparam("completed", type_=Boolean())
_task_of_user = (
    tasks.c.user_id == bindparam("of_user"),
    tasks.c.id == bindparam("of_id"),
    tasks.c.deleted_at.is_(None),
)
# Few, and each is small work for the database: to parse and plan one took longer than to run it.
_PREPARED = {"prepared": True}
_writing = (
    update(tasks)
    .where(*_task_of_user)
    .values(updated_at=now(), version=tasks.c.version + 1)
    .execution_options(**_PREPARED)
)

# How a field that a client may change is written. Completing again keeps the first time.
_ASSIGNMENTS: dict[str, dict[str, Any]] = {
    "title": {"title": bindparam("title")},
    "details": {"details": bindparam("details")},
    "completed": {"completed_at": case((_completed, func.coalesce(tasks.c.completed_at, now())))},
}

_create = (
    insert(tasks)
    .values(created_at=now(), updated_at=now(), completed_at=case((_completed, now())), version=1)
    .returning(*TASK)
    .execution_options(**_PREPARED)
)
_get = select(*TASK).where(*_task_of_user).execution_options(**_PREPARED)
_toggling = _writing.values(completed_at=case((tasks.c.completed_at.is_(None), now()))).returning(*TASK)
_deleting = _writing.values(deleted_at=now()).returning(*TASK)


def create_task(identity: Identity, task: Mapping[str, Any]) -> Row:
    """Add a task. A user known only from a token gets a row at this, the first write."""
    row = {"user_id": identity.user_id, "id": str(uuid_utils.uuid7()), **task}
    try:
        return _found(fetch_one(_create, row))
    except IntegrityError as error:
        if violation(error) != "foreign_key":
            raise
        if identity.is_local:
            # The account has been deleted since the token was made.
            raise TokenRevoked from error
    add_outside_user(identity.user_id)
    return _found(fetch_one(_create, row))


def get_task(user_id: str, task_id: str) -> Row:
    return _found(fetch_one(_get, _key(user_id, task_id)))


def change_task(user_id: str, task_id: str, changes: Mapping[str, Any], precondition: Precondition = ANY) -> Row:
    """Write the named fields; with none named, nothing is written."""
    if not changes:
        task = get_task(user_id, task_id)
        if not precondition.allows(task.version):
            raise PreconditionFailed
        return task
    return _write(_changing(frozenset(changes)), user_id, task_id, precondition, changes)


def toggle_task(user_id: str, task_id: str, precondition: Precondition = ANY) -> Row:
    """Complete or reopen, atomically: N toggles at once leave exactly N flips."""
    return _write(_toggling, user_id, task_id, precondition)


def delete_task(user_id: str, task_id: str, precondition: Precondition = ANY) -> None:
    """Move a task to the trash."""
    _write(_deleting, user_id, task_id, precondition)


def _write(
    statement: Update, user_id: str, task_id: str, precondition: Precondition, values: Mapping[str, Any] | None = None
) -> Row:
    """Check and write in one statement; only a refusal takes a second, to tell its reason."""
    parameters = {**_key(user_id, task_id), **(values or {})}
    if precondition is ANY:
        return _found(fetch_one(statement, parameters))
    parameters |= {"wanted": _listed(precondition.wanted), "unwanted": _listed(precondition.unwanted)}
    row = fetch_one(_conditional(statement, precondition.wanted.every, precondition.unwanted.every), parameters)
    if row is None:
        get_task(user_id, task_id)
        raise PreconditionFailed
    return row


@lru_cache
def _changing(names: frozenset[str]) -> Update:
    values = {column: value for name in names for column, value in _ASSIGNMENTS[name].items()}
    return _writing.values(values).returning(*TASK)


@lru_cache
def _conditional(statement: Update, every_wanted: bool, every_unwanted: bool) -> Update:
    if not every_wanted:
        statement = statement.where(_is_listed("wanted"))
    if every_unwanted:
        return statement.where(false())
    return statement.where(~_is_listed("unwanted"))


def _is_listed(name: str) -> ColumnElement[bool]:
    """Whether a task's version is in a list of any length, which is one value for one and the same statement."""
    version = literal(",").concat(cast(tasks.c.version, Text)).concat(",")
    return func.strpos(bindparam(name, type_=Text()), version) > 0


def _listed(versions: Versions) -> str:
    return f",{','.join(map(str, versions.numbers))},"


def _key(user_id: str, task_id: str) -> dict[str, Any]:
    return {"of_user": user_id, "of_id": task_id}


def _found(row: Row | None) -> Row:
    """The row; absent and somebody else's are the same."""
    if row is None:
        raise NotFound
    return row
