"""A batch has the same effect as its operations in separate requests, one after the other."""

from uuid import uuid4

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.api.support.batches import create, op, update
from tests.api.support.calls import BATCH, assert_problem
from tests.api.support.replicas import tasks_of, trash_of
from tests.conftest import Caller, new_user_id

NAMES = ["create", "create recurring", "update", "update schedule", "complete", "reopen", "delete"]
OPERATIONS = st.lists(st.tuples(st.sampled_from(NAMES), st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=12)


UPDATES = [{"title": "x", "completed": True}, {"tags": ["a"], "priority": "low"}, {}]
SCHEDULES = [{"due_on": None}, {"recurrence": "FREQ=WEEKLY"}, {"due_at": "2026-03-14T12:00:00Z"}]


def operation_of(name, number, variant, ids):
    """Draw an operation on one of a few ids, which may exist or not."""
    task_id = ids[number]
    match name:
        case "create":
            return create(id=task_id, title=f"{name} {variant}", completed=variant == 2)
        case "create recurring":
            return create(id=task_id, due_on=f"2026-03-1{variant}", recurrence="FREQ=DAILY")
        case "update" | "update schedule":
            return update(task_id, **(UPDATES if name == "update" else SCHEDULES)[variant])
    return op(name, task_id)


def alone(caller, operation):
    """Send the same operation as its own request."""
    path = f"/v1/tasks/{operation.get('id')}"
    match operation["op"]:
        case "create":
            return caller.post("/v1/tasks", json=operation["task"])
        case "delete":
            return caller.delete(path)
        case "update":
            return caller.patch(path, json=operation["changes"])
        case name:
            return caller.patch(path, json={"completed": name == "complete"})


def state_of(caller, ids):
    """Return the live and deleted tasks, without their times and their user."""
    return [
        sorted(((task["id"] if task["id"] in ids else None, without_times(task)) for task in tasks.values()), key=str)
        for tasks in (tasks_of(caller), trash_of(caller))
    ]


def without_times(task):
    apart = {"id", "user_id", "created_at", "updated_at", "completed_at", "position"}
    return {name: value for name, value in task.items() if name not in apart}


@settings(max_examples=25, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(OPERATIONS, min_size=1, max_size=3))
@example([[("create", 0, 0), ("delete", 0, 0)], [("create", 0, 0)]])
@example([[("create recurring", 0, 0)], [("complete", 0, 0), ("reopen", 0, 0), ("complete", 0, 0), ("delete", 0, 0)]])
def test_a_batch_equals_its_operations_one_after_the_other(app, batches):
    """It leaves the same tasks, and fails at the first operation that would fail."""
    ids = [str(uuid4()) for _ in range(4)]
    at_once, one_by_one = Caller(app, new_user_id()), Caller(app, new_user_id())
    for batch in batches:
        operations = [operation_of(*drawn, ids) for drawn in batch]
        before = state_of(at_once, ids)
        answer = BATCH(at_once, json={"operations": operations})
        for index, operation in enumerate(operations):
            single = alone(one_by_one, operation)
            if single.status_code >= 400:
                assert_problem(answer, single.status_code, single.json["code"])
                assert {name.split(".")[1] for name in answer.json["errors"]} == {str(index)}
                assert state_of(at_once, ids) == before
                return
        assert answer.status_code == 200, answer.text
        assert [result["id"] for result in answer.json["results"]] == [
            operation.get("id") or operation["task"]["id"] for operation in operations
        ]
        assert state_of(at_once, ids) == state_of(one_by_one, ids)
        for result in answer.json["results"]:
            shown = at_once.get(f"/v1/tasks/{result['id']}")
            assert shown.headers.get("ETag") == result["etag"]
