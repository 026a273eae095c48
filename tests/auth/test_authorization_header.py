"""Sending a token (RFC 6750, RFC 9110), the rejection of a wrong one, and its line in the log."""

import logging

import pytest

from app.ops.logging import EXTRAS, JsonFormatter, TextFormatter
from tests.api.support.calls import LIST_BY_USER
from tests.auth.tokens import KINDS, assert_refused, token_of
from tests.conftest import SHARED_SECRET, Caller, make_app, new_user_id, shared_token

pytestmark = pytest.mark.one_engine

TAKEN = [
    "Bearer {}",
    "bearer {}",
    "BEARER {}",
    "bEaReR {}",
    "Bearer  {}",
    "Bearer      {}",
    "Bearer {}  ",
    "  Bearer {}",
]
MISSING = [
    "",
    " ",
    "Bearer",
    "bearer",
    "Bearer ",
    "{}",
    "Basic {}",
    "Basic YW5uOnNlY3JldA==",
    "Token {}",
    "JWT {}",
    "Digest {}",
]
UNUSUAL = ["Bearer{}", "Bearer={}", "Bearer:{}", "DPoP {}", "MAC {}", "Bearertoken {}"]
MALFORMED = [
    "Bearer {} {}",
    "Bearer {}, Bearer {}",
    "Bearer {},Basic x",
    'Bearer "{}"',
    "Bearer token={}",
    "Bearer Bearer {}",
]


@pytest.fixture
def lines():
    """Return the service's log of this test's requests, in both formats."""
    records, logger = [], logging.getLogger("tasks")
    handler = logging.Handler()
    handler.emit = records.append
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield records
    logger.setLevel(level)
    logger.removeHandler(handler)


def send(app, *headers, path="/v1/tasks"):
    return app.test_client().get(path, headers=[("Authorization", header) for header in headers])


@pytest.mark.parametrize("form", TAKEN)
def test_the_scheme_may_have_any_case_and_spaces_after_it(app, form):
    """RFC 9110, section 11.1."""
    answer = send(app, form.format(shared_token(new_user_id())))

    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("form", [*MISSING, *UNUSUAL])
def test_another_scheme_is_token_missing(app, form):
    """RFC 6750, section 3.1: no error code if the client did not try to authenticate with a token."""
    assert_refused(send(app, form.format(shared_token(new_user_id()))), "token_missing")


def test_a_missing_header_is_token_missing(app):
    """With the same challenge."""
    assert_refused(send(app), "token_missing")


@pytest.mark.parametrize("form", MALFORMED)
def test_a_bearer_header_must_have_exactly_one_token(app, form):
    """The service does not choose one of several."""
    token = shared_token(new_user_id())

    assert_refused(send(app, form.format(token, token)), "token_malformed")


@pytest.mark.parametrize("space", ["\xa0", "\x85"])
def test_only_spaces_may_follow_a_token(app, space):
    """RFC 9110, section 5.6.3: other white space would be part of the token, which makes it malformed."""
    assert_refused(send(app, f"Bearer {shared_token(new_user_id())}{space}"), "token_malformed")


def test_two_authorization_headers_are_rejected(app):
    """Even if both are valid: the service does not choose a user."""
    headers = [f"Bearer {shared_token(new_user_id())}" for _ in range(2)]

    assert_refused(send(app, *headers), "token_malformed")


@pytest.mark.parametrize(
    "path", ["/v1/tasks?access_token={}", "/v1/tasks?token={}", "/v1/tasks?authorization=Bearer {}"]
)
def test_a_token_in_the_address_is_ignored(app, path):
    """RFC 9700, section 4.3.2: addresses end up in logs and histories."""
    token = shared_token(new_user_id())

    assert_refused(app.test_client().get(path.format(token)), "token_missing")


def test_a_token_in_a_cookie_or_a_form_is_ignored(app):
    """A browser sends cookies for any site that asks."""
    token, client = shared_token(new_user_id()), app.test_client()
    for name in ("token", "access_token", "Authorization", "better-auth.session_token"):
        client.set_cookie(name, token)

    assert_refused(client.get("/v1/tasks"), "token_missing")
    assert_refused(client.post("/v1/tasks", data={"access_token": token}), "token_missing")


@pytest.mark.parametrize("header", ["Bearer nonsense", "Basic x", ""])
def test_a_bad_token_is_reported_before_another_users_path(app, header):
    """401 before 403, and before 422."""
    code = "token_malformed" if header.startswith("Bearer") else "token_missing"

    assert_refused(send(app, header, path="/api/somebody/tasks?limit=x"), code)


def test_a_valid_token_is_compared_with_the_path(app):
    """The path matters only then."""
    ann = Caller(app, new_user_id())
    answer = LIST_BY_USER(ann)

    assert (answer.status_code, answer.json) == (200, [])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"exp": 1}, "token_expired"),
        ({"sub": ""}, "token_claim"),
        ({"sub": "usr_\udfff"}, "token_malformed"),
        ({"nbf": 10**11}, "token_not_yet_valid"),
    ],
)
def test_the_log_has_the_reason_and_the_request_id_but_not_the_token(trusting, front_end, lines, kind, changes, code):
    """One line per request. It has nothing that would let its reader sign in."""
    token = token_of(kind, front_end.origin, **changes)
    answer = Caller(trusting, "somebody", token).get("/v1/tasks", headers={"X-Request-ID": f"quoted-{code}"})

    assert_refused(answer, code)
    [line] = [line for line in lines if line.name == "tasks.request"]
    logged = {name: vars(line).get(name) for name in EXTRAS if name != "milliseconds"}
    # test_logged_refusals.py looks at what it says.
    assert len(logged.pop("reason")) > 20
    expected = {"request_id": f"quoted-{code}", "method": "GET", "path": "/v1/tasks", "status": 401, "code": code}
    assert logged == expected | {"client": "127.0.0.1", "user": None, "refused_origin": None, "waited": None}
    assert_secret(lines, token)
    assert not [part for part in token.split(".") if part in answer.text]


def test_the_log_of_a_success_does_not_have_the_token(app, lines):
    """Nor a code."""
    user_id = new_user_id()
    token = shared_token(user_id)
    answer = Caller(app, user_id, token).get("/v1/tasks")

    assert answer.status_code == 200, answer.text
    [line] = [line for line in lines if line.name == "tasks.request"]
    assert "code" not in vars(line)
    assert (vars(line)["client"], vars(line)["user"]) == ("127.0.0.1", user_id)
    assert_secret(lines, token)


def assert_secret(lines, token):
    """Check that no line has a part of the token or the secret."""
    for formatter in (JsonFormatter(), TextFormatter()):
        written = "\n".join(formatter.format(line) for line in lines)
        assert written
        assert not [part for part in (*token.split("."), SHARED_SECRET) if part in written]


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("Bearer Bearer {}", "stands twice"),
        ('Bearer "{}"', "quotation marks"),
        ("Bearer undefined", "the word undefined"),
        ("Bearer null", "the word null"),
        ("Bearer a.b.c.d.e", "encrypted"),
        ("Bearer abc", "three parts"),
    ],
)
def test_a_common_mistake_is_explained(sqlite_url, header, told):
    """With what to do instead."""
    anybody = Caller(make_app(sqlite_url))
    answer = anybody.get("/v1/tasks", headers={"Authorization": header.format(shared_token(new_user_id()))})

    assert_refused(answer, "token_malformed")
    assert told in answer.json["detail"]
