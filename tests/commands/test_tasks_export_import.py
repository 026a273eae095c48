"""`flask tasks export` and `import`: whose tasks, in which format, and what comes back."""

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st

from app.services import services_of
from app.tasks import arrivals, transfer
from app.tasks.fields import read_tags, write_tags
from app.tasks.formats import FORMATS
from app.tasks.recurrence import canonical
from tests.api.support.calls import assert_problem
from tests.api.support.lists import remove, walk
from tests.api.support.replicas import changes
from tests.api.test_export import OF_ALL_KINDS, export
from tests.auth.people import Member, another_app, register
from tests.commands.calling import fail, record, run, succeed
from tests.conftest import Caller, new_user_id
from tests.unit.example_tasks import Task, as_read, tasks
from tests.unit.programs_csv import TODOIST
from tests.unit.programs_json import GOOGLE

EVERY_FORMAT = pytest.mark.parametrize("name", FORMATS)
# Those that a client may name.
TIMES = st.datetimes(datetime(1000, 1, 2), datetime(9998, 12, 30), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda time: time.isoformat(timespec="microseconds").replace("+00:00", "Z")
)
DAYS = TIMES.map(lambda time: time[:10])
ID = "0199b1f2-7c3e-7a41-9d5b-2f6c8e0a4b17"
OPEN_TASKS = (Path(__file__).parents[1] / "unit" / "ics_clients" / "opentasks.ics").read_text()

WITHOUT_IDS = {
    "jsonl": b'{"title": "tea"}\n{"title": "tea"}\n{"title": "tea", "priority": "high"}\n',
    "csv": b"title,priority\r\ntea,\r\ntea,\r\ntea,high\r\n",
    "ics": b"BEGIN:VCALENDAR\r\n"
    + b"BEGIN:VTODO\r\nSUMMARY:tea\r\nEND:VTODO\r\n" * 2
    + b"BEGIN:VTODO\r\nSUMMARY:tea\r\nPRIORITY:1\r\nEND:VTODO\r\nEND:VCALENDAR\r\n",
}
TWO_DUES = b'"due_on":"2026-03-14","due_at":"2026-03-14T09:26:53Z"'
TWO_TODOS = b"BEGIN:VCALENDAR\n" + b"BEGIN:VTODO\nSUMMARY:a\nEND:VTODO\n" * 2
# A file whose third task does not fit, and the line where that begins.
WRONG = {
    "a value": ("jsonl", b'{"title":"a"}\n\n{"title":"b"}\n{"title":"c","priority":"urgent"}\n', 4, "priority"),
    "a type": ("jsonl", b'{"title":"a"}\n{"title":"b"}\n{"title":7}', 3, "title"),
    "nothing needed": ("jsonl", b'{"title":"a"}\n{"title":"b"}\n{}\n', 3, "title"),
    "an id": ("jsonl", b'{"title":"a"}\n{"title":"b"}\n{"title":"c","id":"7"}\n', 3, "id"),
    "an unknown field": ("jsonl", b'{"title":"a"}\n{"title":"b"}\n{"titel":"c"}\n', 3, "titel"),
    "no JSON": ("jsonl", b'{"title":"a"}\n{"title":"b"}\n{"title":"c"\n', 3, "JSON"),
    "two dues": ("jsonl", b'{"title":"a"}\n{"title":"b"}\n{"title":"c",%b}\n' % TWO_DUES, 3, "due_at"),
    "a rule without a due": (
        "jsonl",
        b'{"title":"a"}\n{"title":"b"}\n{"title":"c","recurrence":"FREQ=DAILY"}',
        3,
        "due",
    ),
    "a huge number": (
        "jsonl",
        b'{"title":"a"}\n{"title":"b"}\n{"title":"c:d","priority":' + b"9" * 30 + b"}",
        3,
        "prio",
    ),
    "deep nesting": ("jsonl", b'{"title":"a"}\n{"title":"b"}\n{"title":' + b"[" * 500 + b"]" * 500 + b"}", 3, "title"),
    "a NUL": ("jsonl", b'{"title":"a"}\n{"title":"b"}\n{"title":"c\\u0000"}\n', 3, "title"),
    "a cell": ("csv", b'title,due_on\na,\n"b\n",\nc,tomorrow\n', 5, "due_on"),
    "a row": ("csv", b"title,due_on\na,\nb,\nc\n", 4, "cells"),
    "no UTF-8": ("csv", b"title\na\nb\n\xff\n", 4, "UTF-8"),
    "a date": (
        "ics",
        (
            b"BEGIN:VCALENDAR\nBEGIN:VTODO\nSUMMARY:a\nEND:VTODO\nBEGIN:VTODO\nSUMMARY:b\nEND:VTODO\n"
            b"BEGIN:VTODO\nSUMMARY:c\nDUE:tomorrow\nEND:VTODO\nEND:VCALENDAR\n"
        ),
        10,
        "date",
    ),
    "a value of a VTODO": (
        "ics",
        (
            b"BEGIN:VCALENDAR\nBEGIN:VTODO\nSUMMARY:a\nEND:VTODO\nBEGIN:VTODO\nSUMMARY:b\nEND:VTODO\n"
            b"BEGIN:VTODO\nDUE:05000101\nEND:VTODO\nEND:VCALENDAR\n"
        ),
        8,
        "due_on",
    ),
    "no end": ("ics", b"BEGIN:VCALENDAR\nBEGIN:VTODO\nSUMMARY:a\nEND:VTODO\nBEGIN:VTODO\nSUMMARY:b\n", 6, "END"),
}


NO_FAULTS = {"skipped": 0, "faults": [], "left_out": []}


def exported(app: Flask, user: str | None, name: str = "jsonl") -> bytes:
    """A file, as it comes out of standard output."""
    result = run(app, "tasks", "export", "--user", str(user), "--format", name)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout_bytes


def imported(app: Flask, user: str | None, data: bytes, name: str = "jsonl") -> dict[str, Any]:
    """What an import from standard input says for programs."""
    return record(app, "tasks", "import", "--user", str(user), "--format", name, "-", stdin=data)


def refused(app: Flask, user: str | None, data: bytes, name: str = "jsonl") -> str:
    return fail(app, "tasks", "import", "--user", str(user), "--format", name, "-", stdin=data)


def lines(*written: Task) -> bytes:
    return b"".join(orjson.dumps(task) + b"\n" for task in written)


def kept_by(app: Flask, user: str | None) -> list[Task]:
    """All of somebody's tasks, as a file holds them, by their ids."""
    return by_id(as_kept(orjson.loads(line)) for line in exported(app, user).splitlines())


def as_kept(task: Task) -> Task:
    """Return what an import keeps of a task. Its position is another one, in the same order."""
    return as_read(task) | {"position": None}


def by_id(found: Iterable[Task]) -> list[Task]:
    return sorted(found, key=lambda task: str(task["id"]))


@st.composite
def importable(draw: st.DrawFn) -> Task:
    """Any task that the API could have taken."""
    # Lists and parents have to be there, too.
    task = as_read(draw(tasks())) | {"list_name": None, "parent_id": None}
    task |= {name: draw(TIMES) for name in ("completed_at", "due_at", "created_at") if task[name]}
    task["due_on"] = draw(DAYS) if task["due_on"] else None
    task["recurrence"] = task["recurrence"] and canonical(task["recurrence"])
    task["title"] = task["title"].strip() or "tea"
    task["tags"] = read_tags(write_tags(filter(None, map(str.strip, task["tags"]))))
    return task


@EVERY_FORMAT
@settings(max_examples=20, deadline=None, database=None)
@given(written=st.lists(importable(), max_size=4, unique_by=lambda task: str(task["id"])))
def test_what_goes_through_a_file_loses_nothing(app: Flask, name: str, written: list[Task]) -> None:
    """Every field of every task, when it was made and completed included."""
    ann, bob = new_user_id(), new_user_id()
    imported(app, ann, lines(*written))
    found = imported(app, bob, exported(app, ann, name), name)

    assert found == {"user_id": bob, "found": len(written), "added": len(written), "kept": 0, **NO_FAULTS}
    assert kept_by(app, bob) == kept_by(app, ann) == by_id(map(as_kept, written))


@EVERY_FORMAT
def test_the_command_writes_what_the_api_answers(app: Flask, ann: Caller, name: str) -> None:
    """Octet for octet."""
    for task in OF_ALL_KINDS:
        ann.add(**task)

    assert exported(app, ann.user_id, name) == export(ann, name).data


@EVERY_FORMAT
@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_any_number_of_pages_goes_through_a_file(
    app: Flask, ann: Caller, monkeypatch: pytest.MonkeyPatch, name: str, count: int
) -> None:
    """The first with none, the last full or not."""
    monkeypatch.setattr(transfer, "PAGE", 2)
    remove(ann, ann.add()["id"])
    made = [ann.add(title=f"tea {number}") for number in range(count)]
    other = new_user_id()

    assert imported(app, other, exported(app, ann.user_id, name), name)["added"] == count
    assert kept_by(app, other) == by_id(map(as_kept, made))


@EVERY_FORMAT
def test_a_second_import_changes_nothing(app: Flask, ann: Caller, name: str) -> None:
    """Not even when the tasks were changed last."""
    for task in OF_ALL_KINDS:
        ann.add(**task)
    before, count = walk(ann), len(OF_ALL_KINDS)
    again = imported(app, ann.user_id, exported(app, ann.user_id, name), name)

    assert again == {"user_id": ann.user_id, "found": count, "added": 0, "kept": count, **NO_FAULTS}
    assert walk(ann) == before


@EVERY_FORMAT
def test_tasks_without_ids_are_not_doubled_either(app: Flask, ann: Caller, name: str) -> None:
    """The same file makes the same tasks; what stands in it twice is two of them."""
    first, again = (imported(app, ann.user_id, WITHOUT_IDS[name], name) for _ in range(2))

    assert (first["added"], again["added"], again["kept"]) == (3, 0, 3)
    assert sorted((task["title"], task["priority"]) for task in walk(ann)) == [("tea", "high")] + [("tea", "none")] * 2


def test_a_line_more_is_a_task_more(app: Flask, ann: Caller) -> None:
    """Also where it is equal to one that was imported."""
    line = b'{"title": "tea"}\n'
    added = [imported(app, ann.user_id, line * count)["added"] for count in (1, 3, 2)]

    assert added == [1, 2, 0]


def test_a_task_that_is_there_stays_as_it_is(app: Flask, ann: Caller) -> None:
    """Whatever the file says of it."""
    task = ann.add(title="mine", tags=["home"])
    found = imported(app, ann.user_id, lines({"id": task["id"].upper(), "title": "another", "completed": True}))

    assert (found["added"], found["kept"]) == (0, 1)
    assert walk(ann) == [task]


def test_a_task_in_the_trash_comes_back(app: Flask, ann: Caller) -> None:
    """As the file has it, and as a change that every client is told; a client's old ETag is stale."""
    task = ann.add(**OF_ALL_KINDS[2])
    file = exported(app, ann.user_id)
    assert ann.patch(f"/v1/tasks/{task['id']}", json={"title": "coffee", "completed": False}).status_code == 200
    remove(ann, task["id"])
    since = changes(ann)["next"]
    found = imported(app, ann.user_id, file)

    [back] = walk(ann)
    assert (found["added"], found["kept"]) == (1, 0)
    assert back == task | {name: back[name] for name in ("updated_at", "position")}
    assert changes(ann, since)["changed"] == [back]
    for version in (1, 2, 3):
        stale = ann.patch(f"/v1/tasks/{task['id']}", json={"title": "x"}, headers={"If-Match": f'"{version}"'})
        assert_problem(stale, 412, "precondition_failed")


def test_a_task_that_comes_back_has_made_its_next_one(app: Flask, ann: Caller) -> None:
    """It has one successor in its life."""
    task = ann.add(title="water", due_on="2026-03-14", recurrence="FREQ=WEEKLY")
    path = f"/v1/tasks/{task['id']}"
    assert ann.patch(path, json={"completed": True}).status_code == 200
    file = exported(app, ann.user_id)
    remove(ann, task["id"])
    assert imported(app, ann.user_id, file)["added"] == 1
    for completed in (False, True):
        assert ann.patch(path, json={"completed": completed}).status_code == 200

    assert [each["due_on"] for each in walk(ann, sort="due")] == ["2026-03-14", "2026-03-21"]


@EVERY_FORMAT
def test_a_task_that_moves_has_made_its_next_one(app: Flask, ann: Caller, bob: Caller, name: str) -> None:
    """Both move; the first makes no other where they arrive."""
    task = ann.add(title="water", due_on="2026-03-14", recurrence="FREQ=WEEKLY")
    path = f"/v1/tasks/{task['id']}"
    assert ann.patch(path, json={"completed": True}).status_code == 200
    assert imported(app, bob.user_id, exported(app, ann.user_id, name), name)["added"] == 2
    for completed in (False, True):
        assert bob.patch(path, json={"completed": completed}).status_code == 200

    assert [each["due_on"] for each in walk(bob, sort="due")] == ["2026-03-14", "2026-03-21"]


@pytest.mark.parametrize("page", [1, 2, 1_000])
@pytest.mark.parametrize("in_trash", [False, True], ids=["free", "in the trash"])
def test_of_several_tasks_with_one_id_the_first_counts(
    app: Flask, ann: Caller, monkeypatch: pytest.MonkeyPatch, page: int, in_trash: bool
) -> None:
    """Whether or not they stand close to each other."""
    monkeypatch.setattr(transfer, "PAGE", page)
    if in_trash:
        remove(ann, ann.add(id=ID)["id"])
    written = [{"id": task_id, "title": title} for task_id, title in ((ID, "a"), (ID.upper(), "b"), (ID, "c"))]
    found = imported(app, ann.user_id, lines(*written, {"title": "d"}))

    assert (found["found"], found["added"], found["kept"]) == (4, 2, 2)
    assert sorted(task["title"] for task in walk(ann)) == ["a", "d"]


@EVERY_FORMAT
def test_somebody_elses_file_makes_tasks_of_ones_own(app: Flask, ann: Caller, bob: Caller, name: str) -> None:
    """Whoever the file names; the other's stay theirs."""
    task, file = ann.add(title="of Ann"), exported(app, ann.user_id, name)
    assert imported(app, bob.user_id, file, name)["added"] == 1
    [bobs] = walk(bob)
    assert bob.patch(f"/v1/tasks/{task['id']}", json={"title": "of Bob"}).status_code == 200

    assert bobs == task | {"user_id": bob.user_id, **{name: bobs[name] for name in ("updated_at", "position")}}
    assert walk(ann) == [task]


def test_what_a_file_leaves_out_is_as_in_a_new_task(app: Flask, ann: Caller) -> None:
    """Made, and completed, now."""
    imported(app, ann.user_id, lines({"title": " tea "}, {"title": "done", "completed": True}))
    tea, done = walk(ann, sort="-title")
    new = ann.add()

    assert tea == new | {name: tea[name] for name in ("id", "position", "created_at", "updated_at")}
    assert done["completed_at"] == done["created_at"] == done["updated_at"] < new["created_at"]


@pytest.mark.parametrize("what", WRONG)
def test_a_mistake_is_named_by_its_line_and_nothing_is_imported(
    app: Flask, ann: Caller, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Also where whole pages before it are right."""
    monkeypatch.setattr(transfer, "PAGE", 1)
    task = ann.add()
    name, data, line, word = WRONG[what]
    said = refused(app, ann.user_id, data, name)

    assert said.startswith(f"Error: Line {line}: ")
    assert word in said
    assert said.endswith(" Nothing was imported.")
    assert walk(ann) == [task]


@EVERY_FORMAT
@settings(max_examples=30, deadline=None, database=None)
@given(data=st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_no_file_is_answered_with_a_traceback(app: Flask, name: str, data: bytes) -> None:
    """It is taken, or refused in one line."""
    result = run(app, "tasks", "import", "--user", "fuzz", "--format", name, "-", stdin=data)

    assert (result.exit_code, len(result.stderr.splitlines())) in ((0, 0), (1, 1))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@settings(max_examples=30, deadline=None, database=None)
@given(record=st.dictionaries(st.sampled_from(["id", "title", "tags", "due_on", "completed_at", "recurrence"]), JSON))
def test_no_record_is_answered_with_a_traceback(app: Flask, record: dict[str, Any]) -> None:
    """Whatever its fields hold."""
    result = run(app, "tasks", "import", "--user", "fuzz", "--format", "jsonl", "-", stdin=json.dumps(record))

    assert (result.exit_code, len(result.stderr.splitlines())) in ((0, 0), (1, 1))


@pytest.fixture
def member(app: Flask) -> Member:
    return register(app)


def test_an_account_is_meant_by_its_address_or_its_id(app: Flask, member: Member) -> None:
    """An address in any case."""
    task = member.add()

    assert exported(app, member.user_id) == exported(app, member.email) == exported(app, member.email.upper())
    for user in (member.user_id, member.email, member.email.title()):
        assert imported(app, user, lines(task))["user_id"] == member.user_id


@pytest.mark.parametrize("command", ["export", "import"])
@pytest.mark.parametrize(
    "user", ["nobody@example.com", "usr_0199b1f27c3e7a419d5b2f6c8e0a4b17", "", " ", "\x1b[31m", "a\nb", "x" * 256]
)
def test_an_unknown_user_is_refused(app: Flask, command: str, user: str) -> None:
    """By name, and without being made."""
    said = fail(app, "tasks", command, "--user", user, "--format", "jsonl", "-", stdin=WITHOUT_IDS["jsonl"])

    assert said == f"Error: There is no user {user!r}."
    assert run(app, "tasks", "export", "--user", user, "--format", "jsonl").exit_code == 1


def test_a_user_known_only_to_a_front_end_is_made_by_an_import(app: Flask) -> None:
    """Not by an export; their token finds the tasks afterwards."""
    ann = Caller(app, new_user_id())
    said = fail(app, "tasks", "export", "--user", str(ann.user_id), "--format", "jsonl")
    assert said == f"Error: There is no user {ann.user_id!r}."

    assert imported(app, ann.user_id, WITHOUT_IDS["jsonl"])["added"] == 3
    assert len(walk(ann)) == 3


def test_where_all_users_have_accounts_an_import_makes_none(app: Flask) -> None:
    """A typo would put the tasks where nobody can ever see them."""
    user = new_user_id()
    with another_app(app) as service:
        shared = services_of(service)
        without_secret = replace(shared.settings, better_auth_secrets=())
        service.extensions["services"] = replace(shared, settings=without_secret)
        said = refused(service, user, WITHOUT_IDS["jsonl"])

    assert said.startswith(f"Error: There is no user {user!r}: without BETTER_AUTH_SECRET or AUTH_JWKS_URL, ")
    assert run(app, "users", "show", user).exit_code == 1


def test_a_file_that_is_refused_makes_no_user(app: Flask) -> None:
    """A typo in the name leaves nothing behind."""
    user = new_user_id()
    assert refused(app, user, b"{}").endswith("Nothing was imported.")

    assert run(app, "tasks", "export", "--user", user, "--format", "jsonl").exit_code == 1


def test_an_outside_users_id_may_look_like_an_address(app: Flask) -> None:
    """Where an issuer's claim is one."""
    ann = Caller(app, f"{new_user_id()}@example.com")
    task = ann.add()

    assert kept_by(app, ann.user_id) == [as_kept(task)]
    assert imported(app, ann.user_id, exported(app, ann.user_id))["kept"] == 1


def test_it_says_what_was_done(app: Flask, ann: Caller) -> None:
    """In a sentence, or for programs as one JSON object."""
    task = ann.add()
    arguments = ["tasks", "import", "--user", str(ann.user_id), "--format", "jsonl", "-"]
    spoken = succeed(app, *arguments, stdin=lines(task, {"title": "milk"}))
    printed = succeed(app, *arguments, "--json", stdin=lines(task, {"title": "milk"}))

    assert spoken == "Found 2 tasks: added 1, left 1 unchanged.\n"
    assert orjson.loads(printed) == {"user_id": ann.user_id, "found": 2, "added": 0, "kept": 2, **NO_FAULTS}
    assert printed.count("\n") == 1


def test_faulty_tasks_are_skipped_on_request(app: Flask, ann: Caller) -> None:
    """The others are imported. Each faulty one is named, and the exit status is 1."""
    arguments = ["tasks", "import", "--user", str(ann.user_id), "--format", "jsonl", "--skip-faulty", "-"]
    data = lines({"title": "tea"}, {"title": ""}, {"titel": "milk"}, {"title": "bread"})
    spoken, printed = run(app, *arguments, stdin=data), run(app, *arguments, "--json", stdin=data)

    assert (spoken.exit_code, spoken.stdout) == (1, "Found 4 tasks: added 2, left 0 unchanged, skipped 2.\n")
    first, second = spoken.stderr.splitlines()
    assert first.startswith("Skipped: Line 2: title: ")
    assert second.startswith("Skipped: Line 3: A task has no field 'titel'.")
    assert (printed.exit_code, printed.stderr) == (1, "")
    assert [fault["line"] for fault in orjson.loads(printed.stdout)["faults"]] == [2, 3]
    assert sorted(task["title"] for task in kept_by(app, ann.user_id)) == ["bread", "tea"]


@pytest.mark.parametrize(("count", "more"), [(2, "So is 1 more."), (3, "So are 2 more.")])
def test_a_refusal_counts_the_other_faulty_tasks(app: Flask, ann: Caller, count: int, more: str) -> None:
    """It describes the first."""
    said = refused(app, ann.user_id, lines(*[{"title": ""}] * count))

    assert more in said


@pytest.mark.parametrize(
    ("name", "text", "count", "kinds"),
    [
        ("Home.csv", TODOIST, 5, ["note of a project", "RESPONSIBLE", "DATE", "DURATION", "DEADLINE"]),
        ("Tasks.JSON", GOOGLE, 3, ["deleted task"]),
        ("List.ics", OPEN_TASKS, 1, ["ORGANIZER", "DTSTART", "EXDATE"]),
    ],
    ids=["csv", "json", "ics"],
)
def test_another_programs_file_needs_no_option(
    app: Flask, ann: Caller, tmp_path: Path, name: str, text: str, count: int, kinds: list[str]
) -> None:
    """The command says what it could not keep; a second import adds nothing."""
    file = tmp_path / name
    file.write_text(text)
    first, again = (run(app, "tasks", "import", "--user", str(ann.user_id), str(file)) for _ in range(2))

    assert (first.exit_code, again.exit_code) == (0, 0)
    tasks = "1 task" if count == 1 else f"{count} tasks"
    assert first.stdout == f"Found {tasks}: added {count}, left 0 unchanged.\n"
    assert again.stdout == f"Found {tasks}: added 0, left {count} unchanged.\n"
    assert first.stderr == "".join(f"Left out: {kind} (1).\n" for kind in kinds)


def test_todoists_subtasks_have_their_parent(app: Flask, ann: Caller) -> None:
    """It has no id in the file, and gets the same one at each import."""
    for _ in range(2):
        imported(app, ann.user_id, TODOIST.encode(), "csv")
    [subtask] = [task for task in walk(ann) if task["parent_id"]]
    [parent] = [task for task in walk(ann) if task["id"] == subtask["parent_id"]]

    assert (parent["title"], subtask["title"]) == ("Buy compost", "Peat-free")


def test_an_export_of_one_list(app: Flask, ann: Caller) -> None:
    """By its id, or the inbox; one that is not there has no task."""
    home = ann.post("/v1/lists", json={"name": "Home"}).json["id"]
    tea, milk = ann.add(list_id=home), ann.add(title="milk")
    arguments = ["tasks", "export", "--user", str(ann.user_id), "--format", "jsonl", "--list"]
    files = [succeed(app, *arguments, list_id) for list_id in (home.upper(), "none", str(uuid4()))]

    assert [[orjson.loads(line)["id"] for line in file.splitlines()] for file in files] == [
        [tea["id"]],
        [milk["id"]],
        [],
    ]


@pytest.mark.parametrize("page", [1, 200])
def test_the_order_of_a_file_does_not_end_with_a_page(
    app: Flask, ann: Caller, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    """Lists, parents and positions, although each page is written alone."""
    monkeypatch.setattr(transfer, "PAGE", page)
    parent = str(uuid4())
    under = [{"title": title, "parent_id": parent, "position": title} for title in ("z", "y")]
    tops = [{"title": title, "list_name": "Home", "position": title} for title in ("c", "a")]
    done = imported(
        app, ann.user_id, lines(*under, *tops, {"id": parent, "title": "b", "list_name": "Home", "position": "b"})
    )

    assert done["left_out"] == []
    assert [task["title"] for task in walk(ann, sort="position", parent="none")] == ["a", "b", "c"]
    assert [task["title"] for task in walk(ann, sort="position", parent=parent)] == ["y", "z"]
    assert len({task["list_id"] for task in walk(ann)}) == 1


def test_too_many_lists_are_refused_in_one_line(app: Flask, ann: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is written."""
    monkeypatch.setattr(transfer, "PAGE", 1)
    monkeypatch.setattr(arrivals, "MAX_LISTS", 2)
    said = refused(app, ann.user_id, lines(*({"title": name, "list_name": name} for name in "abc")))

    assert said == f"Error: {arrivals.TOO_MANY_LISTS}"
    assert walk(ann) == []
    assert ann.get("/v1/lists").json["items"] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["export"],
        ["export", "--format", "csv"],
        ["export", "--user", "ann"],
        ["export", "--user", "ann", "-"],
        ["export", "--user", "ann", "tasks.txt"],
        ["export", "--user", "ann", "--format", "xml"],
        ["export", "--user", "ann", "--format", "csv", "--list", "inbox"],
        ["export", "--user", "ann", "--format", "csv", "."],
        ["export", "--user", "ann", "--format", "csv", "a.csv", "b.csv"],
        ["export", "--user", "a\udcffb", "--format", "csv"],
        ["import", "--format", "csv", "-"],
        ["import", "--user", "ann", "--format", "csv"],
        ["import", "--user", "ann", "-"],
        ["import", "--user", "ann", "absent.csv"],
        ["import", "--user", "ann", "--format", "csv", "."],
        ["import", "--user", "a\udcffb", "--format", "csv", "-"],
        [],
    ],
    ids=ascii,
)
def test_arguments_that_do_not_fit_end_with_status_2(app: Flask, arguments: list[str]) -> None:
    """Before anything is read or written; the usage is shown."""
    result = run(app, "tasks", *arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert "Usage: " in result.stderr


@pytest.mark.parametrize("command", ["export", "import"])
def test_help_shows_an_example(app: Flask, command: str) -> None:
    """A line to copy, for a file and for a pipe."""
    shown = succeed(app, "tasks", command, "--help")

    assert f"  flask tasks {command} --user ann@example.com tasks.ics\n" in shown
    assert "gzip > " in shown or "gunzip < " in shown
