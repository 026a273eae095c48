"""Users are kept apart: no user sees, changes or notices another's tasks."""

from uuid import uuid4

import pytest

from tests.api.support.calls import LIST, LIST_BY_USER, ON_ONE_TASK, ON_ONE_TASK_BY_USER, assert_problem
from tests.conftest import Caller, new_user_id

EVERY_CALL_ON_ONE_TASK = pytest.mark.parametrize("call", ON_ONE_TASK + ON_ONE_TASK_BY_USER, ids=str)


def told(answer):
    """Return a response without its request id."""
    assert_problem(answer, 404, "not_found")
    headers = [header for header in answer.headers if header[0] != "X-Request-ID"]
    return headers, answer.data.replace(answer.headers["X-Request-ID"].encode(), b"")


@EVERY_CALL_ON_ONE_TASK
def test_another_users_task_looks_absent(ann, bob, call):
    """Bob cannot distinguish Ann's task from one that never existed."""
    anns = ann.add()

    assert told(call(bob, uuid4())) == told(call(bob, anns["id"]))
    assert ann.get(f"/v1/tasks/{anns['id']}").json == anns


@EVERY_CALL_ON_ONE_TASK
def test_another_users_deleted_task_looks_absent(ann, bob, call):
    """Bob cannot find out that it existed."""
    anns = ann.add()

    assert ann.delete(f"/v1/tasks/{anns['id']}").status_code == 204
    assert told(call(bob, uuid4())) == told(call(bob, anns["id"]))


def test_a_head_request_reveals_no_other_users_task(ann, bob):
    """The headers of its 404 equal those of an absent task."""
    anns = ann.add()
    foreign, absent = (bob.call("HEAD", f"/v1/tasks/{task_id}") for task_id in (anns["id"], uuid4()))

    assert (foreign.status_code, absent.status_code) == (404, 404)
    assert foreign.headers["Content-Length"] == absent.headers["Content-Length"]


@EVERY_CALL_ON_ONE_TASK
def test_an_invalid_body_does_not_reveal_another_users_task(ann, bob, call):
    """It gets the same response, whether or not the task exists."""
    anns = ann.add()
    foreign, absent = (call(bob, task_id, query_string="nonsense=1") for task_id in (anns["id"], uuid4()))

    assert_problem(foreign, 422, "validation_error", "nonsense")
    assert_problem(absent, 422, "validation_error", "nonsense")
    assert foreign.json["errors"] == absent.json["errors"]


@pytest.mark.parametrize("query", ["", "completed=true", "completed=false", "q=secret", "sort=title", "limit=1"])
def test_lists_show_only_the_callers_tasks(ann, bob, query):
    """For every query."""
    ann.add(title="secret")
    ann.add(title="secret", completed=True)
    bobs = {bob.add(title="secret")["id"], bob.add(title="secret", completed=True)["id"]}
    page, array = (call(bob, query_string=query) for call in (LIST, LIST_BY_USER))

    assert (page.status_code, array.status_code) == (200, 200)
    shown = page.json["items"] + array.json
    assert shown
    assert {task["id"] for task in shown} <= bobs
    assert {task["user_id"] for task in shown} == {bob.user_id}


def test_the_total_counts_only_the_callers_tasks(ann, bob):
    """On the first page, a later one, and an empty one."""
    for _ in range(3):
        ann.add()
        bob.add()
    first = LIST_BY_USER(bob, query_string={"limit": 1})
    second = bob.get(first.headers["Link"].partition(">")[0].lstrip("<"))
    none = LIST_BY_USER(bob, query_string={"q": "nothing like it"})

    assert [answer.status_code for answer in (first, second, none)] == [200, 200, 200]
    assert [answer.headers["X-Total-Count"] for answer in (first, second, none)] == ["3", "3", "0"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("{}a", "{}A"),
        ("{}", "{} "),
        ("{}", " {}"),
        ("{}é", "{}e\u0301"),
        ("{}ß", "{}ss"),
        ("{}", "{}%"),
        ("{}", "{}'--"),
    ],
)
def test_user_ids_that_look_alike_are_different_users(app, one, other):
    """Ids are compared byte for byte: no case folding, trimming, normalisation or patterns."""
    unique = new_user_id()
    ann, bob = Caller(app, one.format(unique)), Caller(app, other.format(unique))
    task = ann.add()

    assert bob.get("/v1/tasks").json["items"] == []
    assert_problem(bob.get(f"/v1/tasks/{task['id']}"), 404, "not_found")
    assert bob.add()["user_id"] == bob.user_id
    assert ann.get("/v1/tasks").json["items"] == [task]


def test_a_body_cannot_name_another_owner(ann, bob):
    """The owner is always the caller."""
    answer = bob.post("/v1/tasks", json={"title": "tea", "user_id": ann.user_id})

    assert_problem(answer, 422, "validation_error", "user_id")
    assert ann.get("/v1/tasks").json["items"] == []
