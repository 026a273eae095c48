"""/api/{user_id}/tasks: the user in the path, a bare array, `description`, and `complete`."""

import re

import pytest

from tests.api.support.calls import (
    COMPLETE,
    CREATE_BY_USER,
    LIST_BY_USER,
    ON_ONE_TASK_BY_USER,
    REPLACE_BY_USER,
    USER_TASK_FIELDS,
    assert_problem,
)
from tests.conftest import Caller, make_app, new_user_id

EVERY_CALL = pytest.mark.parametrize("call", [LIST_BY_USER, CREATE_BY_USER, *ON_ONE_TASK_BY_USER], ids=str)


def walk(caller, query):
    """Return the tasks and the total of each page from here to the last."""
    answer = LIST_BY_USER(caller, query_string=query)
    while True:
        assert answer.status_code == 200, answer.text
        yield [task["id"] for task in answer.json], answer.headers["X-Total-Count"]
        if "Link" not in answer.headers:
            return
        link = re.fullmatch(r'<(/api/[^<>"]+)>; rel="next"', answer.headers["Link"])
        answer = caller.get(link[1])


def test_the_list_is_a_bare_array_newest_first(ann):
    """One page has all of a few tasks, without a link to a next one."""
    ids = [CREATE_BY_USER(ann).json["id"] for _ in range(3)]
    answer = LIST_BY_USER(ann)

    assert answer.status_code == 200
    assert [task["id"] for task in answer.json] == ids[::-1]
    assert all(set(task) == USER_TASK_FIELDS for task in answer.json)
    assert (answer.headers["X-Total-Count"], "Link" in answer.headers) == ("3", False)


def test_an_empty_list_is_an_empty_array(ann):
    """Its total is 0."""
    answer = LIST_BY_USER(ann)

    assert (answer.status_code, answer.json, answer.headers["X-Total-Count"]) == (200, [], "0")
    assert "Link" not in answer.headers


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
@pytest.mark.parametrize(
    ("query", "wanted"),
    [({}, range(6)), ({"status": "pending"}, (1, 3, 5)), ({"q": "a&b=ü"}, (0, 1)), ({"sort": "title"}, range(6))],
    ids=str,
)
def test_links_lead_through_all_pages(ann, limit, query, wanted):
    """Every task once, with the requested filters, sort and limit, and the same total on every page."""
    ids = [ann.add(title=f"{'A&B=ü' * (n < 2)}{n}", completed=n % 2 == 0)["id"] for n in range(6)]
    pages = list(walk(ann, {"limit": limit, **query}))

    shown = [task_id for page, _ in pages for task_id in page]
    assert sorted(shown) == [ids[n] for n in wanted]
    assert {len(page) for page, _ in pages[:-1]} <= {limit}
    assert {total for _, total in pages} == {str(len(wanted))}


def test_the_page_after_the_last_task_keeps_the_total(ann):
    """A page that became empty is an empty array, with the total of the remaining tasks."""
    kept, gone = ann.add(), None
    gone = [ann.add()["id"]]
    first = LIST_BY_USER(ann, query_string={"limit": 1})
    assert [task["id"] for task in first.json] == gone
    assert ann.delete(f"/v1/tasks/{kept['id']}").status_code == 204
    second = ann.get(first.headers["Link"].partition(">")[0].lstrip("<"))

    assert (second.status_code, second.json, second.headers["X-Total-Count"]) == (200, [], "1")


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ({"status": "all"}, "bca"),
        ({"status": "pending"}, "ba"),
        ({"status": "completed"}, "c"),
        ({"completed": "true"}, "c"),
        ({"sort": "created"}, "bca"),
        ({"sort": "-created_at"}, "bca"),
        ({"sort": "created_at"}, "acb"),
        ({"sort": "title"}, "abc"),
        ({"sort": "-title"}, "cba"),
        ({"status": "pending", "sort": "title"}, "ab"),
        ({"status": "all", "completed": "false"}, "ba"),
    ],
    ids=str,
)
def test_the_earlier_names_of_status_and_sort_work(ann, query, wanted):
    """In addition to the filters and sorts of /v1."""
    for title in "acb":
        ann.add(title=title, completed=title == "c")
    answer = LIST_BY_USER(ann, query_string=query)

    assert answer.status_code == 200
    assert "".join(task["title"] for task in answer.json) == wanted


@pytest.mark.parametrize("query", ["completed=true&status=pending", "completed=false&status=completed"])
def test_contradictory_filters_match_nothing(ann, query):
    """Neither of two filters is dropped silently."""
    ann.add()
    ann.add(completed=True)
    answer = LIST_BY_USER(ann, query_string=query)

    assert answer.status_code == 422 or answer.json == []


@pytest.mark.parametrize(
    "query",
    [
        "status=done",
        "status=",
        "status=ALL",
        "status=all&status=all",
        "sort=newest",
        "sort=-created",
        "limit=0",
        "limit=1001",
    ],
)
def test_unknown_values_are_rejected(ann, query):
    """A typo is never accepted silently."""
    assert_problem(LIST_BY_USER(ann, query_string=query), 422, "validation_error", query.partition("=")[0])


def test_a_task_is_created_and_found_under_this_path(ann):
    """Location is under the same path, and both families show the task."""
    made = CREATE_BY_USER(ann, json={"title": "tea", "description": "green"})
    found, canonical = ann.get(made.headers["Location"]), ann.get(f"/v1/tasks/{made.json['id']}")

    assert [answer.status_code for answer in (made, found, canonical)] == [201, 200, 200]
    assert made.headers["Location"] == f"/api/{ann.user_id}/tasks/{made.json['id']}"
    assert set(made.json) == USER_TASK_FIELDS
    assert found.json == made.json
    described = {**made.json, "details": made.json["description"]}
    del described["description"]
    assert canonical.json == described
    assert made.headers["ETag"] == found.headers["ETag"] == canonical.headers["ETag"]


@pytest.mark.parametrize("write", [CREATE_BY_USER, REPLACE_BY_USER], ids=str)
def test_details_is_an_unknown_field_here(ann, write):
    """The field's name is `description`."""
    answer = write(ann, ann.add()["id"], json={"title": "tea", "details": "green"})

    assert_problem(answer, 422, "validation_error", "details")


def test_put_keeps_omitted_fields_here(ann):
    """Such a front end's edit form knows only title and description, and must not reset the rest."""
    task = ann.add(details="green", completed=True, priority="high", tags=["home"], due_on="2026-03-14")
    answer = REPLACE_BY_USER(ann, task["id"], json={"title": "coffee", "description": "black"})

    assert answer.status_code == 200
    kept = {name: task[name] for name in ("completed", "completed_at", "priority", "tags", "due_on", "created_at")}
    assert answer.json.items() >= {"title": "coffee", "description": "black", **kept}.items()


@pytest.mark.parametrize("content_type", [None, "application/json", "text/plain", "application/x-www-form-urlencoded"])
def test_complete_without_a_body_toggles_the_task(ann, content_type):
    """With any Content-Type."""
    path = f"/api/{ann.user_id}/tasks/{ann.add()['id']}/complete"
    there, back = (ann.patch(path, content_type=content_type) for _ in range(2))

    assert (there.status_code, back.status_code) == (200, 200)
    assert set(there.json) == USER_TASK_FIELDS
    assert (there.json["completed"], there.json["completed_at"]) == (True, there.json["updated_at"])
    assert (back.json["completed"], back.json["completed_at"]) == (False, None)


@pytest.mark.parametrize("completed", [True, False])
def test_complete_with_a_body_sets_the_state(ann, completed):
    """Twice is like once; the first time of completion stays."""
    task = ann.add(completed=not completed)
    first, again = (COMPLETE(ann, task["id"], json={"completed": completed}) for _ in range(2))

    assert (first.status_code, again.status_code) == (200, 200)
    assert (first.json["completed"], again.json["completed"]) == (completed, completed)
    assert first.json["completed_at"] == again.json["completed_at"]


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        ('{"completed": "yes"}', "application/json", 422, "validation_error"),
        ('{"completed": null}', "application/json", 422, "validation_error"),
        ('{"done": true}', "application/json", 422, "validation_error"),
        ("null", "application/json", 422, "validation_error"),
        ("[]", "application/json", 422, "validation_error"),
        ("{", "application/json", 400, "malformed_json"),
        (" ", "application/json", 400, "malformed_json"),
        ('{"completed": true}', "text/plain", 415, "unsupported_media_type"),
        ('{"completed": true}', None, 415, "unsupported_media_type"),
    ],
)
def test_complete_rejects_an_invalid_body(ann, body, content_type, status, code):
    """And does not toggle the task."""
    task = ann.add()

    assert_problem(COMPLETE(ann, task["id"], data=body, content_type=content_type), status, code)
    assert ann.get(f"/v1/tasks/{task['id']}").json == task


@EVERY_CALL
def test_another_user_in_the_path_is_403_before_anything_is_read(app, ann, bob, call):
    """Before a bad query, a bad body and an absent task."""
    bad = {"query_string": "nonsense=1", "data": b"\xff{", "content_type": "text/plain"}

    assert_problem(call(bob, user_id=ann.user_id), 403, "user_id_mismatch")
    assert_problem(call(bob, user_id=ann.user_id, **bad), 403, "user_id_mismatch")
    assert_problem(call(Caller(app), user_id=ann.user_id, **bad), 401, "token_missing")


def test_a_wrong_user_in_the_path_needs_no_database():
    """The response is the same while the database is down."""
    app = make_app("sqlite:////nowhere/tasks.db")
    ann = Caller(app, new_user_id())

    assert_problem(LIST_BY_USER(ann), 503, "database_unavailable")
    assert_problem(LIST_BY_USER(ann, user_id="bob"), 403, "user_id_mismatch")


def test_an_empty_object_toggles_the_task(ann):
    """Like no body, because some clients send one."""
    task = ann.add()
    path = f"/api/{ann.user_id}/tasks/{task['id']}/complete"

    answers = [ann.patch(path, json={}), ann.patch(path)]

    assert [answer.json["completed"] for answer in answers] == [True, False]
