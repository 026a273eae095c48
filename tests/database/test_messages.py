"""Most requests send one message to the database."""

import os

import pytest
from flask import Flask

from app.services import services_of
from tests.conftest import Caller, new_user_id
from tests.postgres import CITUS
from tests.statements import messages

TASK = {"title": "tea"}

# Method, path after the family's, body, status.
ON_BOTH = [
    ("POST", "", TASK, 201),
    ("GET", "", None, 200),
    ("GET", "?completed=false&q=e&sort=title", None, 200),
    ("GET", "/{id}", None, 200),
    ("HEAD", "/{id}", None, 200),
    ("PUT", "/{id}", TASK, 200),
    ("DELETE", "/{id}", None, 204),
]
CALLS = [
    *(("/v1/tasks", *call) for call in ON_BOTH),
    ("/v1/tasks", "GET", "?limit=1", None, 200),
    ("/v1/tasks", "PATCH", "/{id}", {"completed": True}, 200),
    ("/v1/tasks", "PATCH", "/{id}", {}, 200),
    ("/v1/tasks", "PATCH", "/{id}", {"title": "tea", "details": None, "priority": "high", "tags": ["home"]}, 200),
    ("/v1/tasks", "PUT", "/{id}", {**TASK, "due_on": "2026-03-14", "completed": True}, 200),
    ("/v1/tasks", "POST", "", {**TASK, "due_on": "2026-03-14", "recurrence": "FREQ=DAILY"}, 201),
    ("/v1/tasks", "GET", "?deleted=true", None, 200),
    ("/v1/tasks", "POST", "/{id}/toggle", None, 200),
    *(("/api/{user}/tasks", *call) for call in ON_BOTH),
    ("/api/{user}/tasks", "PATCH", "/{id}/complete", None, 200),
    ("/api/{user}/tasks", "PATCH", "/{id}/complete", {"completed": True}, 200),
]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: " ".join(map(str, call)))
def test_a_request_is_one_message(
    app: Flask, ann: Caller, call: tuple[str, str, str, dict[str, object] | None, int]
) -> None:
    """Without BEGIN, COMMIT or a read before a write."""
    family, method, path, body, status = call
    task = ann.add()
    ann.add()

    with messages(app) as sent:
        answer = ann.call(method, (family + path).format(user=ann.user_id, id=task["id"]), json=body)

    assert answer.status_code == status, answer.text
    assert len(sent) == 1, sent


def test_readiness_is_three_messages(app: Flask) -> None:
    """The migration, the role with the kind of the database, and the policies; a cluster's tables are one more."""
    caller = Caller(app)
    # The first connection asks the server about itself.
    assert caller.get("/readyz").status_code == 200

    with messages(app) as sent:
        answer = caller.get("/readyz")

    on_sqlite = services_of(app).engine.dialect.name == "sqlite"
    assert answer.status_code == 200
    assert len(sent) == (1 if on_sqlite else 4 if CITUS in os.environ else 3), sent


def test_the_total_of_several_pages_is_a_second_message(app: Flask, ann: Caller) -> None:
    """If one page has all tasks, the total is their number."""
    ann.add()
    ann.add()

    for query, count in (("", 1), ("?limit=2", 1), ("?limit=1", 2)):
        with messages(app) as sent:
            answer = ann.get(f"/api/{ann.user_id}/tasks{query}")
        assert answer.headers["X-Total-Count"] == "2"
        assert len(sent) == count, sent


DAILY = {"title": "tea", "due_on": "2026-03-14", "recurrence": "FREQ=DAILY"}
# BEGIN, the task, its new version, COMMIT; and the next task.
EDIT, EDIT_AND_NEXT = 4, 5
# The single statement changed nothing, because the task recurs or has subtasks.
REFUSED = 1
# The messages of a request whose write depends on the task.
EDITS = [
    ("/v1/tasks", "PATCH", "/{id}", {"due_on": "2026-04-01"}, EDIT),
    ("/v1/tasks", "PATCH", "/{id}", {"time_zone": "Asia/Tokyo", "title": "coffee"}, EDIT),
    ("/v1/tasks", "PUT", "/{id}", DAILY, EDIT),
    ("/v1/tasks", "PUT", "/{id}", {**DAILY, "completed": True}, EDIT_AND_NEXT),
    ("/v1/tasks", "PATCH", "/{id}", {"time_zone": None, "completed": True}, EDIT_AND_NEXT),
    ("/v1/tasks", "PATCH", "/{id}", {"completed": True}, REFUSED + EDIT_AND_NEXT),
    ("/v1/tasks", "POST", "/{id}/toggle", None, REFUSED + EDIT_AND_NEXT),
    ("/v1/tasks", "PATCH", "/{id}", {"completed": False}, 1),
    ("/api/{user}/tasks", "PUT", "/{id}", DAILY, EDIT),
    ("/api/{user}/tasks", "PATCH", "/{id}/complete", None, REFUSED + EDIT_AND_NEXT),
    ("/api/{user}/tasks", "PATCH", "/{id}/complete", {"completed": True}, REFUSED + EDIT_AND_NEXT),
]


@pytest.mark.parametrize("call", EDITS, ids=lambda call: " ".join(map(str, call)))
def test_a_change_that_depends_on_a_recurring_task_is_a_few_messages(
    app: Flask, ann: Caller, call: tuple[str, str, str, dict[str, object] | None, int]
) -> None:
    """One transaction, with one statement to read and one to write each kind of row."""
    family, method, path, body, count = call
    task = ann.add(**DAILY)

    with messages(app) as sent:
        answer = ann.call(method, (family + path).format(user=ann.user_id, id=task["id"]), json=body)

    assert answer.status_code == 200, answer.text
    assert len(sent) == count, sent


@pytest.mark.parametrize("tasks", [1, 20])
def test_a_batch_is_a_few_messages_for_any_number_of_tasks(app: Flask, ann: Caller, tasks: int) -> None:
    """Like those of one edit, also if each task gets a next one."""
    operations = [{"op": "complete", "id": ann.add(**DAILY)["id"]} for _ in range(tasks)]

    with messages(app) as sent:
        assert ann.post("/v1/tasks/batch", json={"operations": operations}).status_code == 200

    assert len(sent) == EDIT_AND_NEXT, sent


@pytest.mark.parametrize("deleted", [True, False], ids=["from the trash", "of a live task"])
def test_a_restoration_is_one_message(app: Flask, ann: Caller, deleted: bool) -> None:
    """Whether or not there is anything to restore."""
    path = f"/v1/tasks/{ann.add()['id']}"
    if deleted:
        assert ann.delete(path).status_code == 204

    with messages(app) as sent:
        assert ann.post(f"{path}/restore").status_code == 200

    assert len(sent) == 1, sent


@pytest.mark.parametrize("family", ["/v1/tasks", "/api/{user}/tasks"])
def test_a_new_users_first_write_is_three_messages(app: Flask, family: str) -> None:
    """The task, rejected; the user; the task again. The second write is one message."""
    caller = Caller(app, new_user_id())
    path = family.format(user=caller.user_id)

    counts = []
    for _ in range(2):
        with messages(app) as sent:
            assert caller.post(path, json=TASK).status_code == 201
        counts.append(len(sent))

    assert counts == [3, 1]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/healthz", 200), ("GET", "/", 200), ("GET", "/v1/tasks?limit=0", 422), ("GET", "/nothing", 404)],
)
def test_a_request_that_needs_no_data_sends_no_message(
    app: Flask, ann: Caller, method: str, path: str, status: int
) -> None:
    """Nor does a request that is rejected for its form."""
    with messages(app) as sent:
        assert ann.call(method, path).status_code == status

    assert sent == []


def test_another_users_path_is_rejected_without_a_message(app: Flask, ann: Caller) -> None:
    """403 depends only on the token and the path."""
    with messages(app) as sent:
        assert ann.get("/api/somebody-else/tasks").status_code == 403

    assert sent == []


BEGIN_AND_COMMIT = 2
# The single statement; then the task, its subtasks, and the task itself.
WITH_SUBTASKS = REFUSED + BEGIN_AND_COMMIT + 3


def test_a_task_in_a_list_is_made_in_one_message(app: Flask, ann: Caller) -> None:
    """Whether the list exists is known to the statement itself."""
    list_id = ann.post("/v1/lists", json={"name": "Groceries"}).json["id"]

    with messages(app) as sent:
        ann.add(list_id=list_id)

    assert len(sent) == 1, sent


@pytest.mark.parametrize("in_list", [True, False], ids=["in a list", "in the inbox"])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "", {"completed": True}),
        ("PATCH", "", {"completed": False}),
        ("PATCH", "", {"title": "x"}),
        ("POST", "/toggle", None),
        ("DELETE", "", None),
        ("POST", "/restore", None),
    ],
)
def test_a_task_without_subtasks_is_changed_in_one_message(
    app: Flask, ann: Caller, method: str, path: str, body: dict[str, object] | None, in_list: bool
) -> None:
    """Although it could have some, in a list too."""
    list_id = ann.post("/v1/lists", json={"name": "Groceries"}).json["id"] if in_list else None
    task = ann.add(list_id=list_id)

    with messages(app) as sent:
        assert ann.call(method, f"/v1/tasks/{task['id']}{path}", json=body).status_code in (200, 204)

    assert len(sent) == 1, sent


# BEGIN, the task locked and written, its reminders, COMMIT.
WITH_REMINDERS = BEGIN_AND_COMMIT + 3
REMINDING = {"due_on": "2050-03-14", "reminders": [{"before_minutes": 15}]}


def test_a_task_with_reminders_is_made_in_one_transaction(app: Flask, ann: Caller) -> None:
    """However many it has."""
    ann.add()

    with messages(app) as sent:
        ann.add(due_on="2050-03-14", reminders=[{"before_minutes": each} for each in range(5)])

    assert len(sent) == WITH_REMINDERS, sent


@pytest.mark.parametrize(
    ("method", "path", "body", "count"),
    [
        ("PATCH", "", {"title": "x"}, 1),
        ("PATCH", "", {"completed": True}, 1),
        ("DELETE", "", None, 1),
        ("PATCH", "", {"due_on": "2050-03-15"}, WITH_REMINDERS + 1),
        ("PATCH", "", {"reminders": []}, WITH_REMINDERS),
        ("PUT", "", {"title": "x", **REMINDING}, WITH_REMINDERS - 1),
        ("POST", "/toggle", None, REFUSED + WITH_REMINDERS - 1),
        ("PATCH", "", {"completed": False}, REFUSED + WITH_REMINDERS - 1),
        ("PUT", "", {"title": "x"}, REFUSED + WITH_REMINDERS),
    ],
)
def test_only_what_moves_reminders_takes_more_messages(
    app: Flask, ann: Caller, method: str, path: str, body: dict[str, object] | None, count: int
) -> None:
    """Two if other times take their places: those of before are deleted."""
    task = ann.add(**REMINDING)

    with messages(app) as sent:
        assert ann.call(method, f"/v1/tasks/{task['id']}{path}", json=body).status_code in (200, 204)

    assert len(sent) == count, sent


@pytest.mark.parametrize("count", [1, 500])
@pytest.mark.parametrize(("method", "path"), [("PATCH", ""), ("POST", "/toggle"), ("DELETE", "")])
def test_subtasks_follow_their_parent_in_one_statement(
    app: Flask, ann: Caller, method: str, path: str, count: int
) -> None:
    """However many they are: one transaction of three statements."""
    parent = ann.add()["id"]
    for begin in range(0, count, 100):
        operations = [{"op": "create", "task": {"title": "x", "parent_id": parent}}] * min(100, count - begin)
        assert ann.post("/v1/tasks/batch", json={"operations": operations}).status_code == 200
    body = {"completed": True} if method == "PATCH" else None

    with messages(app) as sent:
        assert ann.call(method, f"/v1/tasks/{parent}{path}", json=body).status_code in (200, 204)

    assert len(sent) == WITH_SUBTASKS, sent
    query = "deleted=true" if method == "DELETE" else "completed=true"
    assert ann.get(f"/api/{ann.user_id}/tasks?limit=1&{query}").headers["X-Total-Count"] == str(count + 1)
