"""The times at which the reminders of tasks fire. A row is deleted when its reminder fires, so it fires once."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import bindparam, delete, select, tuple_

from app.database import execute
from app.database.columns import now
from app.database.engines import for_engine
from app.tasks.bulk_queries import ENGINES, INSERT_OF, inserting, parameters
from app.tasks.models import reminders

_user: Any = bindparam("of_user")
_of_user = reminders.c.user_id == _user


def _forgetting(sent: Mapping[str, Any]) -> Any:
    """Build the DELETE of the times of some tasks that were not sent."""
    kept = select(sent["id"], sent["fire_at"]).where(sent["fire_at"].is_not(None))
    here = tuple_(reminders.c.task_id, reminders.c.fire_at)
    return delete(reminders).where(_of_user, reminders.c.task_id.in_(select(sent["id"])), here.not_in(kept))


def _adding(insert_for_engine: Any, sent: Mapping[str, Any]) -> Any:
    """Build the INSERT of the times that are still to come."""
    values = {"user_id": _user, "task_id": sent["id"], "fire_at": sent["fire_at"]}
    return inserting(insert_for_engine, reminders, values, sent["fire_at"] > now()).on_conflict_do_nothing()


def _dropping(sent: Mapping[str, Any]) -> Any:
    past = reminders.c.fire_at <= now()
    return delete(reminders).where(_of_user, reminders.c.task_id.in_(select(sent["id"])), past)


_forget = {name: _forgetting(columns(["id", "fire_at"])) for name, columns in ENGINES.items()}
_add = {name: _adding(INSERT_OF[name], columns(["id", "fire_at"])) for name, columns in ENGINES.items()}
_drop = {name: _dropping(columns(["id"])) for name, columns in ENGINES.items()}


def set_fire_times(user_id: str, times: Mapping[str, Collection[str]], new: Collection[str] = ()) -> None:
    """Set the times of these tasks' reminders; of the `new` tasks, there are none yet.

    A time that has passed is not added. One that is there and has not fired yet stays.
    """
    wanted = [{"id": task_id, "fire_at": time} for task_id, each in times.items() for time in each]
    known = [{"id": task_id, "fire_at": None} for task_id in times.keys() - set(new)]
    if known:
        execute(for_engine(_forget), parameters(user_id, [*known, *wanted]))
    if wanted:
        execute(for_engine(_add), parameters(user_id, wanted))


def drop_past(user_id: str, ids: Collection[str]) -> None:
    """Drop what should have reminded of these tasks while they were completed or in the trash."""
    execute(for_engine(_drop), parameters(user_id, [{"id": id_} for id_ in ids]))
