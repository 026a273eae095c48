"""Every operation, with every way of naming another user's data, by every other caller."""

import pytest

from app.auth.tokens import RefreshToken
from tests.api.support.calls import BATCH, assert_problem, problem_of
from tests.api.support.foreign import (
    CURSOR,
    DELIVERY,
    EMAIL,
    HARMLESS,
    HOOK,
    IN_BATCH,
    KEY,
    LINK,
    LIST_FILTER,
    LIST_ID,
    NAMED_BY,
    NEIGHBOUR,
    NEW_ID,
    NOTHING,
    PARENT_FILTER,
    PARENT_ID,
    PATH_ID,
    PATH_USER,
    PUT_IN_BATCH,
    REFRESH,
    SESSION,
    SINCE,
    TAG,
    TOKEN,
    WEBHOOK,
    another_account,
    another_user,
    disabled_user,
    made_up_refresh_token,
    make_ann,
    name_foreign,
    unknown_user,
    without_token,
)
from tests.auth.people import another_app
from tests.conftest import MAIL_SETTINGS, Caller
from tests.contract.test_openapi import operations, parameters, resolve

ABSENT, MISMATCH, OTHER_CURSOR = (404, "not_found"), (403, "user_id_mismatch"), (422, "invalid_cursor")
MISSING, REVOKED = (401, "token_missing"), (401, "token_revoked")
WRONG = (422, "validation_error")
ONE_TASK = {PATH_ID: ABSENT, TAG: ABSENT}
# Writing a task, also into a list or under another task; and a list.
PLACES = {LIST_ID: WRONG, PARENT_ID: WRONG}
FILTERED = {LIST_FILTER: (200, None), PARENT_FILTER: (200, None)}
ONE_LIST = {LIST_ID: ABSENT, TAG: ABSENT}

# The responses to a stranger with a valid token. A success concerns the stranger's own data.
TABLE = {
    "GET /": {NOTHING: (200, None)},
    "GET /healthz": {NOTHING: (200, None)},
    "GET /readyz": {NOTHING: (200, None)},
    "GET /v1/tasks": {NOTHING: (200, None), CURSOR: OTHER_CURSOR, **FILTERED},
    "POST /v1/tasks": {NOTHING: (201, None), KEY: (201, None), NEW_ID: (201, None), **PLACES},
    "GET /v1/tasks/{task_id}": ONE_TASK,
    "PUT /v1/tasks/{task_id}": ONE_TASK | PLACES,
    "PATCH /v1/tasks/{task_id}": ONE_TASK | PLACES,
    "DELETE /v1/tasks/{task_id}": ONE_TASK,
    "POST /v1/tasks/{task_id}/toggle": ONE_TASK,
    "POST /v1/tasks/{task_id}/restore": {PATH_ID: ABSENT},
    "POST /v1/tasks/{task_id}/move": {**ONE_TASK, **PLACES, NEIGHBOUR: WRONG},
    "POST /v1/tasks/batch": {
        NOTHING: (200, None),
        KEY: (200, None),
        NEW_ID: (200, None),
        **dict.fromkeys(IN_BATCH, ABSENT),
        **dict.fromkeys(PUT_IN_BATCH, WRONG),
    },
    "GET /v1/tasks/changes": {NOTHING: (200, None), SINCE: OTHER_CURSOR},
    "GET /v1/tasks/export": {NOTHING: (200, None), LIST_FILTER: (200, None)},
    "POST /v1/tasks/import": {NOTHING: (200, None), KEY: (200, None)},
    "GET /v1/tasks/summary": {NOTHING: (200, None)},
    "GET /api/{user_id}/tasks": {NOTHING: (200, None), PATH_USER: MISMATCH, CURSOR: OTHER_CURSOR, **FILTERED},
    "POST /api/{user_id}/tasks": {
        NOTHING: (201, None),
        PATH_USER: MISMATCH,
        KEY: (201, None),
        NEW_ID: (201, None),
        **PLACES,
    },
    "GET /api/{user_id}/tasks/{task_id}": {**ONE_TASK, PATH_USER: MISMATCH},
    "PUT /api/{user_id}/tasks/{task_id}": {**ONE_TASK, **PLACES, PATH_USER: MISMATCH},
    "PATCH /api/{user_id}/tasks/{task_id}": {**ONE_TASK, **PLACES, PATH_USER: MISMATCH},
    "DELETE /api/{user_id}/tasks/{task_id}": {**ONE_TASK, PATH_USER: MISMATCH},
    "PATCH /api/{user_id}/tasks/{task_id}/complete": {**ONE_TASK, PATH_USER: MISMATCH},
    "GET /v1/lists": {NOTHING: (200, None), TAG: (200, None)},
    "POST /v1/lists": {NOTHING: (201, None), KEY: (201, None), NEW_ID: (201, None)},
    "GET /v1/lists/{list_id}": ONE_LIST,
    "PUT /v1/lists/{list_id}": ONE_LIST,
    "PATCH /v1/lists/{list_id}": ONE_LIST,
    "DELETE /v1/lists/{list_id}": ONE_LIST,
    "POST /v1/lists/{list_id}/move": {**ONE_LIST, NEIGHBOUR: WRONG},
    "POST /v1/auth/register": {EMAIL: (409, "email_taken")},
    "POST /v1/auth/login": {EMAIL: (401, "invalid_credentials")},
    "POST /v1/auth/refresh": {REFRESH: REVOKED},
    "POST /v1/auth/password/forgot": {EMAIL: (202, None)},
    "POST /v1/auth/password/reset": {LINK: (400, "link_invalid")},
    "POST /v1/auth/email/verify": {LINK: (400, "link_invalid")},
    "POST /v1/auth/email/send": {NOTHING: (202, None)},
    "POST /v1/auth/logout": {NOTHING: (204, None)},
    "GET /v1/auth/sessions": {NOTHING: (200, None)},
    "DELETE /v1/auth/sessions": {NOTHING: (204, None)},
    "DELETE /v1/auth/sessions/{session_id}": {SESSION: ABSENT},
    "POST /v1/auth/tokens": {NOTHING: (201, None)},
    "GET /v1/auth/tokens": {NOTHING: (200, None)},
    "DELETE /v1/auth/tokens/{pat_id}": {TOKEN: ABSENT},
    "POST /v1/webhooks": {NOTHING: (201, None)},
    "GET /v1/webhooks": {NOTHING: (200, None)},
    "GET /v1/webhooks/{webhook_id}": {WEBHOOK: ABSENT},
    "PATCH /v1/webhooks/{webhook_id}": {WEBHOOK: ABSENT},
    "DELETE /v1/webhooks/{webhook_id}": {WEBHOOK: ABSENT},
    "POST /v1/webhooks/{webhook_id}/ping": {WEBHOOK: ABSENT},
    "POST /v1/webhooks/{webhook_id}/rotate": {WEBHOOK: ABSENT},
    "GET /v1/webhooks/{webhook_id}/deliveries": {WEBHOOK: ABSENT},
    "POST /v1/webhooks/{webhook_id}/deliveries/{delivery_id}/retry": {WEBHOOK: ABSENT, DELIVERY: ABSENT},
    "GET /v1/auth/me": {NOTHING: (200, None)},
    # Without the password. With it the address is pending, whosever it is.
    "PATCH /v1/auth/me": {EMAIL: (422, "validation_error")},
    "DELETE /v1/auth/me": {NOTHING: (204, None)},
}
# An account of this service must give its password for that.
OF_ACCOUNTS = {("DELETE /v1/auth/me", NOTHING): (422, "validation_error")}

CALLERS = [another_user, another_account, unknown_user, disabled_user, without_token]
TASK, CREDENTIALS = {"title": "tea"}, {"password": "correct horse"}
BODIES = {
    "POST /v1/tasks": TASK,
    "PUT /v1/tasks/{task_id}": TASK,
    "PATCH /v1/tasks/{task_id}": TASK,
    "POST /v1/tasks/{task_id}/move": {"place": "first"},
    "POST /v1/lists": {"name": "list"},
    "PUT /v1/lists/{list_id}": {"name": "list"},
    "PATCH /v1/lists/{list_id}": {"name": "list"},
    "POST /v1/lists/{list_id}/move": {"place": "first"},
    "POST /v1/tasks/batch": BATCH.body,
    "POST /v1/tasks/import": b'{"title": "tea"}',
    "POST /api/{user_id}/tasks": TASK,
    "PUT /api/{user_id}/tasks/{task_id}": TASK,
    "PATCH /api/{user_id}/tasks/{task_id}": TASK,
    "PATCH /api/{user_id}/tasks/{task_id}/complete": {"completed": True},
    "POST /v1/auth/register": CREDENTIALS,
    "POST /v1/auth/login": CREDENTIALS,
    "PATCH /v1/auth/me": {"name": "Bob"},
    "POST /v1/auth/password/reset": {"new_password": "battery staple horse"},
    "POST /v1/webhooks": HOOK,
    "PATCH /v1/webhooks/{webhook_id}": {"description": "Bob's"},
    "POST /v1/auth/tokens": {"name": "script", "scopes": ["tasks:write"]},
}


@pytest.fixture(scope="module")
def app(new_database):
    """An app with every operation."""
    with another_app(new_database(), **MAIL_SETTINGS) as app:
        yield app


@pytest.fixture(scope="module")
def document(app):
    """Return the operations that the service has."""
    answer = Caller(app).get("/openapi.json")
    assert answer.status_code == 200
    return answer.json


@pytest.fixture(scope="module")
def ann(app):
    """Ann, whose data others must not reach."""
    ann = make_ann(app)
    ann.seen = ann.belongings()
    return ann


def names_in(document, path, operation):
    """Return all names that a request of this operation can give a value to."""
    content = operation.get("requestBody", {}).get("content", {})
    return {name for _, name in parameters(document, path, operation)} | {
        name for media in content.values() for name in members(document, media["schema"])
    }


def members(document, schema, above=""):
    """Return the full names of a body's fields, including nested ones."""
    schema = resolve(document, schema)
    for word in ("anyOf", "oneOf", "allOf"):
        for inner in schema.get(word, ()):
            yield from members(document, inner, above)
    if "items" in schema:
        yield from members(document, schema["items"], above)
    # A schema without a list of fields could have any.
    assert "object" not in schema.get("type", ()) or "properties" in schema, schema
    for name, inner in schema.get("properties", {}).items():
        if inner.get("readOnly"):
            # Fields that a request ignores.
            continue
        yield above + name
        yield from members(document, inner, f"{above}{name}.")


def is_harmless(name):
    """Return whether it cannot name another user's data. A field without a row by its full name counts by its own."""
    return name not in NAMED_BY and (name in HARMLESS or name.rpartition(".")[2] in HARMLESS)


def test_every_operation_has_a_row_with_all_its_fields(document):
    """A new operation, parameter or field fails here until a row says what it can name."""
    found = {}
    for path, method, operation in operations(document):
        names = names_in(document, path, operation)
        unknown = {name for name in names if not is_harmless(name)} - NAMED_BY.keys()
        assert not unknown, (method, path)
        ways = {way for name in names & NAMED_BY.keys() for way in NAMED_BY[name]}
        needs_one = ways & {PATH_ID, SESSION, TOKEN, WEBHOOK, EMAIL, REFRESH, LINK} or "{list_id}" in path
        found[f"{method.upper()} {path}"] = ways if needs_one else ways | {NOTHING}

    assert {operation: set(row) for operation, row in TABLE.items()} == found


def is_open(document, operation):
    """Return whether an operation needs no token."""
    method, path = operation.split()
    return document["paths"][path][method.lower()]["security"] == []


def expected(document, who, operation, way):
    if not is_open(document, operation):
        if who in (without_token, disabled_user):
            return MISSING if who is without_token else REVOKED
        if who is another_account:
            return OF_ACCOUNTS.get((operation, way), TABLE[operation][way])
    return TABLE[operation][way]


def shown(ann, way, answer):
    """Return status, code and replay of a response, and all that is Ann's in it."""
    told = f"{answer.headers}{answer.text}"
    own_too = {(NEW_ID, ann.task_id), (NEW_ID, ann.list_id)}
    # A client that chose the id of another user's task gets that id, which then is also its own.
    names = [name for name in ann.names() if name in told and (way, name) not in own_too]
    status, code = problem_of(answer) if answer.status_code >= 400 else (answer.status_code, None)
    return (status, code), answer.headers.get("Idempotent-Replay"), names


@pytest.mark.parametrize("operation", TABLE)
def test_another_users_data_cannot_be_reached(app, document, ann, operation):
    """Every response is the documented one and has nothing of Ann's, and her data is unchanged."""
    cases = [(who, way) for who in CALLERS for way in TABLE[operation]]
    answers = {
        (who.__name__, way): shown(ann, way, name_foreign(who(app), ann, operation, way, BODIES.get(operation)))
        for who, way in cases
    }

    assert answers == {(who.__name__, way): (expected(document, who, operation, way), None, []) for who, way in cases}
    before, ann.seen = ann.seen, ann.belongings()
    assert ann.seen == before


def test_ann_reaches_her_own_data(ann):
    """So only the caller made the difference."""
    statuses, bodies, marks = zip(*ann.seen, strict=True)

    assert statuses == (201, 201, *[200] * 13)
    assert marks[:3] == ("true", "true", "true")
    assert ann.session_id in bodies[5].decode()
    assert ann.trashed_id in bodies[7].decode()
    assert ann.token_id in bodies[10].decode()
    assert ann.webhook_id in bodies[11].decode()
    assert ann.delivery_id in bodies[13].decode()
    assert ann.trashed_id in bodies[-1]
    assert name_foreign(ann.caller, ann, "GET /v1/tasks", CURSOR, None).status_code == 200
    assert name_foreign(ann.caller, ann, "GET /v1/tasks/changes", SINCE, None).status_code == 200
    assert name_foreign(ann.caller, ann, "GET /v1/tasks/{task_id}", TAG, None).status_code == 304


@pytest.mark.parametrize(
    "operation", [operation for operation, row in TABLE.items() if NEW_ID in row and "lists" not in operation]
)
def test_another_users_task_id_can_be_used(ann, bob, operation):
    """A creation does not reveal other users' ids: both have a task with this id."""
    made = name_foreign(bob, ann, operation, NEW_ID, BODIES[operation])
    own = bob.get(f"/v1/tasks/{ann.task_id}")

    assert (made.status_code, own.status_code, own.json["user_id"]) == (TABLE[operation][NEW_ID][0], 200, bob.user_id)
    again = name_foreign(bob, ann, operation, NEW_ID, BODIES[operation])
    assert_problem(again, 409, "id_taken")
    assert ann.seen == ann.belongings()


def test_a_forged_refresh_token_ends_no_session(anonymous):
    """Even if it names the session: a token that was never issued does not count as used."""
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
