"""GET /v1/tasks/changes with lists=true also keeps a copy of the lists."""

from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.tasks import watches
from tests.api.support.calls import CHANGES, assert_problem
from tests.api.support.past import aged, forget_deleted_lists
from tests.api.support.replicas import ReplicaWithLists, changes, lists_of, tasks_of
from tests.api.support.waits import ended_by, wait
from tests.api.support.waits import waiting as let_wait
from tests.conftest import Caller, new_user_id

NO_LISTS = {"changed": [], "deleted": []}


def add_list(caller, **values):
    created = caller.post("/v1/lists", json={"name": "home", **values})
    assert created.status_code == 201, created.text
    return created.json


def delete_list(caller, list_id):
    assert caller.delete(f"/v1/lists/{list_id}").status_code == 204


def test_lists_come_with_the_changes(ann):
    """All of them without a token, as /v1/lists shows them, and what has changed with one."""
    first, second = add_list(ann), add_list(ann, color="#2e7d32")
    found = changes(ann, lists="true")
    renamed = ann.patch(f"/v1/lists/{first['id']}", json={"name": "work"}).json
    delete_list(ann, second["id"])
    later = changes(ann, aged(found["next"], ann, seconds=-60), lists="true")

    assert found["lists"] == {"changed": [first, second], "deleted": []}
    assert later["lists"] == {"changed": [renamed], "deleted": [second["id"]]}


def test_without_the_parameter_no_lists_come(ann):
    """Nor with false. The response is as it was before there were lists in it."""
    add_list(ann)
    since = changes(ann, lists="true")["next"]

    assert "lists" not in changes(ann) | changes(ann, since) | changes(ann, since, lists="false")


@pytest.mark.parametrize("value", ["1", "yes", "", "TRUE"])
def test_another_value_is_rejected(ann, value):
    assert_problem(CHANGES(ann, query_string={"lists": value}), 422, "validation_error", "lists")


def test_a_client_that_asks_for_lists_later_gets_all_of_them(ann):
    """Its token says that it has none, also if an earlier one said more."""
    home = add_list(ann)
    since = changes(ann, aged(changes(ann)["next"], ann, seconds=-60))["next"]
    late = changes(ann, since, lists="true")
    without = changes(ann, late["next"])

    assert late["lists"]["changed"] == [home]
    assert changes(ann, without["next"], lists="true")["lists"]["changed"] == [home]


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 7])
def test_a_page_has_at_most_so_many_tasks_and_lists_together(ann, limit):
    """Lists come first, so that a client knows a task's list when it gets the task."""
    made = [add_list(ann)["id"] for _ in range(3)]
    ids = [ann.add(list_id=made[0])["id"] for _ in range(3)]
    gone = add_list(ann)["id"]
    delete_list(ann, gone)
    pages, since = [], None
    while not pages or pages[-1]["has_more"]:
        pages.append(changes(ann, since, limit=limit, lists="true"))
        since = pages[-1]["next"]
    found = [
        [each["id"] for each in page["lists"]["changed"]]
        + page["lists"]["deleted"]
        + [each["id"] for each in page["changed"]]
        for page in pages
    ]

    assert [each for page in found for each in page] == [*made, gone, *ids]
    assert [len(page) for page in found[:-1]] == [limit] * (len(found) - 1)


def test_a_deleted_lists_id_can_be_used_again(ann):
    """A client gets what it is now, in one of both members."""
    list_id, since = add_list(ann)["id"], changes(ann, lists="true")["next"]
    delete_list(ann, list_id)
    deleted = changes(ann, since, lists="true")["lists"]
    again = add_list(ann, id=list_id, name="again")
    found = changes(ann, since, lists="true")["lists"]
    delete_list(ann, list_id)

    assert deleted == {"changed": [], "deleted": [list_id]}
    assert found == {"changed": [again], "deleted": []}
    assert changes(ann, since, lists="true")["lists"] == deleted


def test_a_task_and_a_list_may_have_the_same_id(ann):
    """Each has its own position, whatever the page's size."""
    same = str(uuid4())
    add_list(ann, id=same)
    task = ann.add(id=same, list_id=same)
    replica = ReplicaWithLists(ann, limit=1)
    replica.read_to_the_end()

    assert (replica.tasks, replica.lists) == ({same: task}, lists_of(ann))


def test_a_deleted_list_moves_its_tasks_in_the_same_copy(ann):
    """To the trash or to the inbox; the copy is the server's state either way."""
    for how in ("trash", "keep"):
        home = add_list(ann)["id"]
        ann.add(list_id=home)
        replica = ReplicaWithLists(ann)
        replica.read_to_the_end()
        assert ann.delete(f"/v1/lists/{home}?tasks={how}").status_code == 204
        replica.read_to_the_end()
        assert (replica.tasks, replica.lists) == (tasks_of(ann), lists_of(ann))


def test_a_deletion_that_is_refused_is_not_listed(ann):
    home = add_list(ann)
    refused = ann.delete(f"/v1/lists/{home['id']}", headers={"If-Match": '"7"'})

    assert_problem(refused, 412, "precondition_failed")
    assert changes(ann, lists="true")["lists"] == {"changed": [home], "deleted": []}


@pytest.mark.parametrize(("days", "status"), [(29.9, 200), (30, 410)])
def test_a_token_is_as_old_as_its_lists(app, ann, days, status):
    """After 30 days a deletion may be forgotten."""
    list_id = add_list(ann)["id"]
    since = aged(changes(ann, lists="true")["next"], ann, days=days)
    delete_list(ann, list_id)
    if status == 410:
        forget_deleted_lists(app, ann)

    assert CHANGES(ann, query_string={"since": since, "lists": "true"}).status_code == status
    assert wait(ann, since, lists="true").status_code == status


WRITES = {
    "create": lambda ann, _: ann.post("/v1/lists", json={"name": "new"}),
    "rename": lambda ann, path: ann.patch(path, json={"name": "work"}),
    "move": lambda ann, path: ann.post(f"{path}/move", json={"place": "first"}),
    "delete": lambda ann, path: ann.delete(path),
}


@pytest.mark.parametrize("kind", WRITES)
def test_a_change_of_a_list_ends_a_wait(app, ann, kind, monkeypatch):
    """Only of who asked for lists, and without a look."""
    monkeypatch.setattr(watches, "LOOK_SECONDS", 1_000)
    home, ended = add_list(ann), ended_by(app)
    plain, with_lists = changes(ann)["next"], changes(ann, lists="true")["next"]
    with let_wait(ann, plain, wait=1) as [other], let_wait(ann, with_lists, lists="true") as [answer]:
        assert WRITES[kind](ann, f"/v1/lists/{home['id']}").status_code in (200, 201, 204)
        found = answer.result().json

    assert found["lists"] == changes(ann, with_lists, lists="true")["lists"] != NO_LISTS
    assert other.result().json["changed"] == []
    assert ended == ["write", "time"]


def test_what_the_client_has_of_lists_does_not_end_a_wait(app, ann):
    """Neither lists, nor deleted ones."""
    delete_list(ann, add_list(ann)["id"])
    add_list(ann)
    ended = ended_by(app)
    found = wait(ann, changes(ann, lists="true")["next"], lists="true")

    assert (found.json["lists"], ended) == (NO_LISTS, ["time"])


KINDS = ["add list", "rename", "move", "delete", "delete and keep", "use the id again", "add task", "move task"]
EVENTS = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 20)), max_size=4)


class Writer:
    """Write lists, and tasks in them, at random."""

    def __init__(self, caller):
        self.caller, self.ids, self.tasks = caller, [], []

    def write(self, kind, number):
        if kind == "add list" or not self.ids:
            self.ids.append(add_list(self.caller, name=f"list {number}")["id"])
            return
        list_id = self.ids[number % len(self.ids)]
        path = f"/v1/lists/{list_id}"
        task = f"/v1/tasks/{self.tasks[number % len(self.tasks)]}" if self.tasks else path
        call = self.caller
        answer = {
            "rename": lambda: call.patch(path, json={"name": f"name {number}"}),
            "move": lambda: call.post(f"{path}/move", json={"place": "first"}),
            "delete": lambda: call.delete(path),
            "delete and keep": lambda: call.delete(f"{path}?tasks=keep"),
            "use the id again": lambda: call.post("/v1/lists", json={"id": list_id, "name": f"again {number}"}),
            "add task": lambda: call.post("/v1/tasks", json={"title": "tea", "list_id": list_id}),
            "move task": lambda: call.post(f"{task}/move", json={"place": "last", "list_id": list_id}),
        }[kind]()
        # 404 and 422: the list was deleted; 409: it is there.
        assert answer.status_code in (200, 201, 204, 404, 409, 422), answer.text
        if kind == "add task" and answer.status_code == 201:
            self.tasks.append(answer.json["id"])


@settings(max_examples=20, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limit=st.integers(1, 4), before=EVENTS, between=st.lists(EVENTS, max_size=8))
def test_a_client_that_applies_every_page_has_the_servers_lists(app, limit, before, between):
    """And tasks, whatever is written between its pages, also if it stops at any page and goes on later."""
    ann = Caller(app, new_user_id())
    writer, replica, stopped = Writer(ann), ReplicaWithLists(ann, limit), []
    for event in before:
        writer.write(*event)
    for events in between:
        replica.read_page()
        stopped.append(replica.fork())
        for event in events:
            writer.write(*event)

    for each in (replica, *stopped):
        each.read_to_the_end()
        assert (each.tasks, each.lists) == (tasks_of(ann), lists_of(ann))
