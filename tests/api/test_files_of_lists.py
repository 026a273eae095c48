"""Lists, subtasks and their order go through every format; an import finds or makes what a file names."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.tasks import arrivals, transfer
from app.tasks.formats import FORMATS
from tests.api.support.calls import assert_problem
from tests.api.support.lists import remove, walk
from tests.conftest import Caller

EVERY_FORMAT = pytest.mark.parametrize("name", FORMATS)
ANY_PAGE = pytest.mark.parametrize("page", [1, 2, 200])


def add_list(caller: Caller, name: str) -> str:
    answer = caller.post("/v1/lists", json={"name": name})
    assert answer.status_code == 201, answer.text
    return str(answer.json["id"])


def export(caller: Caller, name: str = "jsonl", **query: str) -> bytes:
    answer = caller.get("/v1/tasks/export", query_string={"format": name, **query})
    assert answer.status_code == 200, answer.text
    return bytes(answer.data)


def send(caller: Caller, file: bytes, name: str = "jsonl") -> TestResponse:
    return caller.post("/v1/tasks/import", data=file, query_string={"format": name}, content_type="text/plain")


def take(caller: Caller, *tasks: dict[str, Any]) -> dict[str, int]:
    """Import tasks, and return what was left out."""
    answer = send(caller, b"".join(json.dumps(task).encode() + b"\n" for task in tasks))
    assert answer.status_code == 200, answer.text
    return {each["kind"]: each["count"] for each in answer.json["left_out"]}


def lists_of(caller: Caller) -> list[str]:
    return [each["name"] for each in caller.get("/v1/lists").json["items"]]


def tree(caller: Caller) -> dict[str | None, list[Any]]:
    """Return the titles of each list in the user's order, each with those of its subtasks."""
    names = {each["id"]: each["name"] for each in caller.get("/v1/lists").json["items"]}
    tasks = walk(caller, sort="position")
    found: dict[str | None, list[Any]] = {name: [] for name in (None, *names.values())}
    for task in tasks:
        below = [each["title"] for each in tasks if each["parent_id"] == task["id"]]
        assert {each["list_id"] for each in tasks if each["parent_id"] == task["id"]} <= {task["list_id"]}
        if not task["parent_id"]:
            found[names.get(task["list_id"])].append((task["title"], below) if below else task["title"])
    return found


def place_first(caller: Caller, *ids: str) -> None:
    for task_id in ids:
        assert caller.post(f"/v1/tasks/{task_id}/move", json={"place": "first"}).status_code == 200


@ANY_PAGE
@EVERY_FORMAT
def test_lists_subtasks_and_order_go_through_a_file(
    ann: Caller, bob: Caller, monkeypatch: pytest.MonkeyPatch, name: str, page: int
) -> None:
    """A repeat adds nothing."""
    monkeypatch.setattr(transfer, "PAGE", page)
    home, work = add_list(ann, "Home, upstairs"), add_list(ann, "Work")
    made = {title: ann.add(title=title, list_id=list_id)["id"]
            for title, list_id in (("a", None), ("b", None), ("c", home), ("d", home), ("e", work))}  # fmt: skip
    for title, parent in (("c1", "c"), ("c2", "c"), ("a1", "a"), ("a2", "a")):
        made[title] = ann.add(title=title, parent_id=made[parent])["id"]
    place_first(ann, *(made[title] for title in ("b", "d", "c2", "a2")))
    wanted = {None: ["b", ("a", ["a2", "a1"])], "Home, upstairs": ["d", ("c", ["c2", "c1"])], "Work": ["e"]}
    bob.add(title="first")
    file = export(ann, name)
    first, again = send(bob, file, name), send(bob, file, name)

    assert (first.json["added"], first.json["left_out"]) == (9, [])
    assert (again.json["added"], again.json["kept"]) == (0, 9)
    assert tree(ann) == wanted
    assert tree(bob) == wanted | {None: ["first", *wanted[None]]}
    assert {task["id"] for task in walk(bob)} > set(made.values())


def test_a_list_is_found_by_its_id_or_its_name_or_is_made(ann: Caller) -> None:
    """A new one has the file's id and name, and is last. An id alone that is not there is the inbox."""
    home, new, unknown = add_list(ann, "Home"), str(uuid4()), str(uuid4())
    add_list(ann, "Home")
    left_out = take(
        ann,
        {"title": "by id", "list_id": home, "list_name": "Old name"},
        {"title": "by name", "list_name": "Home"},
        {"title": "other id", "list_id": str(uuid4()), "list_name": "Home"},
        {"title": "case", "list_name": " home"},
        {"title": "new by name", "list_name": "New"},
        {"title": "new", "list_id": new, "list_name": "New"},
        {"title": "unknown", "list_id": unknown},
    )

    assert left_out == {"list_id": 1}
    assert lists_of(ann) == ["Home", "Home", "New", "home"]
    assert [task["title"] for task in walk(ann, list=home, sort="position")] == ["by id", "by name", "other id"]
    assert [task["title"] for task in walk(ann, list=new, sort="position")] == ["new by name", "new"]
    assert [task["title"] for task in walk(ann, list="none")] == ["unknown"]


def test_a_name_makes_one_list_even_if_it_was_renamed(ann: Caller) -> None:
    """A list that was made by its name keeps its new name, and another one is made for new tasks only."""
    first = {"title": "a", "list_name": "Garden"}
    take(ann, first)
    [made] = ann.get("/v1/lists").json["items"]
    assert ann.patch(f"/v1/lists/{made['id']}", json={"name": "Yard"}).status_code == 200
    take(ann, first)
    assert lists_of(ann) == ["Yard"]
    take(ann, first, {"title": "b", "list_name": "Garden"})

    assert tree(ann) == {None: [], "Yard": ["a"], "Garden": ["b"]}


def test_imports_at_once_make_a_list_once(app: Flask, ann: Caller) -> None:
    """Also if the file has no id of it. Each subtask is there once, too."""
    parent = str(uuid4())
    tasks = [{"title": f"sub {number}", "parent_id": parent, "list_name": "Home"} for number in range(20)]
    file = b"".join(
        json.dumps(task).encode() + b"\n" for task in (*tasks, {"id": parent, "title": "top", "list_name": "Home"})
    )
    callers = [Caller(app, ann.user_id) for _ in range(4)]
    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(lambda caller: send(caller, file), callers))

    assert {answer.status_code for answer in answers} == {200}
    assert sum(answer.json["added"] for answer in answers) == 21
    assert tree(ann) == {None: [], "Home": [("top", [task["title"] for task in tasks])]}


def test_foreign_lists_and_parents_are_not_reached(ann: Caller, bob: Caller) -> None:
    """They are like none."""
    home = add_list(ann, "Home")
    task = ann.add(list_id=home)
    left_out = take(bob, {"title": "a", "list_id": home}, {"title": "b", "parent_id": task["id"]})

    assert left_out == {"list_id": 1, "parent_id": 1}
    assert sorted(tree(bob)[None]) == ["a", "b"]
    assert walk(ann) == [task]


def test_more_lists_than_allowed_are_409(ann: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing is imported; what finds its list is."""
    monkeypatch.setattr(arrivals, "MAX_LISTS", 2)
    add_list(ann, "Home")
    file = b"".join(b'{"title": "a", "list_name": "%b"}\n' % name for name in (b"Home", b"Work", b"Garden"))

    assert_problem(send(ann, file), 409, "limit_reached")
    assert (walk(ann), lists_of(ann)) == ([], ["Home"])
    assert take(ann, *({"title": "a", "list_name": name} for name in ("Home", "Work"))) == {}
    assert lists_of(ann) == ["Home", "Work"]


@ANY_PAGE
def test_positions_are_an_order_behind_what_is_there(ann: Caller, monkeypatch: pytest.MonkeyPatch, page: int) -> None:
    """Equal ones, and tasks without one, are in the file's order."""
    monkeypatch.setattr(transfer, "PAGE", page)
    ann.add(title="there")
    positions = {"e": None, "c": "b", "a": "Zz", "d": "b", "b": "a", "f": None, "0": ""}
    take(ann, *({"title": title, "position": position} for title, position in positions.items()))

    found = walk(ann, sort="position")
    assert [task["title"] for task in found] == ["there", "0", "a", "b", "c", "d", "e", "f"]
    assert all(len(task["position"]) < 20 for task in found)


@pytest.mark.one_engine
@pytest.mark.parametrize(
    "task",
    [{"position": "1.5"}, {"position": 7}, {"position": "a" * 201}, {"list_id": "7"}, {"list_name": "a" * 101},
     {"list_name": " "}, {"parent_id": "x"}],
    ids=str,
)  # fmt: skip
def test_a_place_that_is_none_is_faulty(ann: Caller, task: dict[str, Any]) -> None:
    """Its line is named."""
    answer = send(ann, json.dumps({"title": "tea", **task}).encode())

    assert_problem(answer, 422, "validation_error")
    assert answer.json["errors"]["line 1"][0].startswith(f"{next(iter(task))}: ")


@ANY_PAGE
def test_a_parent_may_come_after_its_subtask(ann: Caller, monkeypatch: pytest.MonkeyPatch, page: int) -> None:
    """The subtask has its list, whatever the file says. Completing the parent completes it."""
    monkeypatch.setattr(transfer, "PAGE", page)
    parent, subtask = str(uuid4()), str(uuid4())
    left_out = take(
        ann,
        {"id": subtask, "title": "sub", "parent_id": parent, "list_id": str(uuid4())},
        {"id": parent, "title": "top", "list_name": "Home"},
    )

    assert left_out == {}
    assert tree(ann) == {None: [], "Home": [("top", ["sub"])]}
    assert ann.post(f"/v1/tasks/{parent}/toggle").json["completed"]
    assert ann.get(f"/v1/tasks/{subtask}").json["completed"]


def test_what_cannot_be_a_subtask_is_a_task_of_its_own(ann: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the list that it names."""
    monkeypatch.setattr(arrivals, "MAX_SUBTASKS", 2)
    ids = {name: str(uuid4()) for name in ("top", "middle", "below", "self")}
    there, gone = ann.add(title="there"), ann.add(title="gone")
    is_subtask = ann.add(title="subtask", parent_id=there["id"])
    remove(ann, gone["id"])
    left_out = take(
        ann,
        {"title": "no parent", "parent_id": str(uuid4()), "list_name": "Home"},
        {"title": "parent in trash", "parent_id": gone["id"]},
        {"title": "parent is subtask", "parent_id": is_subtask["id"]},
        {"id": ids["self"], "title": "its own", "parent_id": ids["self"]},
        {"id": ids["below"], "title": "below", "parent_id": ids["middle"]},
        {"id": ids["middle"], "title": "middle", "parent_id": ids["top"]},
        {"id": ids["top"], "title": "top"},
        {"title": "second", "parent_id": there["id"]},
        {"title": "third", "parent_id": there["id"]},
    )

    assert left_out == {"parent_id": 6}
    assert tree(ann) == {
        None: [("there", ["subtask", "second"]), "parent in trash", "parent is subtask", "its own",
               ("middle", ["below"]), "top", "third"],
        "Home": ["no parent"],
    }  # fmt: skip


def test_an_open_subtask_reopens_its_parent(ann: Caller) -> None:
    """As in the API; a completed one does not, nor one that is there already."""
    parents = [ann.add(title="top", completed=True) for _ in range(3)]
    there = ann.add(title="sub", parent_id=parents[2]["id"], completed=True)
    assert ann.get(f"/v1/tasks/{parents[2]['id']}").json["completed"]
    take(
        ann,
        {"title": "open", "parent_id": parents[0]["id"]},
        {"title": "done", "parent_id": parents[1]["id"], "completed": True},
        {"id": there["id"], "title": "kept", "parent_id": parents[2]["id"]},
    )

    found = [ann.get(f"/v1/tasks/{parent['id']}") for parent in parents]
    assert [answer.json["completed"] for answer in found] == [False, True, True]
    assert [answer.headers["ETag"] for answer in found] == ['"2"', '"1"', '"1"']
    assert found[0].json["completed_at"] is None


def test_a_subtask_does_not_recur(ann: Caller) -> None:
    """Its due stays."""
    parent = ann.add()
    rule = {"due_on": "2026-03-14", "recurrence": "FREQ=DAILY"}

    assert take(ann, {"title": "sub", "parent_id": parent["id"], **rule}) == {"recurrence": 1}
    [subtask] = walk(ann, parent=parent["id"])
    assert (subtask["due_on"], subtask["recurrence"]) == ("2026-03-14", None)


def test_what_is_there_stays_where_it_is(ann: Caller) -> None:
    """And makes no list."""
    home = add_list(ann, "Home")
    top, sub = ann.add(title="top", list_id=home), ann.add(title="sub")
    before = walk(ann)
    left_out = take(
        ann,
        {"id": top["id"], "title": "top", "list_name": "Other", "position": "0"},
        {"id": sub["id"], "title": "sub", "parent_id": top["id"], "list_name": "Other"},
        {"id": top["id"], "title": "top", "list_id": str(uuid4())},
    )

    assert (left_out, walk(ann), lists_of(ann)) == ({}, before, ["Home"])


def test_what_is_in_the_trash_comes_back_where_the_file_says(ann: Caller) -> None:
    """Also a task that had subtasks, as a subtask; those stay in the trash, as tasks of their own."""
    top, other = ann.add(title="top"), ann.add(title="other")
    below = ann.add(title="below", parent_id=other["id"])
    for task in (top, other):
        remove(ann, task["id"])
    take(
        ann,
        {"id": other["id"], "title": "other", "parent_id": top["id"]},
        {"id": top["id"], "title": "top", "list_name": "Home"},
    )
    assert tree(ann) == {None: [], "Home": [("top", ["other"])]}
    assert ann.post(f"/v1/tasks/{below['id']}/restore").status_code == 200

    assert tree(ann) == {None: ["below"], "Home": [("top", ["other"])]}


def test_a_parent_that_comes_back_still_has_its_subtasks(ann: Caller) -> None:
    """Once they are restored as well."""
    top = ann.add(title="top")
    sub = ann.add(title="sub", parent_id=top["id"])
    remove(ann, top["id"])
    take(ann, {"id": top["id"], "title": "top"})
    assert tree(ann) == {None: ["top"]}
    assert ann.post(f"/v1/tasks/{sub['id']}/restore").status_code == 200
    assert ann.post(f"/v1/tasks/{top['id']}/toggle").json["completed"]

    assert ann.get(f"/v1/tasks/{sub['id']}").json["completed"]


def test_a_file_of_before_is_imported_as_before(ann: Caller) -> None:
    """Without any of the new columns, into the inbox."""
    answer = send(ann, b"title,priority\r\ntea,\r\nmilk,high\r\n", "csv")

    assert (answer.json["added"], answer.json["left_out"]) == (2, [])
    assert tree(ann) == {None: ["tea", "milk"]}


@ANY_PAGE
@EVERY_FORMAT
def test_an_export_of_one_list_has_only_its_tasks(
    ann: Caller, bob: Caller, monkeypatch: pytest.MonkeyPatch, name: str, page: int
) -> None:
    """In their order, with their subtasks. Only such a calendar has a name, which is the list's."""
    monkeypatch.setattr(transfer, "PAGE", page)
    home = add_list(ann, "Home")
    ids = [ann.add(title=f"task {number}", list_id=home)["id"] for number in range(3)]
    ann.add(title="task 3", parent_id=ids[0])
    place_first(ann, ids[2])
    inbox = ann.add(title="task 4")
    for title in ("task 5", "task 6"):
        ann.add(title=title, parent_id=inbox["id"])
    files = {list_: export(ann, name, **query).decode() for list_, query in
             {"": {}, "home": {"list": home.upper()}, "inbox": {"list": "none"}}.items()}  # fmt: skip

    found = {list_: [number for number in range(7) if f"task {number}" in file] for list_, file in files.items()}
    assert found == {"": [*range(7)], "home": [0, 1, 2, 3], "inbox": [4, 5, 6]}
    assert [files["home"].index(f"task {number}") for number in (2, 0, 1)] == sorted(
        files["home"].index(f"task {number}") for number in range(3)
    )
    assert [list_ for list_, file in files.items() if "X-WR-CALNAME:Home\r\n" in file] == ["home"] * (name == "ics")
    for caller, list_id in ((bob, home), (ann, str(uuid4()))):
        assert b"task" not in export(caller, name, list=list_id)
        assert b"CALNAME" not in export(caller, name, list=list_id)


@pytest.mark.one_engine
@pytest.mark.parametrize("query", ["list=", "list=7", "list=inbox", "list=none&list=none"])
def test_another_list_is_rejected(ann: Caller, query: str) -> None:
    """The error names the parameter."""
    assert_problem(ann.get("/v1/tasks/export", query_string=query), 422, "validation_error", "list")
