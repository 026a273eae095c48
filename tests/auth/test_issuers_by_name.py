"""Tokens and key sets as in well-known issuers' documentation, with the settings of docs/authentication.md."""

import re
import time
from dataclasses import dataclass, field
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from app.auth.problems import TokenAudience, TokenIssuer
from app.settings import PROJECT, SettingsError
from tests.auth.conftest import NewVerifier
from tests.auth.issuer import Issuer
from tests.auth.tokens import LEFT_OUT, Key, key_of, new_key

ISSUER, AUDIENCE = "https://issuer.example", "the-audience"


@dataclass(frozen=True)
class Shape:
    """The properties of an issuer's tokens and published keys."""

    user_id: str
    settings: dict[str, str]
    algorithm: str = "RS256"
    header: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    jwk: dict[str, Any] = field(default_factory=dict)
    others: tuple[str, ...] = ()


NAMED = {"AUTH_ISSUER": ISSUER, "AUTH_AUDIENCE": AUDIENCE}
SHAPES = {
    "Auth0": Shape(
        "auth0|5f7c8ec7c33c6c004bbafe82",
        NAMED,
        header={"typ": "JWT"},
        claims={"aud": [AUDIENCE, f"{ISSUER}/userinfo"], "azp": "client", "scope": "openid profile"},
        jwk={"use": "sig", "x5t": "x", "x5c": ["x"]},
    ),
    "Clerk": Shape(
        "user_2abc",
        {**NAMED, "AUTH_AUDIENCE_CLAIM": "azp"},
        header={"typ": "JWT", "cat": "cl_B7d4PD111AAA"},
        claims={"azp": AUDIENCE, "sid": "sess_1", "nbf": 0, "v": 2},
        jwk={"use": "sig"},
    ),
    "Cognito": Shape(
        "7f3c0000-1111-2222-3333-444455556666",
        {**NAMED, "AUTH_AUDIENCE_CLAIM": "client_id"},
        claims={"client_id": AUDIENCE, "token_use": "access", "username": "ann", "cognito:groups": ["a"]},
        jwk={"use": "sig"},
    ),
    "Entra": Shape(
        "00000000-0000-0000-66f3-3332eca7ea81",
        {**NAMED, "AUTH_USER_ID_CLAIM": "oid"},
        header={"typ": "JWT", "x5t": "x"},
        claims={"aud": AUDIENCE, "oid": "00000000-0000-0000-66f3-3332eca7ea81", "sub": "pairwise", "ver": "2.0"},
        jwk={"use": "sig", "alg": LEFT_OUT, "issuer": ISSUER, "x5c": ["x"]},
    ),
    "Firebase": Shape(
        "Yx0eF1bG4sUsrID",
        NAMED,
        header={"typ": "JWT"},
        claims={"aud": AUDIENCE, "user_id": "Yx0eF1bG4sUsrID", "auth_time": 1, "firebase": {"identities": {}}},
        jwk={"use": "sig"},
    ),
    "Keycloak": Shape(
        "f:1:ann",
        NAMED,
        header={"typ": "JWT"},
        claims={"aud": ["account", AUDIENCE], "typ": "Bearer", "azp": "client", "realm_access": {"roles": []}},
        jwk={"use": "sig", "x5c": ["x"]},
        others=("enc",),
    ),
    "Kinde": Shape(
        "kp_0ba7c433",
        {**NAMED, "AUTH_AUDIENCE_CLAIM": "azp"},
        header={"typ": "JWT"},
        claims={"aud": [], "azp": AUDIENCE, "scp": ["openid"]},
        jwk={"use": "sig"},
    ),
    "Logto": Shape(
        "9kxn1u4xv3jz",
        NAMED,
        "ES384",
        header={"typ": "at+jwt"},
        claims={"aud": AUDIENCE, "client_id": "client", "scope": "read"},
        jwk={"use": "sig"},
    ),
    "Okta": Shape(
        "00uid4BxXw6I6TV4m0g3",
        {**NAMED, "AUTH_USER_ID_CLAIM": "uid"},
        claims={"aud": AUDIENCE, "cid": "client", "uid": "00uid4BxXw6I6TV4m0g3", "sub": "ann@example.com", "ver": 1},
        jwk={"use": "sig"},
    ),
    "Supabase": Shape(
        "11111111-2222-4333-8444-555555555555",
        NAMED,
        "ES256",
        header={"typ": "JWT"},
        claims={"aud": AUDIENCE, "role": "authenticated", "aal": "aal1", "session_id": "s", "is_anonymous": False},
        jwk={"use": "sig", "key_ops": ["verify"], "ext": True},
    ),
    "WorkOS": Shape(
        "user_01HBEQKA6K4QJAS93VPE39W1JT",
        {"AUTH_ISSUER": ISSUER, "AUTH_AUDIENCE": "*"},
        claims={"sid": "session_01", "org_id": "org_01", "role": "member"},
        jwk={"use": "sig", "x5c": ["x"]},
    ),
    "Zitadel": Shape(
        "163840776835432705",
        NAMED,
        claims={"aud": ["170086824411201793@portal", AUDIENCE], "client_id": "170086824411201793@portal", "jti": "1"},
        jwk={"use": "sig"},
        others=("one more",),
    ),
}
EVERY_ISSUER = pytest.mark.parametrize("name", SHAPES)


def key_for(shape: Shape) -> Key:
    if shape.algorithm == "ES384":
        return Key("ES384", ec.generate_private_key(ec.SECP384R1()), "k")
    return key_of(shape.algorithm)


def token(shape: Shape, key: Key, **changes: Any) -> str:
    now = int(time.time())
    claims = {"iss": ISSUER, "sub": shape.user_id, "iat": now, "exp": now + 300, **shape.claims, **changes}
    return key.sign(claims, **shape.header)


@EVERY_ISSUER
def test_an_issuers_tokens_are_accepted_with_its_settings(issuer: Issuer, new_verifier: NewVerifier, name: str) -> None:
    """Tokens for other audiences or from other issuers are rejected."""
    shape = SHAPES[name]
    key = key_for(shape)
    more = {"enc": new_key().jwk(use="enc"), "one more": new_key().jwk()}
    issuer.keys = [*(more[other] for other in shape.others), key.jwk(**shape.jwk)]
    verifier = new_verifier(AUTH_JWKS_URL=issuer.url, **shape.settings)

    assert verifier.verify(token(shape, key)).user_id == shape.user_id
    with pytest.raises(TokenIssuer):
        verifier.verify(token(shape, key, iss="https://another.example"))
    if shape.settings["AUTH_AUDIENCE"] != "*":
        with pytest.raises(TokenAudience):
            verifier.verify(token(shape, key, **{shape.settings.get("AUTH_AUDIENCE_CLAIM", "aud"): "another"}))


@EVERY_ISSUER
def test_an_issuers_settings_are_documented(name: str) -> None:
    """By the same names, in its row."""
    page = (PROJECT / "docs" / "authentication.md").read_text()
    (row,) = re.findall(rf"^\| {name} \|.*", page, re.MULTILINE)

    assert {*re.findall(r"AUTH_\w+", row)} == {"AUTH_JWKS_URL", *SHAPES[name].settings}


def test_an_audience_claim_without_an_audience_is_an_error(new_verifier: NewVerifier) -> None:
    """A claim to compare needs a value to compare with."""
    with pytest.raises(SettingsError, match="AUTH_AUDIENCE_CLAIM"):
        new_verifier(AUTH_AUDIENCE_CLAIM="azp")
