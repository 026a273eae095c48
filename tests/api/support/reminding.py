"""When the reminders of a user's tasks fire."""

from datetime import UTC, datetime, timedelta

from flask import Flask
from sqlalchemy import select, update

from app.database import execute, fetch_all, scope
from app.tasks.models import reminders
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
