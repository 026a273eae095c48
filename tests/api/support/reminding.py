"""When the reminders of a user's tasks fire."""

from datetime import UTC, datetime, timedelta

from flask import Flask
from sqlalchemy import select, update

from app.database import execute, fetch_all, scope
from app.tasks.models import reminders, tasks
from app.times import rfc3339
from tests.conftest import Caller


def in_minutes(minutes: float) -> str:
    """Return a time from now, as the API writes it."""
    return rfc3339(datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=minutes))


def fire_times(app: Flask, caller: Caller) -> set[tuple[str, str]]:
    """Return the id of each task with reminders to come, and the time of each."""
    with app.app_context(), scope(caller.user_id):
        found = fetch_all(select(reminders).where(reminders.c.user_id == caller.user_id))
    return {(row.task_id, row.fire_at) for row in found}


def let_pass(app: Flask, caller: Caller, minutes: float = 1) -> None:
    """Make all reminders of a user due so many minutes ago or some more, as if no worker had run since."""
    for number, (task_id, time) in enumerate(sorted(fire_times(app, caller))):
        this = (reminders.c.user_id == caller.user_id, reminders.c.task_id == task_id, reminders.c.fire_at == time)
        with app.app_context(), scope(caller.user_id):
            execute(update(reminders).where(*this).values(fire_at=in_minutes(-minutes - number)))


def go_back(app: Flask, caller: Caller, minutes: float) -> None:
    """Move the dues of a user's tasks, and the times of their reminders, so far into the past."""
    by = timedelta(minutes=minutes)
    with app.app_context(), scope(caller.user_id):
        for row in fetch_all(select(reminders).where(reminders.c.user_id == caller.user_id)):
            this = (reminders.c.user_id == caller.user_id, reminders.c.task_id == row.task_id)
            earlier = rfc3339(datetime.fromisoformat(row.fire_at) - by)
            execute(update(reminders).where(*this, reminders.c.fire_at == row.fire_at).values(fire_at=earlier))
        dated = select(tasks.c.id, tasks.c.due).where(tasks.c.user_id == caller.user_id, tasks.c.due.is_not(None))
        for row in fetch_all(dated):
            earlier = rfc3339(datetime.fromisoformat(row.due) - by)
            execute(update(tasks).where(tasks.c.user_id == caller.user_id, tasks.c.id == row.id).values(due=earlier))
