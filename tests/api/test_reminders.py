"""The field `reminders`: accepted values, stored values and responses, in both families and in every file."""

import pytest

from app.tasks.formats import FORMATS
from tests.api.support.batches import create, run, update
from tests.api.support.calls import REPLACE, assert_problem
from tests.api.test_fields import EVERY_WHOLE, EVERY_WRITE, assert_refused, sent_to, written
from tests.api.test_files_of_lists import export, send
from tests.conftest import Caller

AT, LATER = "2050-03-14T09:26:53.589793Z", "2050-03-15T00:00:00.000000Z"
BEFORE = {"before_minutes": 15}
NO_MINUTES = [-1, 40_321, 1.5, "15", True, None, [15]]
NO_TIMES = [7, None, "2050-03-14", "2050-03-14T09:26:53", "9999-01-01T00:00:00Z", ""]
NO_REMINDERS = [
    *([{"before_minutes": value}] for value in NO_MINUTES),
    *([{"at": value}] for value in NO_TIMES),
    *([value] for value in ({}, {**BEFORE, "at": AT}, {**BEFORE, "at": None}, {**BEFORE, "x": 1}, 15, "15", None, [])),
    *(None, {}, BEFORE, "15m", 15, [BEFORE] * 6),
]


KEPT = [
    ([], []),
    ([{"before_minutes": 0}], [{"before_minutes": 0}]),
    ([{"before_minutes": 40_320}], [{"before_minutes": 40_320}]),
    ([{"before_minutes": 15.0}], [BEFORE]),
    ([{"at": "2050-03-14T11:26:53.589793+02:00"}], [{"at": AT}]),
    (
        [{"at": LATER}, {"at": AT}, {"before_minutes": 16}, BEFORE],
        [BEFORE, {"before_minutes": 16}, {"at": AT}, {"at": LATER}],
    ),
    ([BEFORE, {"at": AT}] * 2 + [BEFORE], [BEFORE, {"at": AT}]),
]


@EVERY_WRITE
def test_reminders_are_up_to_five_in_order_without_duplicates(ann, write):
    """Minutes first, then times; with or without a due."""
    for due in ({}, {"due_on": "2050-03-14"}):
        assert [(sent, written(ann, write, reminders=sent, **due)["reminders"]) for sent, _ in KEPT] == KEPT


@EVERY_WRITE
def test_other_reminders_are_rejected(ann, write):
    """Neither a value is converted nor a word passed over."""
    assert_refused(ann, write, "reminders", NO_REMINDERS)


@EVERY_WRITE
def test_a_refusal_names_the_reminder(ann, write):
    """By its index, and says what to do."""
    task = ann.add()
    body = sent_to(write, {"title": "tea", "reminders": [BEFORE, {**BEFORE, "at": AT}, {"before_minutes": -1}]})

    answer = write(ann, task["id"], json=body)

    assert_problem(answer, 422, "validation_error")
    assert answer.json["errors"]["reminders.1"] == ["Give exactly one of before_minutes and at."]
    assert [*answer.json["errors"]] == ["reminders.1", "reminders.2.before_minutes"]


@EVERY_WHOLE
def test_a_task_has_no_reminders_unless_it_is_given_some(ann, write):
    """A replacement takes them away."""
    task = ann.add(reminders=[BEFORE])

    answer = write(ann, task["id"], json={"title": "tea"})

    assert answer.json["reminders"] == []


def test_a_change_of_other_fields_keeps_them(ann):
    """In a batch, too."""
    task = ann.add(reminders=[BEFORE], due_on="2050-03-14")

    assert ann.patch(f"/v1/tasks/{task['id']}", json={"title": "x", "due_on": None}).json["reminders"] == [BEFORE]
    run(ann, update(task["id"], due_at=AT))
    assert ann.get(f"/v1/tasks/{task['id']}").json["reminders"] == [BEFORE]


def test_a_batch_writes_them(ann):
    """As single writes do."""
    task = ann.add()

    results = run(ann, create(reminders=[{"at": AT}]), update(task["id"], reminders=[BEFORE]))

    found = [ann.get(f"/v1/tasks/{each['id']}").json["reminders"] for each in results]
    assert found == [[{"at": AT}], [BEFORE]]


def test_a_new_users_first_task_can_have_them(app):
    """The user is made with it."""
    caller = Caller(app, "somebody new with reminders")

    assert caller.add(reminders=[BEFORE])["reminders"] == [BEFORE]


def test_a_taken_id_is_refused_with_them_too(ann):
    """As without reminders."""
    task = ann.add()

    answer = ann.post("/v1/tasks", json={"title": "x", "id": task["id"], "reminders": [BEFORE]})

    assert_problem(answer, 409, "id_taken")


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("due", [{}, {"due_on": "2050-03-14", "time_zone": "Europe/Berlin"}, {"due_at": AT}], ids=str)
def test_they_go_through_every_file(ann, bob, form, due):
    """Of one user to another."""
    reminders = [{"before_minutes": each} for each in (0, 15, 540)] + [{"at": AT}]
    ann.add(reminders=reminders, **due)

    answer = send(bob, export(ann, form), form)

    assert (answer.status_code, answer.json["added"], answer.json["left_out"]) == (200, 1, []), answer.text
    (copy,) = bob.get("/v1/tasks").json["items"]
    assert copy["reminders"] == reminders


def test_a_response_can_be_sent_back(ann):
    """Nothing changes by it."""
    task = ann.add(reminders=[BEFORE, {"at": AT}], due_on="2050-03-14")

    same = REPLACE(ann, task["id"], json=task)

    assert same.status_code == 200
    assert same.json["reminders"] == task["reminders"]
