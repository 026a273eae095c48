"""All ways to complete a task, and recurring tasks to try them on."""

import pytest

from tests.api.support.calls import CHANGE, COMPLETE, REPLACE, REPLACE_BY_USER, TOGGLE, TOGGLE_BY_USER, Call
from tests.api.test_fields import sent_to

BATCH = Call("POST", "/v1/tasks/batch")

CARRIED = {"title": "water the plants", "details": "not the cactus", "priority": "high", "tags": ["home", "Garden"]}
ON_A_DAY = {"due_on": "2026-03-14", "time_zone": "Pacific/Auckland", "recurrence": "FREQ=WEEKLY"}
AT_A_TIME = {"due_at": "2026-03-14T09:26:53.589793Z", "time_zone": "Europe/Berlin", "recurrence": "FREQ=WEEKLY"}
DAILY = {"due_on": "2026-03-14", "recurrence": "FREQ=DAILY"}
WRITABLE = [*CARRIED, "due_on", "due_at", "time_zone", "recurrence", "reminders"]


def set_by(call, completed=True):
    """A change of `completed`, alone or with all the task's fields."""

    def complete(caller, task, **options):
        rest = {name: task[name] for name in WRITABLE} if call in (REPLACE, REPLACE_BY_USER) else {}
        return call(caller, task["id"], json={**sent_to(call, rest), "completed": completed}, **options)

    return complete


def turned_by(call):
    return lambda caller, task, **options: call(caller, task["id"], **options)


def batched(op):
    def run(caller, task, **options):
        return BATCH(caller, json={"operations": [{"op": op, "id": task["id"]}]}, **options)

    return run


def updated_in_batch(caller, task, **options):
    operation = {"op": "update", "id": task["id"], "changes": {"completed": True}}
    return BATCH(caller, json={"operations": [operation]}, **options)


SETTING = {
    "PATCH": set_by(CHANGE),
    "PUT": set_by(REPLACE),
    "PUT by user": set_by(REPLACE_BY_USER),
    "complete with a body": set_by(COMPLETE),
    "batch complete": batched("complete"),
    "batch update": updated_in_batch,
}
TURNING = {"toggle": turned_by(TOGGLE), "complete without a body": turned_by(TOGGLE_BY_USER)}
WAYS = SETTING | TURNING
EVERY_WAY = pytest.mark.parametrize("complete", WAYS.values(), ids=WAYS)


def reopen(caller, task):
    answer = CHANGE(caller, task["id"], json={"completed": False})
    assert (answer.status_code, answer.json["completed"]) == (200, False)


def all_tasks(caller):
    """In the order of creation."""
    answer = caller.get("/v1/tasks", query_string={"sort": "created_at"})
    assert answer.status_code == 200
    return answer.json["items"]


def completed(caller, task, complete=WAYS["PATCH"]):
    """Complete a task, and return the next one or None."""
    before = {each["id"] for each in all_tasks(caller)}
    answer = complete(caller, task)
    assert answer.status_code == 200, answer.text
    read = caller.get(f"/v1/tasks/{task['id']}")
    assert (read.status_code, read.json["completed"]) == (200, True)
    new = [each for each in all_tasks(caller) if each["id"] not in before]
    assert len(new) <= 1
    return new[0] if new else None
