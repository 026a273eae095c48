"""Many tasks in one statement: they travel as one JSON text, so that the statement is the same for any number."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import (
    Boolean,
    ColumnElement,
    Text,
    bindparam,
    case,
    cast,
    column,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSON

from app.columns import for_engine, now
from app.database import execute, fetch_all
from app.statements import Row
from app.tasks.models import tasks
from app.tasks.queries import TASK

# What a task is written with. A completed or deleted one keeps the time at which it became so, or gets this one.
WRITTEN = ("title", "details", "priority", "tags", "due", "due_on", "time_zone", "recurrence", "next_id")
_SENT = {
    **{name: tasks.c[name].type for name in ("id", *WRITTEN, "completed_at", "created_at")},
    "completed": Boolean(),
    "deleted": Boolean(),
}
_rows: Any = bindparam("sent_rows", type_=Text())
_user: Any = bindparam("of_user", type_=Text())
_mine = tasks.c.user_id == _user


def _on_postgresql(names: Iterable[str]) -> dict[str, ColumnElement[Any]]:
    """The fields of each row that was sent."""
    columns = [column(name, _SENT[name]) for name in names]
    sent = func.json_to_recordset(cast(_rows, JSON)).table_valued(*columns, name="sent")
    return dict(sent.render_derived(with_types=True).c.items())


def _on_sqlite(names: Iterable[str]) -> dict[str, ColumnElement[Any]]:
    sent = func.json_each(_rows).table_valued("value", name="sent")
    return {name: func.json_extract(sent.c.value, f"$.{name}", type_=_SENT[name]) for name in names}


_ENGINES = {"postgresql": _on_postgresql, "sqlite": _on_sqlite}


def _locking(sent: Mapping[str, Any]) -> Any:
    # In one order, so that two of these never wait for each other.
    ids = select(sent["id"]).scalar_subquery()
    wanted = select(*TASK, tasks.c.deleted_at, tasks.c.next_id).where(_mine, tasks.c.id.in_(ids))
    return wanted.order_by(tasks.c.id).with_for_update()


def _inserting(sent: Mapping[str, Any]) -> Any:
    values = {
        "user_id": _user,
        "id": sent["id"],
        **{name: sent[name] for name in WRITTEN},
        "completed_at": case((sent["completed"], func.coalesce(sent["completed_at"], now()))),
        "created_at": func.coalesce(sent["created_at"], now()),
        "updated_at": now(),
        "version": literal(1),
    }
    return insert(tasks).from_select(list(values), select(*values.values()))


def _updating(sent: Mapping[str, Any]) -> Any:
    values = {
        **{name: sent[name] for name in WRITTEN},
        "completed_at": case((sent["completed"], func.coalesce(tasks.c.completed_at, now()))),
        "deleted_at": case((sent["deleted"], now())),
        "updated_at": now(),
        "version": tasks.c.version + 1,
    }
    return update(tasks).where(_mine, tasks.c.id == sent["id"]).values(values).returning(*TASK)


_lock = {name: _locking(columns(["id"])) for name, columns in _ENGINES.items()}
_insert = {
    name: _inserting(columns(["id", *WRITTEN, "completed", "completed_at", "created_at"]))
    for name, columns in _ENGINES.items()
}
_update = {name: _updating(columns(["id", *WRITTEN, "completed", "deleted"])) for name, columns in _ENGINES.items()}


def lock_tasks(user_id: str, ids: Iterable[str]) -> dict[str, Row]:
    """The tasks that there are of these, the trash included; nobody else changes them before the transaction ends."""
    return {row.id: row for row in fetch_all(for_engine(_lock), _parameters(user_id, [{"id": id_} for id_ in ids]))}


def insert_tasks(user_id: str, new: Sequence[Mapping[str, Any]]) -> None:
    """Add tasks, each with all that is written of one."""
    if new:
        execute(for_engine(_insert), _parameters(user_id, new))


def update_tasks(user_id: str, changed: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Write tasks anew; their rows."""
    return fetch_all(for_engine(_update), _parameters(user_id, changed)) if changed else []


def _parameters(user_id: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"of_user": user_id, "sent_rows": orjson.dumps(rows).decode()}
