"""POST /v1/tasks/batch does many operations as if one after the other: all or none."""

from uuid import uuid4

import pytest

from tests.api.support.batches import create, op, run, update
from tests.api.support.calls import BATCH, assert_problem
from tests.api.support.replicas import changes, tasks_of, trash_of
from tests.conftest import Caller, new_user_id

MOST = 100
ID = "0199b1f2-7c3e-7a41-9d5b-2f6c8e0a4b17"


def get(caller, task_id):
    answer = caller.get(f"/v1/tasks/{task_id}")
    assert answer.status_code == 200
    return answer


def test_each_kind_of_operation_is_done(ann):
    """Results have the operations' order, each with the task's id and ETag, or null if it was deleted."""
    changed, completed, reopened, deleted = (ann.add(completed=number == 2)["id"] for number in range(4))
    results = run(
        ann,
        create(title="coffee", tags=["home"]),
        op("delete", deleted),
        op("reopen", reopened),
        update(changed, title="milk", details="x"),
        op("complete", completed),
    )
    new = results[0]["id"]

    assert [result["id"] for result in results] == [new, deleted, reopened, changed, completed]
    assert [result["etag"] for result in results] == ['"1"', None, '"2"', '"2"', '"2"']
    assert (get(ann, new).json["title"], get(ann, new).json["tags"]) == ("coffee", ["home"])
    assert [get(ann, task_id).json["completed"] for task_id in (new, reopened, changed, completed)] == [False] * 3 + [
        True
    ]
    assert (get(ann, changed).json["title"], get(ann, changed).json["details"]) == ("milk", "x")
    assert trash_of(ann).keys() == {deleted}


def test_an_etag_of_a_batch_is_the_tasks_own(ann):
    """It is valid for If-Match, and the same for each operation on the task."""
    task_id = ann.add()["id"]
    first, second, new = run(ann, update(task_id, title="a"), op("complete", task_id), create())

    assert first == second
    for result in (first, new):
        assert get(ann, result["id"]).headers["ETag"] == result["etag"]
        path, headers = f"/v1/tasks/{result['id']}", {"If-Match": result["etag"]}
        assert [ann.patch(path, json={"title": "b"}, headers=headers).status_code for _ in range(2)] == [200, 412]


def test_a_task_can_be_created_changed_and_deleted_in_one_batch(ann):
    """The task is then in the trash, and can be restored unchanged."""
    task_id = str(uuid4())
    results = run(
        ann, create(id=task_id), update(task_id, title="milk"), op("complete", task_id), op("delete", task_id)
    )

    assert results == [{"id": task_id, "etag": None}] * 4
    assert tasks_of(ann) == {}
    assert changes(ann)["deleted"] == [task_id]
    restored = ann.post(f"/v1/tasks/{task_id}/restore")
    assert (restored.status_code, restored.json["title"], restored.json["completed"]) == (200, "milk", True)


def test_a_batch_is_one_write_of_each_task(ann):
    """However many operations there are, a task gets one time and one version."""
    task = ann.add()
    new = str(uuid4())
    run(ann, *(update(task["id"], title=str(number)) for number in range(50)), create(id=new), op("complete", new))

    assert [get(ann, task_id).headers["ETag"] for task_id in (task["id"], new)] == ['"2"', '"1"']
    assert get(ann, new).json["created_at"] == get(ann, new).json["updated_at"] > task["created_at"]
    assert get(ann, new).json["completed_at"] == get(ann, new).json["created_at"]


def test_an_update_without_changes_writes_nothing(ann):
    """Like PATCH with an empty object."""
    task = ann.add()

    assert run(ann, update(task["id"])) == [{"id": task["id"], "etag": '"1"'}]
    assert get(ann, task["id"]).json == task


def test_completing_again_keeps_the_time_and_reopening_forgets_it(ann):
    """In one batch, as in one request after the other."""
    first, second = ann.add(completed=True), ann.add(completed=True)
    run(ann, op("complete", first["id"]), op("reopen", second["id"]), op("complete", second["id"]))

    assert get(ann, first["id"]).json["completed_at"] == first["completed_at"]
    assert get(ann, second["id"]).json["completed_at"] > second["completed_at"]


def test_a_batch_can_write_all_fields_of_a_task(ann):
    """A creation and a change store all of them without loss."""
    rich = {
        "title": 'a "quoted" \\ {"json": [1]} 🍵',
        "details": "\x01\n\t\x7f\u2028 'x' %s {}",
        "completed": True,
        "priority": "high",
        "tags": ["A, b", 'c"', "\\", "ß", "\n x"],
        "due_at": "2026-03-14T09:26:53.5+02:00",
        "time_zone": "Europe/Berlin",
        "recurrence": "FREQ=WEEKLY;COUNT=3",
    }
    alone, changed = ann.add(**rich), ann.add(due_on="2026-01-01")
    new, _ = (result["id"] for result in run(ann, create(**rich), update(changed["id"], **rich)))

    own = {"id", "created_at", "updated_at", "completed_at", "position"}
    wanted = {name: value for name, value in alone.items() if name not in own}
    for task_id in (new, changed["id"]):
        assert {name: value for name, value in get(ann, task_id).json.items() if name not in own} == wanted


@pytest.mark.parametrize("count", [1, MOST])
def test_up_to_a_hundred_operations_are_done(ann, count):
    """And have their results in the same order."""
    titles = [str(number) for number in range(count)]
    results = run(ann, *(create(title=title) for title in titles))

    state = tasks_of(ann)
    assert [state[result["id"]]["title"] for result in results] == titles
    assert len(state) == count


@pytest.mark.parametrize("operation", ["complete", "update"])
def test_completing_a_recurring_task_creates_its_next_one(ann, operation):
    """Only once, however often it is completed. It is not in the results, which belong to the operations."""
    task = ann.add(due_on="2026-03-14", recurrence="FREQ=DAILY;COUNT=3", tags=["home"])
    complete = {"complete": op("complete", task["id"]), "update": update(task["id"], completed=True)}[operation]
    for _ in range(2):
        results = run(ann, complete, op("reopen", task["id"]), complete)
        assert [result["id"] for result in results] == [task["id"]] * 3
    (following,) = [each for task_id, each in tasks_of(ann).items() if task_id != task["id"]]

    assert (following["due_on"], following["recurrence"]) == ("2026-03-15", "FREQ=DAILY;COUNT=2")
    assert (following["completed"], following["tags"]) == (False, ["home"])


def test_creating_and_completing_a_recurring_task_in_one_batch_creates_its_next_one(ann):
    """Also if the batch deletes it afterwards, but not if the batch removes the rule first."""
    recurring = {"due_on": "2026-03-14", "recurrence": "FREQ=DAILY"}
    kept, gone, tamed = (str(uuid4()) for _ in range(3))
    run(
        ann,
        *(create(id=task_id, title=task_id, **recurring) for task_id in (kept, gone, tamed)),
        *(op("complete", kept), op("complete", gone), op("delete", gone)),
        update(tamed, completed=True, recurrence=None),
    )

    following = [task["title"] for task in tasks_of(ann).values() if task["due_on"] == "2026-03-15"]
    assert sorted(following) == sorted([kept, gone])


def test_a_new_users_first_write_can_be_a_batch(app):
    """With or without a key. A rejected batch creates no user."""
    for headers in ({}, {"Idempotency-Key": "k"}):
        caller = Caller(app, new_user_id())
        assert_problem(
            BATCH(caller, json={"operations": [create(), op("delete", ID)]}, headers=headers), 404, "not_found"
        )
        assert tasks_of(caller) == {}
        results = run(caller, create(), create(), headers=headers)
        assert set(tasks_of(caller)) == {result["id"] for result in results}


def test_a_repeated_batch_with_its_key_is_done_once(ann):
    """The repetition gets the first response, even if the tasks have changed since. Another body is rejected."""
    body, headers = {"operations": [create(), create()]}, {"Idempotency-Key": "key"}
    first = BATCH(ann, json=body, headers=headers)
    assert ann.delete(f"/v1/tasks/{first.json['results'][0]['id']}").status_code == 204
    second = BATCH(ann, json=body, headers=headers)

    assert (first.status_code, second.status_code, first.data) == (200, 200, second.data)
    assert (first.headers.get("Idempotent-Replay"), second.headers.get("Idempotent-Replay")) == (None, "true")
    assert second.content_type == "application/json"
    assert len(tasks_of(ann)) == 1
    other = BATCH(ann, json={"operations": [create()]}, headers=headers)
    assert_problem(other, 422, "idempotency_key_reused")


def test_ids_in_a_batch_ignore_case(ann):
    """Responses have them in small letters."""
    results = run(ann, create(id=ID.upper()), update(ID.upper(), title="x"), op("complete", ID))

    assert [result["id"] for result in results] == [ID] * 3
    assert (tasks_of(ann)[ID]["title"], tasks_of(ann)[ID]["completed"]) == ("x", True)


def test_a_task_that_is_added_after_a_move_comes_last(ann):
    """Also if the move has put another new one behind the last."""
    first, second, third = (f"0199b1f0-0000-7000-8000-00000000000{number}" for number in range(3))
    operations = [
        *({"op": "create", "task": {"id": id_, "title": "tea"}} for id_ in (first, second)),
        {"op": "move", "id": first, "after": second},
        {"op": "create", "task": {"id": third, "title": "tea"}},
    ]
    assert ann.post("/v1/tasks/batch", json={"operations": operations}).status_code == 200

    found = ann.get("/v1/tasks?sort=position").json["items"]
    assert [task["id"] for task in found] == [second, first, third]
