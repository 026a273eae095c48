"""`iss` and `aud` in the tokens of both kinds of other issuers (RFC 8725, sections 3.8 and 3.9)."""

import pytest

from tests.auth.tokens import LEFT_OUT, assert_refused, token_of
from tests.conftest import Caller

pytestmark = pytest.mark.one_engine

OUTSIDE = ("shared", "published")
ISSUER, AUDIENCE = "https://front.example", "https://api.example"
ELSEWHERE = "https://elsewhere.example"


def send(app, token):
    return Caller(app, "somebody", token).get("/v1/tasks")


def variants(right):
    """Return values that are almost right."""
    return [LEFT_OUT, None, "", ELSEWHERE, f"{right}/", right.upper(), right[:-1], f" {right}", 7, True, {"a": right}]


@pytest.fixture(scope="module")
def told(trusting_with):
    """An app with AUTH_ISSUER and AUTH_AUDIENCE set."""
    with trusting_with(AUTH_ISSUER=ISSUER, AUTH_AUDIENCE=AUDIENCE) as app:
        yield app


@pytest.mark.parametrize("index", range(11))
def test_published_key_tokens_need_the_front_ends_origin_by_default(trusting, origin, index):
    """As Better Auth signs them, `iss` and `aud` are the origin of AUTH_JWKS_URL."""
    wrong = variants(origin)[index]

    assert_refused(send(trusting, token_of("published", origin, iss=wrong)), "token_issuer")
    assert_refused(send(trusting, token_of("published", origin, aud=wrong)), "token_audience")


def test_the_keys_address_is_not_an_issuer(trusting, front_end):
    """Only its origin is."""
    token = token_of("published", front_end.origin, iss=front_end.url)

    assert_refused(send(trusting, token), "token_issuer")


@pytest.mark.parametrize("iss", [LEFT_OUT, None, "", ELSEWHERE, 7, ["x"], {}], ids=repr)
def test_shared_secret_tokens_need_no_issuer_or_audience_by_default(trusting, origin, iss):
    """Any `iss` and `aud` are accepted."""
    audiences = [LEFT_OUT, None, "", ELSEWHERE, 7, [ELSEWHERE], {}]
    answers = {repr(aud): send(trusting, token_of("shared", origin, iss=iss, aud=aud)) for aud in audiences}

    assert {aud: answer.status_code for aud, answer in answers.items()} == dict.fromkeys(answers, 200)


@pytest.mark.parametrize("kind", OUTSIDE)
@pytest.mark.parametrize("aud", [AUDIENCE, [AUDIENCE], [ELSEWHERE, AUDIENCE], [AUDIENCE, AUDIENCE]])
def test_the_right_issuer_and_audience_are_accepted(told, origin, kind, aud):
    """RFC 7519, section 4.1.3: a token may be for several audiences."""
    answer = send(told, token_of(kind, origin, iss=ISSUER, aud=aud))

    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("kind", OUTSIDE)
@pytest.mark.parametrize("wrong", [*variants(ISSUER), AUDIENCE, [ISSUER], [ELSEWHERE, ISSUER]], ids=repr)
def test_another_issuer_is_rejected(told, origin, kind, wrong):
    """AUTH_ISSUER is compared character by character; a list is not an issuer."""
    assert_refused(send(told, token_of(kind, origin, iss=wrong, aud=AUDIENCE)), "token_issuer")


@pytest.mark.parametrize("kind", OUTSIDE)
@pytest.mark.parametrize("wrong", [*variants(AUDIENCE), ISSUER, [], [ELSEWHERE], [[AUDIENCE]], [AUDIENCE, 7]], ids=repr)
def test_another_audience_is_rejected(told, origin, kind, wrong):
    """AUTH_AUDIENCE is compared character by character."""
    assert_refused(send(told, token_of(kind, origin, iss=ISSUER, aud=wrong)), "token_audience")


def test_the_front_ends_origin_is_rejected_if_another_issuer_is_set(told, origin):
    """AUTH_ISSUER and AUTH_AUDIENCE replace the origin of AUTH_JWKS_URL, which may be another host's."""
    assert_refused(send(told, token_of("published", origin, aud=AUDIENCE)), "token_issuer")
    assert_refused(send(told, token_of("published", origin, iss=ISSUER)), "token_audience")


@pytest.mark.parametrize(
    ("setting", "claim", "code"),
    [("AUTH_ISSUER", "iss", "token_issuer"), ("AUTH_AUDIENCE", "aud", "token_audience")],
)
@pytest.mark.parametrize("kind", OUTSIDE)
def test_issuer_and_audience_are_compared_independently(trusting_with, origin, setting, claim, code, kind):
    """Setting one does not change the check of the other."""
    with trusting_with(**{setting: ISSUER}) as app:
        answer = send(app, token_of(kind, origin, **{claim: ISSUER}))

        assert answer.status_code == 200, answer.text
        assert_refused(send(app, token_of(kind, origin, **{claim: ELSEWHERE})), code)


def test_own_tokens_have_their_own_issuer_and_audience(told, origin):
    """AUTH_ISSUER and AUTH_AUDIENCE apply only to other issuers."""
    answer = send(told, token_of("own", origin))

    assert answer.status_code == 200, answer.text
    assert_refused(send(told, token_of("own", origin, iss=ISSUER)), "token_issuer")
    assert_refused(send(told, token_of("own", origin, aud=AUDIENCE)), "token_audience")
