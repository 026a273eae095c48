"""GET /v1/tasks/changes with `wait` answers once there is something new."""

from uuid import uuid4

import pytest

from app.services import services_of
from app.tasks import cursors, watches
from tests.api.support.batches import create, op
from tests.api.support.calls import BATCH, CHANGES, assert_problem
from tests.api.support.replicas import Replica, changes
from tests.api.support.waits import LONG, ThreadSleep, ended_by, wait
from tests.api.support.waits import waiting as let_wait
from tests.auth.people import another_app
from tests.conftest import Caller, new_user_id

pytestmark = pytest.mark.one_engine

NOTHING = {"changed": [], "deleted": [], "has_more": False}


def without_next(answer):
    assert answer.status_code == 200, answer.text
    return {name: value for name, value in answer.json.items() if name != "next"}


WRITES = {
    "POST": lambda ann, _: ann.post("/v1/tasks", json={"title": "new"}),
    "PUT": lambda ann, path: ann.put(path, json={"title": "put"}),
    "PATCH": lambda ann, path: ann.patch(path, json={"title": "patched"}),
    "toggle": lambda ann, path: ann.post(f"{path}/toggle"),
    "move": lambda ann, path: ann.post(f"{path}/move", json={"place": "first"}),
    "delete": lambda ann, path: ann.delete(path),
    "batch": lambda ann, path: BATCH(ann, json={"operations": [create(), op("complete", path.rpartition("/")[2])]}),
    "by user": lambda ann, path: ann.patch(path.replace("v1", f"api/{ann.user_id}") + "/complete"),
    "import": lambda ann, _: ann.post("/v1/tasks/import", data='{"title": "x"}\n', content_type="application/jsonl"),
}


@pytest.mark.both_engines
@pytest.mark.parametrize("kind", WRITES)
def test_a_wait_ends_with_a_write_of_its_process(app, ann, kind, monkeypatch):
    """Of any kind, without a look. It gets what it would get by asking then."""
    monkeypatch.setattr(watches, "LOOK_SECONDS", 1_000)
    task, ended = ann.add(), ended_by(app)
    since = changes(ann)["next"]
    with let_wait(ann, since) as [answer]:
        assert WRITES[kind](ann, f"/v1/tasks/{task['id']}").status_code in (200, 201, 204)
        found = answer.result(LONG / 2)

    assert without_next(found) == without_next(CHANGES(ann, query_string={"since": since})) != NOTHING
    assert ended == ["write"]


def test_a_restored_task_ends_a_wait(app, ann):
    task = ann.add()
    assert ann.delete(f"/v1/tasks/{task['id']}").status_code == 204
    with let_wait(ann, changes(ann)["next"]) as [answer]:
        restored = ann.post(f"/v1/tasks/{task['id']}/restore")

    assert answer.result().json["changed"] == [restored.json]


@pytest.mark.both_engines
@pytest.mark.usefixtures("looks")
def test_a_wait_ends_with_a_write_of_another_process(app, ann):
    """All of the user's waits, and no other user's."""
    since, ended, bob = changes(ann)["next"], ended_by(app), Caller(app, new_user_id())
    with (
        another_app(app) as other,
        let_wait(bob, changes(bob)["next"], wait=2) as [bobs],
        let_wait(ann, since, count=2) as answers,
    ):
        task = Caller(other, ann.user_id).add()
        found = [answer.result(LONG / 2) for answer in answers]

    assert [answer.json["changed"] for answer in found] == [[task], [task]]
    assert without_next(bobs.result()) == NOTHING
    assert ended == ["look", "look", "time"]


@pytest.fixture
def looks(monkeypatch):
    """Look often."""
    monkeypatch.setattr(watches, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(watches, "DUE_LOOKS_SECONDS", 0.01)


@pytest.mark.both_engines
@pytest.mark.usefixtures("looks")
@pytest.mark.parametrize("limit", [1, 2, 1_000])
def test_what_the_client_has_does_not_end_a_wait(app, ann, limit):
    """Although it comes again: the last minute is read twice. So it is with pages smaller than that."""
    for _ in range(3):
        ann.add()
    replica, ended = Replica(ann, limit), ended_by(app)
    replica.read_to_the_end()
    assert len(changes(ann, replica.token)["changed"]) == 3
    first = wait(ann, replica.token, limit=limit)
    second = wait(ann, first.json["next"], limit=limit)

    assert without_next(first) == without_next(second) == NOTHING
    assert ended == ["time", "time"]


def test_the_token_of_a_wait_without_changes_means_the_same(app, ann):
    """It finds what comes later, and no repeat ends the wait after it."""
    task = ann.add()
    token = wait(ann, changes(ann)["next"]).json["next"]
    with let_wait(ann, token) as [answer]:
        changed = ann.patch(f"/v1/tasks/{task['id']}", json={"title": "milk"})

    assert answer.result().json["changed"] == [changed.json]
    assert without_next(wait(ann, answer.result().json["next"])) == NOTHING


def test_a_change_before_the_wait_is_answered_at_once(app, ann):
    """Once. Its repeat does not end the next wait."""
    since, ended = changes(ann)["next"], ended_by(app)
    task = ann.add()
    first = wait(ann, since, LONG)

    assert first.json["changed"] == [task]
    assert ended == []
    assert without_next(wait(ann, first.json["next"])) == NOTHING


def test_a_burst_of_writes_is_few_answers(app, ann):
    """A client that waits all the time gets them together, and then nothing."""
    replica, answers = Replica(ann), []
    replica.read_to_the_end()
    with let_wait(ann, replica.token) as [answer]:
        for _ in range(100):
            BATCH(ann, json={"operations": [create()]})
    while answer.result().json["changed"] if not answers else answers[-1].json["changed"]:
        answers.append(wait(ann, (answers[-1] if answers else answer.result()).json["next"]))

    assert len(answers) <= 2
    assert without_next(answers[-1]) == NOTHING


def test_writes_that_change_nothing_end_no_wait(app, ann):
    task, ended = ann.add(), ended_by(app)
    with let_wait(ann, changes(ann)["next"], wait=1) as [answer]:
        assert ann.patch(f"/v1/tasks/{task['id']}", json={}).status_code == 200
        assert ann.post(f"/v1/tasks/{task['id']}/restore").status_code == 200
        assert ann.delete(f"/v1/tasks/{task['id']}", headers={"If-Match": '"7"'}).status_code == 412
        assert ann.post("/v1/lists", json={"name": "x"}).status_code == 201

    assert without_next(answer.result()) == NOTHING
    assert ended == ["time"]


def older(token, ann):
    """Return the token as the version before waits wrote it."""
    return cursors.encode(cursors.decode(token, ann.user_id, "changes")[:4], ann.user_id, "changes")


@pytest.mark.parametrize(
    ("token", "limit"),
    [(lambda _: None, 1_000), (older, 1_000), (lambda ann: changes(ann, limit=1)["next"], 1_000)],
    ids=["none", "of an earlier version", "within a run"],
)
def test_a_client_with_more_to_read_does_not_wait(app, ann, token, limit):
    """Without a token, or with one that does not tell what the client has."""
    made, ended = [ann.add(), ann.add()], ended_by(app)
    since = token(changes(ann)["next"], ann) if token is older else token(ann)
    found = wait(ann, since, LONG, limit=limit)

    assert found.json["changed"] == (made[1:] if since and token is not older else made)
    assert ended == []


@pytest.mark.parametrize("value", ["0", "51", "-1", "x", "", "1.5", "true"])
def test_a_wait_outside_1_to_50_is_rejected(ann, value):
    """Before anything else is read."""
    assert_problem(wait(ann, None, value), 422, "validation_error", "wait")


def test_a_server_of_threads_answers_at_once(app, ann):
    """A wait there would hold a thread. The response is that of a wait which has ended."""
    since, ended = changes(ann)["next"], ended_by(app)

    assert without_next(CHANGES(ann, query_string={"since": since, "wait": 50})) == NOTHING
    assert ended == []


@pytest.mark.parametrize("limit", ["MAX_WAITS_OF_USER", "MAX_WAITS"])
def test_one_wait_too_many_is_rejected(app, ann, monkeypatch, limit):
    """Of the same user, or of all users. It can wait once another has ended."""
    monkeypatch.setattr(watches, limit, 2)
    bob = Caller(app, new_user_id())
    since, bobs = changes(ann)["next"], changes(bob)["next"]
    with let_wait(ann, since, count=2):
        if limit == "MAX_WAITS":
            refused = wait(bob, bobs)
            assert_problem(refused, 503, "service_busy")
        else:
            refused = wait(ann, since)
            assert_problem(refused, 429, "rate_limited")
            assert without_next(wait(bob, bobs)) == NOTHING
        assert refused.headers["Retry-After"] == str(watches.RETRY_SECONDS)
        ann.add()

    assert without_next(wait(bob, bobs)) == NOTHING
    assert services_of(app).waits.count == 0


def test_a_wait_holds_no_connection_and_no_turn(app, ann):
    """Others need the connections of the pool."""
    with let_wait(ann, changes(ann)["next"], count=watches.MAX_WAITS_OF_USER) as answers:
        in_use = services_of(app).database.connections.in_use
        listed = [ann.add(id=str(uuid4()))["id"]]

    assert in_use <= watches.LOOKS_AT_ONCE
    assert [[task["id"] for task in answer.result().json["changed"]] for answer in answers] == [listed] * len(answers)


class Left(ThreadSleep):
    is_abandoned = True


class Stopping(ThreadSleep):
    is_stopping = True


@pytest.mark.parametrize(("sleep", "end"), [(Left, "client"), (Stopping, "stop")])
def test_a_wait_ends_when_its_client_leaves_or_its_worker_stops(app, ann, monkeypatch, sleep, end):
    """With nothing new, and a token that means the same."""
    monkeypatch.setattr(watches, "SPREAD_SECONDS", 0.2)
    since, ended = changes(ann)["next"], ended_by(app)
    found = wait(ann, since, LONG, sleep)

    assert without_next(found) == NOTHING
    assert ended == [end]
    assert services_of(app).waits.count == 0
