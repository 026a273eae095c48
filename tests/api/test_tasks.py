"""The responses and effects of the operations of /v1/tasks."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.api.support.calls import (
    CHANGE,
    CREATE,
    ON_ONE_TASK,
    REPLACE,
    TASK_FIELDS,
    TIME,
    TOGGLE,
    assert_problem,
    problem_of,
)
from tests.conftest import Caller, new_user_id


def shortly(value):
    return ascii(value)[:20]


WRITES = pytest.mark.parametrize("write", [CREATE, REPLACE, CHANGE], ids=str)


def test_a_new_task_has_the_defaults_and_exactly_the_known_fields(ann):
    """A title is enough; the service sets the rest."""
    answer = ann.post("/v1/tasks", json={"title": "tea"})

    assert answer.status_code == 201
    assert set(answer.json) == TASK_FIELDS
    assert answer.json["created_at"] == answer.json["updated_at"]
    wanted = {"title": "tea", "details": None, "completed": False, "completed_at": None, "user_id": ann.user_id}
    assert answer.json.items() >= wanted.items()


def test_location_and_etag_belong_to_the_new_task(ann):
    """Location is a path, at which the created task is found unchanged."""
    made = ann.post("/v1/tasks", json={"title": "tea", "details": "green"})
    found = ann.get(made.headers["Location"])

    assert (made.status_code, found.status_code) == (201, 200)
    assert made.headers["Location"] == f"/v1/tasks/{made.json['id']}"
    assert made.json == found.json
    assert made.headers["ETag"] == found.headers["ETag"]
    assert made.headers["ETag"].startswith('"')


def test_location_does_not_come_from_the_host_header(ann):
    """A forged Host does not lead anywhere else."""
    answer = ann.post("/v1/tasks", json={"title": "tea"}, headers={"Host": "evil.example"})

    assert answer.status_code == 201
    assert answer.headers["Location"].startswith("/v1/tasks/")


def test_times_have_six_digits_and_a_z(ann):
    """Every time is RFC 3339 in UTC with microseconds."""
    task = ann.add(completed=True)

    assert all(TIME.fullmatch(task[name]) for name in ("created_at", "updated_at", "completed_at"))


def test_ids_sort_by_creation(ann):
    """Ids are UUIDs of version 7."""
    ids = [ann.add()["id"] for _ in range(5)]

    assert ids == sorted(ids)
    assert {task_id[14] for task_id in ids} == {"7"}


@WRITES
@pytest.mark.parametrize(
    ("field", "sent", "kept"),
    [
        ("title", " \t\u00a0\u3000tea time\r\n ", "tea time"),
        ("title", "  " + "x" * 200 + "  ", "x" * 200),
        ("title", "🍵" * 200, "🍵" * 200),
        ("title", "e\u0301 \u202e <b>'\"\\%_", "e\u0301 \u202e <b>'\"\\%_"),
        ("details", "  kept as it is \n", "  kept as it is \n"),
        ("details", "", ""),
        ("details", None, None),
        ("details", "🍵" * 10_000, "🍵" * 10_000),
    ],
    ids=shortly,
)
def test_text_is_trimmed_and_counted_in_characters(ann, write, field, sent, kept):
    """Titles are trimmed, details are not; the longest of each are accepted."""
    answer = write(ann, ann.add()["id"], json={"title": "tea", field: sent})

    assert answer.status_code == (201 if write is CREATE else 200)
    assert answer.json[field] == kept
    assert ann.get(f"/v1/tasks/{answer.json['id']}").json == answer.json


MISFITS = [
    *(("title", value) for value in ("", " \n\u3000", "x" * 201, None, 7, ["tea"], {"a": 1}, True)),
    *(("details", value) for value in ("x" * 10_001, 7, ["x"], False)),
    *(("completed", value) for value in ("yes", "true", 1, 0, 1.0, None, [])),
    *((name, "x") for name in ("description", "nonsense")),
]


@pytest.mark.one_engine
@WRITES
def test_an_invalid_field_is_rejected(ann, write):
    """Types are strict, unknown names are rejected, the error names the field, and nothing is written."""
    task = ann.add()
    answers = [write(ann, task["id"], json={"title": "changed", field: value}) for field, value in MISFITS]

    told = [(field, value, *problem_of(answer)) for (field, value), answer in zip(MISFITS, answers, strict=True)]
    assert told == [(field, value, 422, "validation_error") for field, value in MISFITS]
    named = [(field, field in answer.json["errors"]) for (field, _), answer in zip(MISFITS, answers, strict=True)]
    assert named == [(field, True) for field, _ in MISFITS]
    assert ann.get("/v1/tasks").json["items"] == [task]


@pytest.mark.parametrize("write", [CREATE, REPLACE], ids=str)
def test_a_whole_task_needs_a_title(ann, write):
    """Only PATCH may omit it."""
    answer = write(ann, ann.add()["id"], json={"details": "green"})

    assert_problem(answer, 422, "validation_error", "title")


def test_put_resets_omitted_fields_to_their_defaults(ann):
    """Because a replacement is a whole task."""
    task = ann.add(details="green", completed=True)
    answer = ann.put(f"/v1/tasks/{task['id']}", json={"title": "coffee"})

    assert answer.status_code == 200
    reset = {"title": "coffee", "details": None, "completed": False, "completed_at": None}
    assert answer.json == task | reset | {"updated_at": answer.json["updated_at"]}


@pytest.mark.parametrize(
    "changes", [{"title": "coffee"}, {"details": "black"}, {"details": None}, {"title": "a", "details": "b"}], ids=str
)
def test_patch_keeps_omitted_fields(ann, changes):
    """Only the named fields change, and the time of the change."""
    task = ann.add(details="green", completed=True)
    answer = ann.patch(f"/v1/tasks/{task['id']}", json=changes)

    assert answer.status_code == 200
    assert answer.json == task | changes | {"updated_at": answer.json["updated_at"]}
    assert answer.json["updated_at"] > task["updated_at"]


def test_an_empty_patch_changes_nothing(ann):
    """Neither `updated_at` nor the version."""
    made = ann.post("/v1/tasks", json={"title": "tea"})
    answer = ann.patch(made.headers["Location"], json={})

    assert (made.status_code, answer.status_code) == (201, 200)
    assert (answer.json, answer.headers["ETag"]) == (made.json, made.headers["ETag"])


@pytest.mark.parametrize("write", [REPLACE, CHANGE, TOGGLE], ids=str)
def test_a_write_makes_a_new_version(ann, write):
    """The next read has the same ETag, which differs from the old one. `created_at` stays."""
    before = ann.get(f"/v1/tasks/{ann.add()['id']}")
    after = write(ann, before.json["id"])
    read = ann.get(f"/v1/tasks/{before.json['id']}")

    assert [answer.status_code for answer in (before, after, read)] == [200, 200, 200]
    assert before.headers["ETag"] != after.headers["ETag"] == read.headers["ETag"]
    assert after.json == read.json
    assert (after.json["id"], after.json["created_at"]) == (before.json["id"], before.json["created_at"])
    assert after.json["updated_at"] > before.json["updated_at"]


def test_a_task_can_be_created_as_completed(ann):
    """It was completed at the time of its creation."""
    task = ann.add(completed=True)

    assert task["completed"] is True
    assert task["completed_at"] == task["created_at"]


@pytest.mark.parametrize("write", [REPLACE, CHANGE], ids=str)
def test_completed_at_is_set_kept_and_cleared(ann, write):
    """Set when a task becomes completed, kept when it is completed again, null after reopening."""
    task = ann.add()
    first, again, reopened = (
        write(ann, task["id"], json={"title": "tea", "completed": completed}) for completed in (True, True, False)
    )

    assert [answer.status_code for answer in (first, again, reopened)] == [200, 200, 200]
    assert first.json["completed_at"] == first.json["updated_at"] > task["created_at"]
    assert again.json["completed_at"] == first.json["completed_at"]
    assert (reopened.json["completed"], reopened.json["completed_at"]) == (False, None)


def test_two_toggles_restore_a_task(ann):
    """Except for its times and version."""
    path = f"/v1/tasks/{ann.add()['id']}/toggle"
    there, back = ann.post(path), ann.post(path)

    assert (there.status_code, back.status_code) == (200, 200)
    assert (there.json["completed"], there.json["completed_at"]) == (True, there.json["updated_at"])
    assert (back.json["completed"], back.json["completed_at"]) == (False, None)


@pytest.mark.parametrize("toggles", [20, 21])
def test_concurrent_toggles_are_all_applied(app, ann, toggles):
    """Each toggle sees the one before it: of N responses, every second says completed."""
    path = f"/v1/tasks/{ann.add()['id']}"
    callers = [Caller(app, ann.user_id) for _ in range(toggles)]
    with ThreadPoolExecutor(toggles) as pool:
        answers = list(pool.map(lambda caller: caller.post(f"{path}/toggle"), callers))

    assert [answer.status_code for answer in answers] == [200] * toggles
    assert sum(answer.json["completed"] for answer in answers) == (toggles + 1) // 2
    assert len({answer.headers["ETag"] for answer in answers}) == toggles
    assert ann.get(path).json["completed"] is bool(toggles % 2)


def test_a_deleted_task_is_not_listed(ann):
    """Deletion returns 204 without a body."""
    task, other = ann.add(), ann.add()
    answer = ann.delete(f"/v1/tasks/{task['id']}")

    assert (answer.status_code, answer.data) == (204, b"")
    assert "Content-Type" not in answer.headers
    assert ann.get("/v1/tasks").json["items"] == [other]


@pytest.mark.parametrize("call", ON_ONE_TASK, ids=str)
def test_a_deleted_task_is_404_for_every_operation(ann, call):
    """Only restoring brings it back."""
    task = ann.add()

    assert ann.delete(f"/v1/tasks/{task['id']}").status_code == 204
    assert_problem(call(ann, task["id"]), 404, "not_found")


def test_a_new_user_has_an_empty_list(ann):
    """A user without a row gets no error."""
    answer = ann.get("/v1/tasks")

    assert (answer.status_code, answer.json) == (200, {"items": [], "next_cursor": None})


def test_concurrent_first_writes_all_succeed(app):
    """A user known only from a token needs no registration."""
    user_id = new_user_id()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(CREATE, [Caller(app, user_id) for _ in range(8)]))

    assert [answer.status_code for answer in answers] == [201] * 8
    assert len(Caller(app, user_id).get("/v1/tasks").json["items"]) == 8


def test_an_id_is_found_in_any_case(ann):
    """A UUID's letters have no case (RFC 9562, section 4)."""
    task = ann.add()
    answer = ann.get(f"/v1/tasks/{task['id'].upper()}")

    assert (answer.status_code, answer.json) == (200, task)
