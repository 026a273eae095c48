"""A time that the clocks skip moves on by the gap on that day alone (RFC 5545, section 3.3.5)."""

import pytest

from app.database import scope
from app.tasks.bulk_queries import import_tasks
from app.tasks.file_schemas import ImportedTask
from tests.api.support.calls import CHANGE, CHANGE_BY_USER, DELETE, REPLACE, REPLACE_BY_USER, RESTORE
from tests.api.support.completing import BATCH, EVERY_WAY, WRITABLE, completed, set_by

# Half past two in Berlin, on the day before the clocks are put forward.
DUE = {"due_at": "2026-03-28T01:30:00Z", "time_zone": "Europe/Berlin", "recurrence": "FREQ=DAILY"}
# 03:30 on the day itself, and 02:30 and 03:30 on the day after.
MOVED, BACK, STILL_MOVED = "2026-03-29T01:30:00.000000Z", "2026-03-30T00:30:00.000000Z", "2026-03-30T01:30:00.000000Z"


def moved(caller):
    """A task that is due in the gap."""
    task = completed(caller, caller.add(**DUE))
    assert task["due_at"] == MOVED
    return task


def changed_in_batch(caller, task_id, json):
    return BATCH(caller, json={"operations": [{"op": "update", "id": task_id, "changes": json}]})


@EVERY_WAY
def test_the_day_after_the_gap_has_the_rules_time_again(ann, complete):
    """However the tasks are completed; nothing else of them changes."""
    task = ann.add(**DUE)
    in_gap = completed(ann, task, complete)
    after = completed(ann, in_gap, complete)

    assert [each["due_at"] for each in (in_gap, after)] == [MOVED, BACK]
    apart = dict.fromkeys(("id", "position", "created_at", "updated_at", "due_at"))
    assert in_gap | apart == after | apart == task | apart
    assert completed(ann, after, complete)["due_at"] == "2026-03-31T00:30:00.000000Z"


@pytest.mark.parametrize(
    ("zone", "dues"),
    [
        ("Australia/Lord_Howe", ["2026-10-02T15:45", "2026-10-03T15:45", "2026-10-04T15:15"]),
        # The clocks skip the hour before midnight: it is Sunday by then, and Sunday has an occurrence of its own.
        ("America/Nuuk", ["2026-03-28T01:30", "2026-03-29T01:30", "2026-03-30T00:30"]),
        ("America/Santiago", ["2026-09-05T04:30", "2026-09-06T04:30", "2026-09-07T03:30"]),
        # The hour that is shown twice: the first is meant, also after a task at the second.
        ("Europe/Berlin", ["2026-10-24T00:30", "2026-10-25T00:30", "2026-10-26T01:30"]),
        ("Europe/Berlin", ["2026-10-25T01:30", "2026-10-26T01:30", "2026-10-27T01:30"]),
    ],
)
def test_the_clocks_of_every_zone_are_kept(ann, zone, dues):
    """With gaps of half an hour, and with gaps around midnight."""
    first, *others = (f"{due}:00.000000Z" for due in dues)
    task = ann.add(due_at=first, time_zone=zone, recurrence="FREQ=DAILY")
    for due in others:
        task = completed(ann, task)
        assert task["due_at"] == due


@pytest.mark.parametrize(
    "change",
    [CHANGE, CHANGE_BY_USER, REPLACE, REPLACE_BY_USER, changed_in_batch],
    ids=["PATCH", "PATCH by user", "PUT", "PUT by user", "batch"],
)
def test_other_changes_keep_the_rules_time(ann, change):
    """Also where a client sends the schedule back as it got it."""
    task = moved(ann)
    sent = {name: task[name] for name in WRITABLE if name not in ("details", "description")}
    assert change(ann, task["id"], json=sent | {"title": "coffee", "tags": ["x"]}).status_code == 200

    assert completed(ann, task, set_by(CHANGE))["due_at"] == BACK


def test_the_trash_keeps_the_rules_time(ann):
    """A task comes back as it was."""
    task = moved(ann)
    assert DELETE(ann, task["id"]).status_code == 204
    assert RESTORE(ann, task["id"]).status_code == 200

    assert completed(ann, task)["due_at"] == BACK


@pytest.mark.parametrize("change", [CHANGE, REPLACE, changed_in_batch], ids=["PATCH", "PUT", "batch"])
@pytest.mark.parametrize(
    ("changes", "following"),
    [
        ([{"due_at": "2026-03-29T01:31:00Z"}], "2026-03-30T01:31:00.000000Z"),
        ([{"due_at": "2026-03-29T01:31:00Z"}, {"due_at": MOVED}], STILL_MOVED),
        ([{"due_at": None, "due_on": "2026-03-29"}, {"due_at": MOVED, "due_on": None}], STILL_MOVED),
        ([{"time_zone": "Europe/Paris"}], STILL_MOVED),
        ([{"time_zone": None}, {"time_zone": "Europe/Berlin"}], STILL_MOVED),
        ([{"recurrence": "FREQ=DAILY;INTERVAL=2"}], "2026-03-31T01:30:00.000000Z"),
        ([{"recurrence": None}, {"recurrence": "FREQ=DAILY"}], STILL_MOVED),
    ],
    ids=str,
)
def test_a_schedule_that_the_client_sets_counts_as_it_is(ann, change, changes, following):
    """Half past three is then what the client has seen and meant."""
    task = moved(ann)
    for each in changes:
        task = {name: task[name] for name in ("id", "title", *DUE, "due_on")} | each
        sent = each if change is not REPLACE else {name: value for name, value in task.items() if name != "id"}
        assert change(ann, task["id"], json=sent).status_code == 200

    assert completed(ann, task)["due_at"] == following


def test_a_schedule_that_is_set_with_the_completion_counts_as_it_is(ann):
    """In one request too."""
    change = {"recurrence": "FREQ=WEEKLY", "completed": True}
    following = completed(ann, moved(ann), lambda caller, task: CHANGE(caller, task["id"], json=change))

    assert following["due_at"] == "2026-04-05T01:30:00.000000Z"


def test_an_imported_task_has_the_time_of_its_file(app, ann):
    """Also where it replaces one that is in the trash."""
    task = moved(ann)
    assert DELETE(ann, task["id"]).status_code == 204
    imported = ImportedTask().load({"id": task["id"], "title": "tea", **DUE, "due_at": MOVED})
    with app.app_context(), scope(ann.user_id):
        assert import_tasks(ann.user_id, [{**imported, "position": ""}]) == {task["id"]}

    assert completed(ann, task)["due_at"] == STILL_MOVED
