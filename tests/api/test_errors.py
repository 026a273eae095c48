"""All errors have one shape, and all responses the right headers."""

import re
from uuid import uuid4

import pytest

from app.http.problems import catalogue
from tests.api.support.calls import (
    CREATE,
    CREATE_BY_USER,
    LIST,
    LIST_BY_USER,
    ON_ONE_TASK,
    ON_ONE_TASK_BY_USER,
    PROBLEM_MEMBERS,
    Call,
    assert_problem,
    problem_of,
    raw,
)
from tests.conftest import Caller, make_app

pytestmark = pytest.mark.one_engine

REFUSED = {
    "400": lambda ann: CREATE(ann, data="{", content_type="application/json"),
    "401": lambda ann: Caller(ann.client.application).get("/v1/tasks"),
    "403": lambda ann: LIST_BY_USER(ann, user_id="bob"),
    "404": lambda ann: ann.get(f"/v1/tasks/{uuid4()}"),
    "404, no route": lambda ann: ann.get("/nowhere"),
    "404, no asset": lambda ann: ann.get("/docs/assets/nothing.js"),
    "405": lambda ann: ann.delete("/v1/tasks"),
    "413": lambda ann: CREATE(ann, data=b" " * 200_000, content_type="application/json"),
    "415": lambda ann: CREATE(ann, data="title=tea"),
    "422": lambda ann: CREATE(ann, json={}),
    "422, cursor": lambda ann: LIST(ann, query_string="cursor=x"),
}
TITLE_OF_A_401 = re.compile(r"Unauthorized: [a-z].{5,60}")
NO_PATHS = [
    "/nowhere", "/v1", "/v1/", "/v1/task", "/v1/tasks/", "/v1//tasks", "//v1/tasks", "///v1/tasks", "/v1/tasks//",
    "/v1/tasks/%2F", "/V1/tasks", "/v1/Tasks", "/v1/tasks;a=b", "/v1/tasks%20", "/v1/tasks%00", "/v1/tasks%FF",
    "/v1/tasks/../tasks", "/./v1/tasks", "/v1/tasks/{id}/", "/v1/tasks//{id}", "/v1/tasks/{id}/toggle/", "/api",
    "/api/", "/api/{user}", "/api/{user}/", "/api/{user}/tasks/", "/api/{user}//tasks", "/api//tasks",
    "/api//{user}/tasks", "//api/{user}/tasks", "/api/{user}/tasks/{id}/", "/docs/", "/docs/errors/", "//docs",
    "/healthz/", "//healthz", "/openapi.json/", "/docs/assets/", "/docs/assets/../docs.py", "/v1/auth/me/", "//",
]  # fmt: skip
NO_IDS = ["1", "nonsense", "null", "{id}x", "{{{id}}}", "urn:uuid:{id}", "{hex}", "%20{id}", "{id}%00", "{id}%0A", "٧"]
NO_IDS += ["-1"]
EVERY_REFUSAL = pytest.mark.parametrize("refuse", REFUSED.values(), ids=list(REFUSED))


def test_the_title_of_every_401_begins_with_unauthorized(anonymous):
    """For clients and people that look for the word of RFC 9110, section 15.5.2."""
    titles = [problem.title for problem in catalogue() if problem.status == 401]

    assert titles
    assert [title for title in titles if not TITLE_OF_A_401.fullmatch(title)] == []
    answer = anonymous.get("/v1/tasks")
    assert (answer.status_code, answer.json["title"]) == (401, "Unauthorized: a token is needed")


@EVERY_REFUSAL
def test_every_error_has_the_same_shape(ann, refuse):
    """RFC 9457 with a code for programs, and `errors` only if a field is wrong."""
    answer = refuse(ann)

    assert_problem(answer, answer.status_code, answer.json["code"])
    assert answer.status_code >= 400
    assert set(answer.json) == PROBLEM_MEMBERS | ({"errors"} if answer.json["code"] == "validation_error" else set())
    assert all(isinstance(answer.json[name], str) and answer.json[name] for name in PROBLEM_MEMBERS - {"status"})
    for messages in answer.json.get("errors", {}).values():
        assert messages
        assert all(isinstance(message, str) for message in messages)


@EVERY_REFUSAL
def test_the_type_of_an_error_links_to_its_explanation(ann, refuse):
    """A relative URL with an anchor in the published page."""
    answer = refuse(ann)
    path, _, anchor = answer.json["type"].partition("#")
    explanation = ann.get(path)

    assert answer.status_code >= 400
    assert explanation.status_code == 200
    assert f'id="{anchor}"' in explanation.text


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_path_that_does_not_match_exactly_is_404(ann, method):
    """Without a redirect: trailing and double slashes, other case, odd bytes."""
    task_id = ann.add()["id"]
    paths = {path: path.format(user=ann.user_id, id=task_id) for path in NO_PATHS}
    answers = {path: ann.call(method, "/", **raw(filled)) for path, filled in paths.items()}

    assert {path: problem_of(answers[path]) for path in NO_PATHS} == dict.fromkeys(NO_PATHS, (404, "not_found"))
    assert [path for path in NO_PATHS if "Location" in answers[path].headers] == []


def test_an_empty_path_is_not_redirected(ann):
    """Not even to the place that the Host header names."""
    answer = ann.get("/", **raw(""), headers={"Host": "evil.example"})

    assert answer.status_code in (200, 404)
    assert "Location" not in answer.headers


@pytest.mark.both_engines
@pytest.mark.parametrize("call", [*ON_ONE_TASK, *ON_ONE_TASK_BY_USER], ids=str)
def test_an_id_that_is_not_a_canonical_uuid_is_404(ann, call):
    """On both engines, because they would treat other forms differently."""
    known = ann.add()["id"]
    ids = {form: form.format(id=known, hex=known.replace("-", "")) for form in NO_IDS}
    answers = {form: call(ann, task_id) for form, task_id in ids.items()}

    assert {form: problem_of(answers[form]) for form in NO_IDS} == dict.fromkeys(NO_IDS, (404, "not_found"))


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/v1/tasks", {"GET", "HEAD", "POST"}),
        ("PATCH", "/v1/tasks", {"GET", "HEAD", "POST"}),
        ("POST", "/v1/tasks/{id}", {"GET", "HEAD", "PUT", "PATCH", "DELETE"}),
        ("GET", "/v1/tasks/{id}/toggle", {"POST"}),
        ("POST", "/api/{user}/tasks/{id}", {"GET", "HEAD", "PUT", "PATCH", "DELETE"}),
        ("POST", "/api/{user}/tasks/{id}/complete", {"PATCH"}),
        ("GET", "/v1/auth/login", {"POST"}),
        ("POST", "/healthz", {"GET", "HEAD"}),
        ("POST", "/openapi.json", {"GET", "HEAD"}),
        ("PUT", "/docs", {"GET", "HEAD"}),
        ("TRACE", "/v1/tasks", {"GET", "HEAD", "POST"}),
        ("BREW", "/v1/tasks", {"GET", "HEAD", "POST"}),
    ],
)
def test_an_unsupported_method_is_405_with_allow(ann, method, path, allowed):
    """Allow lists the supported methods (RFC 9110, section 15.5.6)."""
    answer = ann.call(method, path.format(user=ann.user_id, id=uuid4()))

    assert_problem(answer, 405, "method_not_allowed")
    assert set(answer.headers["Allow"].split(", ")) - {"OPTIONS"} == allowed


@pytest.mark.parametrize(
    "call",
    [CREATE, LIST, CREATE_BY_USER, LIST_BY_USER, *ON_ONE_TASK, *ON_ONE_TASK_BY_USER, Call("GET", "/v1/auth/me"),
     Call("GET", "/"), Call("GET", "/healthz"), Call("GET", "/readyz")],
    ids=str,
)  # fmt: skip
def test_every_operation_rejects_an_unknown_parameter(ann, call):
    """Also operations without parameters; nothing is written."""
    task, queries = ann.add(), ["nonsense=1", "nonsense", "nonsense=1&nonsense=2", "nonsense=%00"]
    answers = {query: call(ann, task["id"], query_string=query) for query in queries}

    assert {query: problem_of(answers[query]) for query in queries} == dict.fromkeys(queries, (422, "validation_error"))
    assert [query for query in queries if "nonsense" not in answers[query].json["errors"]] == []
    assert ann.get("/v1/tasks").json["items"] == [task]


SECRET = "SELECT password FROM users"


@pytest.mark.parametrize("error", [RuntimeError, KeyError, MemoryError, RecursionError, TimeoutError, UnicodeError])
def test_an_unexpected_exception_is_500_without_its_reason(new_database, error):
    """In the usual shape; the trace is in the log."""
    app = make_app(new_database())

    @app.get("/failing")
    def fail():
        raise error(SECRET)

    answer = Caller(app).get("/failing")
    assert_problem(answer, 500, "internal_error")
    assert not re.search("SELECT|Traceback|Error|fail", answer.text.replace("The service failed", ""))
    assert answer.headers["Cache-Control"] == "private, no-cache"


@pytest.mark.parametrize("request_id", ["a", "7f3a-ü".encode().hex(), "!~", "x" * 128, "<script>", '{"a":1}'])
@pytest.mark.parametrize("path", ["/healthz", "/nowhere", "/v1/tasks", "/docs"])
def test_a_valid_request_id_is_kept(ann, request_id, path):
    """1 to 128 visible ASCII characters, on successes and errors."""
    answer = ann.get(path, headers={"X-Request-ID": request_id})

    assert answer.status_code in (200, 404)
    assert answer.headers.getlist("X-Request-ID") == [request_id]


@pytest.mark.parametrize("request_id", ["", " ", "a b", "x" * 129, "ü", "a\tb", "a\x7f", None], ids=ascii)
def test_an_invalid_request_id_is_replaced(ann, request_id):
    """Each such request gets a new one."""
    headers = {} if request_id is None else {"X-Request-ID": request_id}
    first, second = (ann.get("/nowhere", headers=headers) for _ in range(2))

    assert_problem(first, 404, "not_found")
    assert_problem(second, 404, "not_found")
    assert len({first.headers["X-Request-ID"], second.headers["X-Request-ID"], request_id}) == 3
    assert re.fullmatch("[!-~]{1,128}", first.headers["X-Request-ID"])


@EVERY_REFUSAL
def test_errors_are_not_stored_by_caches(ann, refuse):
    """Errors are as private as the data they are about."""
    answer = refuse(ann)

    assert answer.status_code >= 400
    assert answer.headers["Cache-Control"] == "private, no-cache"
