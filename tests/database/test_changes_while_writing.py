"""Clients that read changes while others write miss nothing, and no write pays for it."""

import random
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.auth.identity import Identity
from app.tasks import edits, queries
from app.tasks.schemas import NewTask
from tests.api.support import batches
from tests.api.support.calls import BATCH
from tests.api.support.replicas import Replica, changes, tasks_of
from tests.conftest import Caller, new_user_id
from tests.database.conftest import held_open
from tests.statements import messages

WRITERS, WRITES = 4, 50
SMALL_PAGE = 3

Write = Callable[[Caller, str], TestResponse]

WRITES_OF_ONE_TASK: dict[str, Write] = {
    "put": lambda ann, path: ann.put(path, json={"title": "put"}),
    "patch": lambda ann, path: ann.patch(path, json={"title": "patched"}),
    "toggle": lambda ann, path: ann.post(f"{path}/toggle"),
    "delete": lambda ann, path: ann.delete(path),
    "restore": lambda ann, path: ann.post(f"{path}/restore"),
}


def write_at_random(caller: Caller, ids: list[str], seed: int) -> None:
    """Write in all ways, to tasks that others write at the same time and to new ones."""
    chance = random.Random(seed)
    kinds = {**WRITES_OF_ONE_TASK, "batch": write_batch, "create": lambda ann, _: create(ann, ids)}
    for _ in range(WRITES):
        path = f"/v1/tasks/{chance.choice(ids)}"
        answer = kinds[chance.choice([*kinds])](caller, path)
        # 503: the others did not let it write in time.
        assert answer.status_code in (200, 201, 204, 404, 503), answer.text


def create(caller: Caller, ids: list[str]) -> TestResponse:
    task_id = str(uuid4())
    ids.append(task_id)
    return caller.post("/v1/tasks", json={"id": task_id, "title": "new"})


def write_batch(caller: Caller, path: str) -> TestResponse:
    """Create a task and delete it, create one that stays, and complete an old one."""
    gone = str(uuid4())
    operations = [
        batches.create(),
        batches.create(id=gone),
        batches.op("delete", gone),
        batches.op("complete", path.rpartition("/")[2]),
    ]
    return BATCH(caller, json={"operations": operations})


@pytest.mark.parametrize("limit", [1, SMALL_PAGE, 50])
def test_a_client_that_reads_while_many_write_misses_nothing(app: Flask, limit: int) -> None:
    """The run after the last write ends with exactly the server's tasks."""
    user_id = new_user_id()
    replica = Replica(Caller(app, user_id), limit)
    ids = [replica.caller.add()["id"] for _ in range(10)]
    with ThreadPoolExecutor(WRITERS) as pool:
        writing = [pool.submit(write_at_random, Caller(app, user_id), ids, seed) for seed in range(WRITERS)]
        while not all(writer.done() for writer in writing):
            replica.read_page()
        for writer in writing:
            writer.result()
    replica.read_to_the_end()
    replica.read_to_the_end()

    assert replica.tasks == tasks_of(replica.caller)


def test_clients_that_start_while_others_write_miss_nothing(app: Flask) -> None:
    """Several clients with different page sizes, each with its own runs."""
    user_id = new_user_id()
    replicas = [Replica(Caller(app, user_id), limit) for limit in (2, 7, 1_000)]
    ids = [replicas[0].caller.add()["id"] for _ in range(10)]
    with ThreadPoolExecutor(WRITERS + len(replicas)) as pool:
        writing = [pool.submit(write_at_random, Caller(app, user_id), ids, seed) for seed in range(WRITERS)]
        reading = [pool.submit(read_while, replica, writing) for replica in replicas]
        for each in writing + reading:
            each.result()

    state = tasks_of(replicas[0].caller)
    assert [replica.tasks == state for replica in replicas] == [True] * len(replicas)


def read_while(replica: Replica, writing: list[Future[None]]) -> None:
    """Read run after run, and once more after all has been written."""
    while not all(writer.done() for writer in writing):
        replica.read_to_the_end()
    replica.read_to_the_end()


@pytest.fixture
def ann_on_postgresql(postgresql_app: Flask) -> Caller:
    return Caller(postgresql_app, new_user_id())


LATE_WRITES: dict[str, Callable[[str, str], Any]] = {
    "changed": lambda user, task: queries.change_at_once(user, task, {"title": "late"}),
    "deleted": queries.delete_at_once,
    "created": lambda user, _: edits.create_task(Identity(user), NewTask().load({"title": "late"})),
    "restored": queries.restore_at_once,
}


@pytest.mark.parametrize("late_write", LATE_WRITES.values(), ids=list(LATE_WRITES))
@pytest.mark.parametrize("runs", [1, 3])
def test_a_write_committed_behind_the_reader_is_in_the_next_run(
    postgresql_app: Flask, ann_on_postgresql: Caller, runs: int, late_write: Callable[[str, str], Any]
) -> None:
    """Its transaction stays open over one or more runs, while others write before and after its time."""
    ann = ann_on_postgresql
    ids = [ann.add()["id"] for _ in range(5)]
    assert ann.delete(f"/v1/tasks/{ids[0]}").status_code == 204
    task_id = ids[0] if late_write is LATE_WRITES["restored"] else ids[1]
    replica = Replica(ann, limit=2)
    with held_open(postgresql_app, str(ann.user_id), lambda: late_write(str(ann.user_id), task_id)) as commit:
        for _ in range(runs):
            ann.add()
            assert ann.patch(f"/v1/tasks/{ids[2]}", json={"title": "meanwhile"}).status_code == 200
            assert replica.read_to_the_end() > 1
        seen = dict(replica.tasks)
        assert seen == tasks_of(ann)
        commit()
        replica.read_to_the_end()

    assert replica.tasks == tasks_of(ann) != seen


def test_a_write_committed_between_pages_is_in_the_next_run(postgresql_app: Flask, ann_on_postgresql: Caller) -> None:
    """The reader has passed its time by then, but has not finished."""
    ann = ann_on_postgresql
    ids = [ann.add()["id"] for _ in range(2)]
    change = LATE_WRITES["changed"]
    replica = Replica(ann, limit=2)
    with held_open(postgresql_app, str(ann.user_id), lambda: change(str(ann.user_id), ids[0])) as commit:
        for _ in range(4):
            ann.add()
        assert replica.read_page()
        assert replica.read_page()
        commit()
        replica.read_to_the_end()
        assert replica.tasks[ids[0]]["title"] == "tea"
        replica.read_to_the_end()

    assert replica.tasks == tasks_of(ann)
    assert replica.tasks[ids[0]]["title"] == "late"


@pytest.mark.parametrize("kind", WRITES_OF_ONE_TASK)
def test_a_write_is_one_message_although_changes_are_listed(app: Flask, ann: Caller, kind: str) -> None:
    """It writes only the task: no list of changes, counter or tombstone."""
    task = ann.add()
    path = f"/v1/tasks/{task['id']}"
    if kind == "restore":
        assert ann.delete(path).status_code == 204
    with messages(app) as sent:
        assert WRITES_OF_ONE_TASK[kind](ann, path).status_code == (204 if kind == "delete" else 200)

    assert len(sent) == 1, sent
    (written,) = changes(ann)["deleted"] if kind == "delete" else [task["id"] for task in changes(ann)["changed"]]
    assert written == task["id"]


@pytest.mark.parametrize("made", [0, 1, 40])
def test_a_page_of_changes_is_one_message(app: Flask, ann: Caller, made: int) -> None:
    """With or without a token, on the first page or the last."""
    for _ in range(made):
        ann.add()
    with messages(app) as sent:
        first = changes(ann, limit=20)
        changes(ann, first["next"], limit=20)

    assert len(sent) == 2, sent


def test_a_rejected_token_sends_no_message(app: Flask, ann: Caller) -> None:
    """Its form is checked before the database is used."""
    with messages(app) as sent:
        assert ann.get("/v1/tasks/changes?since=nonsense").status_code == 422

    assert sent == []
