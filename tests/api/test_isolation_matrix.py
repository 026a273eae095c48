"""Every operation, with every way of naming something foreign, by everybody who is not its owner."""

import pytest

from app.auth.tokens import RefreshToken
from tests.api.support.calls import BATCH, assert_problem
from tests.api.support.foreign import (
    CURSOR,
    EMAIL,
    HARMLESS,
    IN_BATCH,
    KEY,
    NAMED_BY,
    NEW_ID,
    NOTHING,
    PATH_ID,
    PATH_USER,
    REFRESH,
    SESSION,
    SINCE,
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
    "POST /v1/tasks": {NOTHING: (201, None), KEY: (201, None), NEW_ID: (201, None)},
    "GET /v1/tasks/{task_id}": ONE_TASK,
    "PUT /v1/tasks/{task_id}": ONE_TASK,
    "PATCH /v1/tasks/{task_id}": ONE_TASK,
    "DELETE /v1/tasks/{task_id}": ONE_TASK,
    "POST /v1/tasks/{task_id}/toggle": ONE_TASK,
    "POST /v1/tasks/{task_id}/restore": {PATH_ID: ABSENT},
    "POST /v1/tasks/batch": {
        NOTHING: (200, None),
        KEY: (200, None),
        NEW_ID: (200, None),
        **dict.fromkeys(IN_BATCH, ABSENT),
    },
    "GET /v1/tasks/changes": {NOTHING: (200, None), SINCE: OTHER_CURSOR},
    "GET /v1/tasks/export": {NOTHING: (200, None)},
    "POST /v1/tasks/import": {NOTHING: (200, None), KEY: (200, None)},
    "GET /v1/tasks/summary": {NOTHING: (200, None)},
    "GET /api/{user_id}/tasks": {NOTHING: (200, None), PATH_USER: MISMATCH, CURSOR: OTHER_CURSOR},
    "POST /api/{user_id}/tasks": {NOTHING: (201, None), PATH_USER: MISMATCH, KEY: (201, None), NEW_ID: (201, None)},
    "GET /api/{user_id}/tasks/{task_id}": {**ONE_TASK, PATH_USER: MISMATCH},
    "PUT /api/{user_id}/tasks/{task_id}": {**ONE_TASK, PATH_USER: MISMATCH},
    "PATCH /api/{user_id}/tasks/{task_id}": {**ONE_TASK, PATH_USER: MISMATCH},
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
    "POST /v1/tasks/batch": BATCH.body,
    "POST /v1/tasks/import": b'{"title": "tea"}',
    "POST /api/{user_id}/tasks": TASK,
    "PUT /api/{user_id}/tasks/{task_id}": TASK,
    "PATCH /api/{user_id}/tasks/{task_id}": TASK,
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
    return {name for _, name in parameters(document, path, operation)} | {
        name for media in content.values() for name in members(document, media["schema"])
    }


def members(document, schema, above=""):
    """The fields of a body, those of its fields too, by their whole names."""
    schema = resolve(document, schema)
    for word in ("anyOf", "oneOf", "allOf"):
        for inner in schema.get(word, ()):
            yield from members(document, inner, above)
    if "items" in schema:
        yield from members(document, schema["items"], above)
    # What has no list of its fields could hold any.
    assert "object" not in schema.get("type", ()) or "properties" in schema, schema
    for name, inner in schema.get("properties", {}).items():
        if inner.get("readOnly"):
            # A request's is passed over.
            continue
        yield above + name
        yield from members(document, inner, f"{above}{name}.")


def is_harmless(name):
    """Whether it cannot name what is foreign; a field that is none by its whole name is what it is alone."""
    return name not in NAMED_BY and (name in HARMLESS or name.rpartition(".")[2] in HARMLESS)


def test_every_operation_has_a_row_with_each_of_its_ways(document):
    """An operation, a parameter or a field that is new fails here until somebody has said what it can name."""
    found = {}
    for path, method, operation in operations(document):
        names = names_in(document, path, operation)
        unknown = {name for name in names if not is_harmless(name)} - NAMED_BY.keys()
        assert not unknown, (method, path)
        ways = {way for name in names & NAMED_BY.keys() for way in NAMED_BY[name]}
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
    # Whoever chooses the id of another's task is told that id, which is now one of their own, too.
    assert not [name for name in ann.names() if name in told and (way, name) != (NEW_ID, ann.task_id)]
    before, ann.seen = ann.seen, ann.belongings()
    assert ann.seen == before


def test_ann_reaches_what_is_her_own(ann):
    """So it is the caller alone that made the difference."""
    statuses, bodies, marks = zip(*ann.seen, strict=True)

    assert statuses == (201, 201, 200, 200, 200, 200, 200, 200, 200)
    assert marks[:3] == ("true", "true", "true")
    assert ann.session_id in bodies[5].decode()
    assert ann.trashed_id in bodies[7].decode()
    assert ann.trashed_id in bodies[8]
    assert name_foreign(ann.caller, ann, "GET /v1/tasks", CURSOR, None).status_code == 200
    assert name_foreign(ann.caller, ann, "GET /v1/tasks/changes", SINCE, None).status_code == 200
    assert name_foreign(ann.caller, ann, "GET /v1/tasks/{task_id}", TAG, None).status_code == 304


@pytest.mark.parametrize("operation", [operation for operation, way in CASES if way == NEW_ID])
def test_a_foreign_id_is_free(ann, bob, operation):
    """Nobody learns from a creation which ids others have: the task is one's own, and Ann's stays hers."""
    made = name_foreign(bob, ann, operation, NEW_ID, BODIES[operation])
    own = bob.get(f"/v1/tasks/{ann.task_id}")

    assert (made.status_code, own.status_code, own.json["user_id"]) == (TABLE[operation][NEW_ID][0], 200, bob.user_id)
    again = name_foreign(bob, ann, operation, NEW_ID, BODIES[operation])
    assert_problem(again, 409, "id_taken")
    assert ann.seen == ann.belongings()


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
