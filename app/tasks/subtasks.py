"""Statements on all subtasks of some tasks, which the caller has locked. They need not leave the database for it."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import and_, bindparam, case, func, or_, select, true, update

from app.database import execute, fetch_all
from app.database.columns import now, now_if
from app.database.engines import for_engine
from app.database.statements import Row
from app.tasks.bulk_queries import ENGINES, locking, parameters
from app.tasks.models import TASK, tasks

MAX_SUBTASKS = 500

_user: Any = bindparam("of_user")
_parent: Any = bindparam("of_parent", type_=tasks.c.id.type)
_since = bindparam("since", type_=tasks.c.deleted_at.type)
_subtasks = (tasks.c.user_id == _user, tasks.c.parent_id == _parent)
_live = tasks.c.deleted_at.is_(None)
_list = select(*TASK).where(*_subtasks, _live).order_by(tasks.c.position, tasks.c.id)
_detach = update(tasks).where(*_subtasks, tasks.c.deleted_at.is_not(None)).values(parent_id=None)
_restore = (
    update(tasks)
    .where(*_subtasks, tasks.c.deleted_at >= _since)
    .values(
        deleted_at=None,
        # The parent may have moved since.
        list_id=bindparam("of_list", type_=tasks.c.list_id.type),
        updated_at=now(),
        version=tasks.c.version + 1,
    )
    .returning(*TASK)
)


_each = tasks.alias("each")
_ids = select(_each.c.id).where(_each.c.user_id == _user, _each.c.parent_id == _parent)
_ids_of_live = _ids.where(_each.c.deleted_at.is_(None))
_ids_of_deleted = _ids.where(_each.c.deleted_at >= _since)
_lock, _lock_deleted = (locking([ids], ids) for ids in (_ids_of_live, _ids_of_deleted))


def _following(sent: Mapping[str, Any]) -> Any:
    """Build the UPDATE that makes subtasks follow their parents: completed, deleted, or moved to another list."""
    completes = and_(sent["completed"], tasks.c.completed_at.is_(None))
    values = {
        "completed_at": now_if(completes, case((~completes, tasks.c.completed_at))),
        "deleted_at": now_if(sent["deleted"]),
        "list_id": sent["list_id"],
        "updated_at": now(),
        "version": tasks.c.version + 1,
    }
    changes = or_(completes, sent["deleted"], tasks.c.list_id.is_distinct_from(sent["list_id"]))
    return update(tasks).where(tasks.c.user_id == _user, tasks.c.parent_id == sent["id"], _live, changes).values(values)


def _counting_each(sent: Mapping[str, Any]) -> Any:
    of_these = (tasks.c.user_id == _user, tasks.c.parent_id.in_(select(sent["id"])), _live)
    return select(tasks.c.parent_id, func.count().label("subtasks")).where(*of_these).group_by(tasks.c.parent_id)


def _marking_each(sent: Mapping[str, Any]) -> Any:
    these = (tasks.c.user_id == _user, tasks.c.id == sent["id"], tasks.c.is_parent.is_(False))
    return update(tasks).where(*these).values(is_parent=true())


def _reopening_each(sent: Mapping[str, Any]) -> Any:
    these = (tasks.c.user_id == _user, tasks.c.id == sent["id"], tasks.c.completed_at.is_not(None), _live)
    return update(tasks).where(*these).values(completed_at=None, updated_at=now(), version=tasks.c.version + 1)


_follow = {name: _following(columns(["id", "list_id", "completed", "deleted"])) for name, columns in ENGINES.items()}
_count_each, _mark_each, _reopen_each = (
    {name: build(columns(["id"])) for name, columns in ENGINES.items()}
    for build in (_counting_each, _marking_each, _reopening_each)
)


def list_subtasks(user_id: str, task_id: str) -> list[Row]:
    """Return the subtasks outside the trash, in their order."""
    return fetch_all(_list, {"of_user": user_id, "of_parent": task_id})


def lock_subtasks(user_id: str, task_id: str) -> list[Row]:
    """Lock the subtasks outside the trash, and return their rows, with the parent's."""
    return fetch_all(_lock, {"of_user": user_id, "of_parent": task_id})


def lock_deleted(user_id: str, parent: Mapping[str, Any]) -> list[Row]:
    """Lock the subtasks that went to the trash with their parent, and return their rows, with the parent's."""
    return fetch_all(_lock_deleted, {"of_user": user_id, "of_parent": parent["id"], "since": parent["deleted_at"]})


def count_each(user_id: str, ids: Iterable[str]) -> dict[str, int]:
    """Return the number of subtasks outside the trash of each of these tasks that has some."""
    rows = fetch_all(for_engine(_count_each), parameters(user_id, [{"id": id_} for id_ in ids]))
    return {row.parent_id: int(row.subtasks) for row in rows}


def mark_parents(user_id: str, ids: Iterable[str]) -> None:
    """Note that these tasks have subtasks. No client sees it, so their versions stay."""
    execute(for_engine(_mark_each), parameters(user_id, [{"id": id_} for id_ in ids]))


def reopen_parents(user_id: str, ids: Iterable[str]) -> None:
    """Reopen those of these tasks that are completed."""
    execute(for_engine(_reopen_each), parameters(user_id, [{"id": id_} for id_ in ids]))


def detach_deleted(user_id: str, task_id: str) -> None:
    """Make a task's subtasks in the trash tasks of their own, because the task becomes a subtask itself."""
    execute(_detach, {"of_user": user_id, "of_parent": task_id})


def restore_subtasks(user_id: str, parent: Mapping[str, Any]) -> list[Row]:
    """Restore the subtasks that went to the trash with their parent, and return them; those deleted before stay."""
    given = {"of_parent": parent["id"], "of_list": parent["list_id"], "since": parent["deleted_at"]}
    return fetch_all(_restore, {"of_user": user_id, **given})


def follow_parents(user_id: str, parents: Iterable[Mapping[str, Any]]) -> None:
    """Complete, delete and move the subtasks of these parents, each given with its state after the transaction."""
    execute(for_engine(_follow), parameters(user_id, [*parents]))
