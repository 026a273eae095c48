"""Completing a recurring task creates its next occurrence: an open task with the same fields, due later."""

import pytest

from tests.api.support.calls import CHANGE, COMPLETE, CREATE, CREATE_BY_USER, REPLACE, REPLACE_BY_USER, assert_problem
from tests.api.support.completing import (
    AT_A_TIME,
    BATCH,
    CARRIED,
    DAILY,
    EVERY_WAY,
    ON_A_DAY,
    TOGGLE,
    TOGGLE_BY_USER,
    WAYS,
    all_tasks,
    completed,
    reopen,
    set_by,
    turned_by,
)
from tests.api.test_fields import sent_to


@EVERY_WAY
@pytest.mark.parametrize("schedule", [ON_A_DAY, AT_A_TIME], ids=["on a day", "at a time"])
def test_completing_creates_the_next_occurrence_with_all_fields(ann, complete, schedule):
    """Title, details, priority, tags, zone and rule are the task's; the due follows the rule."""
    task = ann.add(**CARRIED, **schedule)
    following = completed(ann, task, complete)

    due = {"due_on": "2026-03-21"} if "due_on" in schedule else {"due_at": "2026-03-21T09:26:53.589793Z"}
    apart = {name: following[name] for name in ("id", "position", "created_at", "updated_at")}
    assert following == task | due | apart
    done = ann.get(f"/v1/tasks/{task['id']}").json
    times = dict.fromkeys(("completed_at", "updated_at"), done["updated_at"])
    assert done == task | {"completed": True} | times


@EVERY_WAY
def test_the_next_occurrence_is_a_new_open_task(ann, complete):
    """With its own id, version and times."""
    task = ann.add(**DAILY)
    following = completed(ann, task, complete)
    read = ann.get(f"/v1/tasks/{following['id']}")

    assert (read.status_code, read.json, read.headers["ETag"]) == (200, following, '"1"')
    assert (following["completed"], following["completed_at"]) == (False, None)
    assert following["id"] > task["id"]
    assert task["created_at"] < following["created_at"] == following["updated_at"]


@pytest.mark.parametrize("call", [CHANGE, REPLACE, REPLACE_BY_USER, COMPLETE, TOGGLE, TOGGLE_BY_USER], ids=str)
def test_completing_returns_the_completed_task(ann, call):
    """In its next version. The new task is in the list."""
    task = ann.add(**DAILY)
    complete = turned_by(call) if call in (TOGGLE, TOGGLE_BY_USER) else set_by(call)
    answer = complete(ann, task)

    assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')
    assert answer.json == sent_to(call, ann.get(f"/v1/tasks/{task['id']}").json)
    assert answer.json["completed"] is True


@EVERY_WAY
def test_a_task_without_a_rule_has_no_next_occurrence(ann, complete):
    """With a due or without."""
    for fields in ({}, {"due_on": "2026-03-14"}):
        assert completed(ann, ann.add(**fields), complete) is None


@pytest.mark.parametrize(
    ("schedule", "dues"),
    [
        ({"due_on": "2026-01-31", "recurrence": "FREQ=MONTHLY"}, ["2026-03-31", "2026-05-31"]),
        ({"due_on": "2024-02-29", "recurrence": "FREQ=YEARLY"}, ["2028-02-29", "2032-02-29"]),
        ({"due_on": "2026-03-13", "recurrence": "FREQ=WEEKLY;BYDAY=MO,FR"}, ["2026-03-16", "2026-03-20"]),
        ({"due_on": "2020-01-01", "recurrence": "FREQ=DAILY"}, ["2020-01-02", "2020-01-03"]),
        ({"due_on": "2999-12-31", "recurrence": "FREQ=DAILY"}, ["3000-01-01", "3000-01-02"]),
        (
            {"due_on": "2026-03-28", "recurrence": "FREQ=DAILY", "time_zone": "Europe/Berlin"},
            ["2026-03-29", "2026-03-30"],
        ),
        # At 10:00 by Berlin's clocks, before and after they go forward.
        (
            {"due_at": "2026-03-28T09:00:00Z", "recurrence": "FREQ=DAILY", "time_zone": "Europe/Berlin"},
            ["2026-03-29T08:00:00.000000Z", "2026-03-30T08:00:00.000000Z"],
        ),
        # The same without a zone, which is UTC.
        (
            {"due_at": "2026-03-28T09:00:00Z", "recurrence": "FREQ=DAILY"},
            ["2026-03-29T09:00:00.000000Z", "2026-03-30T09:00:00.000000Z"],
        ),
        # Monday morning in Auckland is Sunday in UTC.
        (
            {"due_at": "2026-06-07T20:00:00Z", "recurrence": "FREQ=WEEKLY;BYDAY=MO", "time_zone": "Pacific/Auckland"},
            ["2026-06-14T20:00:00.000000Z", "2026-06-21T20:00:00.000000Z"],
        ),
    ],
    ids=str,
)
def test_the_next_due_is_the_rules_first_after_the_tasks_due(ann, schedule, dues):
    """Not after today, however far that is away. Local times follow the task's zone."""
    task = ann.add(**schedule)
    for due in dues:
        task = completed(ann, task)
        assert (task["due_on"] or task["due_at"]) == due


LAST = [
    ("FREQ=DAILY;COUNT=3", ["FREQ=DAILY;COUNT=3", "FREQ=DAILY;COUNT=2", "FREQ=DAILY;COUNT=1"]),
    ("FREQ=DAILY;COUNT=1", ["FREQ=DAILY;COUNT=1"]),
    ("FREQ=DAILY;UNTIL=20260316", ["FREQ=DAILY;UNTIL=20260316"] * 3),
    ("FREQ=DAILY;UNTIL=20260314", ["FREQ=DAILY;UNTIL=20260314"]),
    ("FREQ=DAILY;UNTIL=20250101", ["FREQ=DAILY;UNTIL=20250101"]),
]


@pytest.mark.parametrize(
    ("complete", "rule", "rules"),
    [*((WAYS["PATCH"], *last) for last in LAST), *((way, *LAST[0]) for name, way in WAYS.items() if name != "PATCH")],
)
def test_count_counts_down_and_the_last_task_has_no_next_one(ann, complete, rule, rules):
    """There are as many tasks as COUNT or UNTIL says, each completed once."""
    task = ann.add(due_on="2026-03-14", recurrence=rule)
    while task:
        task = completed(ann, task, complete)

    made = all_tasks(ann)
    assert [task["recurrence"] for task in made] == rules
    assert [task["due_on"] for task in made] == ["2026-03-14", "2026-03-15", "2026-03-16"][: len(rules)]
    assert {task["completed"] for task in made} == {True}


def test_a_task_in_the_last_year_has_no_next_one(ann):
    """No later day is possible."""
    assert completed(ann, ann.add(due_on="9998-12-31", recurrence="FREQ=DAILY")) is None
    assert completed(ann, ann.add(due_at="9998-12-31T09:00:00Z", recurrence="FREQ=DAILY")) is None


@pytest.mark.parametrize("create", [CREATE, CREATE_BY_USER], ids=str)
def test_a_task_created_as_completed_has_no_next_one_until_completed_again(ann, create):
    """It may come from elsewhere, with its next task."""
    made = create(ann, json={"title": "tea", "completed": True, **DAILY})
    assert (made.status_code, len(all_tasks(ann))) == (201, 1)
    reopen(ann, made.json)

    assert completed(ann, made.json)["due_on"] == "2026-03-15"


@pytest.mark.parametrize("call", [CHANGE, REPLACE], ids=str)
def test_adding_a_rule_to_a_completed_task_makes_no_next_one(ann, call):
    """It was completed before."""
    task = ann.add(completed=True)
    answer = call(ann, task["id"], json={"title": "tea", "completed": True, **DAILY})

    assert answer.status_code == 200
    assert len(all_tasks(ann)) == 1


@pytest.mark.parametrize("call", [CHANGE, REPLACE, REPLACE_BY_USER], ids=str)
@pytest.mark.parametrize("before", [DAILY, {}], ids=["daily", "once"])
def test_changes_made_with_the_completion_are_in_the_next_task(ann, call, before):
    """Also a new rule for a task that did not recur before."""
    after = {"title": "coffee", "priority": "low", "tags": ["x"], **AT_A_TIME, "recurrence": "FREQ=YEARLY;COUNT=2"}
    change = {**after, "completed": True}
    following = completed(ann, ann.add(**before), lambda caller, task: call(caller, task["id"], json=change))

    following_due = {"due_at": "2027-03-14T09:26:53.589793Z", "due_on": None, "recurrence": "FREQ=YEARLY;COUNT=1"}
    assert following.items() >= (after | following_due).items()


@pytest.mark.parametrize(
    ("call", "body"),
    [
        (CHANGE, {"completed": True, "recurrence": None}),
        (CHANGE, {"completed": True, "recurrence": None, "due_on": None}),
        (REPLACE, {"title": "tea", "completed": True, "due_on": "2026-03-14"}),
        (REPLACE_BY_USER, {"title": "tea", "completed": True, "recurrence": None}),
    ],
)
def test_removing_the_rule_with_the_completion_makes_no_next_task(ann, call, body):
    """Because the task no longer recurs."""
    assert completed(ann, ann.add(**DAILY), lambda caller, task: call(caller, task["id"], json=body)) is None


@EVERY_WAY
def test_completing_another_users_task_is_404(ann, bob, complete):
    """No next task is created. Ann's next task is hers, even if Bob has a task with the same id."""
    task = ann.add(**DAILY)
    assert_problem(complete(bob, task), 404, "not_found")
    assert (all_tasks(ann), all_tasks(bob)) == ([task], [])

    bobs = bob.add(id=task["id"])
    assert completed(ann, task, complete)["user_id"] == ann.user_id
    assert all_tasks(bob) == [bobs]


def test_a_batch_can_complete_tasks_that_it_created(ann):
    """Each of many has its own next occurrence."""
    made = {"title": "tea", "id": "2ed6657d-e927-568b-95e1-2665a8aea6a2", **DAILY}
    others = [ann.add(**CARRIED, **ON_A_DAY)["id"] for _ in range(20)]
    operations = [{"op": "create", "task": made}, *({"op": "complete", "id": id_} for id_ in (made["id"], *others))]
    answer = BATCH(ann, json={"operations": operations})

    assert answer.status_code == 200
    still_open = [task["due_on"] for task in all_tasks(ann) if not task["completed"]]
    assert sorted(still_open) == ["2026-03-15", *["2026-03-21"] * 20]
