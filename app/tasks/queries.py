"""One task: create, read, change, delete. Each is one statement that names its user."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import uuid_utils
from sqlalchemy import Boolean, Row, bindparam, case, false, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.auth.identity import Identity
from app.auth.problems import TokenRevoked
from app.auth.queries import add_outside_user
from app.columns import now
from app.database import execute, fetch_one, violation
from app.problems import NotFound
from app.tasks.models import tasks

# In the order of the answer's fields; the version, which becomes the ETag, behind them.
TASK = (
    tasks.c.id,
    tasks.c.title,
    tasks.c.details,
    # Not IS NOT NULL: SQLite 3.40 takes that for true in a RETURNING, whatever the column holds.
    func.coalesce(tasks.c.completed_at == tasks.c.completed_at, false()).label("completed"),
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
_write = update(tasks).where(*_task_of_user).values(updated_at=now(), version=tasks.c.version + 1)

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
)
_get = select(*TASK).where(*_task_of_user)
_toggle = _write.values(completed_at=case((tasks.c.completed_at.is_(None), now()))).returning(*TASK)
_delete = _write.values(deleted_at=now())


def create_task(identity: Identity, task: Mapping[str, Any]) -> Row[Any]:
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


def get_task(user_id: str, task_id: str) -> Row[Any]:
    return _found(fetch_one(_get, _key(user_id, task_id)))


def change_task(user_id: str, task_id: str, changes: Mapping[str, Any]) -> Row[Any]:
    """Write the named fields; with none named, nothing is written."""
    if not changes:
        return get_task(user_id, task_id)
    return _found(fetch_one(_change(frozenset(changes)), {**_key(user_id, task_id), **changes}))


def toggle_task(user_id: str, task_id: str) -> Row[Any]:
    """Complete or reopen, atomically: N toggles at once leave exactly N flips."""
    return _found(fetch_one(_toggle, _key(user_id, task_id)))


def delete_task(user_id: str, task_id: str) -> None:
    """Move a task to the trash."""
    if not execute(_delete, _key(user_id, task_id)):
        raise NotFound


@lru_cache
def _change(names: frozenset[str]) -> Any:
    values = {column: value for name in names for column, value in _ASSIGNMENTS[name].items()}
    return _write.values(values).returning(*TASK)


def _key(user_id: str, task_id: str) -> dict[str, str]:
    return {"of_user": user_id, "of_id": task_id}


def _found(row: Row[Any] | None) -> Row[Any]:
    """The row; absent and somebody else's are the same."""
    if row is None:
        raise NotFound
    return row
