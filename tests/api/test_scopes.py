"""What personal tokens may do, by their scopes: a rule for all routes."""

import pytest

from tests.api.support.calls import assert_problem
from tests.api.test_every_route import OPEN, path_of, routes
from tests.auth.personal import READ, WRITE, script_of
from tests.conftest import Caller
from tests.contract.test_openapi import operations

pytestmark = pytest.mark.one_engine

OF_TASKS = ("/v1/tasks", "/v1/lists", "/api/<user_id>/tasks")


def expected(method, rule):
    """Return the scope that a route must name; None if it is closed to personal tokens."""
    if rule.rule == "/mcp":
        # Each tool asks for its own.
        return READ
    if not rule.rule.startswith(OF_TASKS):
        return None
    return READ if method == "GET" else WRITE


def is_open_to(answer):
    return not (answer.status_code == 403 and answer.json["code"] == "insufficient_scope")


def assert_insufficient(answer, scope):
    """With RFC 6750's challenge, which names the scope if one would do."""
    challenge = 'Bearer realm="tasks", error="insufficient_scope"'
    assert_problem(answer, 403, "insufficient_scope")
    assert answer.headers["WWW-Authenticate"] == (f'{challenge}, scope="{scope}"' if scope else challenge)


@pytest.mark.parametrize("scopes", [(READ,), (WRITE,), (READ, WRITE)], ids=" ".join)
def test_every_route_is_open_to_the_scopes_that_it_names(app, ann, scopes):
    """Each one of the account, sessions and tokens to none; a new route, too, until it names one."""
    script = script_of(app, ann, *scopes)
    closed = {name: route for name, route in routes(app).items() if name not in OPEN}
    assert len(closed) > 30
    for name, (method, rule) in closed.items():
        scope = expected(method, rule)
        answer = script.call(method, path_of(rule, ann.user_id))
        if scope in scopes or (scope and WRITE in scopes):
            assert is_open_to(answer), name
        else:
            assert_insufficient(answer, scope)
    assert script.get("/v1/tasks").status_code == ann.get("/v1/auth/me").status_code == 200


def test_a_refused_route_reads_no_body(app, ann):
    """The scope is checked before the body and the query."""
    script = script_of(app, ann, READ)
    for name, (method, rule) in routes(app).items():
        if name not in OPEN and expected(method, rule) != READ:
            bad = {"data": b"\xff{", "content_type": "text/plain", "query_string": "nonsense=1"}
            assert_insufficient(script.call(method, path_of(rule, ann.user_id), **bad), expected(method, rule))


def test_other_tokens_have_no_scopes(app, ann):
    """They may do everything."""
    for name, (method, rule) in routes(app).items():
        if name not in OPEN and method == "GET":
            with ann.get(path_of(rule, ann.user_id)) as answer:
                assert is_open_to(answer), name


def test_a_read_token_changes_nothing(app, ann):
    """It reads everything of its user's tasks."""
    task, script = ann.add(), script_of(app, ann, READ)
    assert_insufficient(script.delete(f"/v1/tasks/{task['id']}"), WRITE)
    assert_insufficient(
        script.post("/v1/tasks/batch", json={"operations": [{"op": "delete", "id": task["id"]}]}), WRITE
    )

    assert script.get(f"/v1/tasks/{task['id']}").json == ann.get(f"/v1/tasks/{task['id']}").json == task


def test_the_document_names_the_scope_of_each_operation(app):
    """In its description, with the error."""
    document = Caller(app).get("/openapi.json").json
    named = {f"{method} {rule.rule}".replace("<id:", "<"): (method, rule) for method, rule in routes(app).values()}
    checked = 0
    for path, method, operation in operations(document):
        if operation["security"]:
            scope = expected(*named[f"{method.upper()} {path}".replace("{", "<").replace("}", ">")])
            told = f"A personal token needs the scope `{scope}`." if scope else "No personal token can call this."
            assert operation["description"].endswith(told), path
            assert operation["responses"]["403"]["$ref"].endswith("Problem403"), path
            checked += 1
    assert checked > 30
