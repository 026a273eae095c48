"""Shared by the tests of lists: both lists, all their pages, and tasks with equal sort values."""

import unicodedata
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.support.calls import LIST, LIST_BY_USER, Call
from tests.conftest import Caller

Task = dict[str, Any]

EITHER_LIST = pytest.mark.parametrize("call", [LIST, LIST_BY_USER], ids=str)

NAMES = ["created_at", "updated_at", "due", "priority", "title"]
SORTS = [f"{sign}{name}" for name in NAMES for sign in ("", "-")]
EVERY_SORT = pytest.mark.parametrize("sort", SORTS)
RANKS = ["none", "low", "medium", "high"]

A_DAY = "2026-03-14"
# By zone, the last microsecond of that day, and the first one after it.
ENDS = {
    "Pacific/Auckland": ("2026-03-14T10:59:59.999999Z", "2026-03-14T11:00:00Z"),
    None: ("2026-03-14T23:59:59.999999Z", "2026-03-15T00:00:00Z"),
    "Pacific/Honolulu": ("2026-03-15T09:59:59.999999Z", "2026-03-15T10:00:00Z"),
}

# More pages than any test makes, so that a bug cannot page forever.
MOST_PAGES = 100


def pages(caller: Caller, call: Call = LIST, **query: Any) -> Iterator[list[Task]]:
    """Yield each page of a list. The total of a bare array must be the same on every page, and correct."""
    answer, found, totals = call(caller, query_string=query), 0, set()
    for _ in range(MOST_PAGES):
        assert answer.status_code == 200, answer.text
        body: Any = answer.json
        tasks: list[Task] = body["items"] if call is LIST else body
        yield tasks
        found += len(tasks)
        totals.add(int(answer.headers.get("X-Total-Count", "-1")))
        if call is LIST and body["next_cursor"]:
            answer = call(caller, query_string={**query, "cursor": body["next_cursor"]})
        elif "Link" in answer.headers:
            answer = caller.get(answer.headers["Link"].partition(">")[0].removeprefix("<"))
        else:
            break
    else:
        raise AssertionError("the pages do not come to an end")
    assert call is LIST or "cursor" in query or totals == {found}


def walk(caller: Caller, call: Call = LIST, **query: Any) -> list[Task]:
    """Return all tasks of a list, page by page."""
    return [task for tasks in pages(caller, call, **query) for task in tasks]


def titles(caller: Caller, call: Call, sort: str = "created_at", **query: Any) -> str:
    """Return their titles, by default in the order of creation."""
    return " ".join(task["title"] for task in walk(caller, call, sort=sort, **query))


def add_at_once(caller: Caller, *tasks: Task) -> list[str]:
    """Create tasks in one transaction, so that their times are equal, and return their ids."""
    operations = [{"op": "create", "task": {"title": "tea", **task}} for task in tasks]
    answer = caller.post("/v1/tasks/batch", json={"operations": operations})
    assert answer.status_code == 200, answer.text
    body: Any = answer.json
    return [result["id"] for result in body["results"]]


def remove(caller: Caller, task_id: str) -> None:
    """Move a task to the trash."""
    assert caller.delete(f"/v1/tasks/{task_id}").status_code == 204


def by_title(task: Task) -> tuple[str, str]:
    """What a list by title is sorted by: the letters alone, then the title itself."""
    letters = [letter for letter in unicodedata.normalize("NFD", task["title"]) if not unicodedata.combining(letter)]
    return "".join(letters).casefold(), task["title"]
