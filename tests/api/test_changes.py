"""A client that applies all pages of GET /v1/tasks/changes in order has exactly the server's tasks."""

from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.support.batches import create, op, update
from tests.api.support.calls import BATCH, CHANGES, TASK_FIELDS, assert_problem
from tests.api.support.past import age_task, forget
from tests.api.support.replicas import Replica, changes, delete, tasks_of
from tests.conftest import Caller, new_user_id


def test_without_a_token_all_tasks_are_listed(ann):
    """Live tasks completely, oldest change first; tasks in the trash only by id."""
    first, second, third = (ann.add(title=title, details="x") for title in ("tea", "milk", "sugar"))
    delete(ann, second["id"])
    touched = ann.patch(f"/v1/tasks/{first['id']}", json={"tags": ["home"], "due_on": "2026-03-14"})
    assert touched.status_code == 200
    found = changes(ann)

    assert found["changed"] == [third, touched.json]
    assert found["deleted"] == [second["id"]]
    assert found["has_more"] is False


@pytest.mark.parametrize("is_known", [True, False], ids=["known user", "unknown user"])
def test_an_account_without_tasks_has_no_changes(app, is_known):
    """The response is empty, and its token is valid for later changes."""
    caller = Caller(app, new_user_id())
    if is_known:
        forget(app, caller, caller.add()["id"])
    empty = changes(caller)
    again = changes(caller, empty["next"])
    task = caller.add()

    for found in (empty, again):
        assert (found["changed"], found["deleted"], found["has_more"]) == ([], [], False)
    assert changes(caller, empty["next"])["changed"] == [task]
    assert changes(caller, again["next"])["changed"] == [task]


WRITES = {
    "POST": lambda ann, _: ann.post("/v1/tasks", json={"title": "new"}),
    "PUT": lambda ann, path: ann.put(path, json={"title": "put"}),
    "PATCH": lambda ann, path: ann.patch(path, json={"title": "patched"}),
    "PATCH of the schedule": lambda ann, path: ann.patch(path, json={"time_zone": "Europe/Berlin"}),
    "toggle": lambda ann, path: ann.post(f"{path}/toggle"),
    "batch": lambda ann, path: send(ann, op("complete", path.rpartition("/")[2])),
    "by user": lambda ann, path: ann.patch(path.replace("v1", f"api/{ann.user_id}") + "/complete"),
}


def send(ann, *operations):
    return BATCH(ann, json={"operations": operations})


@pytest.mark.parametrize("write", WRITES)
def test_every_write_since_the_token_is_listed(ann, write):
    """With the complete task as it is now."""
    task = ann.add()
    replica = Replica(ann)
    replica.read_to_the_end()
    assert WRITES[write](ann, f"/v1/tasks/{task['id']}").status_code == (201 if write == "POST" else 200)
    replica.read_to_the_end()

    assert replica.tasks == tasks_of(ann) != {task["id"]: task}
    assert all(set(task) == TASK_FIELDS for task in replica.tasks.values())


@pytest.mark.parametrize(("delete_it", "status"), [
    (lambda ann, task_id: ann.delete(f"/v1/tasks/{task_id}"), 204),
    (lambda ann, task_id: ann.delete(f"/api/{ann.user_id}/tasks/{task_id}"), 204),
    (lambda ann, task_id: send(ann, op("delete", task_id)), 200),
], ids=["alone", "by user", "in a batch"])  # fmt: skip
def test_a_deleted_task_is_listed_by_its_id(ann, delete_it, status):
    """And by no other field. A restored task is listed completely."""
    task, since = ann.add(title="secret"), changes(ann)["next"]
    assert delete_it(ann, task["id"]).status_code == status
    gone = CHANGES(ann, query_string={"since": since})
    restored = ann.post(f"/v1/tasks/{task['id']}/restore")
    back = changes(ann, gone.json["next"])

    assert (gone.json["changed"], gone.json["deleted"]) == ([], [task["id"]])
    assert "secret" not in gone.text
    assert (restored.status_code, back["changed"], back["deleted"]) == (200, [restored.json], [])


def test_the_next_occurrence_is_listed_as_a_change(ann):
    """Although no request named it."""
    task = ann.add(due_on="2026-03-14", recurrence="FREQ=DAILY")
    since = changes(ann)["next"]
    assert ann.post(f"/v1/tasks/{task['id']}/toggle").status_code == 200
    found = changes(ann, since)

    assert sorted(task["due_on"] for task in found["changed"]) == ["2026-03-14", "2026-03-15"]


def test_a_write_without_changes_is_not_listed(app, ann):
    """Such as PATCH with no fields, and a rejected request."""
    task = ann.add()
    age_task(app, ann, task["id"], 3600)
    since = changes(ann)["next"]
    path = f"/v1/tasks/{task['id']}"
    assert ann.patch(path, json={}).status_code == 200
    assert ann.post(f"{path}/restore").status_code == 200
    assert ann.delete(path, headers={"If-Match": '"7"'}).status_code == 412

    assert changes(ann, since)["changed"] == []


@pytest.mark.parametrize(("tasks_made", "limit", "sizes"), [
    (3, 1, [1, 1, 1]), (3, 2, [2, 1]), (3, 3, [3]), (3, 4, [3]), (4, 2, [2, 2]), (0, 1, [0]), (3, 1_000, [3])
])  # fmt: skip
def test_pages_are_as_long_as_the_limit(ann, tasks_made, limit, sizes):
    """All except the last have `has_more`, and the last is empty only if there is nothing at all."""
    made = [ann.add()["id"] for _ in range(tasks_made)]
    found = [changes(ann, limit=limit)]
    while found[-1]["has_more"]:
        found.append(changes(ann, found[-1]["next"], limit=limit))

    assert [len(page["changed"]) for page in found] == sizes
    assert [task["id"] for page in found for task in page["changed"]] == made


def test_the_limit_includes_deleted_tasks(ann):
    """It applies to both lists together."""
    ids = [ann.add()["id"] for _ in range(4)]
    delete(ann, *ids[:2])
    first = changes(ann, limit=3)
    second = changes(ann, first["next"], limit=3)

    assert [task["id"] for task in first["changed"]] == ids[2:]
    assert (first["deleted"], first["has_more"]) == (ids[:1], True)
    assert (second["changed"], second["deleted"], second["has_more"]) == ([], ids[1:2], False)


def test_the_largest_page_has_a_thousand_tasks(ann):
    """It is also the default. A hundred tasks share each time here, so only ids order them."""
    for _ in range(11):
        assert send(ann, *[create()] * 100).status_code == 200
    replicas = [Replica(ann), Replica(ann, limit=99)]

    assert len(changes(ann)["changed"]) == 1_000
    assert [replica.read_to_the_end() for replica in replicas] == [2, 12]
    assert replicas[0].tasks == replicas[1].tasks == tasks_of(ann)


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "x", "", "1.5", "1_0", " 7", "9" * 30])
def test_a_limit_outside_1_to_1000_is_rejected(ann, limit):
    """So is one that is not an integer."""
    assert_problem(CHANGES(ann, query_string={"limit": limit}), 422, "validation_error", "limit")


@pytest.mark.parametrize(
    ("query", "field"),
    [("cursor=x", "cursor"), ("completed=true", "completed"), ("limit=1&limit=2", "limit"), ("since=", "since"),
     ("since=a&since=b", "since"), ("since=" + "A" * 2_001, "since"), ("since=%00", "since")],
)  # fmt: skip
def test_an_invalid_query_is_rejected(ann, query, field):
    """A typo is never accepted silently."""
    assert_problem(CHANGES(ann, query_string=query), 422, "validation_error", field)


KINDS = ["create", "create recurring", "put", "patch", "patch nothing", "toggle", "delete", "restore", "batch"]
EVENTS = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 20)), max_size=4)


class Writer:
    """Return random kinds of writes."""

    def __init__(self, caller):
        self.caller = caller
        self.ids = []

    def write(self, kind, number):
        if kind.startswith("create") or not self.ids:
            recurring = {"due_on": "2026-03-14", "recurrence": "FREQ=DAILY"} if kind == "create recurring" else {}
            self.ids.append(self.caller.add(title=f"{kind} {number}", **recurring)["id"])
            return
        task_id = self.ids[number % len(self.ids)]
        path, title = f"/v1/tasks/{task_id}", {"title": f"{kind} {number}"}
        answer = {
            "put": lambda: self.caller.put(path, json=title),
            "patch": lambda: self.caller.patch(path, json=title),
            "patch nothing": lambda: self.caller.patch(path, json={}),
            "toggle": lambda: self.caller.post(f"{path}/toggle"),
            "delete": lambda: self.caller.delete(path),
            "restore": lambda: self.caller.post(f"{path}/restore"),
            "batch": lambda: send(self.caller, *self.batch(task_id, number)),
        }[kind]()
        # 404: the task is in the trash.
        assert answer.status_code in (200, 204, 404), answer.text

    def batch(self, task_id, number):
        """Create two tasks, delete one of them, and change an old one in some way."""
        new, gone = str(uuid4()), str(uuid4())
        self.ids += [new, gone]
        operations = [create(id=new), create(id=gone), op("delete", gone), op("complete", new)]
        old = [*(op(name, task_id) for name in ("complete", "reopen", "delete")), update(task_id, details="x")]
        # Half of the time without the old task, because the whole write fails if that is in the trash.
        return operations + ([old[number // 2 % 4]] if number % 2 else [])


@settings(max_examples=20, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limit=st.integers(1, 4), before=EVENTS, between=st.lists(EVENTS, max_size=8))
def test_a_client_that_applies_every_page_has_the_servers_tasks(app, limit, before, between):
    """Whatever is written between its pages. So does one that stops at any page and continues much later."""
    ann = Caller(app, new_user_id())
    writer, replica, stopped = Writer(ann), Replica(ann, limit), []
    for event in before:
        writer.write(*event)
    for events in between:
        if not replica.read_page():
            assert replica.tasks == tasks_of(ann)
        stopped.append(replica.fork())
        for event in events:
            writer.write(*event)

    for each in (replica, *stopped):
        each.read_to_the_end()
        assert each.tasks == tasks_of(ann)
