"""A deleted task stays in the trash for 30 days, where only restoring finds it."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import literal, update

from app.database import execute, scope
from app.database.columns import from_now
from app.tasks.models import tasks
from tests.api.support.calls import (
    CHANGE,
    CREATE,
    DELETE,
    DELETE_BY_USER,
    LIST_BY_USER,
    ON_ONE_TASK,
    ON_ONE_TASK_BY_USER,
    Call,
    assert_problem,
    page,
    problem_of,
)
from tests.api.support.completing import DAILY, WAYS, all_tasks, completed
from tests.conftest import Caller

RESTORE = Call("POST", "/v1/tasks/{task_id}/restore")
DELETES = [DELETE, DELETE_BY_USER]
EVERY_DELETE = pytest.mark.parametrize("delete", DELETES, ids=str)
KEPT = 30 * 24 * 3600

FULL = {"title": "tea", "details": "green", "completed": True, "priority": "high", "tags": ["home", "b"]}
FULL |= {"due_on": "2026-03-14", "time_zone": "Pacific/Auckland", "recurrence": "FREQ=WEEKLY"}


@pytest.fixture
def deleted(ann):
    """A task of Ann's with all fields set, in the trash."""
    task = ann.add(**FULL)
    assert ann.delete(f"/v1/tasks/{task['id']}").status_code == 204
    return task


def in_trash(caller):
    """Return the ids that a list of the trash shows, in both families."""
    items, _ = page(caller, deleted="true")
    by_user = LIST_BY_USER(caller, query_string={"deleted": "true"})
    assert [task["id"] for task in by_user.json] == [task["id"] for task in items]
    assert by_user.headers["X-Total-Count"] == str(len(items))
    return [task["id"] for task in items]


def move_deletion(app, caller, seconds):
    """Move a user's trash this far into the past."""
    theirs = update(tasks).where(tasks.c.user_id == caller.user_id, tasks.c.deleted_at.is_not(None))
    with app.app_context(), scope(caller.user_id):
        assert execute(theirs.values(deleted_at=from_now(literal(-seconds)))) == 1


@EVERY_DELETE
def test_a_deleted_task_is_listed_only_in_the_trash(ann, delete):
    """With all its fields. `deleted=false` is like no parameter."""
    task, other = ann.add(**FULL), ann.add()
    answer = delete(ann, task["id"])

    assert (answer.status_code, answer.data) == (204, b"")
    (shown,), _ = page(ann, deleted="true")
    assert shown == task | {"updated_at": shown["updated_at"]}
    assert in_trash(ann) == [task["id"]]
    assert page(ann) == page(ann, deleted="false") == ([other], None)


@pytest.mark.parametrize("call", [*ON_ONE_TASK, *ON_ONE_TASK_BY_USER], ids=str)
def test_a_deleted_task_is_404_for_every_operation_except_restore(ann, deleted, call):
    """In both families and with any condition; it stays in the trash."""
    conditions = [{}, {"If-Match": '"2"'}, {"If-Match": "*"}, {"If-None-Match": '"2"'}]
    answers = {str(headers): call(ann, deleted["id"], headers=headers) for headers in conditions}

    assert {name: problem_of(answer) for name, answer in answers.items()} == dict.fromkeys(answers, (404, "not_found"))
    assert in_trash(ann) == [deleted["id"]]


@pytest.mark.parametrize("complete", WAYS.values(), ids=WAYS)
def test_a_deleted_task_cannot_be_completed(ann, complete):
    """Nor does it get a next task."""
    task = ann.add(**DAILY)
    assert ann.delete(f"/v1/tasks/{task['id']}").status_code == 204

    assert_problem(complete(ann, task), 404, "not_found")
    assert (all_tasks(ann), in_trash(ann)) == ([], [task["id"]])


def test_a_restored_task_has_every_field_and_a_higher_version(ann, deleted):
    """Only `updated_at` differs, and the response equals the next read."""
    answer = RESTORE(ann, deleted["id"])
    read = ann.get(f"/v1/tasks/{deleted['id']}")

    assert (answer.status_code, answer.headers["ETag"]) == (200, '"3"')
    assert answer.json == deleted | {"updated_at": answer.json["updated_at"]}
    assert answer.json["updated_at"] > deleted["updated_at"]
    assert (read.status_code, read.json, read.headers["ETag"]) == (200, answer.json, '"3"')
    assert (all_tasks(ann), in_trash(ann)) == ([answer.json], [])


def test_restoring_twice_is_like_once(ann, deleted):
    """The second time it is no longer in the trash."""
    first, again = RESTORE(ann, deleted["id"]), RESTORE(ann, deleted["id"])

    assert [first.status_code, again.status_code] == [200, 200]
    assert (again.json, again.headers["ETag"]) == (first.json, first.headers["ETag"])


def test_restoring_a_live_task_changes_nothing(ann):
    """200 with the same version and time."""
    made = CREATE(ann, json=FULL)
    answer = RESTORE(ann, made.json["id"])

    assert (answer.status_code, answer.json, answer.headers["ETag"]) == (200, made.json, made.headers["ETag"])


def test_a_task_can_be_deleted_and_restored_repeatedly(ann):
    """Each of these is a write, and changes in between stay."""
    task = ann.add()
    for round_ in range(3):
        assert ann.delete(f"/v1/tasks/{task['id']}").status_code == 204
        restored = RESTORE(ann, task["id"])
        assert (restored.status_code, restored.headers["ETag"]) == (200, f'"{3 + 3 * round_}"')
        changed = CHANGE(
            ann, task["id"], json={"title": f"tea {round_}"}, headers={"If-Match": restored.headers["ETag"]}
        )
        assert (changed.status_code, changed.json["title"]) == (200, f"tea {round_}")


def test_a_tag_from_before_the_deletion_is_stale(ann, deleted):
    """Because deleting and restoring are writes."""
    assert RESTORE(ann, deleted["id"]).status_code == 200

    for tag in ('"1"', '"2"'):
        assert_problem(CHANGE(ann, deleted["id"], json={}, headers={"If-Match": tag}), 412, "precondition_failed")
    assert CHANGE(ann, deleted["id"], json={}, headers={"If-Match": '"3"'}).status_code == 200


def test_another_users_task_cannot_be_restored(ann, bob, deleted):
    """It looks absent. The trash of each user has only their own tasks."""
    answers = [RESTORE(bob, task_id) for task_id in (deleted["id"], None)]

    for answer in answers:
        assert_problem(answer, 404, "not_found")
    assert len({answer.text.replace(answer.headers["X-Request-ID"], "") for answer in answers}) == 1
    assert (in_trash(bob), in_trash(ann)) == ([], [deleted["id"]])


@pytest.mark.parametrize("task_id", ["7", "x", "2ed6657d-e927-568b-95e1"])
def test_restoring_an_invalid_id_is_404(ann, task_id):
    """As in every path."""
    assert_problem(RESTORE(ann, task_id), 404, "not_found")


def test_the_trash_is_kept_for_30_days(app, ann, deleted):
    """A minute before its end a task is listed, and can be restored unchanged."""
    move_deletion(app, ann, KEPT - 60)
    assert in_trash(ann) == [deleted["id"]]
    answer = RESTORE(ann, deleted["id"])

    assert answer.status_code == 200
    assert answer.json == deleted | {"updated_at": answer.json["updated_at"]}


def test_after_30_days_a_deleted_task_is_gone(app, ann, deleted):
    """It is neither listed nor restored, whether or not it has been purged."""
    move_deletion(app, ann, KEPT + 1)

    assert (in_trash(ann), all_tasks(ann)) == ([], [])
    for call in (RESTORE, *ON_ONE_TASK, *ON_ONE_TASK_BY_USER):
        assert_problem(call(ann, deleted["id"]), 404, "not_found")


def test_the_30_days_are_counted_from_the_last_deletion(app, ann, deleted):
    """Restoring stops the count."""
    move_deletion(app, ann, KEPT - 60)
    assert RESTORE(ann, deleted["id"]).status_code == 200
    assert ann.delete(f"/v1/tasks/{deleted['id']}").status_code == 204
    move_deletion(app, ann, KEPT - 60)

    assert in_trash(ann) == [deleted["id"]]


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({"completed": "true"}, "a"),
        ({"priority": "high"}, "ab"),
        ({"tag": "HOME"}, "b"),
        ({"q": "B"}, "b"),
        ({"due_before": "2026-03-15"}, "b"),
        ({"sort": "-title"}, "cba"),
        ({"sort": "title", "completed": "false"}, "bc"),
    ],
    ids=str,
)
def test_the_trash_can_be_filtered_and_sorted(ann, query, shown):
    """Without live tasks."""
    fields = {"a": {"completed": True, "priority": "high"}, "c": {}}
    fields["b"] = {"priority": "high", "tags": ["Home"], "due_on": "2026-03-14"}
    for title in "abc":
        ann.add(title=title, **fields[title])
        task = ann.add(title=title, **fields[title])
        assert ann.delete(f"/v1/tasks/{task['id']}").status_code == 204
    items, _ = page(ann, **{"sort": "title", "deleted": "true", **query})

    assert "".join(task["title"] for task in items) == shown


def test_the_trash_has_pages(ann):
    """Its cursors are not valid for the list."""
    ids = [ann.add()["id"] for _ in range(5)]
    for task_id in ids:
        assert ann.delete(f"/v1/tasks/{task_id}").status_code == 204
    found, cursor = page(ann, deleted="true", limit=2)
    elsewhere = ann.get("/v1/tasks", query_string={"limit": 2, "cursor": cursor})
    while cursor:
        items, cursor = page(ann, deleted="true", limit=2, cursor=cursor)
        found += items

    assert [task["id"] for task in found] == ids[::-1]
    assert_problem(elsewhere, 422, "invalid_cursor")


@pytest.mark.parametrize("value", ["", "yes", "1", "True", "true&deleted=true"])
def test_other_values_of_deleted_are_rejected(ann, value):
    """A typo never shows the wrong list."""
    for path in ("/v1/tasks", f"/api/{ann.user_id}/tasks"):
        assert_problem(ann.get(f"{path}?deleted={value}"), 422, "validation_error", "deleted")


def test_a_recurring_task_is_restored_with_its_rule(ann):
    """Completing it then creates its next occurrence."""
    task = ann.add(**DAILY)
    assert ann.delete(f"/v1/tasks/{task['id']}").status_code == 204
    assert all_tasks(ann) == []
    assert RESTORE(ann, task["id"]).json["recurrence"] == DAILY["recurrence"]

    assert completed(ann, task)["due_on"] == "2026-03-15"


def test_a_next_task_is_restored_independently_of_its_task(ann):
    """Each of them is deleted and restored alone."""
    task = ann.add(**DAILY)
    following = completed(ann, task)
    for each in (following, task):
        assert ann.delete(f"/v1/tasks/{each['id']}").status_code == 204
    assert in_trash(ann) == [following["id"], task["id"]]
    restored = RESTORE(ann, following["id"])

    assert restored.status_code == 200
    assert restored.json == following | {"updated_at": restored.json["updated_at"]}
    assert in_trash(ann) == [task["id"]]


def test_concurrent_restorations_write_once(app, ann, deleted):
    """All responses show that write."""
    ready = Barrier(10)
    with ThreadPoolExecutor(10, initializer=ready.wait) as pool:
        calls = [pool.submit(RESTORE, Caller(app, ann.user_id), deleted["id"]) for _ in range(10)]
    answers = [call.result() for call in calls]

    assert {(answer.status_code, answer.headers["ETag"]) for answer in answers} == {(200, '"3"')}
    assert all(answer.json == answers[0].json for answer in answers)


def test_concurrent_deletions_and_restorations_lose_nothing(app, ann):
    """Restoring always finds the task, in the list or in the trash, and every write counts."""
    task, ready = ann.add(), Barrier(20)
    with ThreadPoolExecutor(20, initializer=ready.wait) as pool:
        calls = [pool.submit(call, Caller(app, ann.user_id), task["id"]) for call in [DELETES[0], RESTORE] * 10]
    answers = [call.result() for call in calls]
    statuses = [answer.status_code for answer in answers]

    assert set(statuses[::2]) <= {204, 404}
    assert set(statuses[1::2]) == {200}
    assert sorted([*in_trash(ann), *(each["id"] for each in all_tasks(ann))]) == [task["id"]]
    restored = RESTORE(ann, task["id"])
    deletions = statuses.count(204)
    assert (restored.status_code, restored.headers["ETag"]) == (200, f'"{1 + 2 * deletions}"')
