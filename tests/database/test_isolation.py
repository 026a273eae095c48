"""Users are kept apart twice: by each query's condition, and by the database's row-level security."""

import inspect
import io
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from types import SimpleNamespace
from typing import Any

import orjson
import psycopg2
import pytest
from flask import Flask
from sqlalchemy import Engine, Executable, delete, exists, func, insert, literal, select, update
from sqlalchemy.exc import DBAPIError

from app.auth.identity import Identity
from app.auth.models import users
from app.auth.queries import delete_user
from app.database import PURGE, WORK, execute, fetch_all, fetch_one, in_this_scope, scope, transaction
from app.database.columns import from_now
from app.database.scopes import AnothersScope, UnscopedStatement, current_user
from app.http.problems import NotFound, ValidationFailed
from app.outbox import delivery, queue
from app.outbox.delivery import Failed
from app.outbox.models import outbox
from app.outbox.queue import Message
from app.services import services_of
from app.tasks import (
    batch,
    bulk_queries,
    change_queries,
    changes,
    edits,
    listing,
    lists,
    moves,
    queries,
    reminder_queries,
    subtasks,
    summary,
    transfer,
    trash,
    unit_of_work,
)
from app.tasks.change_tokens import EVER, Position, Token
from app.tasks.formats import FORMATS
from app.tasks.models import idempotency_keys, reminders, tasks
from app.tasks.schemas import NewTask
from tests.conftest import Caller, new_user_id

INSUFFICIENT_PRIVILEGE = "42501"
LIST = {"limit": 50, "sort": "-created_at"}

CHANGE: dict[str, Any] = {"recurrence": "FREQ=DAILY", "due_on": "2026-03-14"}


def row(task_id: str | None = None) -> dict[str, Any]:
    """Return all stored values of a task."""
    kept = {"next_id": None, "completed_at": None, "created_at": None, "deleted": False, "is_parent": False}
    kept |= {"place": "", "position": "", "list_name": None}
    return {**kept, **NewTask().load({"title": "x", "id": task_id or str(uuid.uuid4())})}


def checked() -> transfer.Checked:
    """A file with one task."""
    return transfer.Checked(io.BytesIO(orjson.dumps(row())), valid=1)


def creating() -> dict[str, Any]:
    return {"op": "create", "task": NewTask().load({"title": "x"})}


def parent_of(task_id: str) -> str:
    """Return the id of the same user's task that has a subtask."""
    return str(uuid.uuid5(uuid.UUID(task_id), "parent"))


def then_read(write: Callable[[str, str], None]) -> Callable[[str, str], Any]:
    """Return a function that writes without a result, and returns what the writer sees afterwards."""

    def run(user_id: str, task_id: str) -> Any:
        write(user_id, task_id)
        return list(listing.list_tasks(user_id, LIST).tasks)

    return run


def due_of(user_id: str, task_id: str) -> Any:
    """Let the reminders of a user be due; return the tasks that they are of."""
    execute(update(reminders).where(reminders.c.user_id == user_id).values(fire_at=from_now(-1)))
    return [fired.task.id for fired in reminder_queries.take_due(user_id)[1]]


LATER = "2050-03-14T09:26:53.589793Z"
INBOX, START = moves.Among(None, None), moves.Gap(None, None)
# Every function with a user's id, called with the user and one of the user's tasks; in several ways, if it does several
# things. A list has the same id as the task.
QUERIES: dict[str, Callable[[str, str], Any]] = {
    "queries.create_at_once": lambda user, _: queries.create_at_once(
        Identity(user), {"title": "x", "details": None, "completed": False}
    ),
    "queries.get_task": queries.get_task,
    "queries.change_at_once": lambda user, task: queries.change_at_once(user, task, {"title": "changed"}),
    "queries.toggle_at_once": lambda user, task: queries.toggle_at_once(user, task) or [],
    "queries.delete_at_once": lambda user, task: queries.delete_at_once(user, task) or [],
    "queries.restore_at_once": lambda user, task: queries.restore_at_once(user, task) or [],
    "queries.restore_alone": queries.restore_alone,
    "edits.create_task": lambda user, _: edits.create_task(Identity(user), NewTask().load({"title": "x"})),
    "edits.create_task in a list": lambda user, task: edits.create_task(
        Identity(user), NewTask().load({"title": "x", "list_id": task})
    ),
    "edits.create_task under a parent": lambda user, task: edits.create_task(
        Identity(user), NewTask().load({"title": "x", "parent_id": task})
    ),
    "edits.delete_task": edits.delete_task,
    "edits.restore_task": edits.restore_task,
    "edits.move_task": lambda user, task: edits.move_task(user, task, {"place": "first"}),
    "edits.change_task": lambda user, task: edits.change_task(user, task, {"title": "changed"}),
    "edits.change_task of the schedule": lambda user, task: edits.change_task(user, task, CHANGE),
    "edits.toggle_task": edits.toggle_task,
    "listing.list_tasks": lambda user, _: list(listing.list_tasks(user, LIST).tasks),
    "listing.list_tasks_and_total": lambda user, _: listing.list_tasks_and_total(user, LIST)[1],
    "summary.summarize": lambda user, _: summary.summarize(user, None)["open"],
    "changes.list_changes": lambda user, _: list(changes.list_changes(user, Token(), 50).changed),
    "changes.list_changes with lists": lambda user, _: (
        changes.list_changes(user, Token(lists=Position()), 50).changed_lists
    ),
    "change_queries.page_of_tasks": lambda user, _: change_queries.page_of_tasks(user, Position(), 50)[1],
    "change_queries.page_of_lists": lambda user, _: change_queries.page_of_lists(user, Position(), 50)[1],
    "change_queries.look": lambda user, _: sum(change_queries.look(user, EVER, EVER).sums),
    "batch.run that creates": lambda user, _: batch.run(Identity(user), [creating()]),
    "batch.run that deletes": lambda user, task: batch.run(Identity(user), [{"op": "delete", "id": task}]),
    "batch.write_all": lambda user, task: batch.write_all(Identity(user), [{"op": "delete", "id": task}])[0],
    "bulk_queries.lock_tasks": lambda user, task: list(bulk_queries.lock_tasks(user, [task])),
    "bulk_queries.insert_tasks": lambda user, _: bulk_queries.insert_tasks(user, [row()]),
    "bulk_queries.insert_tasks_unless_watched": lambda user, _: bulk_queries.insert_tasks_unless_watched(user, [row()]),
    "bulk_queries.import_tasks": lambda user, _: bulk_queries.import_tasks(user, [row()]),
    "bulk_queries.live_ids": lambda user, task: sorted(bulk_queries.live_ids(user, [task])),
    "bulk_queries.update_tasks": lambda user, task: bulk_queries.update_tasks(user, [row(task)]),
    "transfer.export": lambda user, _: list(transfer.export(user, FORMATS["jsonl"])),
    "transfer.write": lambda user, _: transfer.write(user, checked(), lambda _: None),
    "transfer.write_all": lambda user, _: transfer.write_all(Identity(user), checked()),
    "summary.count_tasks": lambda user, _: sum(summary.count_tasks(user).values()),
    "lists.list_lists": lambda user, _: lists.list_lists(user),
    "lists.names_of_lists": lambda user, _: lists.names_of_lists(user) or [],
    "lists.get_list": lists.get_list,
    "lists.lock_list": lists.lock_list,
    "lists.create_list": lambda user, _: lists.create_list(Identity(user), {"name": "x"}),
    "lists.change_list": lambda user, task: lists.change_list(user, task, {"name": "changed"}),
    "lists.move_list": lambda user, task: lists.move_list(user, task, {"place": "last"}),
    "lists.lock_lists": lambda user, _: lists.lock_lists(user),
    "lists.add_lists": then_read(lambda user, _: lists.add_lists(user, {str(uuid.uuid4()): "x"})),
    "lists.delete_list": lambda user, task: lists.delete_list(user, task, keep_tasks=False),
    "lists.delete_list that keeps its tasks": lambda user, task: lists.delete_list(user, task, keep_tasks=True),
    "moves.lock_for_move": lambda user, task: moves.lock_for_move(user, task, {"after": parent_of(task)}),
    "moves.lock_lists": lambda user, task: moves.lock_lists(user, task, moves.Place(None, True)),
    "moves.put_task": lambda user, task: moves.put_task(user, task, INBOX, START, "0") or [],
    "moves.put_list": lambda user, task: moves.put_list(user, task, START, "0") or [],
    "moves.spread_tasks": then_read(
        lambda user, _: moves.spread_tasks(user, INBOX, moves.BEFORE_ALL, "2026-03-14T09:26:53.589793Z")
    ),
    "moves.spread_lists": then_read(
        lambda user, _: moves.spread_lists(user, moves.BEFORE_ALL, "2026-03-14T09:26:53.589793Z")
    ),
    "moves.write_positions": then_read(
        lambda user, task: moves.write_positions(tasks, user, [{"id": task, "position": "0"}])
    ),
    "subtasks.count_each": lambda user, task: sorted(subtasks.count_each(user, [parent_of(task)])),
    "subtasks.lock_subtasks": lambda user, task: subtasks.lock_subtasks(user, parent_of(task)),
    "subtasks.lock_deleted": then_read(
        lambda user, task: subtasks.lock_deleted(
            user, {"id": parent_of(task), "deleted_at": "2026-03-14T09:26:53.589793Z"}
        )
    ),
    "subtasks.list_subtasks": lambda user, task: subtasks.list_subtasks(user, parent_of(task)),
    "subtasks.mark_parents": then_read(lambda user, task: subtasks.mark_parents(user, [task])),
    "subtasks.reopen_parents": then_read(lambda user, task: subtasks.reopen_parents(user, [parent_of(task)])),
    "subtasks.detach_deleted": then_read(lambda user, task: subtasks.detach_deleted(user, parent_of(task))),
    "subtasks.restore_subtasks": then_read(
        lambda user, task: subtasks.restore_subtasks(
            user, {"id": parent_of(task), "list_id": None, "deleted_at": "2026-03-14T09:26:53.589793Z"}
        )
    ),
    "subtasks.follow_parents": then_read(
        lambda user, task: subtasks.follow_parents(
            user, [{"id": parent_of(task), "list_id": None, "completed": True, "deleted": True}]
        )
    ),
    "reminder_queries.set_fire_times": then_read(
        lambda user, task: reminder_queries.set_fire_times(user, {task: [LATER]}, [task])
    ),
    "reminder_queries.set_fire_times of a known task": then_read(
        lambda user, task: reminder_queries.set_fire_times(user, {task: []})
    ),
    "reminder_queries.take_due": due_of,
    "reminder_queries.drop_past": then_read(lambda user, task: reminder_queries.drop_past(user, [task])),
    "unit_of_work.in_unit_of_work": lambda user, task: unit_of_work.in_unit_of_work(
        user, [task], lambda drafts: (drafts.delete(task), drafts.write())
    ),
}

QUERIES |= {
    "queue.enqueue": lambda user, _: queue.enqueue(user, [Message("test", "", "x")]) or "written",
    "queue.delete_messages": lambda user, _: queue.delete_messages(user),
    "delivery.claim": lambda user, _: delivery.claim(user, "test", "") or [],
    "delivery.settle": lambda user, task: delivery.settle(user, leased(user, task), Failed("no")),
}

MODULES = (queries, edits, listing, changes, change_queries, batch, bulk_queries, summary, transfer, trash)
MODULES += (lists, moves, subtasks, unit_of_work, reminder_queries, queue, delivery)

CURRENT_USER = "SELECT current_setting('app.user_id', true)"


@pytest.fixture
def anns(postgresql_app: Flask) -> Caller:
    return Caller(postgresql_app, new_user_id())


@pytest.fixture
def bobs_id(postgresql_app: Flask) -> str:
    bob = Caller(postgresql_app, new_user_id())
    bob.add(title="Bob's")
    return str(bob.user_id)


@pytest.fixture
def postgresql_engine(postgresql_app: Flask) -> Iterator[Engine]:
    with postgresql_app.app_context():
        yield services_of(postgresql_app).engine


LEASED_UNTIL = "2126-03-14T09:26:53.589793Z"


def leased(user_id: str, message_id: str) -> Any:
    """Return what a worker knows of the user's message that is being sent."""
    return SimpleNamespace(user_id=user_id, id=message_id, leased_until=LEASED_UNTIL)


def add_messages(user_id: str, message_id: str) -> None:
    """Add a message that is due, and one with this id that is being sent."""
    with scope(user_id):
        queue.enqueue(user_id, [Message("test", "", "x"), Message("test", "other", "x", id=message_id)])
        execute(update(outbox).where(outbox.c.id == message_id).values(due_at=LEASED_UNTIL, leased_until=LEASED_UNTIL))


def all_messages(user_id: str) -> list[Any]:
    with scope(user_id):
        return fetch_all(select(outbox.c.id, outbox.c.status, outbox.c.attempts).order_by(outbox.c.id))


def add_family(caller: Caller) -> str:
    """Add a task in a list with its id, and a task with a subtask; return the id."""
    task_id = str(uuid.uuid4())
    assert caller.post("/v1/lists", json={"id": task_id, "name": "list"}).status_code == 201
    caller.add(id=task_id, list_id=task_id)
    caller.add(id=parent_of(task_id), reminders=[{"at": LATER}])
    caller.add(parent_id=parent_of(task_id))
    gone = caller.post("/v1/lists", json={"name": "gone"}).json["id"]
    assert caller.delete(f"/v1/lists/{gone}").status_code == 204
    return task_id


def all_of(caller: Caller) -> list[Any]:
    return [caller.get(path).json for path in ("/v1/tasks", "/v1/lists")]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT id FROM tasks",
        "UPDATE tasks SET title = 'x' RETURNING id",
        "DELETE FROM tasks RETURNING id",
        "SELECT id FROM lists",
        "UPDATE lists SET name = 'x' RETURNING id",
        "DELETE FROM lists RETURNING id",
        "SELECT task_id FROM reminders",
        "UPDATE reminders SET fire_at = now() RETURNING task_id",
        "DELETE FROM reminders RETURNING task_id",
        "SELECT id FROM deleted_lists",
    ],
)
@pytest.mark.parametrize("scoped", [False, True], ids=["outside a scope", "in another's scope"])
def test_a_statement_in_the_wrong_scope_sees_no_row(
    anns: Caller, postgresql_engine: Engine, statement: str, scoped: bool
) -> None:
    """Even if it bypasses the program's own checks."""
    add_family(anns)
    before = all_of(anns)

    whose = scope(new_user_id()) if scoped else nullcontext()
    with whose, postgresql_engine.connect() as connection:
        assert connection.exec_driver_sql(statement).all() == []

    assert all_of(anns) == before


@pytest.mark.parametrize(("table", "named"), [("tasks", "title"), ("lists", "name")])
@pytest.mark.parametrize("scoped", [False, True], ids=["outside a scope", "in another's scope"])
def test_an_insert_for_another_user_is_rejected(
    anns: Caller, bobs_id: str, postgresql_engine: Engine, scoped: bool, table: str, named: str
) -> None:
    """In every table of users' rows."""
    anns.add()
    row = f"('{anns.user_id}', '{uuid.uuid4()}', 'x', '0', now(), now(), 1)"
    statement = f"INSERT INTO {table} (user_id, id, {named}, position, created_at, updated_at, version) VALUES {row}"

    whose = scope(bobs_id) if scoped else nullcontext()
    with whose, postgresql_engine.connect() as connection, pytest.raises(DBAPIError) as refused:
        connection.exec_driver_sql(statement)

    assert refused.value.orig.pgcode == INSUFFICIENT_PRIVILEGE


def test_executemany_is_rejected_even_in_a_scope(anns: Caller, postgresql_engine: Engine) -> None:
    """It cannot set the user, so it fails closed."""
    anns.add()
    rows = [(anns.user_id, str(uuid.uuid4())) for _ in range(2)]
    statement = (
        "INSERT INTO tasks (user_id, id, title, created_at, updated_at, version) VALUES (%s,%s,'x',now(),now(),1)"
    )

    with scope(str(anns.user_id)), postgresql_engine.connect() as connection, pytest.raises(DBAPIError) as refused:
        connection.exec_driver_sql(statement, rows)

    assert refused.value.orig.pgcode == INSUFFICIENT_PRIVILEGE


def outcome(query: Callable[[str, str], Any], user_id: str, task_id: str) -> Any:
    try:
        return query(user_id, task_id)
    except (NotFound, ValidationFailed, IndexError):
        # Spreading expects something to spread.
        return "nothing"
    except psycopg2.Error as error:
        return error.pgcode


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_for_a_wrong_user_finds_nothing(
    anns: Caller, bobs_id: str, postgresql_engine: Engine, name: str
) -> None:
    """In Bob's scope, a query for Ann's task shows and changes nothing."""
    task_id = add_family(anns)
    add_messages(str(anns.user_id), task_id)
    before = all_of(anns), all_messages(str(anns.user_id))

    with scope(bobs_id):
        reached = outcome(QUERIES[name], str(anns.user_id), task_id)

    assert reached in ("nothing", [], 0, INSUFFICIENT_PRIVILEGE)
    assert (all_of(anns), all_messages(str(anns.user_id))) == before


@pytest.mark.parametrize("name", QUERIES)
def test_the_same_query_for_the_right_user_finds_the_task(anns: Caller, postgresql_engine: Engine, name: str) -> None:
    """So only the scope kept the wrong user out."""
    task_id = add_family(anns)
    add_messages(str(anns.user_id), task_id)

    with scope(str(anns.user_id)):
        assert outcome(QUERIES[name], str(anns.user_id), task_id) not in ("nothing", [], 0, INSUFFICIENT_PRIVILEGE)


def test_a_scope_cannot_become_another_users(app: Flask) -> None:
    """Code in a scope may enter the same scope or none. Another user's scope is an error, and changes nothing."""
    with scope("ann"):
        with scope("ann"), scope(None):
            pass
        with pytest.raises(AnothersScope), scope("bob"):
            pass
        assert current_user.get() == "ann"


def test_a_user_cannot_be_deleted_in_anothers_scope(app: Flask, ann: Caller) -> None:
    """No database policy applies to accounts, so the scope must reject it."""
    task = ann.add()

    with app.app_context(), scope("bob"), pytest.raises(AnothersScope):
        delete_user(Identity(str(ann.user_id)))

    assert ann.get("/v1/tasks").json["items"] == [task]


def test_a_stream_is_read_in_the_scope_in_which_it_began() -> None:
    """Between two pieces, the reader has its own scope."""
    with scope("ann"):
        pieces = in_this_scope(current_user.get() or "" for _ in range(3))

    assert next(pieces) == "ann"
    assert current_user.get() is None
    with scope("bob"):
        assert [*pieces, current_user.get()] == ["ann", "ann", "bob"]


def test_every_query_is_tried_with_a_wrong_user() -> None:
    """A new function with a user's id must join the list above."""
    found = {
        f"{module.__name__.rpartition('.')[2]}.{name}"
        for module in MODULES
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and not name.startswith("_")
        if {"user_id", "identity"} & set(inspect.signature(function).parameters)
    }

    # These run no statement of their own.
    assert found - {"queries.for_known_user", "bulk_queries.parameters"} == {name.partition(" ")[0] for name in QUERIES}


def test_the_user_is_gone_after_the_message(anns: Caller, postgresql_engine: Engine) -> None:
    """Otherwise a pooler could lend the connection with it."""
    with postgresql_engine.connect() as connection:
        with scope(str(anns.user_id)):
            assert connection.exec_driver_sql(CURRENT_USER).scalar() == anns.user_id

        assert not connection.exec_driver_sql(CURRENT_USER).scalar()
        assert connection.exec_driver_sql("SHOW statement_timeout").scalar() == "0"


@pytest.mark.parametrize(
    "around", [nullcontext, transaction, lambda: scope("ann")], ids=["alone", "in one", "in a scope"]
)
def test_every_statement_has_a_time_limit(
    postgresql_engine: Engine, around: Callable[[], AbstractContextManager[None]]
) -> None:
    """Also outside a user's scope, such as in a login."""
    with around():
        row = fetch_one(select(func.current_setting("statement_timeout")))

    assert tuple(row) == ("5s",)


def test_the_user_is_gone_after_an_error(anns: Caller, postgresql_engine: Engine) -> None:
    """A failed statement takes its setting with it."""
    with postgresql_engine.connect() as connection:
        with scope(str(anns.user_id)), pytest.raises(DBAPIError, match="division by zero"):
            connection.exec_driver_sql("SELECT 1/0")

        assert not connection.exec_driver_sql(CURRENT_USER).scalar()
        assert connection.exec_driver_sql("SHOW statement_timeout").scalar() == "0"


def test_the_user_is_gone_after_a_transaction(anns: Caller, postgresql_engine: Engine) -> None:
    """A connection that ran a transaction comes back clean."""
    anns.add()
    with scope(str(anns.user_id)), transaction():
        assert len(fetch_all(select(tasks.c.id))) == 1

    with postgresql_engine.connect() as connection:
        assert not connection.exec_driver_sql(CURRENT_USER).scalar()


DAY = 24 * 3600
# For how long a task has been in the trash.
TRASHED = {"living": None, "now": 0, "nearly over": 30 * DAY - 60, "over": 30 * DAY}
# For how long an idempotency key has been used.
USED = {"now": 0, "nearly-over": DAY - 60, "over": DAY}
AS_OLD_AS_CAN_BE = "2000-01-01T00:00:00Z"


@pytest.fixture
def kept_and_over(postgresql_app: Flask) -> dict[str, dict[str, str]]:
    """Add tasks and keys of every age for two users, and return each user's task ids by their age."""
    found = {}
    for _ in range(2):
        caller = Caller(postgresql_app, new_user_id())
        ids = {age: caller.add()["id"] for age in TRASHED}
        for age in USED:
            created = caller.post("/v1/tasks", json={"title": age}, headers={"Idempotency-Key": age})
            assert created.status_code == 201
        with postgresql_app.app_context(), scope(caller.user_id):
            # Everything was created and changed long ago, except what a purge goes by.
            execute(update(tasks).values(created_at=AS_OLD_AS_CAN_BE, updated_at=AS_OLD_AS_CAN_BE))
            for age, seconds in TRASHED.items():
                deleted_at = None if seconds is None else from_now(literal(-seconds))
                execute(update(tasks).where(tasks.c.id == ids[age]).values(deleted_at=deleted_at))
            for age, seconds in USED.items():
                this = idempotency_keys.c.key == age
                execute(update(idempotency_keys).where(this).values(created_at=from_now(literal(-seconds))))
        found[str(caller.user_id)] = ids
    return found


def rows_of(user_id: str) -> tuple[set[str], set[str]]:
    """Return the ids of a user's tasks that have an age, and the user's keys, as the user's scope shows them."""
    with scope(user_id):
        ids = fetch_all(select(tasks.c.id).where(tasks.c.title == "tea"))
        return {row.id for row in ids}, {row.key for row in fetch_all(select(idempotency_keys.c.key))}


EVERYTHING = {name: f"SELECT * FROM {name}" for name in ("tasks", "idempotency_keys")}


def test_a_purge_sees_only_expired_rows(kept_and_over: dict[str, dict[str, str]], postgresql_engine: Engine) -> None:
    """Of any user: no living task, none that can still be restored, no key that can still be repeated."""
    with scope(PURGE), postgresql_engine.connect() as connection:
        ids = {str(row.id) for row in connection.exec_driver_sql(EVERYTHING["tasks"])}
        keys = {(row.user_id, row.key) for row in connection.exec_driver_sql(EVERYTHING["idempotency_keys"])}

    for user_id, mine in kept_and_over.items():
        assert ids & set(mine.values()) == {mine["over"]}
        assert {key for owner, key in keys if owner == user_id} == {"over"}


@pytest.mark.parametrize("where", ["", "WHERE user_id = '{user}'", "WHERE user_id <> ''"])
def test_a_purge_deletes_only_expired_rows(
    kept_and_over: dict[str, dict[str, str]], postgresql_engine: Engine, where: str
) -> None:
    """A bug in its statement deletes no row that a user can still reach."""
    with scope(PURGE), postgresql_engine.connect() as connection:
        for user_id in kept_and_over:
            for name in EVERYTHING:
                connection.exec_driver_sql(f"DELETE FROM {name} {where.format(user=user_id)}")

    for user_id, mine in kept_and_over.items():
        assert rows_of(user_id) == ({task for age, task in mine.items() if age != "over"}, {"now", "nearly-over"})


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE tasks SET title = 'x' RETURNING id",
        "UPDATE tasks SET deleted_at = '2000-01-01Z' RETURNING id",
        "UPDATE idempotency_keys SET answer = NULL RETURNING key",
        "SELECT id FROM tasks FOR UPDATE",
    ],
)
def test_a_purge_changes_no_row(
    kept_and_over: dict[str, dict[str, str]], postgresql_engine: Engine, statement: str
) -> None:
    """It cannot turn a living row into an expired one."""
    with scope(PURGE), postgresql_engine.connect() as connection:
        assert connection.exec_driver_sql(statement).all() == []

    for user_id, mine in kept_and_over.items():
        assert rows_of(user_id) == (set(mine.values()), set(USED))


def test_a_purge_adds_no_row(anns: Caller, postgresql_engine: Engine) -> None:
    """Not even one that it could delete."""
    anns.add()
    row = f"('{anns.user_id}', '{uuid.uuid4()}', 'x', now(), now(), '2000-01-01Z', 1)"
    statement = f"INSERT INTO tasks (user_id, id, title, created_at, updated_at, deleted_at, version) VALUES {row}"

    with scope(PURGE), postgresql_engine.connect() as connection, pytest.raises(DBAPIError) as refused:
        connection.exec_driver_sql(statement)

    assert refused.value.orig.pgcode == INSUFFICIENT_PRIVILEGE


def test_only_a_purge_sees_expired_rows_of_others(
    kept_and_over: dict[str, dict[str, str]], bobs_id: str, postgresql_engine: Engine
) -> None:
    """Neither another user nor a statement without a scope."""
    over = {mine["over"] for mine in kept_and_over.values()}
    for whose in (None, "", bobs_id):
        with scope(whose), postgresql_engine.connect() as connection:
            ids = {str(row.id) for row in connection.exec_driver_sql(EVERYTHING["tasks"])}
        assert ids & over == set()


def test_a_purge_leaves_nothing_on_its_connection(postgresql_engine: Engine) -> None:
    """It has no user, and the time limits of other statements."""
    shown = "SELECT current_setting('app.purge', true), current_setting('app.user_id', true), "
    shown += "current_setting('statement_timeout'), current_setting('lock_timeout')"
    with postgresql_engine.connect() as connection:
        with scope(PURGE):
            assert tuple(connection.exec_driver_sql(shown).one()) == ("on", "", "5s", "2s")

        assert [value or "" for value in connection.exec_driver_sql(shown).one()] == ["", "", "0", "0"]


BY_A_WORKER = (
    "UPDATE outbox SET body = 'x' RETURNING id",
    "DELETE FROM outbox RETURNING id",
    "UPDATE reminders SET fire_at = now() RETURNING task_id",
    "DELETE FROM reminders RETURNING task_id",
)


def test_a_worker_sees_messages_and_times_and_changes_nothing(anns: Caller, postgresql_engine: Engine) -> None:
    """Of all users. It sends and writes in the scope of each message's user."""
    message_id = add_family(anns)
    add_messages(str(anns.user_id), message_id)
    with scope(WORK), postgresql_engine.connect() as connection:
        seen = {str(row.id) for row in connection.exec_driver_sql("SELECT id FROM outbox")}
        times = {str(row.task_id) for row in connection.exec_driver_sql("SELECT task_id FROM reminders")}
        for statement in BY_A_WORKER:
            assert connection.exec_driver_sql(statement).all() == []
        for name in ("tasks", "lists", "idempotency_keys"):
            assert connection.exec_driver_sql(f"SELECT * FROM {name}").all() == []

    assert message_id in seen
    assert parent_of(message_id) in times
    assert [row.id for row in all_messages(str(anns.user_id))].count(message_id) == 1
    with scope(str(anns.user_id)), pytest.raises(AnothersScope), scope(WORK):
        pass


def test_a_purge_becomes_no_user() -> None:
    """A user's scope does not become a purge either."""
    with scope(PURGE), pytest.raises(AnothersScope), scope("ann"):
        pass
    with scope("ann"), pytest.raises(AnothersScope), scope(PURGE):
        pass


@pytest.mark.parametrize("user_id", ["o'hara", 'a"b', "$$", "%s", "%(app_user)s", "a\\b", "; SELECT 1 --", "ä😀", " x"])
def test_an_unusual_user_id_matches_only_itself(postgresql_app: Flask, user_id: str) -> None:
    """Text that SQL or drivers could interpret finds only its own rows."""
    caller = Caller(postgresql_app, user_id)
    task = caller.add()

    assert caller.get("/v1/tasks").json["items"][0] == task
    assert task["user_id"] == user_id


STATEMENTS: dict[str, Executable] = {
    "select": select(tasks.c.id),
    "count": select(func.count()).select_from(tasks),
    "alias": select(tasks.alias().c.id),
    "cte": select(select(tasks.c.id).cte("mine").c.id),
    "subquery": select(users.c.id).where(users.c.id.in_(select(tasks.c.user_id))),
    "scalar subquery": select(select(func.count()).select_from(tasks).scalar_subquery()),
    "exists": select(users.c.id).where(exists().where(tasks.c.user_id == users.c.id)),
    "join": select(users.c.id).join(tasks, tasks.c.user_id == users.c.id),
    "insert": insert(tasks).values(user_id="x", id=str(uuid.uuid4())),
    "insert from select": insert(users).from_select(["id", "name"], select(tasks.c.user_id, tasks.c.title)),
    "update": update(tasks).values(title="x"),
    "update from a subquery": update(users).values(name=select(tasks.c.title).limit(1).scalar_subquery()),
    "delete": delete(tasks),
    "union": select(tasks.c.id).union_all(select(users.c.id)),
}


@pytest.mark.parametrize("run", [fetch_one, fetch_all, execute])
@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_outside_a_scope_is_an_error(app: Flask, run: Callable[..., Any], name: str) -> None:
    """On both engines, before it reaches the database."""
    with app.app_context(), pytest.raises(UnscopedStatement):
        run(STATEMENTS[name])


def test_a_scope_ends_with_its_request(app: Flask, ann: Caller) -> None:
    """The next request on this thread starts without a user."""
    ann.add()

    with app.app_context(), pytest.raises(UnscopedStatement):
        fetch_all(select(tasks.c.id))
