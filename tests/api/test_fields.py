"""A task's fields: accepted values, stored values and responses of each, in both families.

The row of `id` has its tests in test_task_ids.py; when it is due, in test_due.py; the rest in test_schedule.py.
"""

import pytest

from tests.api.support.calls import (
    CHANGE,
    CHANGE_BY_USER,
    COMPLETE,
    CREATE,
    CREATE_BY_USER,
    REPLACE,
    REPLACE_BY_USER,
    TIME,
    TOGGLE,
    TOGGLE_BY_USER,
    assert_problem,
)

CREATES, WHOLE = [CREATE, CREATE_BY_USER], [CREATE, CREATE_BY_USER, REPLACE]
CHANGES = [CHANGE, CHANGE_BY_USER, REPLACE_BY_USER]
EVERY_WRITE = pytest.mark.parametrize("write", [*WHOLE, *CHANGES], ids=str)
# What is wrong with a body is found before any statement.
REFUSAL = pytest.mark.one_engine
EVERY_WHOLE = pytest.mark.parametrize("write", WHOLE, ids=str)

IN_ORDER = ["id", "title", "details", "completed", "completed_at", "priority", "tags", "due_on", "due_at", "time_zone"]
IN_ORDER += ["recurrence", "reminders", "list_id", "parent_id", "position", "created_at", "updated_at", "user_id"]
DAILY = {"due_on": "2026-03-14", "recurrence": "FREQ=DAILY"}

NO_TEXT = [7, 0.5, True, [], ["x"], {}, {"a": "x"}]
NO_TITLES = ["", " ", "\u3000\n", "x" * 201, "🍵" * 201, "a\x00", None, *NO_TEXT]
NO_DETAILS = ["x" * 10_001, "🍵" * 10_001, "\x00", *NO_TEXT]
NO_BOOLEANS = ["true", "yes", "", 1, 0, 1.0, None, [], [True], {}]
NO_PRIORITIES = ["", "High", "HIGH", " high", "high\n", "urgent", "3", "high\x00", None, 0, 3, -1, *NO_TEXT]
NO_TAG = ["", " ", "\u3000\n", "x" * 51, "🍵" * 51, "a\x00b", None, *NO_TEXT]
NO_TAGS = [[f"tag {number}" for number in range(21)], ["x"] * 21, None, "", "home", "a,b", 7, True, {}, {"home": "x"}]
GOOD_TAGS = [
    [],
    ["zebra", "apple", "Mango"],
    [f"tag {number}" for number in range(20)],
    ["x" * 50, "🍵" * 50],
    ["a,b", 'say "x"', "back\\slash", "two\nlines", "two\u2028lines", "[]", "null", "%_", "'", "e\u0301", "|\x1f\x7f|"],
    ["straße", "strasse"],
]
KEPT_TAGS = [
    ([" home ", "\t\u3000x\n", "  " + "x" * 50 + "  "], ["home", "x", "x" * 50]),
    (["Home", "errands", "HOME", "home", " home"], ["Home", "errands"]),
    (["ÄPFEL", "äpfel", "Ὀδυσσεύς", "ὈΔΥΣΣΕΎΣ"], ["ÄPFEL", "Ὀδυσσεύς"]),
    (["cafe\u0301", "caf\xe9", "CAF\xc9", "cafe"], ["cafe\u0301", "cafe"]),
    (["b", "a", "B", "c", "A"], ["b", "a", "c"]),
    (["x"] * 20, ["x"]),
]


def sent_to(write, fields):
    """Rename the fields for the operation's family."""
    by_user = write.path.startswith("/api")
    return {"description" if by_user and name == "details" else name: value for name, value in fields.items()}


def written(caller, write, **fields):
    """Create or change a task, check the response, and return the task as `/v1` then shows it."""
    body = {"title": "tea", **sent_to(write, fields)}
    answer = write(caller, None if write in CREATES else caller.add()["id"], json=body)
    assert answer.status_code == (201 if write in CREATES else 200), answer.text
    read = caller.get(f"/v1/tasks/{answer.json['id']}")
    assert read.status_code == 200
    assert (answer.json, answer.headers["ETag"]) == (sent_to(write, read.json), read.headers["ETag"])
    return read.json


def assert_refused(caller, write, field, values, **others):
    """Check that each value is 422 with only this field's name, and that nothing is written."""
    task = caller.add()
    before = caller.get("/v1/tasks").json
    for value in values:
        body = {"title": "changed", **others, **sent_to(write, {field: value})}
        answer = write(caller, task["id"], json=body)
        assert_problem(answer, 422, "validation_error")
        assert {name.partition(".")[0] for name in answer.json["errors"]} == {*sent_to(write, {field: value})}, body
    assert caller.get("/v1/tasks").json == before


@pytest.mark.parametrize("create", CREATES, ids=str)
def test_a_task_has_exactly_these_fields_in_this_order(ann, create):
    """`details` is `description` if the path names the user. A title alone creates all fields."""
    answer = create(ann)

    assert answer.status_code == 201
    assert list(answer.json) == list(sent_to(create, dict.fromkeys(IN_ORDER)))


@EVERY_WRITE
def test_title_is_1_to_200_characters_trimmed(ann, write):
    """Surrounding white space does not count."""
    kept = {text: text for text in ("x", "x" * 200, "🍵" * 200)}
    kept |= {" " * 300 + "x" * 200: "x" * 200, " \t\u3000tea \n": "tea"}

    assert {sent: written(ann, write, title=sent)["title"] for sent in kept} == kept


@REFUSAL
@EVERY_WRITE
def test_title_must_be_text_of_allowed_length_and_not_blank(ann, write):
    """Also after trimming; null is rejected too."""
    assert_refused(ann, write, "title", NO_TITLES)


@REFUSAL
@EVERY_WHOLE
def test_title_is_required(ann, write):
    """In a whole task; all other fields are optional."""
    answer = write(ann, ann.add()["id"], json={})

    assert_problem(answer, 422, "validation_error")
    assert set(answer.json["errors"]) == {"title"}


@EVERY_WRITE
def test_details_are_up_to_10_000_characters_or_null(ann, write):
    """Stored unchanged, without trimming."""
    values = [None, "", " as it is\n", "x" * 10_000, "🍵" * 10_000]

    assert [written(ann, write, details=value)["details"] for value in values] == values


@REFUSAL
@EVERY_WRITE
def test_details_that_are_too_long_or_not_text_are_rejected(ann, write):
    """By the field's name in the family."""
    assert_refused(ann, write, "details", NO_DETAILS)


@EVERY_WRITE
def test_completed_is_a_boolean_and_sets_completed_at(ann, write):
    """To the time of the write, or null for an open task."""
    done, still_open = written(ann, write, completed=True), written(ann, write, completed=False)

    assert (done["completed"], done["completed_at"]) == (True, done["updated_at"])
    assert (still_open["completed"], still_open["completed_at"]) == (False, None)


@REFUSAL
@EVERY_WRITE
def test_completed_accepts_only_booleans(ann, write):
    """No string, number or null."""
    assert_refused(ann, write, "completed", NO_BOOLEANS)


@pytest.mark.parametrize("write", [REPLACE, CHANGE, REPLACE_BY_USER], ids=str)
@pytest.mark.parametrize("fields", [{}, DAILY], ids=["once", "daily"])
def test_completed_at_is_kept_when_completed_again_and_null_when_reopened(ann, write, fields):
    """Whatever else changes with it."""
    task = ann.add(**fields)
    first, again, reopened = (
        write(ann, task["id"], json={"title": f"tea {number}", "completed": completed, **fields})
        for number, completed in enumerate((True, True, False))
    )

    assert [answer.status_code for answer in (first, again, reopened)] == [200, 200, 200]
    assert first.json["completed_at"] == first.json["updated_at"] < again.json["updated_at"]
    assert again.json["completed_at"] == first.json["completed_at"]
    assert reopened.json["completed_at"] is None


@EVERY_WRITE
def test_priority_is_one_of_four_words(ann, write):
    """Stored and returned unchanged."""
    words = ["none", "low", "medium", "high"]

    assert [written(ann, write, priority=word)["priority"] for word in words] == words


@REFUSAL
@EVERY_WRITE
def test_priority_rejects_other_words_numbers_and_null(ann, write):
    """Also the ranks."""
    assert_refused(ann, write, "priority", NO_PRIORITIES)


@pytest.mark.parametrize(
    ("sort", "wanted"), [("priority", "none low medium high"), ("-priority", "high medium low none")]
)
def test_priority_sorts_by_rank(ann, sort, wanted):
    """Alphabetically, high would come before low."""
    for priority in ("medium", "high", "none", "low"):
        ann.add(priority=priority)
    answer = ann.get("/v1/tasks", query_string={"sort": sort})

    assert answer.status_code == 200
    assert [task["priority"] for task in answer.json["items"]] == wanted.split()


@EVERY_WRITE
def test_tags_are_up_to_20_strings_of_1_to_50_characters(ann, write):
    """Stored in their order, with any characters."""
    assert [written(ann, write, tags=tags)["tags"] for tags in GOOD_TAGS] == GOOD_TAGS


@EVERY_WRITE
def test_tags_are_trimmed_and_later_duplicates_dropped(ann, write):
    """Case and composition are ignored in every alphabet. The first spelling and the order of the others stay."""
    found = [(sent, written(ann, write, tags=sent)["tags"]) for sent, _ in KEPT_TAGS]

    assert found == KEPT_TAGS


@REFUSAL
@EVERY_WRITE
def test_invalid_tags_are_rejected(ann, write):
    """If too many, too long, blank or not strings. 21 equal ones are too many; null is not an array."""
    assert_refused(ann, write, "tags", [*NO_TAGS, *(["home", tag] for tag in NO_TAG)])


@REFUSAL
@EVERY_WRITE
def test_invalid_tags_are_named_by_their_index(ann, write):
    """All of them, counted from 0."""
    answer = write(ann, ann.add()["id"], json={"title": "tea", "tags": ["home", "", "errands", 7]})

    assert_problem(answer, 422, "validation_error")
    assert set(answer.json["errors"]) == {"tags.1", "tags.3"}


@EVERY_WHOLE
def test_a_missing_field_has_its_default(ann, write):
    """The word `none` for priority, an empty array for tags, otherwise null or false."""
    task = written(ann, write)
    nothing = dict.fromkeys(("details", "completed_at", "due_on", "due_at", "time_zone", "recurrence"))

    assert task.items() >= {**nothing, "completed": False, "priority": "none"}.items()
    assert task["tags"] == []


@EVERY_WRITE
def test_clients_cannot_write_the_services_own_fields(ann, bob, write):
    """A task may be sent back as it was received, but these fields are ignored."""
    bobs, task, ignored = bob.add(completed=True), ann.add(), ["completed_at", "created_at", "updated_at", "user_id"]
    for name in (*ignored, "version", "deleted_at"):
        if write in CREATES or name not in ignored:
            assert_refused(ann, write, name, [bobs.get(name), None])
            continue
        for value in (bobs[name], None):
            answer = write(ann, task["id"], json={"title": "tea", name: value})

            assert answer.status_code == 200, name
            assert answer.json == sent_to(write, {**task, "title": "tea", "updated_at": answer.json["updated_at"]}), (
                name
            )


@EVERY_WRITE
def test_the_service_sets_created_at_updated_at_and_user_id(ann, write):
    """Both times come from the database, and the user is the caller."""
    task = written(ann, write)

    assert TIME.fullmatch(task["created_at"])
    assert (task["created_at"] == task["updated_at"]) is (write in CREATES)
    assert task["created_at"] <= task["updated_at"]
    assert task["user_id"] == ann.user_id


@pytest.mark.parametrize("call", [TOGGLE, TOGGLE_BY_USER, COMPLETE], ids=str)
@pytest.mark.parametrize("recurrence", [None, "FREQ=DAILY"])
def test_completing_a_task_keeps_all_its_fields(ann, call, recurrence):
    """With each operation that names no other field."""
    fields = {
        "details": "green",
        "priority": "high",
        "tags": ["a", "b"],
        "due_on": "2026-03-14",
        "time_zone": "Asia/Tokyo",
    }
    task = ann.add(**fields, recurrence=recurrence)
    answer = call(ann, task["id"])

    assert answer.status_code == 200
    times = dict.fromkeys(("updated_at", "completed_at"), answer.json["updated_at"])
    assert answer.json == sent_to(call, task | {"completed": True} | times)
