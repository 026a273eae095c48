"""Changes that depend on the tasks' current state: lock the tasks, change them in memory and write, in one transaction.

A change that does not depend on it is one statement; see queries.py.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from marshmallow import ValidationError

from app.database import transaction
from app.database.statements import Row
from app.http.parsing import refused
from app.http.problems import NotFound
from app.tasks import queries, schedule
from app.tasks.bulk_queries import WRITTEN, insert_tasks, lock_tasks, update_tasks
from app.tasks.models import WRITABLE
from app.tasks.preconditions import ANY, Precondition
from app.tasks.problems import IdTaken
from app.tasks.queries import new_id


class IdTakenConcurrently(Exception):
    """A concurrent request has added a task of the same user with this id."""

    def __init__(self, task_id: str) -> None:
        super().__init__(task_id)
        self.task_id = task_id


class UnitOfWork:
    """Some of a user's tasks within a transaction, in their state after writing.

    Completing a recurring task also creates the next one, once in its life.
    """

    def __init__(self, user_id: str, ids: Iterable[str]) -> None:
        self._user_id = user_id
        self._versions: dict[str, int] = {}
        self._drafts: dict[str, dict[str, Any]] = {}
        self._new: list[str] = []
        self._changed: set[str] = set()
        for row in lock_tasks(user_id, ids).values():
            self._versions[row.id] = row.version
            self._drafts[row.id] = _draft_of(row)

    def create(self, task: Mapping[str, Any]) -> str:
        """Add a task, and return its id."""
        task_id = task.get("id") or new_id()
        if task_id in self._drafts:
            raise IdTaken
        kept = {"next_id": None, "skipped_time": None, "completed_at": None, "created_at": None, "deleted": False}
        self._drafts[task_id] = {**kept, **task, "id": task_id}
        self._new.append(task_id)
        return task_id

    def change(self, task_id: str, changes: Mapping[str, Any], precondition: Precondition = ANY) -> None:
        """Change the named fields, under a body's names; without any, write nothing."""
        draft = self._find(task_id, precondition)
        if not changes:
            return
        was_completed = draft["completed"]
        if "due" not in changes and changes.keys() & schedule.FIELDS:
            others = {name: value for name, value in changes.items() if name not in schedule.FIELDS}
            try:
                changes = others | schedule.changed(draft, changes)
            except ValidationError as error:
                raise refused(error) from error
        if any(changes.get(name, draft[name]) != draft[name] for name in ("due", "time_zone", "recurrence")):
            # The client has set what the rule starts from.
            draft["skipped_time"] = None
        draft |= changes
        self._changed.add(task_id)
        if not draft["completed"]:
            draft["completed_at"] = None
        elif not was_completed:
            self._follow(draft)

    def toggle(self, task_id: str, precondition: Precondition = ANY) -> None:
        """Complete or reopen a task."""
        self.change(task_id, {"completed": not self._find(task_id)["completed"]}, precondition)

    def delete(self, task_id: str) -> None:
        """Move a task to the trash."""
        self._find(task_id)["deleted"] = True
        self._changed.add(task_id)

    def write(self) -> dict[str, Row]:
        """Write all changes, and return the changed tasks' rows. Raise IdTakenConcurrently if a new id is not free."""
        # Always in the same order, so that two transactions never wait for each other.
        new, changed = sorted(self._new), sorted(self._changed.difference(self._new))
        written = insert_tasks(self._user_id, [self._drafts[id_] for id_ in new])
        for task_id in new:
            if task_id not in written:
                raise IdTakenConcurrently(task_id)
        rows = update_tasks(self._user_id, [self._drafts[id_] for id_ in changed])
        self._versions |= dict.fromkeys(new, 1) | {row.id: row.version for row in rows}
        return {row.id: row for row in rows}

    def version(self, task_id: str) -> int | None:
        """Return a task's version after writing; None if it is in the trash."""
        return None if self._drafts[task_id]["deleted"] else self._versions[task_id]

    def _find(self, task_id: str, precondition: Precondition = ANY) -> dict[str, Any]:
        draft = self._drafts.get(task_id)
        if draft is None or draft["deleted"]:
            raise NotFound
        precondition.require(self._versions.get(task_id, 1))
        return draft

    def _follow(self, draft: dict[str, Any]) -> None:
        """Create the next occurrence of a task that has just been completed."""
        if draft["recurrence"] is None or draft["next_id"] is not None:
            return
        following = schedule.next_occurrence(draft)
        if following is not None:
            task = {name: draft[name] for name in WRITABLE if name not in following}
            draft["next_id"] = self.create({**task, **following, "completed": False})


def _draft_of(row: Row) -> dict[str, Any]:
    draft = {name: getattr(row, name) for name in ("id", *WRITTEN)}
    is_completed, is_deleted = row.completed_at is not None, row.deleted_at is not None
    return draft | {"completed": is_completed, "completed_at": row.completed_at, "deleted": is_deleted}


def change_task(user_id: str, task_id: str, changes: Mapping[str, Any], precondition: Precondition = ANY) -> Row:
    """Write the named fields; lock the task first if they depend on its schedule or recurrence."""
    if not _depends_on_the_task(changes):
        row = queries.change_unless_recurring(user_id, task_id, changes, precondition)
        if row is not None:
            return row
    return _edit(user_id, task_id, lambda drafts: drafts.change(task_id, changes, precondition))


def toggle_task(user_id: str, task_id: str, precondition: Precondition = ANY) -> Row:
    """Complete or reopen, atomically."""
    row = queries.toggle_unless_recurring(user_id, task_id, precondition)
    return row or _edit(user_id, task_id, lambda drafts: drafts.toggle(task_id, precondition))


def _depends_on_the_task(changes: Mapping[str, Any]) -> bool:
    if "due" in changes:
        # For a whole task, only completing a recurring one depends on the previous state.
        return changes["recurrence"] is not None
    return bool(changes.keys() & schedule.FIELDS)


def _edit(user_id: str, task_id: str, work: Callable[[UnitOfWork], None]) -> Row:
    with transaction():
        drafts = UnitOfWork(user_id, [task_id])
        work(drafts)
        return drafts.write()[task_id]
