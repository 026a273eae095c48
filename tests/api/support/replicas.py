"""A client that keeps a copy of a user's tasks, and the tasks that its copy must equal."""

from typing import Any

from werkzeug.test import TestResponse

from tests.api.support.calls import CHANGES, page
from tests.conftest import Caller


class Replica:
    """Applies each page of changes in order, and uses only their content."""

    def __init__(self, caller: Caller, limit: int = 1_000) -> None:
        self.caller = caller
        self.limit = limit
        self.tasks: dict[str, Any] = {}
        self.token: str | None = None

    def fork(self) -> "Replica":
        """Return another client that has read as far."""
        twin = Replica(self.caller, self.limit)
        twin.tasks, twin.token = dict(self.tasks), self.token
        return twin

    def read_page(self) -> bool:
        """Read one page, and return whether there are more."""
        found = changes(self.caller, self.token, limit=self.limit)
        assert len(found["changed"]) + len(found["deleted"]) <= self.limit
        self.tasks |= {task["id"]: task for task in found["changed"]}
        for task_id in found["deleted"]:
            self.tasks.pop(task_id, None)
        self.token = found["next"]
        return bool(found["has_more"])

    def read_to_the_end(self) -> int:
        """Read until there are no more, and return the number of pages."""
        pages = 1
        while self.read_page():
            pages += 1
        return pages


def changes(caller: Caller, since: str | None = None, **query: Any) -> dict[str, Any]:
    """Return one response, which must have the contract's members."""
    answer = CHANGES(caller, query_string={**query, **({"since": since} if since else {})})
    assert answer.status_code == 200, answer.text
    assert_has_members(answer, "lists" in query)
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


def trash_of(caller: Caller) -> dict[str, Any]:
    """Return all tasks in the trash by id."""
    return {task["id"]: task for task in page(caller, limit=200, deleted="true")[0]}


def delete(caller: Caller, *ids: str) -> None:
    for task_id in ids:
        assert caller.delete(f"/v1/tasks/{task_id}").status_code == 204
