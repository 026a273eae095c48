"""The claims that a token needs, if its signature is valid (RFC 7519, RFC 8725)."""

import time

import pytest

from app.auth.claims import LEEWAY_SECONDS
from app.settings import MAX_ACCESS_TOKEN_SECONDS
from tests.api.support.calls import assert_problem
from tests.auth.people import register
from tests.auth.tokens import (
    KINDS,
    LEFT_OUT,
    as_json,
    assert_all_refused,
    assert_refused,
    claims_of,
    compact,
    signing_of,
    token_of,
)
from tests.conftest import Caller

pytestmark = pytest.mark.one_engine

OUTSIDE = ("shared", "published")
NO_NUMBERS = ["9999999999", "", True, False, None, [], {}, [9999999999]]
NO_TIMES = [10**12, 10**18, 10**30, 1e300, -(10**18)]
NO_IDS = [
    "",
    " ",
    "\t",
    "\u3000",
    "\u00a0 ",
    "x" * 256,
    "a\nb",
    "a\0b",
    "\x1f",
    "a\x7f",
    "a\x85b",
    7,
    1.5,
    True,
    None,
    ["u"],
    {},
]
IDS = [
    "u",
    "x" * 255,
    "auth0|5f7c8ec7c33c6c004bbafe82",
    "ann@example.com",
    "日本語",
    "💧" * 255,
    " a ",
    "a/b",
    "%00",
    "null",
    "USR_1",
]


def short(value):
    return repr(value)[:24]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seconds", [-LEEWAY_SECONDS - 2, -3_600.5, -(10**9)])
def test_an_expired_token_is_rejected(send, origin, kind, seconds):
    """After the leeway."""
    assert_refused(send(token_of(kind, origin, exp=time.time() + seconds)), "token_expired")
    assert_refused(send(token_of(kind, origin, exp=int(time.time() + seconds))), "token_expired")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("exp", [0, -1, -0.0, -1e9, 1])
def test_a_token_with_exp_of_zero_or_less_has_expired(send, origin, kind, exp):
    """These are valid times, long ago."""
    assert_refused(send(token_of(kind, origin, exp=exp)), "token_expired")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("claim", ["nbf", "iat"])
@pytest.mark.parametrize("seconds", [LEEWAY_SECONDS + 60, 3_600.5, 10**9])
def test_a_token_from_the_future_is_rejected(send, origin, kind, claim, seconds):
    """If `nbf` or `iat` is later than now."""
    token = token_of(kind, origin, **{claim: time.time() + seconds}, exp=time.time() + 2 * 10**9)

    assert_refused(send(token), "token_not_yet_valid")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "change",
    [
        lambda now: {"exp": now - LEEWAY_SECONDS + 5},
        lambda now: {"iat": now + LEEWAY_SECONDS - 5},
        lambda now: {"nbf": now + LEEWAY_SECONDS - 5},
        lambda now: {"exp": now + 60.25, "iat": now - 0.25, "nbf": now - 0.5},
        lambda now: {"exp": now + 3_600, "iat": now - 3_600, "nbf": 0},
    ],
    ids=["just expired", "made just ahead", "begins just ahead", "fractions", "long ago"],
)
def test_clocks_may_differ_by_ten_seconds(send, origin, kind, change):
    """Times may be fractions (RFC 7519, section 2)."""
    answer = send(token_of(kind, origin, **change(time.time())))

    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("kind", "longest"), [("own", MAX_ACCESS_TOKEN_SECONDS), ("shared", 2_592_000), ("published", 2_592_000)]
)
@pytest.mark.parametrize("dated", [True, False], ids=["from its iat", "from now"])
def test_a_token_that_lives_too_long_is_rejected(send, origin, kind, longest, dated):
    """Revocations are remembered only for the maximum lifetime."""
    now = int(time.time())
    made = now - 60 if dated else LEFT_OUT
    ends = now + longest - (60 if dated else 0)

    assert send(token_of(kind, origin, iat=made, exp=ends)).status_code == 200
    answer = send(token_of(kind, origin, iat=made, exp=ends + 10))
    assert_problem(answer, 401, "token_claim")
    assert f"at most {longest} seconds" in answer.json["detail"]


def test_the_maximum_lifetime_is_a_setting(trusting_with, origin):
    """AUTH_MAX_TOKEN_SECONDS, for other issuers' tokens."""
    now = int(time.time())
    with trusting_with(AUTH_MAX_TOKEN_SECONDS="60") as app:
        for kind in ("shared", "published"):
            for seconds, status in ((60, 200), (61, 401)):
                token = token_of(kind, origin, iat=now, exp=now + seconds)
                assert Caller(app, "somebody", token).get("/v1/tasks").status_code == status


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
def test_a_time_must_be_a_number_of_seconds(send, origin, kind, claim):
    """Strings, and numbers beyond the calendar such as milliseconds, are rejected."""
    tokens = {repr(value): token_of(kind, origin, **{claim: value}) for value in (*NO_NUMBERS, *NO_TIMES)}

    assert_all_refused(send, tokens, "token_claim")


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_without_exp_is_rejected(send, origin, kind):
    """It would never expire."""
    assert_refused(send(token_of(kind, origin, exp=LEFT_OUT)), "token_claim")


@pytest.mark.parametrize("kind", OUTSIDE)
@pytest.mark.parametrize("change", [{"iat": LEFT_OUT}, {"jti": 7}, {"sid": []}, {"scope": {"a": [1]}}], ids=repr)
def test_other_claims_may_have_any_value(send, origin, kind, change):
    """`iat` is optional, and the service ignores other claims."""
    answer = send(token_of(kind, origin, **change))

    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_without_a_valid_user_id_is_rejected(send, origin, kind):
    """1 to 255 characters, not blank, without control characters. A number is not an id."""
    tokens = {repr(sub): token_of(kind, origin, sub=sub) for sub in (LEFT_OUT, *NO_IDS)}

    assert_all_refused(send, tokens, "token_claim")


@pytest.mark.parametrize("kind", KINDS)
def test_a_user_id_with_a_lone_surrogate_is_rejected(send, origin, kind):
    """It cannot be encoded, so the payload is not JSON."""
    (header, key), claims = signing_of(kind), claims_of(kind, origin, sub="usr_?")
    payload = as_json(claims).replace(b"usr_?", b"usr_\\ud800")

    assert_refused(send(compact(header, payload, key)), "token_malformed")


@pytest.mark.both_engines
@pytest.mark.parametrize("kind", OUTSIDE)
@pytest.mark.parametrize("sub", IDS, ids=short)
def test_a_user_id_may_be_any_other_text(send, origin, kind, sub):
    """Ids are opaque."""
    answer = send(token_of(kind, origin, sub=sub))

    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("kind", OUTSIDE)
@pytest.mark.parametrize("sub", ["usr_", "usr_1", "usr_0123456789abcdef0123456789abcdef"])
def test_an_outside_token_cannot_name_a_local_account(send, origin, kind, sub):
    """Only this service issues ids that start with `usr_`."""
    assert_refused(send(token_of(kind, origin, sub=sub)), "token_claim")


@pytest.mark.parametrize(
    "change", [{"sub": "somebody"}, {"sub": "Usr_1"}, *({name: LEFT_OUT} for name in ("sid", "jti"))]
)
def test_an_own_access_token_must_name_a_session(send, origin, change):
    """Without `sid` and `jti`, or with another issuer's user, this service did not make it."""
    wrong = {
        repr(value): {name: value if old is LEFT_OUT else old for name, old in change.items()}
        for value in (LEFT_OUT, 7, None, ["x"])
    }

    assert_all_refused(
        send, {value: token_of("own", origin, **changes) for value, changes in wrong.items()}, "token_claim"
    )


@pytest.mark.parametrize("wrong", [LEFT_OUT, "", "Tasks-API", "tasks-api ", "https://front.example", 7, None])
def test_an_own_access_token_must_name_this_service(send, origin, wrong):
    """Its `iss` and `aud` are fixed, so that other tokens under the same secret are rejected (RFC 9068)."""
    assert_refused(send(token_of("own", origin, iss=wrong)), "token_issuer")
    assert_refused(send(token_of("own", origin, aud=wrong)), "token_audience")


@pytest.mark.both_engines
@pytest.mark.parametrize("kind", OUTSIDE)
def test_another_claim_can_hold_the_user_id(trusting_with, origin, kind):
    """AUTH_USER_ID_CLAIM replaces `sub`, with the same rules. `sub` is still required."""
    with trusting_with(AUTH_USER_ID_CLAIM="email") as app:

        def call(**claims):
            return Caller(app, "somebody", token_of(kind, origin, **claims)).get("/v1/auth/me")

        answer = call(email="ann@example.com", sub="somebody else")
        assert (answer.status_code, answer.json["id"]) == (200, "ann@example.com")
        for email in (LEFT_OUT, "", 7, "usr_1"):
            assert_refused(call(email=email), "token_claim")
        assert_refused(call(email="ann@example.com", sub=LEFT_OUT), "token_claim")


@pytest.mark.both_engines
def test_own_tokens_always_name_their_user_in_sub(trusting_with, origin):
    """AUTH_USER_ID_CLAIM applies only to other issuers."""
    with trusting_with(AUTH_USER_ID_CLAIM="email") as app:
        user_id = register(app).user_id
        answer = Caller(app, user_id, token_of("own", origin, sub=user_id, email="usr_2")).get("/v1/auth/me")

        assert (answer.status_code, answer.json["id"]) == (200, user_id)
