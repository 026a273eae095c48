"""Tokens for POST /mcp open nothing else, and all other tokens open it too: two issuers with the same keys."""

from itertools import product

import pytest

from tests.api.test_every_route import OPEN, path_of, routes
from tests.auth.agents import RESOURCE, OAuthServer, agents_app, call_mcp
from tests.auth.people import register
from tests.auth.personal import READ, script_of
from tests.auth.tokens import assert_refused, refusal_of
from tests.conftest import Caller, new_user_id, shared_token

pytestmark = pytest.mark.one_engine


@pytest.fixture(scope="module")
def server():
    with OAuthServer() as server:
        yield server


@pytest.fixture(scope="module")
def agents(new_database, server):
    """An app that trusts both kinds of the server's tokens."""
    with agents_app(new_database(), server, AUTH_JWKS_URL=server.url) as app:
        yield app


@pytest.mark.parametrize("is_remembered", [False, True], ids=["new", "remembered"])
def test_a_token_for_agents_opens_no_other_route(agents, server, is_remembered):
    """Also if the endpoint has just accepted it, and if the path names its user."""
    user = new_user_id()
    others = {name: route for name, route in routes(agents).items() if name not in {*OPEN, "POST /mcp"}}
    assert len(others) > 30
    for method, rule in others.values():
        token = server.access_token(sub=user)
        if is_remembered:
            assert call_mcp(agents, token).status_code == 200
        answer = Caller(agents, user, token).call(method, path_of(rule, user))
        assert_refused(answer, "token_audience")
        assert "resource_metadata" not in answer.headers["WWW-Authenticate"]


def test_a_token_that_another_route_refused_is_still_accepted_at_mcp(agents, server):
    """Nothing is remembered of the refusal."""
    token = server.access_token()

    assert_refused(Caller(agents, "somebody", token).get("/v1/tasks"), "token_audience")
    assert call_mcp(agents, token).status_code == 200


def test_every_other_kind_of_token_opens_mcp(agents, server):
    """Those of this service's accounts, of a shared secret, of the same server's front end, and personal ones."""
    ann = register(agents)
    tokens = {
        "own": ann.access_token,
        "shared": shared_token("ann"),
        "front end's": server.token(),
        "personal": script_of(agents, ann).token,
    }

    assert {name: call_mcp(agents, token).status_code for name, token in tokens.items()} == dict.fromkeys(tokens, 200)


def test_only_the_two_matching_pairs_of_issuer_and_audience_are_accepted(agents, server):
    """A token of the one issuer for the other's audience is neither's."""
    front_end, agent = (server.origin, server.origin), (server.name, RESOURCE)
    found = {}
    for pair in product((server.origin, server.name), (server.origin, RESOURCE)):
        token = server.access_token(iss=pair[0], aud=pair[1])
        answers = call_mcp(agents, token), Caller(agents, "somebody", token).get("/v1/tasks")
        found[pair] = tuple(answer.status_code for answer in answers)

    assert found == dict.fromkeys(found, (401, 401)) | {front_end: (200, 200), agent: (200, 401)}


@pytest.mark.parametrize(
    "settings",
    [{"AUTH_AUDIENCE": "*", "AUTH_ISSUER": "*"}, {"AUTH_AUDIENCE": "*"}, {"AUTH_AUDIENCE": RESOURCE}, {}],
    ids=str,
)
@pytest.mark.parametrize("audience", [RESOURCE, [RESOURCE, "https://tasks.example.com"]], ids=str)
def test_settings_for_the_front_end_open_nothing_to_agents(new_database, server, settings, audience):
    """Even where the front end's tokens have the same issuer, and whatever audience."""
    settings = {"AUTH_JWKS_URL": server.url, "AUTH_ISSUER": server.name, **settings}
    with agents_app(new_database(), server, **settings) as app:
        token = server.access_token(aud=audience)
        assert_refused(Caller(app, "somebody", token).get("/v1/tasks"), "token_audience")
        assert call_mcp(app, token).status_code == 200


def test_one_issuer_can_have_an_audience_for_each(new_database, server):
    """As those have whose tokens all bear one `iss`: `aud` tells them apart."""
    settings = {"AUTH_JWKS_URL": server.url, "AUTH_ISSUER": server.name, "AUTH_AUDIENCE": "https://api.example"}
    with agents_app(new_database(), server, **settings) as app:
        token = server.access_token(aud="https://api.example", scope="tasks:read")
        ann = Caller(app, "somebody", token)

        assert ann.add()["title"] == "tea"
        assert call_mcp(app, token).status_code == 200


def test_without_the_setting_no_such_token_is_accepted(new_database, server):
    """The keys alone do not make an issuer."""
    settings = {"MCP_OAUTH_ISSUER": None, "AUTH_JWKS_URL": server.url}
    with agents_app(new_database(), server, **settings) as app:
        assert refusal_of(call_mcp(app, server.access_token())) == "token_issuer"


def test_a_token_that_may_only_read_notes_no_use(agents, server):
    """That is for personal tokens, which are rows."""
    assert call_mcp(agents, server.access_token(scope=READ)).status_code == 200


def test_a_disabled_user_is_rejected(agents, server):
    """Like with every other token."""
    user = new_user_id()
    token = server.access_token(sub=user)
    Caller(agents, user, server.token(sub=user)).add()
    assert call_mcp(agents, token).status_code == 200
    assert agents.test_cli_runner().invoke(args=["users", "disable", user]).exit_code == 0

    assert_refused(call_mcp(agents, token), "token_revoked")


def test_ending_all_sessions_ends_the_tokens_of_agents(agents, server):
    """Those issued until now; the next one is accepted."""
    user = new_user_id()
    caller, token = Caller(agents, user, server.token(sub=user)), server.access_token(sub=user)
    assert call_mcp(agents, token).status_code == 200
    assert caller.delete("/v1/auth/sessions").status_code == 204

    assert_refused(call_mcp(agents, token), "token_revoked")
    later = server.access_token(sub=user, iat=server.access_claims()["iat"] + 5)
    assert call_mcp(agents, later).status_code == 200


def test_the_endpoint_keeps_its_users_apart(agents, server):
    """The user is the token's alone."""
    ann, bob = new_user_id(), new_user_id()
    task = Caller(agents, ann, server.token(sub=ann)).add()
    results = {}
    for user in (ann, bob):
        call = {"name": "get_task", "arguments": {"id": task["id"]}}
        results[user] = call_mcp(agents, server.access_token(sub=user), "tools/call", **call).json["result"]

    assert {user: result["isError"] for user, result in results.items()} == {ann: False, bob: True}
    assert task["title"] not in str(results[bob])
