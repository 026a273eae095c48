"""What a transaction has done to tasks, as one event for each: for those who are told of changes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.database.statements import Row
from app.services import services
from app.tasks.responses import TASK

CREATED, UPDATED, COMPLETED, REOPENED, DELETED, RESTORED, REMINDER = EVENTS = (
    "task.created",
    "task.updated",
    "task.completed",
    "task.reopened",
    "task.deleted",
    "task.restored",
    "task.reminder",
)
# Each write changes it, so that it tells nothing.
ALWAYS_CHANGED = "updated_at"


@dataclass(frozen=True, slots=True)
class Event:
    """An event, with the task's row after it."""

    type: str
    task: Row
    # The API's names of the fields that are different now.
    changed: Sequence[str] = ()
    # Further members of the event's data.
    more: Mapping[str, Any] = field(default_factory=dict)
    # When it happened, if it was not the task's last change.
    at: str | None = None


Listener = Callable[[str, Sequence[Event]], None]


def tell(user_id: str, events: Sequence[Event]) -> None:
    """Tell all who listen, in the transaction of what has happened."""
    for listener in services().listeners if events else ():
        listener(user_id, events)


def events_between(before: Mapping[str, Row], after: Iterable[Row]) -> list[Event]:
    """Return what happened to tasks that were there before, in the order of what was written."""
    found = (_event(before[row.id], row) for row in after)
    return [event for event in found if event]


def _event(before: Row, after: Row) -> Event | None:
    was_deleted, is_deleted = _is_deleted(before), _is_deleted(after)
    if before.version == after.version or (was_deleted and is_deleted):
        return None
    if is_deleted or was_deleted:
        name = DELETED if is_deleted else RESTORED
    elif (before.completed_at is None) != (after.completed_at is None):
        name = COMPLETED if after.completed_at else REOPENED
    else:
        name = UPDATED
    return Event(name, after, _changed(TASK.fields(before), TASK.fields(after)))


def _is_deleted(row: Row) -> bool:
    # Some rows of live tasks do not have the column.
    return getattr(row, "deleted_at", None) is not None


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    return [name for name, value in after.items() if value != before[name] and name != ALWAYS_CHANGED]
