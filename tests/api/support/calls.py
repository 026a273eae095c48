"""The operations on tasks, and the shape of an error."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote_to_bytes
from uuid import uuid4

from werkzeug.test import TestResponse

from tests.conftest import Caller

TASK_FIELDS = {"id", "title", "details", "completed", "completed_at", "priority", "tags", "due_on", "due_at"}
TASK_FIELDS |= {"time_zone", "recurrence", "reminders", "list_id", "parent_id", "position"}
TASK_FIELDS |= {"created_at", "updated_at", "user_id"}
USER_TASK_FIELDS = TASK_FIELDS - {"details"} | {"description"}
PROBLEM_MEMBERS = {"type", "title", "status", "detail", "code", "request_id"}

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


@dataclass(frozen=True)
class Call:
    """An operation. Its path may name `{user_id}` and `{task_id}`."""

    method: str
    path: str
    body: Any = None

    def __call__(
        self, caller: Caller, task_id: object = None, user_id: str | None = None, **options: Any
    ) -> TestResponse:
        user = quote(user_id or caller.user_id or "anybody", safe="")
        if self.body is not None and not options.keys() & {"data", "json", "input_stream"}:
            options["json"] = self.body
        return caller.call(self.method, self.path.format(user_id=user, task_id=task_id or uuid4()), **options)

    def __str__(self) -> str:
        return f"{self.method} {self.path}" + (" with a body" if self.body is not None else "")


READ, DELETE = Call("GET", "/v1/tasks/{task_id}"), Call("DELETE", "/v1/tasks/{task_id}")
REPLACE = Call("PUT", "/v1/tasks/{task_id}", {"title": "changed"})
CHANGE, EMPTY_PATCH = (
    Call("PATCH", "/v1/tasks/{task_id}", {"title": "changed"}),
    Call("PATCH", "/v1/tasks/{task_id}", {}),
)
TOGGLE, RESTORE = Call("POST", "/v1/tasks/{task_id}/toggle"), Call("POST", "/v1/tasks/{task_id}/restore")
ON_ONE_TASK = [READ, REPLACE, CHANGE, EMPTY_PATCH, DELETE, TOGGLE]

READ_BY_USER = Call("GET", "/api/{user_id}/tasks/{task_id}")
REPLACE_BY_USER = Call("PUT", "/api/{user_id}/tasks/{task_id}", {"title": "changed"})
DELETE_BY_USER = Call("DELETE", "/api/{user_id}/tasks/{task_id}")
TOGGLE_BY_USER = Call("PATCH", "/api/{user_id}/tasks/{task_id}/complete")
COMPLETE = Call("PATCH", "/api/{user_id}/tasks/{task_id}/complete", {"completed": True})
CHANGE_BY_USER = Call("PATCH", "/api/{user_id}/tasks/{task_id}", {"title": "changed"})
ON_ONE_TASK_BY_USER = [READ_BY_USER, REPLACE_BY_USER, DELETE_BY_USER, TOGGLE_BY_USER, COMPLETE, CHANGE_BY_USER]

CREATE, CREATE_BY_USER = (
    Call("POST", "/v1/tasks", {"title": "tea"}),
    Call("POST", "/api/{user_id}/tasks", {"title": "tea"}),
)
BATCH = Call("POST", "/v1/tasks/batch", {"operations": [{"op": "create", "task": {"title": "tea"}}]})
CHANGES = Call("GET", "/v1/tasks/changes")
LIST, LIST_BY_USER = Call("GET", "/v1/tasks"), Call("GET", "/api/{user_id}/tasks")


def raw(path: str) -> dict[str, Any]:
    """Return options that send a percent-encoded path unchanged: the test client would decode and encode it again."""
    return {"environ_overrides": {"PATH_INFO": unquote_to_bytes(path).decode("latin-1")}}


def problem_of(answer: TestResponse) -> tuple[int, str]:
    """Return status and code of an error in the standard shape, otherwise status and body."""
    body = answer.json if answer.content_type == "application/problem+json" else {}
    is_shaped = (
        set(body) - {"errors"} == PROBLEM_MEMBERS
        and body["status"] == answer.status_code
        and body["type"] == f"/docs/errors#{body['code']}"
        and body["request_id"] == answer.headers["X-Request-ID"]
    )
    return answer.status_code, body["code"] if is_shaped else f"{answer.content_type}: {answer.text}"


def assert_problem(answer: TestResponse, status: int, code: str, *faulty: str) -> None:
    """Assert that the response is this error in the standard shape; `faulty` are the fields with mistakes."""
    assert problem_of(answer) == (status, code)
    assert set(answer.json.get("errors", ())) >= set(faulty)


def page(caller: Caller, **query: Any) -> tuple[list[dict[str, Any]], str | None]:
    """Return the tasks of a page, and the cursor of the next."""
    answer = LIST(caller, query_string=query)
    assert (answer.status_code, set(answer.json)) == (200, {"items", "next_cursor"})
    return answer.json["items"], answer.json["next_cursor"]
