"""Tasks and tokens as they would be after some time, or after the purge."""

from datetime import datetime, timedelta
from typing import Any

from flask import Flask
from sqlalchemy import Delete, Update, delete, update

from app.database import execute, scope
from app.database.columns import from_now
from app.tasks import cursors
from app.tasks.models import deleted_lists, tasks
from app.times import is_time, rfc3339
from tests.conftest import Caller


def aged(token: str, caller: Caller, **time: float) -> str:
    """Return the token as if it had been given that much earlier."""
    values = cursors.decode(token, caller.user_id, "changes")
    older = [_earlier(value, timedelta(**time)) if is_time(value) else value for value in values]
    return cursors.encode(older, caller.user_id, "changes")


def _earlier(time: str, by: timedelta) -> str:
    return rfc3339(datetime.fromisoformat(time) - by)


def age_task(
    app: Flask, caller: Caller, task_id: str, seconds: float, *, is_deleted: bool = False, **values: Any
) -> None:
    """Move a task's last write, and its deletion if it is deleted, this far into the past."""
    then = from_now(-seconds)
    times = {"updated_at": then} | ({"deleted_at": then} if is_deleted else {})
    _write(app, caller, update(tasks).where(tasks.c.id == task_id).values(**times, **values))


def forget(app: Flask, caller: Caller, *ids: str) -> None:
    """Delete tasks permanently."""
    for task_id in ids:
        _write(app, caller, delete(tasks).where(tasks.c.id == task_id))


def forget_deleted_lists(app: Flask, caller: Caller) -> None:
    """Forget which lists were deleted."""
    with app.app_context(), scope(caller.user_id):
        assert execute(delete(deleted_lists).where(deleted_lists.c.user_id == caller.user_id)) > 0


def _write(app: Flask, caller: Caller, statement: Update | Delete) -> None:
    with app.app_context(), scope(caller.user_id):
        assert execute(statement.where(tasks.c.user_id == caller.user_id)) > 0
