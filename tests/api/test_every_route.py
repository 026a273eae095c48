"""Rules for all routes, read from the app: the only list here is that of the open routes."""

import re
from uuid import uuid4

import pytest

from tests.api.support.calls import assert_problem
from tests.auth.people import another_app
from tests.conftest import MAIL_SETTINGS, new_user_id

pytestmark = pytest.mark.one_engine

# All other routes need a token.
OPEN = {
    "GET /",
    "GET /healthz",
    "GET /readyz",
    "GET /openapi.json",
    "GET /docs",
    "GET /docs/errors",
    "GET /docs/assets/<name>",
    "GET /.well-known/oauth-protected-resource",
    "GET /.well-known/oauth-protected-resource/mcp",
    "POST /v1/auth/register",
    "POST /v1/auth/login",
    "POST /v1/auth/refresh",
    "POST /v1/auth/password/forgot",
    "POST /v1/auth/password/reset",
    "POST /v1/auth/email/verify",
    "GET /reset-password",
    "GET /verify-email",
}
# What adds routes.
EVERYTHING = {"PUBLIC_URL": "https://tasks.example.com", "MCP_OAUTH_ISSUER": "https://app.example.com/api/auth"}
EVERYTHING |= MAIL_SETTINGS
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@pytest.fixture(scope="module")
def app(new_database):
    """An app with every route."""
    with another_app(new_database(), **EVERYTHING) as app:
        yield app


def routes(app):
    """Return every method of every route, by the name that OPEN uses."""
    return {
        f"{method} {rule.rule}": (method, rule)
        for rule in app.url_map.iter_rules()
        for method in METHODS
        if method in rule.methods
    }


def path_of(rule, user_id=None, task_id=None, list_id=None, webhook_id=None):
    values = {
        "user_id": user_id or new_user_id(),
        "task_id": task_id or uuid4(),
        "list_id": list_id or uuid4(),
        "session_id": uuid4(),
        "webhook_id": webhook_id or uuid4(),
        "delivery_id": uuid4(),
        "pat_id": uuid4(),
        "name": "swagger-ui.css",
    }
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda match: str(values[match[1]]), rule.rule)


def test_the_open_routes_exist(app):
    """The list names only existing routes."""
    assert routes(app).keys() >= OPEN


def test_every_other_route_requires_a_token_first(app, anonymous):
    """An anonymous request gets no other error, however invalid it is."""
    closed = {name: route for name, route in routes(app).items() if name not in OPEN}
    assert closed
    for method, rule in closed.values():
        bad = {"data": b"\xff{", "content_type": "text/plain", "query_string": "nonsense=1"}
        for options in ({}, bad):
            answer = anonymous.call(method, path_of(rule), **options)
            assert_problem(answer, 401, "token_missing")
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_head_requires_a_token_where_get_does(app, anonymous):
    """Because a HEAD request is a GET request without a body."""
    for name, (method, rule) in routes(app).items():
        if method == "GET" and name not in OPEN:
            answer = anonymous.call("HEAD", path_of(rule))
            assert (answer.status_code, answer.data) == (401, b"")
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("token", ["nonsense", "a.b.c", ""])
def test_every_other_route_rejects_a_bad_token(app, anonymous, token):
    """Like a missing one."""
    for name, (method, rule) in routes(app).items():
        if name not in OPEN:
            answer = anonymous.call(method, path_of(rule), headers={"Authorization": f"Bearer {token}"})
            assert_problem(answer, 401, "token_malformed" if token else "token_missing")


def test_the_open_routes_ignore_tokens(app, ann, anonymous):
    """They give everybody the same response, also with a bad token."""
    for name in OPEN:
        method, rule = routes(app)[name]
        bad_token = {"Authorization": "Bearer nonsense"}
        answers = [
            ann.call(method, path_of(rule)),
            anonymous.call(method, path_of(rule)),
            anonymous.call(method, path_of(rule), headers=bad_token),
        ]
        statuses = {answer.status_code for answer in answers}
        assert len(statuses) == 1, name
        assert 401 not in statuses, name
        for answer in answers:
            answer.close()


@pytest.mark.both_engines
def test_head_is_answered_like_get_without_a_body(app, ann):
    """On every GET route, with the same status and headers."""
    hook = ann.post("/v1/webhooks", json={"url": "https://8.8.8.8/"}).json["id"]
    ids = ann.add()["id"], ann.post("/v1/lists", json={"name": "Groceries"}).json["id"], hook
    for method, rule in routes(app).values():
        if method == "GET":
            path = path_of(rule, ann.user_id, *ids)
            get, head = ann.get(path), ann.call("HEAD", path)
            assert (get.status_code, head.status_code, head.data) == (200, 200, b""), path
            assert headers_of(head) == headers_of(get), path
            get.close()
            head.close()


def test_every_path_rejects_other_methods(app, ann):
    """405, and Allow names exactly the methods of its routes."""
    methods = {}
    for rule in app.url_map.iter_rules():
        methods.setdefault(rule.rule, (rule, set()))[1].update(rule.methods)
    for rule, allowed in methods.values():
        for method in {*METHODS, "HEAD"} - allowed:
            answer = ann.call(method, path_of(rule, ann.user_id))
            assert answer.status_code == 405, f"{method} {rule.rule}"
            assert set(answer.headers["Allow"].split(", ")) == allowed


@pytest.mark.both_engines
def test_every_response_has_its_request_id_and_is_private(app, ann):
    """It says `no-store` if it could contain a token."""
    task_id = ann.add()["id"]
    for method, rule in routes(app).values():
        with ann.call(method, path_of(rule, ann.user_id, task_id)) as answer:
            assert answer.status_code < 500
            assert answer.headers["X-Request-ID"]
            assert answer.headers["Cache-Control"] in ("private, no-cache", "no-store"), rule.rule


def headers_of(answer):
    """Return the headers without those that differ between requests."""
    return {name: value for name, value in answer.headers if name not in ("X-Request-ID", "Date")}
