"""A change affects only the named fields; a replacement resets all others to their defaults."""

from concurrent.futures import ThreadPoolExecutor
from itertools import product
from threading import Barrier

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.support.calls import CHANGE, CHANGE_BY_USER, CREATE, REPLACE, REPLACE_BY_USER, assert_problem
from tests.api.test_fields import EVERY_WHOLE, sent_to
from tests.conftest import Caller, new_user_id

# In the service's format, so that requests and responses are equal.
WEEKLY, MONTHLY = "FREQ=WEEKLY;BYDAY=MO,TH", "FREQ=MONTHLY;COUNT=5;BYMONTHDAY=-1"
DAY, MOMENT = "2026-03-14", "2026-03-14T09:26:53.589793Z"
DEFAULTS = dict.fromkeys(("details", "due_on", "due_at", "time_zone", "recurrence"))
DEFAULTS |= {"completed": False, "priority": "none", "tags": []}
FULL = {"title": "tea", "details": "green", "completed": True, "priority": "high", "tags": ["home", "b"]}
FULL |= {"due_on": None, "due_at": MOMENT, "time_zone": "Europe/Berlin", "recurrence": WEEKLY}
OTHERS = {"title": "coffee", "details": None, "completed": False, "priority": "low", "tags": []}
OTHERS |= {"due_on": DAY, "time_zone": "Asia/Tokyo", "recurrence": MONTHLY}

SOME_DAYS, SOME_MOMENTS = st.sampled_from([None, DAY, "2024-02-29"]), st.sampled_from([None, MOMENT])
VALUES = {
    "title": st.sampled_from(["tea", "coffee", "🍵"]),
    "details": st.sampled_from([None, "", "green", "two\nlines"]),
    "completed": st.booleans(),
    "priority": st.sampled_from(["none", "low", "medium", "high"]),
    "tags": st.sampled_from([[], ["home"], ["a,b", '"', "c\nd"]]),
    "due_on": SOME_DAYS,
    "due_at": SOME_MOMENTS,
    "time_zone": st.sampled_from([None, "Europe/Berlin", "Pacific/Auckland"]),
    "recurrence": st.sampled_from([None, WEEKLY, MONTHLY]),
}
ANY_FIELDS = st.fixed_dictionaries({}, optional=VALUES)
ANY_WHOLE = ANY_FIELDS.map(lambda fields: {"title": "tea", **fields})

several = settings(
    max_examples=25, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

DUE = {"on a day": {"due_on": DAY}, "at a time": {"due_at": MOMENT}}
EVERY_DUE = pytest.mark.parametrize("due", DUE.values(), ids=DUE)


def is_possible(fields):
    """Return whether a schedule's fields fit together."""
    return not (fields["due_on"] and fields["due_at"]) and not (
        fields["recurrence"] and not (fields["due_on"] or fields["due_at"])
    )


def after(task, changes):
    """Return the expected task, or None if the changes do not fit it."""
    if changes.get("due_on") and changes.get("due_at"):
        return None
    cleared = {other: None for due, other in (("due_on", "due_at"), ("due_at", "due_on")) if changes.get(due)}
    changed = task | cleared | changes
    return changed if is_possible(changed) else None


def with_times(expected, before, answered):
    """Return the task with the times that its last write set."""
    first = before["completed_at"] or answered["updated_at"]
    return expected | {
        "completed_at": first if expected["completed"] else None,
        "updated_at": answered["updated_at"],
    }


def assert_unchanged(caller, before):
    """Check that neither the task nor its version has changed."""
    now = caller.get(f"/v1/tasks/{before.json['id']}")
    assert (now.status_code, now.json, now.headers["ETag"]) == (200, before.json, before.headers["ETag"])


@several
@given(fields=ANY_WHOLE, changes=ANY_FIELDS, call=st.sampled_from([CHANGE, CHANGE_BY_USER, REPLACE_BY_USER]))
def test_a_patch_changes_only_the_named_fields(app, fields, changes, call):
    """For any task: these, the due that another value clears, and the times. Or it is rejected."""
    ann, whole = Caller(app, new_user_id()), DEFAULTS | fields
    made = CREATE(ann, json=fields)
    if not is_possible(whole):
        assert_problem(made, 422, "validation_error")
        return
    assert made.json.items() >= whole.items()
    expected, answer = after(made.json, changes), call(ann, made.json["id"], json=sent_to(call, changes))

    if expected is None:
        assert_problem(answer, 422, "validation_error")
        assert_unchanged(ann, made)
    elif not changes:
        same = sent_to(call, made.json)
        assert (answer.status_code, answer.json, answer.headers["ETag"]) == (200, same, made.headers["ETag"])
    else:
        assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')
        assert answer.json == sent_to(call, with_times(expected, made.json, answer.json))


@several
@given(fields=ANY_WHOLE, replacement=ANY_WHOLE)
def test_a_put_resets_all_other_fields_to_their_defaults(app, fields, replacement):
    """For any task."""
    ann = Caller(app, new_user_id())
    made = CREATE(ann, json=fields if is_possible(DEFAULTS | fields) else {"title": "tea"})
    assert made.status_code == 201
    whole, answer = DEFAULTS | replacement, REPLACE(ann, made.json["id"], json=replacement)

    if is_possible(whole):
        assert answer.status_code == 200
        assert answer.json == with_times(made.json | whole, made.json, answer.json)
    else:
        assert_problem(answer, 422, "validation_error")
        assert_unchanged(ann, made)


@pytest.mark.parametrize("name", OTHERS)
def test_a_named_field_changes_alone(ann, name):
    """In a task with all fields set. Only `due_on` also clears `due_at`, and `completed` sets its time."""
    task = ann.add(**FULL)
    answer = CHANGE(ann, task["id"], json={name: OTHERS[name]})

    assert answer.status_code == 200
    also = {"due_on": {"due_at": None}, "completed": {"completed_at": None}}.get(name, {})
    assert answer.json == task | {name: OTHERS[name], "updated_at": answer.json["updated_at"]} | also


def test_an_empty_patch_changes_nothing(ann):
    """In a task with all fields set: neither `updated_at` nor the version."""
    made = CREATE(ann, json=FULL)
    answer = CHANGE(ann, made.json["id"], json={})

    assert (made.status_code, answer.status_code) == (201, 200)
    assert (answer.json, answer.headers["ETag"]) == (made.json, made.headers["ETag"])
    assert_unchanged(ann, made)


@pytest.mark.parametrize("call", [REPLACE, CHANGE, REPLACE_BY_USER, CHANGE_BY_USER], ids=str)
def test_a_response_can_be_sent_back(ann, call):
    """The whole task as the service returned it."""
    task = ann.add(**FULL)
    answer = call(ann, task["id"], json=sent_to(call, task))

    assert answer.status_code == 200
    assert answer.json == sent_to(call, task | {"updated_at": answer.json["updated_at"]})


SCHEDULES = [{"due_on": DAY}, {"due_at": MOMENT}, {"time_zone": "Asia/Tokyo"}, {"recurrence": MONTHLY}]
SCHEDULES += [{"due_on": None, "due_at": None, "recurrence": None}, {"title": "coffee", "time_zone": None}]


@pytest.mark.parametrize("headers", [{"If-Match": '"7"'}, {"If-None-Match": '"1"'}, {"If-Match": 'W/"1"'}], ids=str)
def test_a_schedule_change_under_a_stale_tag_is_412(ann, headers):
    """Nothing is written, as for other fields. So is a whole task under such a tag."""
    made, whole = CREATE(ann, json=FULL), {"title": "coffee", "due_on": DAY, "recurrence": WEEKLY}
    answers = [CHANGE(ann, made.json["id"], json=changes, headers=headers) for changes in SCHEDULES]

    for answer in (*answers, REPLACE(ann, made.json["id"], json=whole, headers=headers)):
        assert_problem(answer, 412, "precondition_failed")
    assert_unchanged(ann, made)


@pytest.mark.parametrize("tag", ['"1"', "*", '"x", "1"'])
def test_a_schedule_change_under_the_right_tag_is_written(ann, tag):
    """And creates the next version."""
    for changes in SCHEDULES:
        answer = CHANGE(ann, ann.add(**FULL)["id"], json=changes, headers={"If-Match": tag})

        assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')
        assert answer.json.items() >= changes.items()


def test_a_stale_tag_is_reported_before_an_invalid_schedule(ann):
    """A client that saw an older version is not told about this one's due."""
    task = ann.add(**FULL)
    refused = [
        CHANGE(ann, task["id"], json={"due_on": None, "due_at": None}, headers={"If-Match": tag})
        for tag in ('"7"', '"1"')
    ]

    assert_problem(refused[0], 412, "precondition_failed")
    assert_problem(refused[1], 422, "validation_error", "recurrence")


def test_a_schedule_change_of_an_absent_or_other_users_task_is_404(ann, bob):
    """Before its validity is checked."""
    task = bob.add()

    for task_id, changes in product((None, task["id"]), SCHEDULES):
        assert_problem(CHANGE(ann, task_id, json=changes), 404, "not_found")
    assert bob.get("/v1/tasks").json["items"] == [task]


@EVERY_DUE
def test_a_patch_must_not_remove_the_due_of_a_recurring_task(ann, due):
    """422 that names the rule. The client may set the rule to null as well."""
    made = CREATE(ann, json={"title": "tea", **due, "recurrence": WEEKLY})
    nothing = dict.fromkeys(due)

    for changes in (nothing, {"due_on": None, "due_at": None}, {**nothing, "recurrence": MONTHLY, "title": "coffee"}):
        answer = CHANGE(ann, made.json["id"], json=changes)
        assert_problem(answer, 422, "validation_error")
        assert set(answer.json["errors"]) == {"recurrence"}
    assert_unchanged(ann, made)
    assert CHANGE(ann, made.json["id"], json={**nothing, "recurrence": None}).status_code == 200


@EVERY_DUE
@EVERY_WHOLE
def test_a_recurring_task_needs_a_due(ann, write, due):
    """On POST and PUT, for any task."""
    made = CREATE(ann, json={"title": "tea", **due, "recurrence": WEEKLY})
    for nothing in ({"due_on": None, "due_at": None}, {"time_zone": None}, {}):
        answer = write(ann, made.json["id"], json={"title": "coffee", "recurrence": WEEKLY, **nothing})

        assert_problem(answer, 422, "validation_error")
        assert set(answer.json["errors"]) == {"recurrence"}
    assert ann.get("/v1/tasks").json["items"] == [made.json]


def test_concurrent_changes_of_different_fields_are_all_kept(app, ann):
    """Those that depend on the task wait for each other; the others are one statement."""
    task, ready = ann.add(due_at=MOMENT), Barrier(len(OTHERS))
    with ThreadPoolExecutor(len(OTHERS), initializer=ready.wait) as pool:
        calls = [
            pool.submit(CHANGE, Caller(app, ann.user_id), task["id"], json={name: value})
            for name, value in OTHERS.items()
        ]
    answers = [call.result() for call in calls]
    found = ann.get(f"/v1/tasks/{task['id']}")

    assert [answer.status_code for answer in answers] == [200] * len(OTHERS)
    assert (found.status_code, found.headers["ETag"]) == (200, f'"{1 + len(OTHERS)}"')
    assert found.json == task | OTHERS | {"due_at": None, "updated_at": found.json["updated_at"]}
