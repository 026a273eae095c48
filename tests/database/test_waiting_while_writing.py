"""Clients that wait while others write miss nothing, also what is committed late."""

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from flask import Flask

from app.services import services_of
from app.tasks import lists, queries, watches
from tests.api.support.replicas import Replica, ReplicaWithLists, changes, lists_of, tasks_of
from tests.api.support.waits import ended_by, wait
from tests.api.support.waits import waiting as let_wait
from tests.auth.people import another_app
from tests.conftest import Caller, new_user_id
from tests.database.conftest import held_open
from tests.database.test_changes_while_writing import LATE_WRITES, write_at_random
from tests.statements import messages
from tests.waiting import LONGEST_WAIT_SECONDS

WRITERS, LATE = 3, 5


@pytest.fixture(autouse=True)
def looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often."""
    monkeypatch.setattr(watches, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(watches, "DUE_LOOKS_SECONDS", 0.01)


@pytest.fixture
def elsewhere(postgresql_app: Flask) -> Iterator[Flask]:
    """Another process on the same database."""
    with another_app(postgresql_app) as app:
        yield app


@pytest.mark.parametrize("late_write", LATE_WRITES.values(), ids=list(LATE_WRITES))
def test_a_write_that_is_committed_late_ends_a_wait(
    postgresql_app: Flask, elsewhere: Flask, late_write: Callable[[str, str], Any]
) -> None:
    """Its time is before that of all that the client has by then."""
    ann = Caller(postgresql_app, new_user_id())
    ids = [ann.add()["id"] for _ in range(3)]
    assert ann.delete(f"/v1/tasks/{ids[0]}").status_code == 204
    task_id, replica = ids[0] if late_write is LATE_WRITES["restored"] else ids[1], Replica(ann)
    ended = ended_by(postgresql_app)
    with held_open(elsewhere, str(ann.user_id), lambda: late_write(str(ann.user_id), task_id)) as commit:
        assert ann.patch(f"/v1/tasks/{ids[2]}", json={"title": "meanwhile"}).status_code == 200
        replica.read_to_the_end()
        before = wait(ann, replica.token)
        with let_wait(ann, before.json["next"]) as [answer]:
            commit()
            replica.apply(answer.result(LONGEST_WAIT_SECONDS).json)

    assert before.json["changed"] == []
    assert replica.tasks == tasks_of(ann)
    assert ended == ["time", "look"]


def test_a_list_that_is_deleted_late_ends_a_wait(postgresql_app: Flask, elsewhere: Flask) -> None:
    """A list is deleted at once, but its deletion has the time at which that began."""
    ann, others = Caller(postgresql_app, new_user_id()), Caller(postgresql_app, new_user_id())
    home = ann.post("/v1/lists", json={"name": "home"}).json["id"]
    replica = ReplicaWithLists(ann)
    with held_open(elsewhere, str(ann.user_id), lambda: lists.delete_list(str(ann.user_id), home, False)) as commit:
        assert others.add()
        ann.add()
        replica.read_to_the_end()
        with let_wait(ann, str(replica.token), lists="true") as [answer]:
            commit()
            replica.apply(answer.result(LONGEST_WAIT_SECONDS).json)

    assert (replica.tasks, replica.lists) == (tasks_of(ann), lists_of(ann)) == (replica.tasks, {})


def test_a_write_that_is_rolled_back_ends_no_wait(postgresql_app: Flask, elsewhere: Flask) -> None:
    """Nothing has changed."""
    ann = Caller(postgresql_app, new_user_id())
    task, replica = ann.add()["id"], Replica(ann)
    replica.read_to_the_end()
    write = lambda: queries.delete_at_once(str(ann.user_id), task)  # noqa: E731
    with (
        held_open(elsewhere, str(ann.user_id), write, undo=True) as roll_back,
        let_wait(ann, str(replica.token), wait=1) as [answer],
    ):
        roll_back()

    assert (answer.result().json["changed"], answer.result().json["deleted"]) == ([], [])


@pytest.mark.parametrize("seed", range(3))
def test_clients_that_wait_while_many_write_end_with_the_servers_state(
    postgresql_app: Flask, elsewhere: Flask, seed: int
) -> None:
    """In this process and in another, some in transactions that end after all others, or roll back."""
    user_id, chance = new_user_id(), random.Random(seed)
    ann = Caller(postgresql_app, user_id)
    ids = [ann.add()["id"] for _ in range(10)]
    held = [ann.add()["id"] for _ in range(LATE)]
    apps = (postgresql_app, elsewhere)
    replicas = [ReplicaWithLists(Caller(app, user_id), limit) for app in apps for limit in (3, 1_000)]
    may_end = threading.Event()
    with ThreadPoolExecutor(WRITERS + len(replicas)) as pool, ExitStack() as late:
        commits = [
            late.enter_context(
                held_open(
                    chance.choice(apps),
                    user_id,
                    lambda task=task: queries.change_at_once(user_id, task, {"title": "late"}),
                    undo=chance.random() < 0.3,
                )
            )
            for task in held
        ]
        reading = [pool.submit(keep_reading, replica, may_end) for replica in replicas]
        writing = [
            pool.submit(write_at_random, Caller(chance.choice(apps), user_id), ids, seed + number)
            for number in range(WRITERS)
        ]
        for writer in writing:
            writer.result(LONGEST_WAIT_SECONDS)
        for commit in commits:
            commit()
        may_end.set()
        for reader in reading:
            reader.result(LONGEST_WAIT_SECONDS)

    state = tasks_of(ann)
    assert [replica.tasks == state for replica in replicas] == [True] * len(replicas)
    assert services_of(postgresql_app).waits.count == services_of(elsewhere).waits.count == 0


def keep_reading(replica: Replica, may_end: threading.Event) -> None:
    """Wait again and again, until a wait that began after the last write has found nothing."""
    replica.read_to_the_end()
    while True:
        is_last = may_end.is_set()
        answer = wait(replica.caller, replica.token, limit=replica.limit, **replica.query)
        assert answer.status_code == 200, answer.text
        replica.apply(answer.json)
        if is_last and not (answer.json["changed"] or answer.json["deleted"] or answer.json["has_more"]):
            return


def test_a_users_waits_share_their_looks(postgresql_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each looks once when it begins. After that the database gets some three statements for all, not for each."""
    monkeypatch.setattr(watches, "LOOK_SECONDS", 0.3)
    count = watches.MAX_WAITS_OF_USER
    ann = Caller(postgresql_app, new_user_id())
    since = changes(ann)["next"]
    with messages(postgresql_app) as sent, let_wait(ann, since, count=count, wait=1):
        pass

    assert 1 <= len(sent) - count < 2 * count, sent
