"""Access tokens of MCP_OAUTH_ISSUER at POST /mcp: RFC 9068 (section 4), RFC 8725 and RFC 9700 as a table."""

import time

import pytest

from tests.auth.agents import CLIENT, PUBLIC_URL, RESOURCE, OAuthServer, add_task, agents_app, call_mcp
from tests.auth.tokens import LEFT_OUT, assert_all_refused, assert_refused, compact, flip_bit, new_key, with_part
from tests.conftest import SHARED_SECRET, Caller, new_user_id, shared_token

pytestmark = pytest.mark.one_engine

MONTH = 2_592_000
# Changes to a valid token: its header, and its claims.
ACCEPTED = {
    "as Better Auth signs it": ({}, {}),
    "as others sign it": ({"typ": "JWT"}, {}),
    "without a type": ({"typ": LEFT_OUT}, {}),
    "with the long type": ({"typ": "application/AT+JWT"}, {}),
    "for the server's own API too": ({}, {"aud": [RESOURCE, "https://app.example.com/api/auth/oauth2/userinfo"]}),
    "without a client": ({}, {"client_id": LEFT_OUT, "azp": LEFT_OUT}),
    "without a scope": ({}, {"scope": LEFT_OUT}),
}
REFUSED = {
    "token_algorithm": {
        "alg none": ({"alg": "none"}, {}),
        "HS384": ({"alg": "HS384"}, {}),
    },
    "token_claim": {
        "a logout token": ({"typ": "logout+jwt"}, {}),
        "a proof of a key": ({"typ": "dpop+jwt"}, {}),
        "an extension": ({"crit": ["exp"]}, {}),
        "no exp": ({}, {"exp": LEFT_OUT}),
        "a text as exp": ({}, {"exp": "tomorrow"}),
        "a life of a year": ({}, {"exp": int(time.time()) + 12 * MONTH}),
        "no sub": ({}, {"sub": LEFT_OUT}),
        "a blank sub": ({}, {"sub": " "}),
        "a list as sub": ({}, {"sub": ["ann"]}),
        "an account of this service": ({}, {"sub": "usr_" + "0" * 32}),
        "the client itself": ({}, {"sub": CLIENT}),
        "the client itself, by azp alone": ({}, {"sub": CLIENT, "client_id": LEFT_OUT}),
        "the client itself, by client_id alone": ({}, {"sub": CLIENT, "azp": LEFT_OUT}),
        "bound to a key (DPoP)": ({}, {"cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}),
        "bound to a certificate": ({}, {"cnf": {"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}}),
        "a number as scope": ({}, {"scope": 7}),
        "numbers as scopes": ({}, {"scope": [7]}),
    },
    "token_expired": {"expired": ({}, {"exp": int(time.time()) - 60})},
    "token_not_yet_valid": {
        "not yet valid": ({}, {"nbf": int(time.time()) + 600}),
        "issued tomorrow": ({}, {"iat": int(time.time()) + 86_400, "exp": int(time.time()) + 90_000}),
    },
    "token_issuer": {
        "no iss": ({}, {"iss": LEFT_OUT}),
        "another iss": ({}, {"iss": "https://elsewhere.example"}),
        "a list as iss": ({}, {"iss": ["https://elsewhere.example"]}),
    },
    "token_audience": {
        "no aud": ({}, {"aud": LEFT_OUT}),
        "an ID token": ({"typ": "JWT"}, {"aud": CLIENT}),
        "the whole service": ({}, {"aud": PUBLIC_URL}),
        "a longer address": ({}, {"aud": f"{RESOURCE}/"}),
        "in capitals": ({}, {"aud": RESOURCE.upper()}),
        "another service": ({}, {"aud": "https://elsewhere.example/mcp"}),
        "others": ({}, {"aud": [PUBLIC_URL, "https://elsewhere.example/mcp"]}),
        "an object": ({}, {"aud": {RESOURCE: True}}),
    },
}
ROWS = [(code, name) for code, rows in REFUSED.items() for name in rows]


@pytest.fixture(scope="module")
def server():
    with OAuthServer() as server:
        yield server


@pytest.fixture(scope="module", params=["keys that it names", "keys of AUTH_JWKS_URL"])
def agents(request, new_database, server):
    """An app that trusts the server, alone or together with its other tokens, whose keys are the same."""
    keys = server.url if request.param == "keys of AUTH_JWKS_URL" else None
    with agents_app(new_database(), server, AUTH_JWKS_URL=keys) as app:
        yield app


@pytest.mark.parametrize("name", ACCEPTED)
def test_an_access_token_is_accepted(agents, server, name):
    """It opens the endpoint."""
    header, claims = ACCEPTED[name]
    answer = call_mcp(agents, server.access_token(header=header, **claims))

    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(("code", "name"), ROWS, ids=[name for _, name in ROWS])
def test_a_faulty_token_is_rejected(agents, server, code, name):
    """With the reason. The signature is right, so each of these rules stands alone."""
    header, claims = REFUSED[code][name]
    key = server.signing
    signed = {"alg": key.algorithm, "kid": key.kid, "typ": "at+jwt", **header}
    token = compact(signed, server.access_claims(**claims), key.private, key.algorithm)

    assert_refused(call_mcp(agents, token), code)


def test_a_token_that_others_signed_is_rejected(agents, server):
    """Whatever key it brings along, and if it was changed afterwards."""
    other = new_key()
    forged = {
        "with another key": server.access_token(other),
        "under a published kid": server.access_token(other, header={"kid": server.signing.kid}),
        "with a key of its own": server.access_token(other, header={"jwk": other.jwk(), "kid": LEFT_OUT}),
        "from an address": server.access_token(other, header={"jku": "http://127.0.0.1:1/jwks", "kid": LEFT_OUT}),
        "with another signature": with_part(server.access_token(), 2, flip_bit),
        "with another user": with_part(server.access_token(sub="ann"), 1, lambda part: part.replace(b"ann", b"bob")),
        "with the published key as a secret": compact({"alg": "HS256"}, {}, server.keys[0]["x"] * 2),
    }

    assert_all_refused(lambda token: call_mcp(agents, token), forged, "token_signature")


@pytest.mark.parametrize("typ", ["at+jwt", "JWT"])
def test_a_shared_secret_does_not_sign_for_the_oauth_server(agents, server, typ):
    """HS256 is judged by the issuer of its secret: its tokens never have the server's rights, nor its limits."""
    claims = {"iss": server.name, "aud": RESOURCE, "sub": CLIENT, "client_id": CLIENT, "scope": "tasks:read"}
    token = compact({"alg": "HS256", "typ": typ}, {**claims, "exp": int(time.time()) + 600}, SHARED_SECRET)

    assert call_mcp(agents, token).status_code == (401 if typ == "at+jwt" else 200)


@pytest.mark.parametrize("member", ["scope", "scp"])
@pytest.mark.parametrize(
    ("scopes", "may_write"),
    [
        ("tasks:read", False),
        ("openid tasks:read offline_access", False),
        (["tasks:read"], False),
        ("tasks:write", True),
        ("tasks:read tasks:write", True),
        (["tasks:write"], True),
        ("openid profile", True),
        ("", True),
    ],
)
def test_the_scope_decides_whether_it_may_write(agents, server, member, scopes, may_write):
    """Without a scope of this service it may: the server may know none."""
    token = server.access_token(**{"scope": LEFT_OUT, member: scopes})
    assert call_mcp(agents, token).status_code == 200
    answer = add_task(agents, token)

    if may_write:
        assert answer.status_code == 200, answer.text
    else:
        assert (answer.status_code, answer.json["code"]) == (403, "insufficient_scope")


def test_both_tokens_of_a_user_show_the_same_tasks(new_database, server):
    """The user id is in the same claim of both."""
    user = new_user_id()
    with agents_app(new_database(), server, AUTH_JWKS_URL=server.url) as app:
        answer = add_task(app, server.access_token(sub=user), "Buy tea")
        assert answer.status_code == 200, answer.text
        page = Caller(app, user, server.token(sub=user)).get("/v1/tasks").json

    assert [task["title"] for task in page["items"]] == ["Buy tea"]


def test_another_claim_can_hold_the_user_id(new_database, server):
    """AUTH_USER_ID_CLAIM is that of all other issuers."""
    user = new_user_id()
    with agents_app(new_database(), server, AUTH_USER_ID_CLAIM="uid") as app:
        assert add_task(app, server.access_token(uid=user), "Buy tea").status_code == 200
        page = Caller(app, user, shared_token("another", uid=user)).get("/v1/tasks").json
        assert [task["title"] for task in page["items"]] == ["Buy tea"]
        assert_refused(call_mcp(app, server.access_token()), "token_claim")
