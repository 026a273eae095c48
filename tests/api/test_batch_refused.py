"""A rejected batch names the index of the faulty operation, and does nothing."""

from uuid import uuid4

import pytest

from tests.api.support.batches import create, op, run, update
from tests.api.support.calls import BATCH, assert_problem, problem_of
from tests.api.support.replicas import changes, tasks_of, trash_of

pytestmark = pytest.mark.one_engine

MOST = 100
ID = "0199b1f2-7c3e-7a41-9d5b-2f6c8e0a4b17"


@pytest.mark.parametrize(
    "operations",
    [[], [create()] * (MOST + 1), None, {}, "x", 7, [None], ["x"], [[]], [[create()]]],
    ids=lambda v: str(v)[:20],
)
def test_a_batch_must_be_a_list_of_1_to_100_operations(ann, operations):
    """Otherwise 422, and nothing is done."""
    answer = BATCH(ann, json={"operations": operations})

    assert_problem(answer, 422, "validation_error")
    assert [name for name in answer.json["errors"] if name.startswith("operations")]
    assert tasks_of(ann) == {}


@pytest.mark.parametrize(
    ("body", "field"), [({}, "operations"), ({"operations": [create()], "x": 1}, "x"), ([], "body")]
)
def test_a_batch_with_unknown_members_is_rejected(ann, body, field):
    """A typo is never accepted silently."""
    assert_problem(BATCH(ann, json=body), 422, "validation_error", field)
    assert tasks_of(ann) == {}


CREATE, UPDATE = create(), update(ID, title="x")


MISFITS = {
    "no op": ({"id": ID}, "op"),
    "no such op": ({"op": "toggle", "id": ID}, "op"),
    "op of another case": ({"op": "Create", "task": CREATE["task"]}, "op"),
    "op of another type": ({"op": ["create"], "task": CREATE["task"]}, "op"),
    "null op": ({"op": None}, "op"),
    "create without a task": ({"op": "create"}, "task"),
    "create with an id next to the task": ({**CREATE, "id": ID}, "id"),
    "create with changes": ({**CREATE, "changes": {}}, "changes"),
    "update without an id": ({"op": "update", "changes": {}}, "id"),
    "update without changes": ({"op": "update", "id": ID}, "changes"),
    "update with a task": ({**UPDATE, "task": {"title": "x"}}, "task"),
    **{f"{name} without an id": ({"op": name}, "id") for name in ("complete", "reopen", "delete")},
    **{
        f"{name} with changes": ({**op(name, ID), "changes": {}}, "changes")
        for name in ("complete", "reopen", "delete")
    },
    **{f"{name} with a task": ({**op(name, ID), "task": {"title": "x"}}, "task") for name in ("complete", "delete")},
    "unknown member": ({**UPDATE, "if_match": '"1"'}, "if_match"),
    "null id": ({"op": "delete", "id": None}, "id"),
    "no UUID": ({"op": "delete", "id": "7"}, "id"),
    "UUID without hyphens": ({"op": "delete", "id": ID.replace("-", "")}, "id"),
    "null task": ({"op": "create", "task": None}, "task"),
    "a task that is none": ({"op": "create", "task": []}, "task"),
    "changes that are none": ({"op": "update", "id": ID, "changes": "x"}, "changes"),
    "no title": ({"op": "create", "task": {}}, "task.title"),
    "blank title": (create(title="  "), "task.title"),
    "NUL": (create(title="a\x00"), "task.title"),
    "no boolean": (update(ID, completed="yes"), "changes.completed"),
    "null title": (update(ID, title=None), "changes.title"),
    "unknown field": (create(titel="x"), "task.titel"),
    "read-only field": (create(user_id="ann"), "task.user_id"),
    "bad tag": (create(tags=["x", ""]), "task.tags.1"),
    "recurrence without a due": (create(recurrence="FREQ=DAILY"), "task.recurrence"),
    "two dues": (create(due_on="2026-03-14", due_at="2026-03-14T00:00:00Z"), "task.due_at"),
    "two dues in changes": (update(ID, due_on="2026-03-14", due_at="2026-03-14T00:00:00Z"), "changes.due_at"),
    "no rule": (update(ID, recurrence="DAILY"), "changes.recurrence"),
    "naive time": (update(ID, due_at="2026-03-14T00:00:00"), "changes.due_at"),
}


def test_an_invalid_operation_is_named(ann):
    """By its index and the path within it; nothing is done."""
    task, begin = ann.add(id=ID), [create(), op("complete", ID)]
    answers = {name: BATCH(ann, json={"operations": [*begin, misfit]}) for name, (misfit, _) in MISFITS.items()}

    assert {name: problem_of(answers[name]) for name in MISFITS} == dict.fromkeys(MISFITS, (422, "validation_error"))
    errors = {name: answer.json["errors"] for name, answer in answers.items()}
    assert [name for name, (_, path) in MISFITS.items() if f"operations.2.{path}" not in errors[name]] == []
    assert [name for name in MISFITS if not all(at.startswith("operations.2.") for at in errors[name])] == []
    assert tasks_of(ann) == {ID: task}


def test_all_invalid_operations_are_named(ann):
    """All at once, not one after the other."""
    answer = BATCH(ann, json={"operations": [create(title=""), create(), {"op": "delete"}]})

    assert_problem(answer, 422, "validation_error", "operations.0.task.title", "operations.2.id")


DAILY = {"recurrence": "FREQ=DAILY"}


FAILURES = {
    **{f"{name} nothing": (op(name, ID), 404, "not_found", "") for name in ("complete", "reopen", "delete")},
    "update nothing": (UPDATE, 404, "not_found", ""),
    "update nothing with nothing": (update(ID), 404, "not_found", ""),
    "update what is in the trash": (update("{trashed}", title="x"), 404, "not_found", ""),
    "delete what is in the trash": (op("delete", "{trashed}"), 404, "not_found", ""),
    "update what the batch has deleted": (update("{deleted}", title="x"), 404, "not_found", ""),
    "delete what the batch has deleted": (op("delete", "{deleted}"), 404, "not_found", ""),
    "an id that is taken": (create(id="{task}"), 409, "id_taken", ""),
    "an id that is taken, in capitals": (create(id="{TASK}"), 409, "id_taken", ""),
    "an id in the trash": (create(id="{trashed}"), 409, "id_taken", ""),
    "an id that the batch has taken": (create(id="{created}"), 409, "id_taken", ""),
    "an id that the batch has deleted": (create(id="{deleted}"), 409, "id_taken", ""),
    "recurrence without a due": (update("{task}", **DAILY), 422, "validation_error", ".changes.recurrence"),
    "no due for what recurs": (update("{recurring}", due_on=None), 422, "validation_error", ".changes.recurrence"),
    "no due for what is new": (update("{created}", **DAILY), 422, "validation_error", ".changes.recurrence"),
}  # fmt: skip


@pytest.fixture
def filled(ann):
    """Return the ids that FAILURES name by words."""
    ids = {name: ann.add()["id"] for name in ("task", "trashed", "deleted", "changed")}
    ids["recurring"] = ann.add(due_on="2026-03-14", recurrence="FREQ=DAILY")["id"]
    assert ann.delete(f"/v1/tasks/{ids['trashed']}").status_code == 204
    return {**ids, "created": str(uuid4()), "TASK": ids["task"].upper()}


def named(value, ids):
    """Return an operation with its placeholders replaced."""
    if isinstance(value, dict):
        return {name: named(inner, ids) for name, inner in value.items()}
    return ids[value[1:-1]] if isinstance(value, str) and value[:1] == "{" else value


@pytest.mark.both_engines
@pytest.mark.parametrize(("last", "status", "code", "path"), FAILURES.values(), ids=list(FAILURES))
def test_a_failing_operation_is_named_and_nothing_is_done(ann, filled, last, status, code, path):
    """Nothing changes: no task, field, time or version."""
    before = belongings(ann, filled)
    done = [
        op("delete", "{deleted}"),
        create(id="{created}"),
        update("{changed}", title="x"),
        op("complete", "{recurring}"),
    ]
    answer = BATCH(ann, json={"operations": [named(each, filled) for each in (*done, last)]})

    assert_problem(answer, status, code)
    assert list(answer.json["errors"]) == [f"operations.{len(done)}{path}"]
    assert belongings(ann, filled) == before


def belongings(ann, ids):
    reads = [ann.get(f"/v1/tasks/{task_id}") for task_id in ids.values()]
    versions = [(answer.status_code, answer.headers.get("ETag")) for answer in reads]
    return tasks_of(ann), trash_of(ann), versions, changes(ann)["changed"]


@pytest.mark.both_engines
@pytest.mark.parametrize("name", ["update", "complete", "reopen", "delete"])
def test_another_users_task_looks_absent_in_a_batch(ann, bob, name):
    """The response is the same byte for byte, except for the request id. A creation may use another user's id."""
    anns = ann.add(title="Ann's")
    operations = [
        [{**op(name, task_id), **({"changes": {"title": "x"}} if name == "update" else {})}]
        for task_id in (anns["id"], str(uuid4()))
    ]
    headers = {"X-Request-ID": "same"}
    foreign, absent = (BATCH(bob, json={"operations": each}, headers=headers) for each in operations)

    assert_problem(foreign, 404, "not_found", "operations.0")
    assert foreign.data == absent.data
    assert run(bob, create(id=anns["id"])) == [{"id": anns["id"], "etag": '"1"'}]
    assert tasks_of(ann) == {anns["id"]: anns}


@pytest.mark.both_engines
@pytest.mark.parametrize(
    ("failing", "status"), [(op("delete", ID), 404), (create(title=""), 422), (create(id="{task}"), 409)], ids=str
)
def test_a_failed_batch_does_not_use_up_its_key(ann, filled, failing, status):
    """The key is free for the corrected batch."""
    headers = {"Idempotency-Key": "key"}
    answers = [BATCH(ann, json={"operations": [create(), named(failing, filled)]}, headers=headers) for _ in range(2)]
    results = run(ann, create(title="corrected"), headers=headers)

    assert [answer.status_code for answer in answers] == [status, status]
    assert next(iter(answers[0].json["errors"])).startswith("operations.1")
    assert [task["title"] for task in tasks_of(ann).values()].count("corrected") == len(results) == 1
