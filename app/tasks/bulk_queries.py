"""Many tasks in one statement: they are sent as one JSON text, so that the statement is the same for any number."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import (
    Boolean,
    ColumnElement,
    Table,
    Text,
    and_,
    bindparam,
    case,
    cast,
    column,
    false,
    func,
    literal,
    select,
    true,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import JSON

from app.database import fetch_all, fetch_tuples
from app.database.columns import new_position, now, now_if
from app.database.engines import for_engine
from app.database.statements import Row
from app.tasks.models import TASK, WRITABLE, reminders, tasks
from app.tasks.watched import IS_WATCHED

# The fields that are written. A completed task keeps its completion time, or gets the current time.
WRITTEN = (*WRITABLE, "skipped_time", "next_id", "is_parent")
_SENT = {
    **{name: tasks.c[name].type for name in ("id", *WRITTEN, "position", "completed_at", "created_at")},
    "completed": Boolean(),
    "deleted": Boolean(),
    "fire_at": reminders.c.fire_at.type,
    # The place among the new tasks, as digits.
    "place": Text(),
    # Of a list.
    "name": Text(),
}
_rows: Any = bindparam("sent_rows", type_=Text())
_user: Any = bindparam("of_user", type_=Text())
_mine = tasks.c.user_id == _user


def _on_postgresql(names: Iterable[str]) -> dict[str, ColumnElement[Any]]:
    """Return the named fields of the rows that were sent."""
    columns = [column(name, _SENT[name]) for name in names]
    sent = func.json_to_recordset(cast(_rows, JSON)).table_valued(*columns, name="sent")
    return dict(sent.render_derived(with_types=True).c.items())


def _on_sqlite(names: Iterable[str]) -> dict[str, ColumnElement[Any]]:
    sent = func.json_each(_rows).table_valued("value", name="sent")
    return {name: func.json_extract(sent.c.value, f"$.{name}", type_=_SENT[name]) for name in names}


ENGINES = {"postgresql": _on_postgresql, "sqlite": _on_sqlite}


def locking(ids: Sequence[Any], subtasks: Any) -> Any:
    """Build the query that locks some tasks, and the parents of others of which some are subtasks.

    Always in the same order, and a subtask after its parent, so that two transactions never wait for each other.
    """
    other = tasks.alias("subtask")
    parents = select(other.c.parent_id).where(
        other.c.user_id == _user, other.c.id.in_(subtasks), other.c.parent_id.is_not(None)
    )
    wanted = union_all(*ids, parents)
    columns = (*TASK, tasks.c.deleted_at, tasks.c.skipped_time, tasks.c.next_id, tasks.c.is_parent)
    rows = select(*columns, now().label("clock"), IS_WATCHED.label("is_watched")).where(_mine, tasks.c.id.in_(wanted))
    return rows.order_by(tasks.c.parent_id.is_not(None), tasks.c.id).with_for_update()


def _locking(sent: Mapping[str, Any]) -> Any:
    ids = select(sent["id"])
    return locking([ids], ids)


def _new_values(sent: Mapping[str, Any], position: Any) -> dict[str, Any]:
    return {
        "user_id": _user,
        "id": sent["id"],
        **{name: sent[name] for name in WRITTEN},
        "position": position,
        "completed_at": case((sent["completed"], func.coalesce(sent["completed_at"], now()))),
        "created_at": func.coalesce(sent["created_at"], now()),
        "updated_at": now(),
        "version": literal(1),
    }


def inserting(insert_for_engine: Any, table: Table, values: Mapping[str, Any], *where: Any) -> Any:
    """Build an INSERT of the rows that were sent, for a clause ON CONFLICT."""
    # Without a WHERE in the SELECT, SQLite reads ON CONFLICT as the ON of a join.
    return insert_for_engine(table).from_select(list(values), select(*values.values()).where(true(), *where))


def _adding(insert_for_engine: Any, sent: Mapping[str, Any], *where: Any) -> Any:
    """Build an INSERT that leaves existing tasks unchanged."""
    position = func.coalesce(sent["position"], new_position().concat(sent["place"]))
    values = {**_new_values(sent, position), "deleted_at": case((sent["deleted"], now()))}
    return inserting(insert_for_engine, tasks, values, *where).on_conflict_do_nothing().returning(*TASK)


def _updating(sent: Mapping[str, Any]) -> Any:
    values = {
        **{name: sent[name] for name in (*WRITTEN, "position")},
        "completed_at": now_if(
            and_(sent["completed"], sent["completed_at"].is_(None)), case((sent["completed"], sent["completed_at"]))
        ),
        "deleted_at": now_if(sent["deleted"]),
        "updated_at": now(),
        "version": tasks.c.version + 1,
    }
    return update(tasks).where(_mine, tasks.c.id == sent["id"]).values(values).returning(*TASK, tasks.c.deleted_at)


_lock = {name: _locking(columns(["id"])) for name, columns in ENGINES.items()}
_update = {
    name: _updating(columns(["id", *WRITTEN, "position", "completed", "completed_at", "deleted"]))
    for name, columns in ENGINES.items()
}


def _importing(insert_for_engine: Any, sent: Mapping[str, Any]) -> Any:
    """Build an INSERT that leaves existing tasks unchanged, and restores those in the trash with the sent values."""
    values = _new_values(sent, sent["position"])
    statement = inserting(insert_for_engine, tasks, values)
    # A task makes only one next task in its life, so it keeps that one's id.
    kept = {"user_id", "id", "created_at", "next_id", "version"}
    restored = {name: statement.excluded[name] for name in values.keys() - kept}
    restored |= {
        # It may have subtasks in the trash, unless it becomes a subtask.
        "is_parent": case((statement.excluded.parent_id.is_(None), tasks.c.is_parent), else_=false()),
        "deleted_at": None,
        "version": tasks.c.version + 1,
    }
    return statement.on_conflict_do_update(
        index_elements=["user_id", "id"], set_=restored, where=tasks.c.deleted_at.is_not(None)
    ).returning(tasks.c.id)


def _listing_live(sent: Mapping[str, Any]) -> Any:
    return select(tasks.c.id).where(_mine, tasks.c.id.in_(select(sent["id"])), tasks.c.deleted_at.is_(None))


INSERT_OF = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}
_NEW = ["id", *WRITTEN, "completed", "completed_at", "created_at"]
_add, _add_unless_watched = (
    {
        name: _adding(INSERT_OF[name], columns([*_NEW, "position", "place", "deleted"]), *where)
        for name, columns in ENGINES.items()
    }
    # Citus accepts the condition here, and no other table in RETURNING.
    for where in ([], [~IS_WATCHED])
)
_import = {name: _importing(INSERT_OF[name], columns([*_NEW, "position"])) for name, columns in ENGINES.items()}
_list_live = {name: _listing_live(columns(["id"])) for name, columns in ENGINES.items()}


def lock_tasks(user_id: str, ids: Iterable[str]) -> list[Row]:
    """Return the existing tasks among these and their parents, including the trash.

    They are locked until the transaction ends. Each row also has the time when it began, as `clock`.
    """
    return fetch_all(for_engine(_lock), parameters(user_id, [{"id": id_} for id_ in ids]))


def insert_tasks(user_id: str, new: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Add tasks, each with all written fields; return the rows of those whose id was free."""
    return fetch_all(for_engine(_add), parameters(user_id, new)) if new else []


def insert_tasks_unless_watched(user_id: str, new: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Add tasks as `insert_tasks` does, but none if the user must be told of changes."""
    return fetch_all(for_engine(_add_unless_watched), parameters(user_id, new)) if new else []


def live_ids(user_id: str, ids: Iterable[str]) -> set[str]:
    """Return those of the ids that are tasks outside the trash."""
    return {row.id for row in fetch_all(for_engine(_list_live), parameters(user_id, [{"id": id_} for id_ in ids]))}


def import_tasks(user_id: str, new: Sequence[Mapping[str, Any]]) -> set[str]:
    """Add the tasks whose id is free or in the trash, and return their ids. The first one with an id counts."""
    # PostgreSQL cannot update a row twice in one statement.
    first = {task["id"]: task for task in reversed(new)}
    # Rows, because Citus counts those that stayed unchanged, too.
    return {id_ for (id_,) in fetch_tuples(for_engine(_import), parameters(user_id, [*reversed(first.values())]))}


def update_tasks(user_id: str, changed: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Write all fields of the tasks, and return their rows."""
    return fetch_all(for_engine(_update), parameters(user_id, changed)) if changed else []


def parameters(user_id: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"of_user": user_id, "sent_rows": orjson.dumps(rows).decode()}
