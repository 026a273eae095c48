"""The times at which the reminders of tasks fire. A row is deleted when its reminder fires, so it fires once."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Integer, bindparam, delete, select, tuple_

from app.database import execute, fetch_all
from app.database.columns import from_now, now
from app.database.engines import for_engine
from app.database.statements import Row
from app.outbox.queue import look_soon
from app.tasks.bulk_queries import ENGINES, INSERT_OF, inserting, parameters
from app.tasks.models import TASK, reminders, tasks
from app.tasks.reminders import fire_times

# A reminder that is later than this, after an outage, does not fire.
LATE_SECONDS = 24 * 3_600
# The most that fires of one user at once, so that a transaction ends in time.
FIRED_AT_ONCE = 1_000

_user: Any = bindparam("of_user")
_of_user = reminders.c.user_id == _user
_rows = bindparam("rows", type_=Integer())
_next = (
    select(reminders.c.user_id, reminders.c.fire_at, now().label("clock")).order_by(reminders.c.fire_at).limit(_rows)
)
_this = (reminders.c.task_id, reminders.c.fire_at)
# Two workers may find the same. What another one is taking is passed over.
_due = (
    select(*_this)
    .where(_of_user, reminders.c.fire_at <= now())
    .order_by(reminders.c.fire_at)
    .limit(_rows)
    .with_for_update(skip_locked=True)
)
_take = delete(reminders).where(_of_user, tuple_(*_this).in_(_due)).returning(*_this)


def _forgetting(sent: Mapping[str, Any]) -> Any:
    """Build the DELETE of the times of some tasks that were not sent."""
    kept = select(sent["id"], sent["fire_at"]).where(sent["fire_at"].is_not(None))
    those = reminders.c.task_id.in_(select(sent["id"]))
    return delete(reminders).where(_of_user, those, tuple_(*_this).not_in(kept))


def _adding(insert_for_engine: Any, sent: Mapping[str, Any]) -> Any:
    """Build the INSERT of the times that are still to come."""
    values = {"user_id": _user, "task_id": sent["id"], "fire_at": sent["fire_at"]}
    return inserting(insert_for_engine, reminders, values, sent["fire_at"] > now()).on_conflict_do_nothing()


def _dropping(sent: Mapping[str, Any]) -> Any:
    past = reminders.c.fire_at <= now()
    return delete(reminders).where(_of_user, reminders.c.task_id.in_(select(sent["id"])), past)


def _getting(sent: Mapping[str, Any]) -> Any:
    """Build the query for the tasks that can remind, of times after `since`. Citus allows no clock in RETURNING."""
    these = (tasks.c.user_id == _user, tasks.c.id.in_(select(sent["id"])))
    can_remind = (tasks.c.deleted_at.is_(None), tasks.c.completed_at.is_(None), tasks.c.reminders.is_not(None))
    return select(*TASK, from_now(-LATE_SECONDS).label("since")).where(*these, *can_remind)


_get = {name: _getting(columns(["id"])) for name, columns in ENGINES.items()}
_forget = {name: _forgetting(columns(["id", "fire_at"])) for name, columns in ENGINES.items()}
_add = {name: _adding(INSERT_OF[name], columns(["id", "fire_at"])) for name, columns in ENGINES.items()}
_drop = {name: _dropping(columns(["id"])) for name, columns in ENGINES.items()}


class Fired(NamedTuple):
    """A task, the time of which it reminds, and its reminders at that time; after an outage, of all times since."""

    task: Row
    at: str
    reminders: list[dict[str, Any]]


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
        look_soon()


def drop_past(user_id: str, ids: Collection[str]) -> None:
    """Drop what should have reminded of these tasks while they were completed or in the trash."""
    execute(for_engine(_drop), parameters(user_id, [{"id": id_} for id_ in ids]))


def list_next(rows: int) -> list[Row]:
    """Return the user and the time of so many next reminders of all users, and the time now. Only for a worker."""
    return fetch_all(_next, {"rows": rows})


def take_due(user_id: str) -> tuple[int, list[Fired]]:
    """Take reminders of a user that are due, within a transaction; return how many, and those that fire, by time."""
    taken = fetch_all(_take, {"of_user": user_id, "rows": FIRED_AT_ONCE})
    times: dict[str, list[str]] = defaultdict(list)
    for row in taken:
        times[row.task_id].append(row.fire_at)
    found = fetch_all(for_engine(_get), parameters(user_id, [{"id": task_id} for task_id in times])) if times else []
    fired = (_fired(task, sorted(time for time in times[task.id] if time > task.since)) for task in found)
    return len(taken), sorted(filter(None, fired), key=lambda each: (each.at, each.task.id))


def _fired(task: Row, times: list[str]) -> Fired | None:
    named = fire_times(task._asdict())
    return Fired(task, times[-1], [each for time in times for each in named.get(time, [])]) if times else None
