"""`flask seed` adds sample data."""

import re
import shlex
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from flask import Flask

from app.services import services_of
from tests.auth.people import another_app, sql
from tests.commands.calling import fail, record, run, succeed
from tests.conftest import Caller, NewDatabase, make_app

# Enough for each kind of task.
MANY = 400


@pytest.fixture(scope="module")
def seeded(new_database: NewDatabase) -> Iterator[Flask]:
    """An app whose database has been seeded once."""
    app = make_app(new_database())
    assert record(app, "seed", "--users", "2", "--tasks", str(MANY))["added_tasks"] == 2 * MANY
    yield app
    services_of(app).engine.dispose()


def first_user(app: Flask) -> Caller:
    """Return the caller with the printed token."""
    seeded = record(app, "seed", "--users", "1", "--tasks", "0")
    return Caller(app, seeded["user_id"], seeded["access_token"])


def tasks_of(caller: Caller) -> list[dict]:
    """Return all that the API shows, from all pages."""
    found, cursor = [], ""
    while cursor is not None:
        answer = caller.get("/v1/tasks", query_string={"limit": 200, **({"cursor": cursor} if cursor else {})})
        assert answer.status_code == 200, answer.text
        found += answer.json["items"]
        cursor = answer.json["next_cursor"]
    return found


def content_of(app: Flask) -> list[tuple]:
    """Return the first user's tasks as the API shows them, without times."""
    return sorted(
        (task["id"], task["title"], task["completed"], task["priority"], *task["tags"])
        for task in tasks_of(first_user(app))
    )


def test_a_second_run_adds_nothing(seeded: Flask) -> None:
    """Ids depend on the seed, so the second run finds all of them."""
    before = content_of(seeded)

    again = record(seeded, "seed", "--users", "2", "--tasks", str(MANY))

    assert (again["users"], again["tasks"]) == (2, 2 * MANY)
    assert (again["added_users"], again["added_tasks"]) == (0, 0)
    assert content_of(seeded) == before


def test_a_larger_run_adds_only_the_missing_tasks(seeded: Flask) -> None:
    """The first tasks stay the same."""
    grown = record(seeded, "seed", "--users", "3", "--tasks", str(MANY + 10))

    assert (grown["added_users"], grown["added_tasks"]) == (1, 2 * 10 + MANY + 10)


def test_a_second_run_keeps_users_changes(seeded: Flask) -> None:
    """It undoes no change, and restores no task from the trash."""
    caller = first_user(seeded)
    kept, deleted = tasks_of(caller)[:2]
    changed = caller.patch(f"/v1/tasks/{kept['id']}", json={"title": "mine"})
    assert changed.status_code == 200
    assert caller.delete(f"/v1/tasks/{deleted['id']}").status_code == 204

    assert record(seeded, "seed", "--users", "1", "--tasks", str(MANY))["added_tasks"] == 0

    assert caller.get(f"/v1/tasks/{kept['id']}").json == changed.json
    assert caller.get(f"/v1/tasks/{deleted['id']}").status_code == 404


def test_the_same_seed_gives_the_same_tasks(seeded: Flask, new_database: NewDatabase) -> None:
    """In another database too."""
    with another_app(new_database()) as elsewhere:
        for app in (seeded, elsewhere):
            succeed(app, "seed", "--users", "1", "--tasks", "30", "--seed", "7")
        seventh = [record(app, "seed", "--tasks", "0", "--users", "1", "--seed", "7") for app in (seeded, elsewhere)]
        shown = [
            sorted(
                (task["id"], task["title"], task["completed"], task["recurrence"])
                for task in tasks_of(Caller(app, user["user_id"], user["access_token"]))
            )
            for app, user in zip((seeded, elsewhere), seventh, strict=True)
        ]

    assert shown[0] == shown[1]
    assert len(shown[0]) > 20


def test_another_seed_gives_other_users(seeded: Flask) -> None:
    """With other addresses."""
    one, two = (record(seeded, "seed", "--seed", number, "--tasks", "3") for number in ("11", "12"))

    assert one["user_id"] != two["user_id"]
    assert (one["added_users"], two["added_users"]) == (3, 3)


def test_the_tasks_are_of_all_kinds(seeded: Flask) -> None:
    """Completed or not, due on a day, at a time, or never, recurring, in the trash."""
    caller = first_user(seeded)
    tasks = tasks_of(caller)
    now = datetime.now(UTC)

    assert 0.2 < sum(task["completed"] for task in tasks) / len(tasks) < 0.6
    assert {task["priority"] for task in tasks} == {"none", "low", "medium", "high"}
    assert len({tag for task in tasks for tag in task["tags"]}) > 5
    assert any(task["details"] for task in tasks)
    assert Counter(bool(task["recurrence"]) for task in tasks)[True] > MANY / 20
    for due in ("due_on", "due_at"):
        assert any(task[due] for task in tasks)
    assert any(not (task["due_on"] or task["due_at"]) for task in tasks)
    ages = [(now - datetime.fromisoformat(task["created_at"])).days for task in tasks]
    assert min(ages) <= 7
    assert 90 < max(ages) <= 180
    assert caller.get("/v1/tasks?deleted=true").json["items"]
    assert caller.get("/v1/tasks?overdue=true").json["items"]


def test_some_tasks_are_in_lists_and_some_are_subtasks(seeded: Flask) -> None:
    """A subtask is in its parent's list, completed if that is, and in its place."""
    caller = first_user(seeded)
    tasks = {task["id"]: task for task in tasks_of(caller)}
    lists = {each["id"]: each["name"] for each in caller.get("/v1/lists").json["items"]}
    subtasks = [task for task in tasks.values() if task["parent_id"]]

    assert list(lists.values()) == ["Work", "Home", "Errands"]
    assert {task["list_id"] for task in tasks.values()} == {None, *lists}
    assert MANY / 20 < len(subtasks) < MANY / 4
    for task in subtasks:
        parent = tasks[task["parent_id"]]
        assert (parent["parent_id"], parent["list_id"]) == (None, task["list_id"])
        assert task["completed"] or not parent["completed"]
    assert len({task["position"] for task in tasks.values()}) == len(tasks)


def test_a_seeded_list_stays_deleted(seeded: Flask) -> None:
    """A second run does not bring it back, and adds the missing tasks to the inbox."""
    number = ("--users", "1", "--seed", "31")
    user = record(seeded, "seed", *number, "--tasks", "20")
    caller = Caller(seeded, user["user_id"], user["access_token"])
    for each in caller.get("/v1/lists").json["items"]:
        assert caller.delete(f"/v1/lists/{each['id']}?tasks=keep").status_code == 204

    assert record(seeded, "seed", *number, "--tasks", "40")["added_tasks"] == 20
    assert caller.get("/v1/lists").json["items"] == []
    assert {task["list_id"] for task in tasks_of(caller)} == {None}


def test_most_dues_are_near_today(seeded: Flask) -> None:
    """Most open tasks are due within two months."""
    today = datetime.now(UTC).date()
    tasks = [task for task in tasks_of(first_user(seeded)) if task["due_on"] and not task["completed"]]
    days = [(datetime.fromisoformat(task["due_on"]).date() - today).days for task in tasks]

    assert min(days) < 0
    assert max(days) > 30
    assert all(-8 <= day <= 54 for day in days)


def test_no_task_is_completed_before_its_creation(seeded: Flask) -> None:
    """Nor later than now. Ids are UUIDs of version 8, for custom schemes."""
    tasks = tasks_of(first_user(seeded))
    now = datetime.now(UTC).isoformat()

    assert all(task["created_at"] <= task["completed_at"] <= now for task in tasks if task["completed"])
    assert {uuid.UUID(task["id"]).version for task in tasks} == {8}


def test_the_printed_command_works(seeded: Flask) -> None:
    """Its token is the first user's."""
    printed = succeed(seeded, "seed", "--users", "2", "--tasks", "5").splitlines()
    command = shlex.split(printed[-1])

    assert printed[0] == "Added 0 of 2 users and 0 of 10 tasks."
    assert command[:2] == ["curl", "-H"]
    path = re.fullmatch(r"http://127\.0\.0\.1:8000(/v1/tasks\?limit=5)", command[3])[1]
    name, _, value = command[2].partition(": ")
    answer = Caller(seeded).get(path, headers={name: value})
    assert answer.status_code == 200, answer.text
    assert len(answer.json["items"]) == 5


def test_seeded_users_are_kept_apart(seeded: Flask) -> None:
    """Each task belongs to the user it was made for, also in the tables."""
    succeed(seeded, "seed", "--users", "2", "--tasks", "20", "--seed", "21")
    user = record(seeded, "seed", "--users", "1", "--tasks", "0", "--seed", "21")
    tasks = tasks_of(Caller(seeded, user["user_id"], user["access_token"]))

    assert 0 < len(tasks) <= 20
    assert {task["user_id"] for task in tasks} == {user["user_id"]}


def test_seeded_accounts_have_no_password(seeded: Flask) -> None:
    """A known one would let anybody in."""
    assert sql(seeded, "SELECT count(*) FROM users WHERE password_hash IS NOT NULL")[0][0] == 0


def test_an_existing_address_is_left_alone(new_database: NewDatabase) -> None:
    """A registered user keeps it."""
    with another_app(new_database()) as app:
        body = {"email": "Ann.Walker@example.com", "password": "correct horse battery"}
        assert Caller(app).post("/v1/auth/register", json=body).status_code == 201

        line = fail(app, "seed", "--users", "1", "--tasks", "1")

    assert line == "Error: ann.walker@example.com belongs to another account: try another --seed."


def test_a_deleted_user_is_not_created_again(new_database: NewDatabase) -> None:
    """An account's id never comes back, and the command says so instead of printing a token."""
    with another_app(new_database()) as app:
        user_id = record(app, "seed", "--users", "1", "--tasks", "1")["user_id"]
        succeed(app, "users", "delete", user_id, "--yes")

        line = fail(app, "seed", "--users", "1", "--tasks", "1")

    assert user_id in line
    assert "another --seed" in line


def test_without_accounts_the_users_are_a_front_ends(new_database: NewDatabase) -> None:
    """With a shared secret there is a token for them. With published keys only the front end can sign."""
    url = new_database()
    with another_app(url, LOCAL_AUTH="off") as app:
        seeded = record(app, "seed", "--users", "1", "--tasks", "5")
        assert not seeded["user_id"].startswith("usr_")
        assert Caller(app, seeded["user_id"], seeded["access_token"]).get("/v1/tasks").status_code == 200


@pytest.mark.parametrize(
    "arguments",
    [
        ("--users", "0"),
        ("--users", "-1"),
        ("--tasks", "many"),
        ("--tasks", "1000001"),
        ("--seed", "x"),
        ("--seed",),
        ("--task", "1"),
        ("more",),
    ],
    ids=" ".join,
)
def test_wrong_arguments_have_status_2(seeded: Flask, arguments: tuple[str, ...]) -> None:
    """Nothing is written."""
    result = run(seeded, "seed", *arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert "Error: " in result.stderr
