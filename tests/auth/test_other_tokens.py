"""Tokens for other purposes, from other signers, or under a secret that was replaced."""

import time

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.auth.problems import TokenAlgorithm
from app.settings import SettingsError
from tests.auth.people import register
from tests.auth.tokens import (
    LEFT_OUT,
    PRIVATE_KEYS,
    assert_refused,
    claims_of,
    compact,
    key_of,
    signing_of,
    token_of,
)
from tests.conftest import OWN_SECRET, SHARED_SECRET, Caller

pytestmark = pytest.mark.one_engine

NEW_SECRET = "a secret that has just been made: 0123456789"
FORMATS = {"PEM": PublicFormat.SubjectPublicKeyInfo, "OpenSSH": PublicFormat.OpenSSH}
ANOTHER_SECRET = "a secret that nobody here knows: 0123456789"


def send(app, token):
    return Caller(app, "somebody", token).get("/v1/tasks")


def better_auth_payloads():
    """Return Better Auth's other tokens under its secret: the session's cache, and links in e-mails."""
    now = int(time.time())
    user = {"id": "u" * 32, "email": "ann@example.com", "emailVerified": True, "name": "Ann"}
    session = {"id": "s" * 32, "userId": user["id"], "token": "t" * 32, "expiresAt": "2099-01-01T00:00:00.000Z"}
    times = {"iat": now, "exp": now + 300}
    return {
        "session_data": {"session": session, "user": user, "updatedAt": now * 1000, "version": "1", **times},
        "e-mail verification": {"email": user["email"], **times},
        "change of e-mail": {"email": user["email"], "updateTo": "bob@example.com", "requestType": "change", **times},
    }


@pytest.mark.parametrize("name", better_auth_payloads())
@pytest.mark.parametrize("header", [{"alg": "HS256"}, {"alg": "HS256", "typ": "JWT"}])
def test_better_auths_other_tokens_are_rejected(trusting, name, header):
    """They have the right secret and a valid signature, but no `sub`."""
    assert_refused(send(trusting, compact(header, better_auth_payloads()[name], SHARED_SECRET)), "token_claim")


@pytest.mark.parametrize("name", better_auth_payloads())
def test_better_auths_other_tokens_are_not_own_access_tokens(trusting, name):
    """Even if both have the same secret, because they have no `iss`."""
    token = compact({"alg": "HS256", "typ": "at+jwt"}, better_auth_payloads()[name], OWN_SECRET)

    assert_refused(send(trusting, token), "token_issuer")


@pytest.mark.both_engines
def test_a_refresh_token_is_not_an_access_token(app):
    """It is opaque, and only renews a session."""
    member = register(app)

    assert_refused(send(app, member.refresh_token), "token_malformed")
    assert send(app, member.access_token).status_code == 200


@pytest.mark.both_engines
def test_an_access_token_cannot_renew_a_session(app):
    """Only a refresh token can."""
    member = register(app)

    answer = member.refresh(member.access_token)
    assert_refused(answer, "token_malformed")


@pytest.mark.parametrize(
    "secret", [SHARED_SECRET, ANOTHER_SECRET, OWN_SECRET.upper(), OWN_SECRET + " ", OWN_SECRET[:-1]]
)
def test_only_this_service_signs_its_own_tokens(trusting, origin, secret):
    """A front end's secret does not work for them."""
    token = compact({"alg": "HS256", "typ": "at+jwt"}, claims_of("own", origin), secret)

    assert_refused(send(trusting, token), "token_signature")


@pytest.mark.parametrize("secret", [OWN_SECRET, ANOTHER_SECRET])
@pytest.mark.parametrize("kind", ["own", "shared"])
def test_only_the_front_end_signs_its_tokens(trusting, origin, secret, kind):
    """This service's own secret does not work for them, whatever the claims say."""
    assert_refused(send(trusting, compact({"alg": "HS256"}, claims_of(kind, origin), secret)), "token_signature")


def test_an_own_token_without_its_type_is_judged_as_a_front_ends(trusting, origin):
    """The header selects one issuer, and only that one decides."""
    claims = claims_of("own", origin)

    assert_refused(send(trusting, compact({"alg": "HS256", "typ": "JWT"}, claims, OWN_SECRET)), "token_signature")
    assert_refused(send(trusting, compact({"alg": "HS256", "typ": "JWT"}, claims, SHARED_SECRET)), "token_claim")


def test_own_tokens_are_rejected_if_accounts_are_off(trusting_with, origin):
    """With LOCAL_AUTH=off, only other issuers' tokens are accepted."""
    with trusting_with(LOCAL_AUTH="off") as app:
        assert_refused(send(app, token_of("own", origin)), "token_algorithm")
        assert_refused(send(app, token_of("shared", origin, {"typ": "at+jwt"})), "token_algorithm")
        for kind in ("shared", "published"):
            assert send(app, token_of(kind, origin)).status_code == 200


@pytest.mark.parametrize("algorithm", PRIVATE_KEYS)
def test_published_key_tokens_are_rejected_without_auth_jwks_url(app, origin, algorithm):
    """An issuer that is not configured is not trusted."""
    assert_refused(send(app, key_of(algorithm).sign(claims_of("published", origin))), "token_algorithm")


def test_shared_secret_tokens_are_rejected_without_better_auth_secret(new_verifier, origin):
    """This service's own secret does not replace it."""
    verifier = new_verifier(BETTER_AUTH_SECRET=LEFT_OUT)
    for secret in (SHARED_SECRET, OWN_SECRET):
        with pytest.raises(TokenAlgorithm):
            verifier.verify(compact({"alg": "HS256"}, claims_of("shared", origin), secret))


@pytest.mark.parametrize(
    ("setting", "kind", "old"), [("AUTH_SECRET", "own", OWN_SECRET), ("BETTER_AUTH_SECRET", "shared", SHARED_SECRET)]
)
def test_a_secret_is_changed_without_logging_anyone_out(trusting_with, origin, setting, kind, old):
    """While both are listed, tokens under both are accepted; afterwards only those under the new one."""
    (header, _), claims = signing_of(kind), claims_of(kind, origin)
    under = {secret: compact(header, claims, secret) for secret in (old, NEW_SECRET, ANOTHER_SECRET)}

    for listed in (old, f"{NEW_SECRET},{old}", f"{NEW_SECRET}, {old}", NEW_SECRET):
        with trusting_with(**{setting: listed}) as app:
            for secret, token in under.items():
                answer = send(app, token)
                if secret in listed:
                    assert answer.status_code == 200, answer.text
                else:
                    assert_refused(answer, "token_signature")


@pytest.mark.both_engines
def test_the_first_secret_signs(trusting_with):
    """An access token made while both are listed is still valid when the old one is removed."""
    with trusting_with(AUTH_SECRET=f"{NEW_SECRET},{OWN_SECRET}") as app:
        token = register(app).access_token
    with trusting_with(AUTH_SECRET=NEW_SECRET) as app:
        assert send(app, token).status_code == 200
    with trusting_with(AUTH_SECRET=OWN_SECRET) as app:
        assert_refused(send(app, token), "token_signature")


@pytest.mark.parametrize("setting", ["AUTH_SECRET", "BETTER_AUTH_SECRET"])
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256"])
@pytest.mark.parametrize("listed", ["{}", f"{NEW_SECRET},{{}}"], ids=["alone", "second"])
def test_a_public_key_as_a_secret_stops_the_start(new_verifier, setting, form, algorithm, listed):
    """Everybody may know it, so it must be a mistake."""
    text = key_of(algorithm).private.public_key().public_bytes(getattr(Encoding, form), FORMATS[form]).decode()

    with pytest.raises(SettingsError, match=setting):
        new_verifier(**{setting: listed.format(text)})
