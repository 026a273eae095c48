"""Batches send few messages, and concurrent ones neither deadlock nor lose updates."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from app.auth.identity import Identity
from app.database import fetch_one, scope
from app.http.problems import DatabaseUnavailable
from app.tasks import drafts, edits, queries
from app.tasks.models import idempotency_keys
from app.tasks.schemas import NewTask
from tests.api.support.batches import Operation, create, op, update
from tests.api.support.calls import BATCH, assert_problem
from tests.api.support.replicas import changes, tasks_of
from tests.conftest import Caller, new_user_id
from tests.database.conftest import held_open, wait_until_waiting
from tests.postgres import Server
from tests.statements import messages

MOST = 100
ROUNDS, AT_ONCE = 12, 8
# BEGIN, reading and locking, adding, changing, COMMIT.
MOST_MESSAGES = 5


def batch(caller: Caller, operations: Sequence[Operation], **options: Any) -> TestResponse:
    return BATCH(caller, json={"operations": operations}, **options)


def all_at_once(*calls: Callable[[], Any]) -> list[Any]:
    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


MIXTURES: dict[str, Callable[[str], Sequence[Operation]]] = {
    "create": lambda _: [create(), create(id=str(uuid4()))],
    "update": lambda task_id: [update(task_id, title="x"), update(task_id, due_on="2026-03-14")],
    "complete": lambda task_id: [op("complete", task_id), op("reopen", task_id)],
    "all": lambda task_id: [create(), update(task_id, completed=True), op("delete", task_id)],
    "recurring": lambda task_id: [
        update(task_id, due_on="2026-03-14", recurrence="FREQ=DAILY"),
        op("complete", task_id),
    ],
}


@pytest.mark.parametrize("mixture", MIXTURES.values(), ids=list(MIXTURES))
def test_a_batch_of_a_hundred_sends_as_few_messages_as_a_small_one(
    app: Flask, ann: Caller, mixture: Callable[[str], Sequence[Operation]]
) -> None:
    """Five at most, and fewer if nothing is added or changed."""
    counts = []
    for count in (1, MOST // 3):
        ids = [ann.add()["id"] for _ in range(count)]
        operations = [operation for task_id in ids for operation in mixture(task_id)]
        with messages(app) as sent:
            answer = batch(ann, operations)
        assert answer.status_code == 200, answer.text
        counts.append(len(sent))

    assert counts[0] == counts[1] <= MOST_MESSAGES


@pytest.mark.parametrize("count", [1, MOST])
def test_a_rejected_batch_only_reads(app: Flask, ann: Caller, count: int) -> None:
    """BEGIN, one read of all tasks, ROLLBACK."""
    with messages(app) as sent:
        answer = batch(ann, [create()] * (count - 1) + [op("delete", str(uuid4()))])

    assert_problem(answer, 404, "not_found", f"operations.{count - 1}")
    assert len(sent) == 3, sent


def test_a_batch_that_fails_halfway_leaves_no_data(ann: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new tasks are already in the table when the changes of the old ones fail."""
    task, new = ann.add(), str(uuid4())

    def fail(user_id: str, changed: Sequence[Any]) -> Any:
        assert queries.get_task(user_id, new)
        raise DatabaseUnavailable

    monkeypatch.setattr(drafts, "update_tasks", fail)
    answer = batch(ann, [create(id=new), update(task["id"], title="x")])

    assert_problem(answer, 503, "database_unavailable")
    assert tasks_of(ann) == {task["id"]: task}
    assert changes(ann)["changed"] == [task]


@pytest.mark.parametrize("count", [2, 30])
def test_batches_in_opposite_order_lose_no_update(app: Flask, count: int) -> None:
    """There is no deadlock. Each task has its last change, and each version exists once."""
    user_id = new_user_id()
    ids = [Caller(app, user_id).add()["id"] for _ in range(count)]
    orders = [(ids, "title"), (ids[::-1], "time_zone")]
    values: dict[str, Callable[[int], str]] = {"title": str, "time_zone": "Etc/GMT+{}".format}

    def write(order: Sequence[str], name: str) -> list[str]:
        etags = []
        for number in range(1, ROUNDS + 1):
            change = {name: values[name](number)}
            answer = batch(Caller(app, user_id), [update(task_id, **change) for task_id in order])
            assert answer.status_code == 200, answer.text
            etags.append(answer.json["results"][order.index(ids[0])]["etag"])
        return etags

    etags = [etag for found in all_at_once(*(partial(write, *each) for each in orders)) for etag in found]

    assert sorted(etags) == sorted(f'"{version}"' for version in range(2, len(orders) * ROUNDS + 2))
    for task in tasks_of(Caller(app, user_id)).values():
        assert {name: task[name] for name in values} == {name: values[name](ROUNDS) for name in values}


@pytest.mark.parametrize("are_new", [False, True], ids=["old tasks", "new tasks"])
def test_batches_lock_their_tasks_in_the_same_order(postgresql: Server, postgresql_app: Flask, are_new: bool) -> None:
    """While another transaction holds a task in the middle, neither batch holds a task that the other needs next."""
    user_id = new_user_id()
    ids = [Caller(postgresql_app, user_id).add()["id"] for _ in range(9)]
    write = partial(queries.delete_at_once, user_id, ids[4])
    if are_new:
        ids = sorted(str(uuid4()) for _ in ids)
        write = partial(edits.create_task, Identity(user_id), NewTask().load({"title": "tea", "id": ids[4]}))
    operations = [create(id=task_id) if are_new else update(task_id, title="x") for task_id in ids]
    with held_open(postgresql_app, user_id, write, undo=True) as end, ThreadPoolExecutor(2) as pool:
        orders = (operations, operations[::-1])
        waiting = [pool.submit(batch, Caller(postgresql_app, user_id), order) for order in orders]
        wait_until_waiting(postgresql, 2)
        end()
        answers = [each.result() for each in waiting]

    assert sorted(answer.status_code for answer in answers) == [200, 409 if are_new else 200]


def test_concurrent_batches_and_single_writes_lose_no_update(app: Flask) -> None:
    """A batch writes whole rows, but does not overwrite a concurrent change."""
    user_id = new_user_id()
    ids = [Caller(app, user_id).add()["id"] for _ in range(5)]

    def by_batch(number: int) -> TestResponse:
        return batch(Caller(app, user_id), [update(task_id, details=str(number)) for task_id in ids])

    def alone(number: int) -> TestResponse:
        return Caller(app, user_id).patch(f"/v1/tasks/{ids[number % 5]}", json={"title": f"title {number}"})

    def flip(number: int) -> TestResponse:
        return Caller(app, user_id).post(f"/v1/tasks/{ids[number % 5]}/toggle")

    answers = all_at_once(*(partial(list, map(write, range(10))) for write in (by_batch, alone, flip)))

    assert {answer.status_code for found in answers for answer in found} == {200}
    state = tasks_of(Caller(app, user_id))
    shown = [(state[task_id]["title"], state[task_id]["details"], state[task_id]["completed"]) for task_id in ids]
    assert shown == [(f"title {5 + number}", "9", False) for number in range(5)]
    etags = {Caller(app, user_id).get(f"/v1/tasks/{task_id}").headers["ETag"] for task_id in ids}
    assert etags == {f'"{1 + 10 + 2 + 2}"'}


@pytest.mark.parametrize("with_key", [False, True], ids=["without a key", "with keys"])
@pytest.mark.parametrize("is_known", [True, False], ids=["known user", "unknown user"])
def test_one_of_many_batches_that_create_the_same_tasks_succeeds(app: Flask, is_known: bool, with_key: bool) -> None:
    """In any order. The others get the taken id, and do nothing."""
    for _ in range(ROUNDS):
        user_id, ids = new_user_id(), [str(uuid4()) for _ in range(30)]
        if is_known:
            Caller(app, user_id).add(title="old")
        batches = [[create(title=title), *(create(id=task_id, title=title) for task_id in order)]
                   for title, order in (("a", ids), ("b", ids[::-1]), ("c", ids))]  # fmt: skip
        answers = all_at_once(
            *(
                partial(
                    batch, Caller(app, user_id), each, headers={"Idempotency-Key": str(uuid4())} if with_key else {}
                )
                for each in batches
            )
        )
        done, *refused = sorted(answers, key=lambda answer: answer.status_code)
        assert done.status_code == 200, done.text
        for answer in refused:
            assert_problem(answer, 409, "id_taken")
            ((place, _),) = answer.json["errors"].items()
            assert 1 <= int(place.removeprefix("operations.")) <= len(ids)
        made = [task for task in tasks_of(Caller(app, user_id)).values() if task["title"] != "old"]
        assert (len({task["title"] for task in made}), len(made)) == (1, 1 + len(ids))


def test_concurrent_repetitions_of_a_batch_with_its_key_are_done_once(app: Flask) -> None:
    """Also if it is its user's first write."""
    user_id, operations = new_user_id(), [create() for _ in range(3)]
    send = partial(batch, operations=operations, headers={"Idempotency-Key": "key"})

    answers = all_at_once(*(partial(send, Caller(app, user_id)) for _ in range(AT_ONCE)))

    assert {(answer.status_code, answer.data) for answer in answers} == {(200, answers[0].data)}
    assert sum("Idempotent-Replay" in answer.headers for answer in answers) == AT_ONCE - 1
    assert len(tasks_of(Caller(app, user_id))) == 3


def test_a_batchs_stored_response_is_small(app: Flask, ann: Caller) -> None:
    """Only ids and tags: a megabyte of tasks leaves some kilobytes."""
    operations = [create(details="x" * 10_000) for _ in range(MOST)]
    assert batch(ann, operations, headers={"Idempotency-Key": "key"}).status_code == 200
    with app.app_context(), scope(str(ann.user_id)):
        kept = fetch_one(select(func.length(idempotency_keys.c.answer).label("length")))

    assert kept.length < 100 * MOST


def test_a_recurring_task_completed_by_many_at_once_has_one_next_task(app: Flask) -> None:
    """By batches and single requests together."""
    user_id = new_user_id()
    task = Caller(app, user_id).add(due_on="2026-03-14", recurrence="FREQ=DAILY")
    complete = [op("complete", task["id"])]

    answers = all_at_once(
        *[lambda: batch(Caller(app, user_id), complete)] * (AT_ONCE // 2),
        *[lambda: Caller(app, user_id).patch(f"/v1/tasks/{task['id']}", json={"completed": True})] * (AT_ONCE // 2),
    )

    assert {answer.status_code for answer in answers} == {200}
    assert sorted(each["due_on"] for each in tasks_of(Caller(app, user_id)).values()) == ["2026-03-14", "2026-03-15"]
