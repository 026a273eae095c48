"""What the tests of this room share: the operations on one task, and the shape of an error."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote_to_bytes
from uuid import uuid4

from werkzeug.test import TestResponse

from tests.conftest import Caller

TASK_FIELDS = {"id", "title", "details", "completed", "completed_at", "priority", "tags", "due_on", "due_at"}
TASK_FIELDS |= {"time_zone", "recurrence", "created_at", "updated_at", "user_id"}
USER_TASK_FIELDS = TASK_FIELDS - {"details"} | {"description"}
PROBLEM_MEMBERS = {"type", "title", "status", "detail", "code", "request_id"}

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


@dataclass(frozen=True)
class Call:
    """An operation: its path may name `{user_id}` and `{task_id}`."""

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


ON_ONE_TASK = [
    Call("GET", "/v1/tasks/{task_id}"),
    Call("PUT", "/v1/tasks/{task_id}", {"title": "changed"}),
    Call("PATCH", "/v1/tasks/{task_id}", {"title": "changed"}),
    Call("PATCH", "/v1/tasks/{task_id}", {}),
    Call("DELETE", "/v1/tasks/{task_id}"),
    Call("POST", "/v1/tasks/{task_id}/toggle"),
]
ON_ONE_TASK_BY_USER = [
    Call("GET", "/api/{user_id}/tasks/{task_id}"),
    Call("PUT", "/api/{user_id}/tasks/{task_id}", {"title": "changed"}),
    Call("DELETE", "/api/{user_id}/tasks/{task_id}"),
    Call("PATCH", "/api/{user_id}/tasks/{task_id}/complete"),
    Call("PATCH", "/api/{user_id}/tasks/{task_id}/complete", {"completed": True}),
    Call("PATCH", "/api/{user_id}/tasks/{task_id}", {"title": "changed"}),
]
CREATE, CREATE_BY_USER = (
    Call("POST", "/v1/tasks", {"title": "tea"}),
    Call("POST", "/api/{user_id}/tasks", {"title": "tea"}),
)
BATCH = Call("POST", "/v1/tasks/batch", {"operations": [{"op": "create", "task": {"title": "tea"}}]})
RESTORE, CHANGES = Call("POST", "/v1/tasks/{task_id}/restore"), Call("GET", "/v1/tasks/changes")
LIST, LIST_BY_USER = Call("GET", "/v1/tasks"), Call("GET", "/api/{user_id}/tasks")
REPLACE, CHANGE, REPLACE_BY_USER = ON_ONE_TASK[1], ON_ONE_TASK[2], ON_ONE_TASK_BY_USER[1]
COMPLETE, CHANGE_BY_USER = ON_ONE_TASK_BY_USER[4], ON_ONE_TASK_BY_USER[5]


def raw(path: str) -> dict[str, Any]:
    """Options that send a percent-encoded path's very octets: the test client would fix or read them anew."""
    return {"environ_overrides": {"PATH_INFO": unquote_to_bytes(path).decode("latin-1")}}


def assert_problem(answer: TestResponse, status: int, code: str, *faulty: str) -> None:
    """The answer is this error, in the one shape that errors have; `faulty` are the fields at fault."""
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json"), answer.text
    body = answer.json
    assert set(body) - {"errors"} == PROBLEM_MEMBERS
    assert (body["status"], body["code"], body["type"]) == (status, code, f"/docs/errors#{code}")
    assert body["request_id"] == answer.headers["X-Request-ID"]
    assert set(body.get("errors", ())) >= set(faulty)


def page(caller: Caller, **query: Any) -> tuple[list[dict[str, Any]], str | None]:
    """One page: its tasks, and the cursor of the next."""
    answer = LIST(caller, query_string=query)
    assert (answer.status_code, set(answer.json)) == (200, {"items", "next_cursor"})
    return answer.json["items"], answer.json["next_cursor"]
