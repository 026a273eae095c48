"""What is told of changes: one event for each task and transaction, with what was true at its commit."""

from typing import Any

import pytest
from flask import Flask

from tests.auth.personal import WRITE, script_of
from tests.conftest import Caller
from tests.mcp.agents import Agent
from tests.webhooks.conftest import Ann, bodies

pytestmark = pytest.mark.both_engines

URL = "http://127.0.0.1:9/"
MISSING = "0199b1f0-0000-7000-8000-000000000000"
DAILY = {"due_on": "2026-03-14", "recurrence": "FREQ=DAILY"}


@pytest.fixture(autouse=True)
def hook(ann: Ann) -> dict[str, Any]:
    return ann.hook(URL)


def told(app: Flask, ann: Caller) -> list[tuple[str, str, list[str]]]:
    """Return each event's type, the title of its task, and what has changed."""
    events = [
        (body["type"], body["data"]["task"]["title"], body["data"]["changed"]) for body in bodies(app, ann.user_id)
    ]
    return sorted(events)


def test_an_event_has_the_task_as_it_is_shown(app: Flask, ann: Ann) -> None:
    """With the version of its ETag and the time of the change."""
    task = ann.add(title="tea", tags=["home"], due_at="2026-03-14T09:00:00Z")
    changed = ann.patch(f"/v1/tasks/{task['id']}", json={"title": "milk"})

    created, updated = bodies(app, ann.user_id)

    data = {"task": task, "version": 1, "changed": []}
    assert created == {"type": "task.created", "timestamp": task["created_at"], "data": data}
    assert (updated["data"]["task"], updated["data"]["version"]) == (changed.json, 2)
    assert (changed.headers["ETag"], updated["timestamp"]) == ('"2"', changed.json["updated_at"])


CHANGES = [
    ("PATCH", "", {"title": "milk"}, "task.updated", ["title"]),
    ("PATCH", "", {"title": "tea"}, "task.updated", []),
    ("PATCH", "", {"completed": True, "title": "milk"}, "task.completed", ["title", "completed", "completed_at"]),
    ("PUT", "", {"title": "tea", "priority": "high"}, "task.updated", ["priority"]),
    ("POST", "/toggle", None, "task.completed", ["completed", "completed_at"]),
    ("DELETE", "", None, "task.deleted", []),
    ("POST", "/move", {"place": "first"}, "task.updated", ["position"]),
]


@pytest.mark.parametrize(("method", "path", "body", "name", "changed"), CHANGES)
def test_each_change_is_told(
    app: Flask, ann: Ann, method: str, path: str, body: Any, name: str, changed: list[str]
) -> None:
    """Under the strongest name, with what is different."""
    ann.add(title="other")
    task = ann.add()
    answer = ann.call(method, f"/v1/tasks/{task['id']}{path}", json=body)
    assert answer.status_code < 300, answer.text

    last = bodies(app, ann.user_id)[-1]
    assert (last["type"], last["data"]["changed"], last["data"]["version"]) == (name, changed, 2)


def test_the_other_family_tells_the_same(app: Flask, ann: Ann) -> None:
    """In the form of /v1."""
    made = ann.post(f"/api/{ann.user_id}/tasks", json={"title": "tea", "description": "green"}).json
    done = ann.patch(f"/api/{ann.user_id}/tasks/{made['id']}/complete")
    assert done.status_code == 200

    assert told(app, ann) == [("task.completed", "tea", ["completed", "completed_at"]), ("task.created", "tea", [])]
    assert bodies(app, ann.user_id)[-1]["data"]["task"]["details"] == "green"


def test_reopening_and_restoring_are_told(app: Flask, ann: Ann) -> None:
    """And restoring what is not in the trash changes nothing."""
    task = ann.add(completed=True)
    for method, path in (("POST", "/toggle"), ("DELETE", ""), ("POST", "/restore"), ("POST", "/restore")):
        assert ann.call(method, f"/v1/tasks/{task['id']}{path}").status_code < 300

    names = [body["type"] for body in bodies(app, ann.user_id)]
    assert names == ["task.created", "task.reopened", "task.deleted", "task.restored"]


def test_a_refused_change_tells_nothing(app: Flask, ann: Ann) -> None:
    """Nor does an empty one, or a batch of which one operation fails."""
    task = ann.add()
    path = f"/v1/tasks/{task['id']}"
    assert ann.patch(path, json={}).status_code == 200
    assert ann.patch(path, json={"title": "x"}, headers={"If-Match": '"9"'}).status_code == 412
    assert ann.patch(path, json={"list_id": task["id"]}).status_code == 422
    operations = [{"op": "complete", "id": task["id"]}, {"op": "delete", "id": MISSING}]
    assert ann.post("/v1/tasks/batch", json={"operations": operations}).status_code == 404

    assert told(app, ann) == [("task.created", "tea", [])]


def test_a_next_occurrence_names_the_one_before(app: Flask, ann: Ann) -> None:
    """The completed task and the new one are told of, each once."""
    task = ann.add(**DAILY)
    for _ in range(2):
        assert ann.patch(f"/v1/tasks/{task['id']}", json={"completed": True}).status_code == 200

    _, *after = bodies(app, ann.user_id)
    completed, again = (body for body in after if body["data"]["task"]["id"] == task["id"])
    (new,) = (body for body in after if body["data"]["task"]["id"] != task["id"])
    assert (completed["type"], again["type"], new["type"]) == ("task.completed", "task.updated", "task.created")
    assert (new["data"]["follows"], new["data"]["task"]["due_on"]) == (task["id"], "2026-03-15")
    assert "follows" not in completed["data"]


def add_family(ann: Ann) -> tuple[str, list[str]]:
    parent = ann.add(title="parent")["id"]
    return parent, [ann.add(title=title, parent_id=parent)["id"] for title in ("one", "two")]


def test_subtasks_are_told_of_with_their_parent(app: Flask, ann: Ann) -> None:
    """Completed, moved, deleted and restored; those that stay as they are, are not."""
    parent, (one, _) = add_family(ann)
    list_id = ann.post("/v1/lists", json={"name": "list"}).json["id"]
    assert ann.patch(f"/v1/tasks/{one}", json={"completed": True}).status_code == 200
    seen = len(bodies(app, ann.user_id))
    for method, path, body in (
        ("PATCH", "", {"completed": True}),
        ("PATCH", "", {"list_id": list_id}),
        ("DELETE", "", None),
        ("POST", "/restore", None),
    ):
        assert ann.call(method, f"/v1/tasks/{parent}{path}", json=body).status_code < 300

    told = [(body["type"], body["data"]["task"]["title"]) for body in bodies(app, ann.user_id)[seen:]]
    names = ("task.updated", "task.deleted", "task.restored")
    assert sorted(told[:2]) == [("task.completed", "parent"), ("task.completed", "two")]
    for part, name in zip((told[2:5], told[5:8], told[8:]), names, strict=True):
        assert sorted(part) == [(name, title) for title in ("one", "parent", "two")]
    shown = {task["id"]: task for task in ann.get("/v1/tasks").json["items"]}
    latest = {body["data"]["task"]["id"]: body["data"]["task"] for body in bodies(app, ann.user_id)}
    assert latest == shown


def test_an_open_subtask_reopens_its_parent(app: Flask, ann: Ann) -> None:
    """Both are told of."""
    parent, _ = add_family(ann)
    assert ann.patch(f"/v1/tasks/{parent}", json={"completed": True}).status_code == 200
    ann.add(title="three", parent_id=parent)

    assert {(body["type"], body["data"]["task"]["title"]) for body in bodies(app, ann.user_id)[-2:]} == {
        ("task.created", "three"),
        ("task.reopened", "parent"),
    }


@pytest.mark.parametrize(
    ("kept", "name", "changed"),
    [("trash", "task.deleted", ["list_id"]), ("keep", "task.updated", ["list_id", "position"])],
)
def test_the_tasks_of_a_deleted_list_are_told_of(
    app: Flask, ann: Ann, monkeypatch: pytest.MonkeyPatch, kept: str, name: str, changed: list[str]
) -> None:
    """However many there are; one that was in the trash already is not."""
    monkeypatch.setattr("app.tasks.lists.TOLD_AT_ONCE", 2)
    list_id = ann.post("/v1/lists", json={"name": "list"}).json["id"]
    ids = [ann.add(title=str(number), list_id=list_id)["id"] for number in range(6)]
    assert ann.delete(f"/v1/tasks/{ids[5]}").status_code == 204
    seen = len(bodies(app, ann.user_id))
    assert ann.delete(f"/v1/lists/{list_id}?tasks={kept}").status_code == 204

    new = bodies(app, ann.user_id)[seen:]
    assert {body["data"]["task"]["id"] for body in new} == set(ids[:5])
    assert [(body["type"], body["data"]["changed"]) for body in new] == [(name, changed)] * 5


def test_a_batch_tells_each_task_once(app: Flask, ann: Ann) -> None:
    """By what is different after all of it; a new task is created, whatever else happened to it."""
    task = ann.add()
    new_id = "0199b1f0-0000-7000-8000-000000000001"
    operations = [
        {"op": "create", "task": {"id": new_id, "title": "new"}},
        {"op": "complete", "id": new_id},
        {"op": "update", "id": task["id"], "changes": {"title": "milk"}},
        {"op": "complete", "id": task["id"]},
        {"op": "reopen", "id": task["id"]},
        {"op": "delete", "id": new_id},
    ]
    assert ann.post("/v1/tasks/batch", json={"operations": operations}).status_code == 200

    assert told(app, ann)[1:] == [("task.created", "tea", []), ("task.updated", "milk", ["title"])]
    assert told(app, ann)[0] == ("task.created", "new", [])


def test_an_import_tells_nothing(app: Flask, ann: Ann) -> None:
    """It may have thousands of tasks."""
    answer = ann.post("/v1/tasks/import", data=b'{"title": "tea"}', headers={"Content-Type": "application/jsonl"})

    assert (answer.status_code, answer.json["added"], bodies(app, ann.user_id)) == (200, 1, [])


def test_a_repeated_request_is_told_of_once(app: Flask, ann: Ann) -> None:
    """By its key of idempotency."""
    for _ in range(2):
        made = ann.post("/v1/tasks", json={"title": "tea"}, headers={"Idempotency-Key": "k"})
        assert made.status_code == 201

    assert told(app, ann) == [("task.created", "tea", [])]


def test_agents_and_scripts_are_told_of(app: Flask, ann: Ann) -> None:
    """Subtasks that follow their parent are told of, but the agent is not told more than before."""
    script = script_of(app, ann, WRITE)
    parent, _ = add_family(ann)
    done = Agent(app, script).use("complete_tasks", ids=[parent])

    assert "also_changed" not in done
    assert [name for name, _, _ in told(app, ann)].count("task.completed") == 3


def test_only_wanted_events_of_webhooks_that_are_on(app: Flask, ann: Ann, hook: dict[str, Any]) -> None:
    """Each webhook has its own."""
    ann.hook(URL, events=["task.deleted"])
    assert ann.patch(f"/v1/webhooks/{hook['id']}", json={"enabled": False}).status_code == 200
    task = ann.add()
    assert ann.delete(f"/v1/tasks/{task['id']}").status_code == 204

    assert told(app, ann) == [("task.deleted", "tea", [])]
