"""Changes of one task: in one statement where that will do, else in a transaction."""

from collections.abc import Callable, Mapping
from typing import Any

from app.database import transaction
from app.database.statements import Row
from app.tasks import queries, schedule
from app.tasks.drafts import Drafts
from app.tasks.preconditions import ANY, Precondition
from app.tasks.queries import Recurs


def change_task(user_id: str, task_id: str, changes: Mapping[str, Any], precondition: Precondition = ANY) -> Row:
    """Write the named fields. A part of a schedule depends on the rest; what recurs may come again."""
    if not _depends_on_the_task(changes):
        try:
            return queries.change_task(user_id, task_id, changes, precondition)
        except Recurs:
            pass
    return _edit(user_id, task_id, lambda drafts: drafts.change(task_id, changes, precondition))


def toggle_task(user_id: str, task_id: str, precondition: Precondition = ANY) -> Row:
    """Complete or reopen, atomically."""
    try:
        return queries.toggle_task(user_id, task_id, precondition)
    except Recurs:
        return _edit(user_id, task_id, lambda drafts: drafts.toggle(task_id, precondition))


def _depends_on_the_task(changes: Mapping[str, Any]) -> bool:
    if "due" in changes:
        # A whole task: only its recurrence, if it is completed too, asks what it was before.
        return changes["recurrence"] is not None
    return bool(changes.keys() & schedule.FIELDS)


def _edit(user_id: str, task_id: str, work: Callable[[Drafts], None]) -> Row:
    with transaction():
        drafts = Drafts(user_id, [task_id])
        work(drafts)
        return drafts.write()[task_id]
