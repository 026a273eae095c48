"""A recurring task gets only one next task in its life, however often and by how many clients it is completed."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import delete

from app.database import execute, scope
from app.services import services_of
from app.tasks.models import tasks
from tests.api.support.calls import CHANGE, REPLACE, Call, assert_problem
from tests.api.support.completing import (
    AT_A_TIME,
    BATCH,
    CARRIED,
    DAILY,
    EVERY_WAY,
    ON_A_DAY,
    SETTING,
    TOGGLE,
    TURNING,
    WAYS,
    all_tasks,
    batched,
    completed,
    reopen,
    set_by,
    turned_by,
    updated_in_batch,
)
from tests.auth.people import sql
from tests.conftest import Caller, make_app, new_user_id
from tests.postgres import not_on_a_cluster

AT_ONCE = 50
RESTORE = Call("POST", "/v1/tasks/{task_id}/restore")

UNDONE = [set_by(CHANGE, completed=False), set_by(REPLACE, completed=False), batched("reopen"), turned_by(TOGGLE)]
EVERY_SETTING = pytest.mark.parametrize("complete", SETTING.values(), ids=SETTING)
ON_ONE = {name: way for name, way in WAYS.items() if "batch" not in name}
WITH_PRECONDITION = pytest.mark.parametrize("complete", ON_ONE.values(), ids=ON_ONE)

# Every write of a task first succeeds, then its transaction fails.
FAILING = {
    "sqlite": ["CREATE TRIGGER failing BEFORE {event} ON tasks BEGIN SELECT RAISE(ABORT, 'failing'); END"],
    "postgresql": [
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''failing''; END'",
        "CREATE TRIGGER failing BEFORE {event} ON tasks FOR EACH ROW EXECUTE FUNCTION fail()",
    ],
}


@EVERY_SETTING
def test_completing_again_makes_no_second_next_task(ann, complete):
    """A completed task does not become completed again."""
    task = ann.add(**DAILY)
    following = completed(ann, task)

    assert completed(ann, task, complete) is None
    assert [each["id"] for each in all_tasks(ann)] == [task["id"], following["id"]]


@pytest.mark.parametrize(("complete", "undo"), [*zip(WAYS.values(), UNDONE * 2, strict=True)], ids=WAYS)
def test_reopening_and_completing_again_makes_no_second_next_task(ann, complete, undo):
    """Reopening also does not remove the next task."""
    task = ann.add(**DAILY)
    following = completed(ann, task, complete)
    assert undo(ann, task).status_code == 200
    reopened = ann.get(f"/v1/tasks/{task['id']}").json

    assert (reopened["completed"], reopened["completed_at"]) == (False, None)
    assert completed(ann, task, complete) is None
    assert all_tasks(ann)[1:] == [following]


def test_a_task_with_a_new_rule_still_has_one_next_task(ann):
    """The next task keeps its own rule."""
    task = ann.add(**DAILY)
    following = completed(ann, task)
    changed = CHANGE(ann, task["id"], json={"completed": False, "recurrence": "FREQ=MONTHLY", "due_on": "2027-01-01"})

    assert changed.status_code == 200
    assert completed(ann, changed.json) is None
    assert all_tasks(ann)[1:] == [following]


@EVERY_WAY
def test_a_deleted_next_task_is_not_made_again(app, ann, complete):
    """It was deleted on purpose, and is in the trash or purged."""
    task = ann.add(**DAILY)
    following = completed(ann, task)
    assert ann.delete(f"/v1/tasks/{following['id']}").status_code == 204
    reopen(ann, task)
    assert completed(ann, task, complete) is None

    with app.app_context(), scope(ann.user_id):
        assert execute(delete(tasks).where(tasks.c.user_id == ann.user_id, tasks.c.id == following["id"])) == 1
    reopen(ann, task)
    assert completed(ann, task, complete) is None
    assert [each["id"] for each in all_tasks(ann)] == [task["id"]]


@pytest.mark.parametrize("state", ["open", "completed"])
def test_deleting_and_restoring_make_no_next_task(ann, state):
    """A restored task still has its next task."""
    task = ann.add(**DAILY)
    following = completed(ann, task) if state == "completed" else None
    assert ann.delete(f"/v1/tasks/{task['id']}").status_code == 204
    assert RESTORE(ann, task["id"]).status_code == 200
    assert len(all_tasks(ann)) == (2 if following else 1)

    if following:
        reopen(ann, task)
    assert (completed(ann, task) is None) is bool(following)
    assert len(all_tasks(ann)) == 2


@WITH_PRECONDITION
def test_completing_under_the_right_tag_makes_one_next_task(ann, complete):
    """With each kind of completion."""
    for number, headers in enumerate([{"If-Match": '"1"'}, {"If-Match": "*"}, {"If-None-Match": '"7"'}], 1):
        answer = complete(ann, ann.add(**DAILY), headers=headers)

        assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')
        assert len(all_tasks(ann)) == 2 * number


@WITH_PRECONDITION
def test_completing_under_a_stale_tag_writes_nothing(ann, complete):
    """Neither the completion nor a next task."""
    task = ann.add(**DAILY)

    for headers in ({"If-Match": '"7"'}, {"If-Match": 'W/"1"'}, {"If-None-Match": '"1"'}):
        assert_problem(complete(ann, task, headers=headers), 412, "precondition_failed")
    assert all_tasks(ann) == [task]


@pytest.mark.parametrize("complete", [batched("complete"), updated_in_batch], ids=["complete", "update"])
def test_a_repeated_batch_with_its_key_makes_one_next_task(ann, complete):
    """Even if the task has been reopened since: the batch is only replayed."""
    task, key = ann.add(**DAILY), {"Idempotency-Key": "plants-of-March"}
    first = complete(ann, task, headers=key)
    reopen(ann, task)
    again = complete(ann, task, headers=key)

    assert [first.status_code, again.status_code] == [200, 200]
    assert (again.json, again.headers["Idempotent-Replay"]) == (first.json, "true")
    assert [each["completed"] for each in all_tasks(ann)] == [False, False]


def test_a_failed_batch_makes_no_next_task(ann):
    """The completion before the error is undone with its next task."""
    task = ann.add(**DAILY)
    operations = [{"op": "complete", "id": task["id"]}, {"op": "delete", "id": "00000000-0000-0000-0000-000000000000"}]

    assert_problem(BATCH(ann, json={"operations": operations}), 404, "not_found", "operations.1")
    assert all_tasks(ann) == [task]


@pytest.mark.parametrize("rest", [["complete"], ["reopen", "complete"], ["delete"]], ids=str)
def test_a_batch_makes_one_next_task_however_often_it_completes(ann, rest):
    """Like requests one after the other."""
    task = ann.add(**DAILY)
    operations = [{"op": op, "id": task["id"]} for op in ("complete", *rest)]
    answer = BATCH(ann, json={"operations": operations})

    assert answer.status_code == 200
    assert [each["due_on"] for each in all_tasks(ann) if each["id"] != task["id"]] == ["2026-03-15"]


def at_once(app, caller, task, ways):
    """Complete a task in all these ways, on threads that begin together, and return the responses."""
    ready = Barrier(len(ways))
    with ThreadPoolExecutor(len(ways), initializer=ready.wait) as pool:
        calls = [pool.submit(way, Caller(app, caller.user_id), task) for way in ways]
    return [call.result() for call in calls]


def under_the_first_tag(way):
    return lambda caller, task: way(caller, task, headers={"If-Match": '"1"'})


@pytest.mark.parametrize("schedule", [ON_A_DAY, AT_A_TIME], ids=["on a day", "at a time"])
def test_fifty_completions_at_once_make_one_next_task(app, ann, schedule):
    """In every way, and the task stays completed as the first one made it."""
    task = ann.add(**CARRIED, **schedule)
    ways = [*SETTING.values(), *map(under_the_first_tag, TURNING.values())]
    answers = at_once(app, ann, task, [ways[number % len(ways)] for number in range(AT_ONCE)])

    assert {answer.status_code for answer in answers} <= {200, 412}
    assert [answer.status_code for answer in answers].count(200) >= AT_ONCE * 6 // 8
    done, following = all_tasks(ann)
    assert (done["id"], done["completed"], following["completed"]) == (task["id"], True, False)
    assert {answer.json["completed_at"] for answer in answers if "completed_at" in answer.json} == {
        done["completed_at"]
    }


@pytest.mark.parametrize("count", [AT_ONCE, AT_ONCE - 1])
def test_fifty_toggles_at_once_make_one_next_task(app, ann, count):
    """Every second one completes the task, and only the first of those creates a next task."""
    task = ann.add(**DAILY)
    answers = at_once(app, ann, task, [list(TURNING.values())[number % 2] for number in range(count)])

    assert [answer.status_code for answer in answers] == [200] * count
    assert len({answer.headers["ETag"] for answer in answers}) == count
    assert [each["completed"] for each in all_tasks(ann)] == [bool(count % 2), False]


def changing(name, value):
    return lambda caller, task: CHANGE(caller, task["id"], json={name: value})


def test_a_concurrent_change_is_not_lost_to_a_completion(app, ann):
    """Completing reads and writes the whole task, and no other request in between."""
    task = ann.add(**DAILY)
    changes = {"title": "coffee", "details": "black", "priority": "low", "tags": ["x"], "time_zone": "Asia/Tokyo"}
    # A PUT names every field.
    completions = [way for name, way in WAYS.items() if "PUT" not in name]
    answers = at_once(app, ann, task, [*completions, *(changing(name, value) for name, value in changes.items())])
    done, _ = all_tasks(ann)

    assert {answer.status_code for answer in answers} == {200}
    assert done.items() >= {name: value for name, value in changes.items() if name != "tags"}.items()
    assert done["tags"] == changes["tags"]


@not_on_a_cluster("a distributed table has no trigger")
@pytest.mark.parametrize("event", ["INSERT", "UPDATE"])
def test_the_completion_and_the_next_task_are_written_together(new_database, engine, event):
    """If one of them fails, neither is there."""
    app = make_app(new_database())
    ann = Caller(app, new_user_id())
    task = ann.add(**DAILY)
    for statement in FAILING[engine]:
        sql(app, statement.format(event=event))

    for complete in WAYS.values():
        assert_problem(complete(ann, task), 500, "internal_error")
        assert all_tasks(ann) == [task]
    services_of(app).engine.dispose()
