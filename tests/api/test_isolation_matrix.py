"""Every operation, with every way of naming something foreign, by everybody who is not its owner."""

import pytest

from app.auth.tokens import RefreshToken
from tests.api.answers import assert_problem
from tests.api.foreign import (
    CURSOR,
    EMAIL,
    HARMLESS,
    KEY,
    NAMED_BY,
    NOTHING,
    PATH_ID,
    PATH_USER,
    REFRESH,
    SESSION,
    TAG,
    another_account,
    another_user,
    disabled_user,
    made_up_refresh_token,
    make_ann,
    name_foreign,
    nobody,
    unknown_user,
)
from tests.conftest import Caller
from tests.contract.test_openapi import operations, parameters, resolve

ABSENT, MISMATCH, OTHER_CURSOR = (404, "not_found"), (403, "user_id_mismatch"), (422, "invalid_cursor")
MISSING, REVOKED = (401, "token_missing"), (401, "token_revoked")
ONE_TASK = {PATH_ID: ABSENT, TAG: ABSENT}

# What a stranger with a good token is answered. A success is about the stranger's own.
TABLE = {
    "GET /": {NOTHING: (200, None)},
    "GET /healthz": {NOTHING: (200, None)},
    "GET /readyz": {NOTHING: (200, None)},
    "GET /v1/tasks": {NOTHING: (200, None), CURSOR: OTHER_CURSOR},
    "POST /v1/tasks": {NOTHING: (201, None), KEY: (201, None)},
    "GET /v1/tasks/{task_id}": ONE_TASK,
    "PUT /v1/tasks/{task_id}": ONE_TASK,
    "PATCH /v1/tasks/{task_id}": ONE_TASK,
    "DELETE /v1/tasks/{task_id}": ONE_TASK,
    "POST /v1/tasks/{task_id}/toggle": ONE_TASK,
    "GET /api/{user_id}/tasks": {NOTHING: (200, None), PATH_USER: MISMATCH, CURSOR: OTHER_CURSOR},
    "POST /api/{user_id}/tasks": {NOTHING: (201, None), PATH_USER: MISMATCH, KEY: (201, None)},
    "GET /api/{user_id}/tasks/{task_id}": {**ONE_TASK, PATH_USER: MISMATCH},
    "PUT /api/{user_id}/tasks/{task_id}": {**ONE_TASK, PATH_USER: MISMATCH},
    "DELETE /api/{user_id}/tasks/{task_id}": {**ONE_TASK, PATH_USER: MISMATCH},
    "PATCH /api/{user_id}/tasks/{task_id}/complete": {**ONE_TASK, PATH_USER: MISMATCH},
    "POST /v1/auth/register": {EMAIL: (409, "email_taken")},
    "POST /v1/auth/login": {EMAIL: (401, "invalid_credentials")},
    "POST /v1/auth/refresh": {REFRESH: REVOKED},
    "POST /v1/auth/logout": {NOTHING: (204, None)},
    "GET /v1/auth/sessions": {NOTHING: (200, None)},
    "DELETE /v1/auth/sessions": {NOTHING: (204, None)},
    "DELETE /v1/auth/sessions/{session_id}": {SESSION: ABSENT},
    "GET /v1/auth/me": {NOTHING: (200, None)},
    "PATCH /v1/auth/me": {NOTHING: (200, None)},
    "DELETE /v1/auth/me": {NOTHING: (204, None)},
}
CASES = [(operation, way) for operation, row in TABLE.items() for way in row]
# An account of this service needs its password for that.
OF_ACCOUNTS = {("DELETE /v1/auth/me", NOTHING): (422, "validation_error")}

TASK, CREDENTIALS = {"title": "tea"}, {"password": "correct horse"}
BODIES = {
    "POST /v1/tasks": TASK,
    "PUT /v1/tasks/{task_id}": TASK,
    "PATCH /v1/tasks/{task_id}": TASK,
    "POST /api/{user_id}/tasks": TASK,
    "PUT /api/{user_id}/tasks/{task_id}": TASK,
    "PATCH /api/{user_id}/tasks/{task_id}/complete": {"completed": True},
    "POST /v1/auth/register": CREDENTIALS,
    "POST /v1/auth/login": CREDENTIALS,
    "PATCH /v1/auth/me": {"name": "Bob"},
}


@pytest.fixture(scope="module")
def document(app):
    """What the service says that it has."""
    answer = Caller(app).get("/openapi.json")
    assert answer.status_code == 200
    return answer.json


@pytest.fixture(scope="module")
def ann(app):
    """The one whom nobody may reach."""
    ann = make_ann(app)
    ann.seen = ann.belongings()
    return ann


def names_in(document, path, operation):
    """Every name that a request of this operation can give a value to."""
    content = operation.get("requestBody", {}).get("content", {})
    bodies = [resolve(document, media["schema"]) for media in content.values()]
    assert all(body["type"] == "object" for body in bodies)
    return {name for _, name in parameters(document, path, operation)} | {
        name for body in bodies for name in body["properties"]
    }


def test_every_operation_has_a_row_with_each_of_its_ways(document):
    """An operation, a parameter or a field that is new fails here until somebody has said what it can name."""
    found = {}
    for path, method, operation in operations(document):
        names = names_in(document, path, operation)
        assert names <= NAMED_BY.keys() | HARMLESS, (method, path)
        ways = {NAMED_BY[name] for name in names - HARMLESS}
        needs_one = ways & {PATH_ID, SESSION, EMAIL, REFRESH}
        found[f"{method.upper()} {path}"] = ways if needs_one else ways | {NOTHING}

    assert {operation: set(row) for operation, row in TABLE.items()} == found


def is_open(document, operation):
    """Whether it needs no token."""
    method, path = operation.split()
    return document["paths"][path][method.lower()]["security"] == []


def expected(document, who, operation, way):
    if not is_open(document, operation):
        if who in (nobody, disabled_user):
            return MISSING if who is nobody else REVOKED
        if who is another_account:
            return OF_ACCOUNTS.get((operation, way), TABLE[operation][way])
    return TABLE[operation][way]


@pytest.mark.parametrize(
    "who", [another_user, another_account, unknown_user, disabled_user, nobody], ids=lambda who: who.__name__
)
@pytest.mark.parametrize(("operation", "way"), CASES)
def test_nobody_reaches_what_is_foreign(app, document, ann, who, operation, way):
    """The contract's answer, with nothing of Ann's in it; and everything of hers is as it was."""
    answer = name_foreign(who(app), ann, operation, way, BODIES.get(operation))

    status, code = expected(document, who, operation, way)
    if code:
        assert_problem(answer, status, code)
    assert (answer.status_code, answer.headers.get("Idempotent-Replay")) == (status, None), answer.text
    told = f"{answer.headers}{answer.text}"
    assert not [name for name in ann.names() if name in told]
    before, ann.seen = ann.seen, ann.belongings()
    assert ann.seen == before


def test_ann_reaches_what_is_her_own(ann):
    """So it is the caller alone that made the difference."""
    statuses, bodies, marks = zip(*ann.seen, strict=True)

    assert statuses == (201, 201, 200, 200, 200, 200)
    assert marks[:2] == ("true", "true")
    assert ann.session_id in bodies[4].decode()
    assert name_foreign(ann.caller, ann, "GET /v1/tasks", CURSOR, None).status_code == 200
    assert name_foreign(ann.caller, ann, "GET /v1/tasks/{task_id}", TAG, None).status_code == 304


def test_a_made_up_refresh_token_ends_no_session(anonymous):
    """However much it knows of the session: one that was never given out is not one that was spent."""
    tokens = anonymous.post("/v1/auth/register", json={**CREDENTIALS, "email": "made-up@example.com"}).json
    for _ in range(3):
        renewed = anonymous.post("/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
        assert renewed.status_code == 200
        tokens = renewed.json
    newest = RefreshToken.parse(tokens["refresh_token"])

    for generation in range(newest.generation + 2):
        forged = made_up_refresh_token(newest.user_id, newest.session_id, generation)
        refused = anonymous.post("/v1/auth/refresh", json={"refresh_token": forged})
        assert_problem(refused, 401, "token_revoked")
    again = anonymous.post("/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert again.status_code == 200
