"""A client that keeps a copy of a user's tasks, and the tasks that its copy must equal."""

from typing import Any, ClassVar

from werkzeug.test import TestResponse

from tests.api.support.calls import CHANGES, page
from tests.conftest import Caller


class Replica:
    """Applies each page of changes in order, and uses only their content."""

    query: ClassVar[dict[str, str]] = {}

    def __init__(self, caller: Caller, limit: int = 1_000) -> None:
        self.caller = caller
        self.limit = limit
        self.tasks: dict[str, Any] = {}
        self.lists: dict[str, Any] = {}
        self.token: str | None = None

    def fork(self) -> "Replica":
        """Return another client that has read as far."""
        twin = type(self)(self.caller, self.limit)
        twin.tasks, twin.lists, twin.token = dict(self.tasks), dict(self.lists), self.token
        return twin

    def read_page(self) -> bool:
        """Read one page, and return whether there are more."""
        found = changes(self.caller, self.token, limit=self.limit, **self.query)
        self.apply(found)
        return bool(found["has_more"])

    def apply(self, found: dict[str, Any]) -> None:
        """Apply one page."""
        of_lists = found.get("lists", {"changed": [], "deleted": []})
        assert sum(len(each[name]) for each in (found, of_lists) for name in ("changed", "deleted")) <= self.limit
        for copy, part in ((self.lists, of_lists), (self.tasks, found)):
            copy |= {each["id"]: each for each in part["changed"]}
            for id_ in part["deleted"]:
                copy.pop(id_, None)
        self.token = found["next"]

    def read_to_the_end(self) -> int:
        """Read until there are no more, and return the number of pages."""
        pages = 1
        while self.read_page():
            pages += 1
        return pages


class ReplicaWithLists(Replica):
    """Applies the changes of lists too."""

    query = {"lists": "true"}


def changes(caller: Caller, since: str | None = None, **query: Any) -> dict[str, Any]:
    """Return one response, which must have the contract's members."""
    answer = CHANGES(caller, query_string={**query, **({"since": since} if since else {})})
    assert answer.status_code == 200, answer.text
    assert_has_members(answer, query.get("lists") == "true")
    return dict(answer.json)


def assert_has_members(answer: TestResponse, with_lists: bool = False) -> None:
    assert set(answer.json) == {"changed", "deleted", "next", "has_more", *(["lists"] if with_lists else [])}


def tasks_of(caller: Caller) -> dict[str, Any]:
    """Return all live tasks by id."""
    found, cursor = page(caller, limit=200)
    while cursor:
        more, cursor = page(caller, limit=200, cursor=cursor)
        found += more
    return {task["id"]: task for task in found}


def lists_of(caller: Caller) -> dict[str, Any]:
    """Return all lists by id."""
    found = caller.get("/v1/lists")
    assert found.status_code == 200
    return {each["id"]: each for each in found.json["items"]}


def trash_of(caller: Caller) -> dict[str, Any]:
    """Return all tasks in the trash by id."""
    return {task["id"]: task for task in page(caller, limit=200, deleted="true")[0]}


def delete(caller: Caller, *ids: str) -> None:
    for task_id in ids:
        assert caller.delete(f"/v1/tasks/{task_id}").status_code == 204
