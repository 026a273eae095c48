"""`flask doctor --token -` says whose a token is, which issuer judges it, and why it is rejected."""

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from app.auth.explanations import EXPLANATIONS
from app.auth.tokens import PersonalToken
from app.settings import PROJECT
from tests.auth.agents import OAuthServer
from tests.auth.conftest import front_end as _front_end
from tests.auth.issuer import Issuer
from tests.auth.people import another_app, register
from tests.auth.personal import READ, script_of
from tests.auth.tokens import LEFT_OUT, compact, flip_bit, new_key, token_of, with_part
from tests.commands.calling import fail, run, succeed
from tests.conftest import OWN_SECRET, SHARED_SECRET, Caller, NewDatabase, new_user_id, shared_token

front_end = _front_end

HOUR = 3_600


@pytest.fixture(scope="module")
def trusting(new_database: NewDatabase, front_end: Issuer) -> Iterator[Flask]:
    """An app that trusts all three kinds of issuers."""
    with another_app(new_database(), AUTH_JWKS_URL=front_end.url) as app:
        yield app


@pytest.fixture
def oauth() -> Iterator[OAuthServer]:
    with OAuthServer() as oauth:
        yield oauth


def diagnose(app: Flask, token: str) -> dict[str, Any]:
    """Return the command's JSON. Its exit status and the response to a request must agree."""
    result = run(app, "doctor", "--token", "-", "--json", stdin=token)
    told = json.loads(result.stdout)
    assert result.exit_code == (0 if told["accepted"] else 1)
    assert result.stderr == ""
    assert_shows_nothing(result.output, token)
    if token and token.isascii() and token.isprintable() and " " not in token:
        answer = Caller(app, "somebody", token).get("/v1/tasks")
        assert told["code"] == (None if answer.status_code == 200 else answer.json["code"])
    return told


def assert_shows_nothing(output: str, token: str) -> None:
    """Check that a text has no secret, and no part that would complete the token."""
    hidden = [OWN_SECRET, SHARED_SECRET, *(part for part in {token, *token.split("."), *token.split("~")[3:]})]
    assert [part for part in hidden if len(part) > 8 and part in output] == []


@pytest.mark.parametrize("kind", ["shared", "published"])
def test_a_valid_token_is_accepted(trusting: Flask, front_end: Issuer, kind: str) -> None:
    """With its user, its issuer and its expiry time."""
    user_id = new_user_id()

    told = diagnose(trusting, token_of(kind, front_end.origin, sub=user_id))

    assert (told["accepted"], told["user_id"], told["email"]) == (True, user_id, None)
    assert {"shared": "BETTER_AUTH_SECRET", "published": "AUTH_JWKS_URL"}[kind] in told["issuer"]
    assert told["reason"].startswith("It is valid until 20")


def test_an_accounts_token_is_shown_with_the_account(trusting: Flask) -> None:
    """With its address, in a few lines without the token."""
    member = register(trusting)

    lines = succeed(trusting, "doctor", "--token", "-", stdin=member.access_token).splitlines()

    assert lines[0].split() == ["user", member.user_id, f"({member.email})"]
    assert lines[1].split(maxsplit=2)[2] == "this service itself (AUTH_SECRET)"
    assert lines[2].split() == ["verdict", "accepted"]
    assert_shows_nothing("\n".join(lines), member.access_token)


@pytest.mark.parametrize("form", ["{}\n", "Bearer {}", "Authorization: Bearer {}\r\n", "  {}  "])
def test_text_around_a_token_is_ignored(trusting: Flask, form: str) -> None:
    """As copied from a header or a shell."""
    result = run(trusting, "doctor", "--token", "-", stdin=form.format(shared_token("ann")))

    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"exp": int(time.time()) - 2 * HOUR}, "token_expired", "2:0"),
        ({"exp": LEFT_OUT}, "token_claim", "no exp"),
        ({"exp": -253_402_300_799}, "token_expired", "s after 1970"),
        ({"nbf": int(time.time()) + HOUR}, "token_not_yet_valid", "Its nbf is"),
        ({"iat": int(time.time()) + HOUR}, "token_not_yet_valid", "Its iat is"),
        ({"iss": "https://elsewhere.example"}, "token_issuer", '"https://elsewhere.example", but'),
        ({"aud": ["one", "two"]}, "token_audience", '["one", "two"], but'),
        ({"iss": LEFT_OUT}, "token_issuer", "no iss, but"),
        ({"aud": LEFT_OUT}, "token_audience", "no aud, but"),
        ({"sub": LEFT_OUT}, "token_claim", "has no sub, which is the user's id"),
        ({"sub": " "}, "token_claim", "sub is not a user id"),
        ({"sub": "\ud800"}, "token_malformed", "damaged"),
        ({"sub": "usr_" + 32 * "0"}, "token_claim", "is not a user id of this issuer"),
        ({"exp": "soon"}, "token_claim", "exp is not a number"),
    ],
    ids=lambda value: str(next(iter(value))) if isinstance(value, dict) else None,
)
def test_a_wrong_claim_is_explained(
    trusting: Flask, front_end: Issuer, changes: dict[str, Any], code: str, words: str
) -> None:
    """With its value, the expected one, and the fix."""
    told = diagnose(trusting, token_of("published", front_end.origin, **changes))

    assert (told["code"], told["accepted"]) == (code, False)
    assert words in told["reason"]
    assert told["fix"]


def test_the_fix_for_a_wrong_issuer_or_audience_names_the_setting(trusting: Flask, front_end: Issuer) -> None:
    """For example for a base URL behind a proxy."""
    for claim, setting in (("iss", "AUTH_ISSUER"), ("aud", "AUTH_AUDIENCE")):
        told = diagnose(trusting, token_of("published", front_end.origin, **{claim: "https://my.example"}))
        assert setting in told["fix"]
        assert front_end.origin in told["reason"]


@pytest.mark.parametrize(("claim", "code"), [("iss", "token_issuer"), ("aud", "token_audience")])
def test_an_empty_issuer_or_audience_is_better_auths(trusting: Flask, front_end: Issuer, claim: str, code: str) -> None:
    """What its server signs without a base URL; no setting of this service could take it."""
    told = diagnose(trusting, token_of("published", front_end.origin, **{claim: ""}))

    assert told["code"] == code
    assert "BETTER_AUTH_URL" in told["fix"]


def test_a_missing_auth_jwks_url_is_named(app: Flask, front_end: Issuer) -> None:
    """The most common mistake: the token is Better Auth's, and only the secret was set."""
    told = diagnose(app, token_of("published", front_end.origin))

    assert told["code"] == "token_algorithm"
    assert told["reason"] == "It is signed with EdDSA, but only a shared secret is set here (BETTER_AUTH_SECRET)."
    assert "AUTH_JWKS_URL" in told["fix"]
    assert told["issuer"] is None


def test_disabled_accounts_are_named(trusting: Flask, front_end: Issuer) -> None:
    """Then this service's own tokens have no issuer."""
    with another_app(trusting, LOCAL_AUTH="off") as closed:
        told = diagnose(closed, token_of("own", front_end.origin))

    assert (told["code"], told["fix"]) == ("token_algorithm", "Set LOCAL_AUTH to on.")


def test_a_missing_shared_secret_is_named(app: Flask) -> None:
    """HS256 needs a secret."""
    with another_app(app, BETTER_AUTH_SECRET=None) as alone:
        told = diagnose(alone, shared_token("ann"))

    assert "BETTER_AUTH_SECRET is not set" in told["reason"]


@pytest.mark.parametrize("algorithm", ["none", "HS512", "ES256K", 7, None])
def test_an_unknown_algorithm_is_named(trusting: Flask, algorithm: Any) -> None:
    """With the accepted ones."""
    token = compact({"alg": algorithm}, {"sub": "ann"}, SHARED_SECRET, "HS256")

    told = diagnose(trusting, token)

    assert told["code"] == "token_algorithm"
    assert json.dumps(algorithm) in told["reason"]
    assert "EdDSA" in told["fix"]


def test_a_wrong_secret_an_unknown_key_and_a_wrong_signature_differ(trusting: Flask, front_end: Issuer) -> None:
    """All are token_signature, but have different reasons."""
    other = diagnose(trusting, shared_token("ann", secret="another secret of at least 32 bytes"))
    own = diagnose(trusting, with_part(token_of("own", front_end.origin), 2, flip_bit))
    unknown = diagnose(trusting, front_end.token(new_key()))
    changed = diagnose(trusting, with_part(token_of("published", front_end.origin), 2, lambda part: flip_bit(part, 0)))

    assert {told["code"] for told in (other, own, unknown, changed)} == {"token_signature"}
    assert "BETTER_AUTH_SECRET" in other["reason"]
    assert "both sides" in other["fix"]
    assert "AUTH_SECRET" in own["reason"]
    assert "publishes no key" in unknown["reason"]
    assert changed["reason"] == "It is not signed with the key that AUTH_JWKS_URL publishes."


def test_the_page_names_the_settings_that_the_command_names(
    trusting: Flask, front_end: Issuer, oauth: OAuthServer
) -> None:
    """Each rejection whose cause can be a setting has its row in docs/authentication.md, with just these settings."""
    published, own = token_of("published", front_end.origin), token_of("own", front_end.origin)
    only_published = {"BETTER_AUTH_SECRET": None, "LOCAL_AUTH": "off", "AUTH_JWKS_URL": front_end.url}
    found: dict[str, set[str]] = {}
    for settings, token in (
        ({"AUTH_JWKS_URL": None}, published),
        (only_published, shared_token("ann")),
        (only_published, own),
        ({}, shared_token("ann", secret="another secret of at least 32 bytes")),
        ({}, with_part(own, 2, flip_bit)),
        ({"AUTH_JWKS_URL": front_end.url}, front_end.token(new_key())),
        ({"AUTH_JWKS_URL": front_end.url}, token_of("published", front_end.origin, iss="https://elsewhere.example")),
        ({"AUTH_JWKS_URL": front_end.url}, token_of("published", front_end.origin, aud=LEFT_OUT)),
        ({"AUTH_JWKS_URL": "http://127.0.0.1:1/jwks"}, published),
        (oauth.settings, oauth.access_token(iss="https://elsewhere.example")),
        (oauth.settings, oauth.access_token(aud=LEFT_OUT)),
        (oauth.settings | {"MCP_OAUTH_ISSUER": "http://127.0.0.1:1"}, published),
    ):
        with another_app(trusting, **settings) as app:
            told = diagnose(app, token)
        found.setdefault(told["code"], set()).update(re.findall(r"[A-Z]+_[A-Z_]+", f"{told['reason']} {told['fix']}"))
    page = (PROJECT / "docs" / "authentication.md").read_text()
    rows = {
        code: set(re.findall(r"`([A-Z_]+_[A-Z_]+)`", text))
        for code, text in re.findall(r"^\| `(\w+)` \| (.*)", page, re.M)
    }

    assert {code: rows[code] for code in EXPLANATIONS.keys() & rows} == found


def test_unavailable_keys_are_explained(app: Flask, front_end: Issuer) -> None:
    """The token itself may be valid."""
    with another_app(app, AUTH_JWKS_URL="http://127.0.0.1:1/jwks") as cut_off:
        told = diagnose(cut_off, token_of("published", front_end.origin))

    assert told["code"] == "keys_unavailable"
    assert "flask doctor" in told["fix"]


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("", "There is no token"),
        ("Q3mYl8sVfT0cKjW2xN7uHbP5aRzD9gEi", "call /api/auth/token"),
        ("Q3mYl8sVfT0cKjW2xN7uHbP5aRzD9gEi.c2lnbmVk%3D", "call /api/auth/token"),
        ("eyJh.eyJi.eyJj.eyJk.eyJl", "encrypted"),
        ("two words", "spaces"),
        ('"eyJhbGciOiJIUzI1NiJ9.e30.c2ln"', "quotes"),
        (8193 * "x", "longer than 8192"),
        ("eyJhbGciOiJIUzI1NiJ9.e30=.c2ln", "damaged"),
        ("\0\x1b[2J", "not a JWT"),
        ("ключ", "not a JWT"),
    ],
)
def test_each_kind_of_malformed_token_is_explained(trusting: Flask, token: str, words: str) -> None:
    """Especially session tokens."""
    told = diagnose(trusting, token)

    assert told["code"] == "token_malformed"
    assert words in f"{told['reason']} {told['fix']}"


def test_a_refresh_token_is_recognized(trusting: Flask) -> None:
    """With the route that accepts it."""
    told = diagnose(trusting, register(trusting).refresh_token)

    assert told["code"] == "token_malformed"
    assert "refresh token" in told["reason"]
    assert "/v1/auth/refresh" in told["fix"]


def test_a_revoked_token_has_its_reason(trusting: Flask) -> None:
    """Signed out, disabled, or deleted."""
    out, disabled, deleted, outside = *(register(trusting) for _ in range(3)), Caller(trusting, new_user_id())
    outside_token = outside.headers["Authorization"].split()[1]
    assert out.post("/v1/auth/logout").status_code == outside.post("/v1/auth/logout").status_code == 204
    succeed(trusting, "users", "disable", disabled.user_id)
    succeed(trusting, "users", "delete", deleted.user_id, "--yes")

    told = {name: diagnose(trusting, token) for name, token in {
        "session has ended": out.access_token, "disabled since": disabled.access_token,
        "account was deleted": deleted.access_token, "signed out everywhere": outside_token,
    }.items()}  # fmt: skip

    for words, diagnosis in told.items():
        assert (diagnosis["code"], words in diagnosis["reason"]) == ("token_revoked", True), diagnosis
    assert "flask users enable" in told["disabled since"]["fix"]


def test_a_rejected_token_shows_only_a_claimed_user(trusting: Flask, front_end: Issuer) -> None:
    """Control characters in it do not reach the terminal."""
    token = token_of("published", front_end.origin, sub="ann\x1b[2J", kid=new_user_id())

    lines = run(trusting, "doctor", "--token", "-", stdin=token).stdout.splitlines()

    assert lines[0].split() == ["claims", "ann\ufffd[2J"]
    assert lines[2].split() == ["verdict", "rejected", "(token_claim)"]


def test_without_a_database_the_verifier_still_judges() -> None:
    """A rejection needs no database. For a valid token the failure is one line on standard error."""
    with another_app("postgresql://tasks:geheim@127.0.0.1:1/tasks") as cut_off:
        refused = run(cut_off, "doctor", "--token", "-", stdin=shared_token("ann", exp=1))
        line = fail(cut_off, "doctor", "--token", "-", stdin=shared_token("ann"))

    assert (refused.exit_code, refused.stderr) == (1, "")
    assert "token_expired" in refused.stdout
    assert "The database is unavailable" in line


def personal(app: Flask, state: str) -> tuple[str, str]:
    """Return a user's id and a personal token in this state."""
    script = script_of(app, register(app), READ, expires_in_days=None if state == "forever" else 1)
    if state == "expired":
        script.expire(60)
    elif state == "ended":
        script.end()
    elif state == "disabled":
        succeed(app, "users", "disable", str(script.user_id))
    token = PersonalToken.new().text if state == "unknown" else script.token
    return str(script.user_id), f"{token[:-1]}-" if state == "damaged" else token


@pytest.mark.parametrize(
    ("state", "code", "words"),
    [
        ("valid", None, "It is valid until 20"),
        ("forever", None, "It never expires, and has the scope tasks:read."),
        ("expired", "token_expired", "expired at 20"),
        ("ended", "token_revoked", "It was ended"),
        ("disabled", "token_revoked", "has been disabled since 20"),
        ("unknown", "token_signature", "There is no such personal token"),
        ("damaged", "token_malformed", "mistyped or cut short"),
    ],
)
def test_a_personal_token_is_explained(trusting: Flask, state: str, code: str | None, words: str) -> None:
    """With its user, if it is known, and the fix."""
    user_id, token = personal(trusting, state)

    told = diagnose(trusting, token)

    assert (told["accepted"], told["code"]) == (code is None, code)
    assert told["user_id"] == (None if state in ("ended", "unknown", "damaged") else user_id)
    assert words in told["reason"]
    assert "personal token" in told["issuer"]
    assert bool(told["fix"]) is not told["accepted"]
