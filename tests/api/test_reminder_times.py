"""When a task's reminders fire is kept with every write of the task."""

from typing import Any

import pytest
from flask import Flask

from app.auth.identity import Identity
from app.auth.queries import delete_user
from tests.api.support.batches import create, op, run, update
from tests.api.support.reminding import fire_times, in_minutes, let_pass
from tests.api.test_files_of_lists import export, send
from tests.conftest import Caller

pytestmark = pytest.mark.both_engines

DUE = "2050-03-14T09:00:00.000000Z"
HOUR, DAY = {"before_minutes": 60}, {"before_minutes": 1440}
HOUR_BEFORE, DAY_BEFORE = "2050-03-14T08:00:00.000000Z", "2050-03-13T09:00:00.000000Z"
AT = "2049-12-31T00:00:00.000000Z"


def times(app: Flask, caller: Caller, task: dict[str, Any]) -> list[str]:
    return sorted(time for task_id, time in fire_times(app, caller) if task_id == task["id"])


def change(caller: Caller, task: dict[str, Any], **changes: Any) -> None:
    answer = caller.patch(f"/v1/tasks/{task['id']}", json=changes)
    assert answer.status_code == 200, answer.text


def add(caller: Caller) -> dict[str, Any]:
    return caller.add(due_at=DUE, reminders=[HOUR, DAY, {"at": AT}])


@pytest.fixture
def task(ann: Caller) -> dict[str, Any]:
    return add(ann)


def test_a_new_task_has_its_times(app: Flask, ann: Caller, task: dict[str, Any]) -> None:
    assert times(app, ann, task) == [AT, DAY_BEFORE, HOUR_BEFORE]


MOVES: list[tuple[dict[str, Any], list[str]]] = [
        ({"title": "x"}, [AT, DAY_BEFORE, HOUR_BEFORE]),
        ({"completed": True}, [AT, DAY_BEFORE, HOUR_BEFORE]),
        ({"due_at": "2050-03-15T09:00:00Z"}, [AT, DUE.replace("-14", "-14"), "2050-03-15T08:00:00.000000Z"]),
        ({"due_at": None}, [AT]),
        ({"due_on": "2050-03-14"}, [AT, DAY_BEFORE, HOUR_BEFORE]),
        ({"due_on": "2050-03-14", "time_zone": "Asia/Tokyo"},
         [AT, "2050-03-13T00:00:00.000000Z", "2050-03-13T23:00:00.000000Z"]),
        ({"time_zone": "Asia/Tokyo"}, [AT, DAY_BEFORE, HOUR_BEFORE]),
        ({"reminders": []}, []),
        ({"reminders": [HOUR]}, [HOUR_BEFORE]),
        ({"reminders": [HOUR], "due_on": "2050-03-15"}, ["2050-03-15T08:00:00.000000Z"]),
        ({"reminders": [HOUR, {"at": HOUR_BEFORE}]}, [HOUR_BEFORE]),
    ]  # fmt: skip


@pytest.mark.parametrize("how", ["alone", "in a batch", "by user"])
def test_a_change_moves_them(app: Flask, ann: Caller, how: str) -> None:
    """Those before the due move with it, and the others stay."""
    for changes, wanted in MOVES:
        task = add(ann)
        if how == "in a batch":
            run(ann, update(task["id"], **changes))
        elif how == "by user":
            assert ann.put(f"/api/{ann.user_id}/tasks/{task['id']}", json=changes).status_code == 200
        else:
            change(ann, task, **changes)

        assert times(app, ann, task) == wanted, changes


@pytest.mark.parametrize(
    ("body", "wanted"), [({}, []), ({"due_on": "2050-03-14", "reminders": [DAY]}, [DAY_BEFORE])], ids=["none", "others"]
)
def test_a_replacement_replaces_them(
    app: Flask, ann: Caller, task: dict[str, Any], body: dict[str, Any], wanted: list[str]
) -> None:
    assert ann.put(f"/v1/tasks/{task['id']}", json={"title": "x", **body}).status_code == 200

    assert times(app, ann, task) == wanted


def test_a_time_that_has_passed_is_not_set(app: Flask, ann: Caller) -> None:
    """Neither before a due nor at a time."""
    past = ann.add(due_at=in_minutes(30), reminders=[HOUR, {"before_minutes": 0}, {"at": in_minutes(-1)}])

    assert times(app, ann, past) == [past["due_at"]]
    assert ann.get(f"/v1/tasks/{past['id']}").json["reminders"] == past["reminders"]


def test_a_reminder_that_is_about_to_fire_survives_other_changes(app: Flask, ann: Caller) -> None:
    """A client that sends the whole task back a second too early does not silence it."""
    soon = ann.add(due_at=in_minutes(60), reminders=[{"before_minutes": 0}])
    let_pass(app, ann)
    past = times(app, ann, soon)
    change(ann, soon, due_at=past[0])

    assert ann.put(f"/v1/tasks/{soon['id']}", json={**soon, "due_at": past[0], "title": "x"}).status_code == 200
    change(ann, soon, reminders=[{"before_minutes": 0}, {"at": AT}])

    assert times(app, ann, soon) == [*past, AT]


@pytest.mark.parametrize("how", ["toggle", "PATCH", "PUT", "batch", "subtask"])
def test_what_passed_while_a_task_was_completed_does_not_fire_after_it(app: Flask, ann: Caller, how: str) -> None:
    """Even if no worker has run meanwhile."""
    task = ann.add(due_at=in_minutes(60), reminders=[HOUR, {"before_minutes": 0}], completed=True)
    let_pass(app, ann)
    path = f"/v1/tasks/{task['id']}"
    match how:
        case "toggle":
            assert ann.post(f"{path}/toggle").status_code == 200
        case "PATCH":
            change(ann, task, completed=False)
        case "PUT":
            assert ann.put(path, json={**task, "completed": False, "due_at": in_minutes(-1)}).status_code == 200
        case "batch":
            run(ann, op("reopen", task["id"]))
        case _:
            ann.add(parent_id=task["id"])

    assert not ann.get(path).json["completed"]
    assert times(app, ann, task) == []


def test_a_reopened_task_keeps_what_is_to_come(app: Flask, ann: Caller, task: dict[str, Any]) -> None:
    """Completing by mistake costs no reminder."""
    for _ in range(2):
        assert ann.post(f"/v1/tasks/{task['id']}/toggle").status_code == 200

    assert times(app, ann, task) == [AT, DAY_BEFORE, HOUR_BEFORE]


@pytest.mark.parametrize("passed", [False, True], ids=["to come", "passed"])
def test_a_restored_task_reminds_of_what_is_to_come(
    app: Flask, ann: Caller, task: dict[str, Any], passed: bool
) -> None:
    """So do the subtasks that went to the trash with it."""
    subtask = ann.add(parent_id=task["id"], reminders=[{"at": AT}])
    assert ann.delete(f"/v1/tasks/{task['id']}").status_code == 204
    if passed:
        let_pass(app, ann)

    assert ann.post(f"/v1/tasks/{task['id']}/restore").status_code == 200

    assert times(app, ann, task) == ([] if passed else [AT, DAY_BEFORE, HOUR_BEFORE])
    assert times(app, ann, subtask) == ([] if passed else [AT])


def test_a_next_occurrence_takes_the_relative_ones_along(app: Flask, ann: Caller) -> None:
    """Its subtasks' too. Times stay behind."""
    task = ann.add(due_on="2050-03-13", recurrence="FREQ=DAILY", reminders=[HOUR, {"at": AT}])
    ann.add(parent_id=task["id"], due_on="2050-03-12", reminders=[DAY, {"at": AT}])

    change(ann, task, completed=True)

    following, subtask = ann.get("/v1/tasks?completed=false&sort=-due").json["items"]
    assert [following["reminders"], subtask["reminders"]] == [[HOUR], [DAY]]
    assert times(app, ann, following) == [HOUR_BEFORE]
    assert times(app, ann, subtask) == ["2050-03-12T09:00:00.000000Z"]


def test_a_batch_sets_the_times_of_all(app: Flask, ann: Caller, task: dict[str, Any]) -> None:
    """Of what is created and changed in it, after the last change."""
    operations = [
        create(reminders=[{"at": AT}]),
        update(task["id"], due_at=None),
        update(task["id"], due_on="2050-03-14"),
    ]

    made, *_ = run(ann, *operations, create(reminders=[HOUR]))

    assert fire_times(app, ann) == {(made["id"], AT), *((task["id"], time) for time in (AT, DAY_BEFORE, HOUR_BEFORE))}


@pytest.mark.parametrize("form", ["jsonl", "csv", "ics"])
def test_an_import_sets_the_times(app: Flask, ann: Caller, bob: Caller, task: dict[str, Any], form: str) -> None:
    """Of what it adds; what is there already stays."""
    file = export(ann, form)
    assert send(bob, file, form).json["added"] == 1
    change(bob, task, reminders=[HOUR])
    assert send(bob, file, form).json["added"] == 0

    assert times(app, bob, task) == [HOUR_BEFORE]


def test_an_import_from_the_trash_replaces_the_times(app: Flask, ann: Caller, task: dict[str, Any]) -> None:
    """What the file says counts."""
    file = export(ann)
    change(ann, task, reminders=[{"before_minutes": 5}])
    run(ann, op("delete", task["id"]))

    assert send(ann, file).json["added"] == 1

    assert times(app, ann, task) == [AT, DAY_BEFORE, HOUR_BEFORE]


def test_a_task_is_deleted_permanently_with_its_times(app: Flask, ann: Caller, task: dict[str, Any]) -> None:
    """A user's deletion takes all."""
    with app.app_context():
        delete_user(Identity(str(ann.user_id)))

    assert fire_times(app, ann) == set()
