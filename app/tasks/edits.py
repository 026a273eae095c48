"""Change one task: in one statement where that is enough, else in a unit of work."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from app.auth.identity import Identity
from app.database.statements import Row
from app.tasks import queries, schedule
from app.tasks.drafts import IdTakenConcurrently
from app.tasks.preconditions import ANY, Precondition
from app.tasks.problems import IdTaken
from app.tasks.unit_of_work import UnitOfWork, in_unit_of_work

# The fields whose values depend on more than the task's row, or whose change writes more.
_OF_MORE = frozenset({"recurrence", "reminders", "list_id", "parent_id"})


def create_task(identity: Identity, task: Mapping[str, Any]) -> Row:
    """Add a task, or a subtask."""
    if task.get("parent_id") is None and task.get("reminders") is None:
        row = queries.create_at_once(identity, task)
        if row is not None:
            return row
    task = {**task, "id": task.get("id") or queries.new_id()}
    locked = [task["id"], *filter(None, [task.get("parent_id")])]
    try:
        return queries.for_known_user(
            identity, lambda: _edit(identity.user_id, task["id"], lambda drafts: drafts.create(task), locked)
        )
    except IdTakenConcurrently as error:
        raise IdTaken from error


def change_task(user_id: str, task_id: str, changes: Mapping[str, Any], precondition: Precondition = ANY) -> Row:
    """Write the named fields; lock the task first if they depend on more than its row."""
    if not _depends_on_the_task(changes):
        row = queries.change_at_once(user_id, task_id, changes, precondition)
        if row is not None:
            return row
    locked = [task_id, *filter(None, [changes.get("parent_id")])]
    return _edit(user_id, task_id, lambda drafts: drafts.change(task_id, changes, precondition), locked)


def toggle_task(user_id: str, task_id: str, precondition: Precondition = ANY) -> Row:
    """Complete or reopen, atomically."""
    row = queries.toggle_at_once(user_id, task_id, precondition)
    return row or _edit(user_id, task_id, lambda drafts: drafts.toggle(task_id, precondition), [task_id])


def delete_task(user_id: str, task_id: str, precondition: Precondition = ANY) -> None:
    """Move a task to the trash, and its subtasks with it."""
    if queries.delete_at_once(user_id, task_id, precondition) is None:
        _edit(user_id, task_id, lambda drafts: drafts.delete(task_id, precondition), [task_id])


def restore_task(user_id: str, task_id: str) -> Row:
    """Restore a task from the trash, and the subtasks that went there with it; leave a live one unchanged."""
    row = queries.restore_at_once(user_id, task_id)
    return row or _edit(user_id, task_id, lambda drafts: drafts.restore(task_id), [task_id])


def move_task(user_id: str, task_id: str, move: Mapping[str, Any], precondition: Precondition = ANY) -> Row:
    """Put a task next to another one, or at an end of a list or of a task's subtasks."""
    # A move locks what it needs.
    return _edit(user_id, task_id, lambda drafts: drafts.move(task_id, move, precondition), locked=[])


def _depends_on_the_task(changes: Mapping[str, Any]) -> bool:
    is_whole = "due" in changes
    if is_whole:
        # Completing a recurring one also depends on the previous state.
        return any(changes.get(name) is not None for name in _OF_MORE)
    return bool(changes.keys() & (schedule.FIELDS | _OF_MORE))


def _edit(user_id: str, task_id: str, work: Callable[[UnitOfWork], object], locked: Sequence[str]) -> Row:
    """Do some work on a task with these tasks locked, and return its row."""

    def run(drafts: UnitOfWork) -> Row:
        work(drafts)
        return drafts.write()[task_id]

    return in_unit_of_work(user_id, locked, run)
