"""The log's line of a refused token: it says which two values differ, on one line, and never the token."""

import logging
import time
from collections.abc import Iterator

import orjson
import pytest
from flask import Flask

from app.ops.logging import JsonFormatter, TextFormatter
from tests.auth.conftest import NewApp
from tests.auth.people import register
from tests.auth.tokens import LEFT_OUT, compact, flip_bit, new_key, token_of, with_part
from tests.conftest import SHARED_SECRET, Caller

pytestmark = pytest.mark.one_engine

HERE, ELSEWHERE = "https://front.example", "https://elsewhere.example"
HOUR = 3_600
# More than a name needs; what anybody can send must not fill a disk.
LINE_CHARACTERS = 1_000


@pytest.fixture
def told(trusting_with: NewApp) -> Iterator[Flask]:
    """An app that was told which issuer and audience outside tokens have, and writes its log."""
    with trusting_with(AUTH_ISSUER=HERE, AUTH_AUDIENCE=HERE, LOG_LEVEL="info") as app:
        yield app


@pytest.fixture
def lines(told: Flask, caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """The lines of its log from now on."""
    logging.getLogger("tasks").addHandler(caplog.handler)
    yield caplog
    logging.getLogger("tasks").removeHandler(caplog.handler)


def line_of(app, lines, token):
    """What the log says of a request with this token, in JSON; both formats show it safely, and the answer does not."""
    lines.clear()
    answer = Caller(app, "somebody", token).get("/v1/tasks")
    (record,) = (line for line in lines.records if line.name == "tasks.request")
    formatted = JsonFormatter().format(record), TextFormatter().format(record)
    for line in formatted:
        assert line.splitlines() == [line]
        assert line.isprintable()
        assert len(line) < LINE_CHARACTERS
        assert [part for part in token.split(".") if len(part) > 8 and part in line] == []
    said = orjson.loads(formatted[0])
    assert (said["status"], said["code"]) == (answer.status_code, answer.json["code"])
    assert ELSEWHERE not in answer.text + answer.headers["WWW-Authenticate"]
    return said


@pytest.mark.parametrize(
    ("kind", "changes", "code", "reason"),
    [
        ("shared", {"iss": ELSEWHERE}, "token_issuer", f'Its iss is "{ELSEWHERE}", but \'{HERE}\' is expected.'),
        ("published", {"iss": LEFT_OUT}, "token_issuer", f"It has no iss, but '{HERE}' is expected."),
        ("shared", {"aud": [ELSEWHERE]}, "token_audience", f'Its aud is ["{ELSEWHERE}"], but \'{HERE}\' is expected.'),
        ("own", {"aud": ELSEWHERE}, "token_audience", f'Its aud is "{ELSEWHERE}", but \'tasks-api\' is expected.'),
        ("shared", {"sub": 7}, "token_claim", "The token's sub is not a user id: 1 to 255 characters, not blank."),
    ],
)  # fmt: skip
def test_the_values_that_differ_are_logged(told, lines, origin, kind, changes, code, reason):
    """Those received and expected, in the words of `flask doctor`."""
    token = token_of(kind, origin, **({} if kind == "own" else {"iss": HERE, "aud": HERE}) | changes)

    said = line_of(told, lines, token)

    assert (said["code"], said["reason"]) == (code, reason)


def test_times_algorithms_and_keys_are_logged(told, lines, origin):
    """What the token has, where that alone is wrong."""
    right = {"iss": HERE, "aud": HERE}
    late, early = (token_of("shared", origin, **right, **{name: int(time.time()) + seconds})
                   for name, seconds in (("exp", -HOUR), ("nbf", HOUR)))  # fmt: skip
    expected = {
        "token_expired": (late, " 1:00:0"),
        "token_not_yet_valid": (early, "Its nbf is 20"),
        "token_algorithm": (compact({"alg": "HS512"}, {}, SHARED_SECRET), 'No trusted issuer signs with "HS512".'),
        "token_signature": (new_key().sign({"sub": "ann"}, kid="other"), 'publishes no key "other" for EdDSA.'),
        "token_malformed": (f"{late}=", "is damaged"),
    }
    for code, (token, words) in expected.items():
        said = line_of(told, lines, token)
        assert said["code"] == code
        assert words in said["reason"]
    # Not signed with the secret: it is said which one, and not what it is.
    said = line_of(told, lines, with_part(late, 2, flip_bit))
    assert (said["code"], said["reason"][:30]) == ("token_signature", "It is not signed with BETTER_A")


@pytest.mark.parametrize(
    "value", ["a" * 2_000, "\x1b[2J\r\nforged", "\u2028\x85\x9b", '" status=200 "', " ", ["x"] * 300]
)
def test_what_a_token_says_is_shown_safely(told, lines, origin, value):
    """Cut, and escaped, whether or not its issuer is trusted."""
    signed = token_of("shared", origin, iss=value, aud=HERE)
    unknown = compact({"alg": "HS512", "kid": value, "typ": "JWT"}, {"iss": value}, SHARED_SECRET)

    assert line_of(told, lines, signed)["code"] == "token_issuer"
    assert line_of(told, lines, unknown)["code"] == "token_algorithm"


def test_text_puts_the_reason_between_quotes():
    """So that no part of it passes for another value."""
    record = logging.makeLogRecord({"msg": "request", "levelname": "INFO", "reason": 'a " status=200 \n'})

    assert TextFormatter().format(record).endswith(' request reason="a \\" status=200 \\n"')


def test_a_success_and_a_revocation_have_no_reason(told, lines):
    """The code says all of it."""
    member = register(told)
    assert [member.get("/v1/tasks").status_code, member.post("/v1/auth/logout").status_code] == [200, 204]
    assert member.get("/v1/tasks").json["code"] == "token_revoked"

    assert [vars(line).get("reason") for line in lines.records if line.name == "tasks.request"] == [None] * 4
