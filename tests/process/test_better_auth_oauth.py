"""A real Better Auth server gives an agent a token: from the 401 of POST /mcp, by metadata alone, to a task."""

import re
import shutil
from urllib.parse import urlsplit

import jwt
import pytest

from app.services import services_of
from tests.auth.agents import add_task, call_mcp
from tests.auth.people import another_app
from tests.auth.tokens import assert_refused
from tests.conftest import SHARED_SECRET, Caller
from tests.npm import installed
from tests.process.oauth_client import OAuthClient
from tests.process.test_better_auth import HERE, MISSING, BetterAuth, started

pytestmark = [pytest.mark.one_engine, pytest.mark.skipif(bool(MISSING), reason=f"not on this machine: {MISSING}")]

PUBLIC_URL = "http://127.0.0.1:8000"
RESOURCE = f"{PUBLIC_URL}/mcp"
BOTH = "tasks:read tasks:write"


@pytest.fixture(scope="session")
def front_end(tmp_path_factory):
    """A server with a signed-in user."""
    folder = tmp_path_factory.mktemp("better-auth-oauth")
    shutil.copy(HERE / "oauth_server.mjs", folder / "server.mjs")
    (folder / "node_modules").symlink_to(installed(HERE))
    with started(folder, SHARED_SECRET, RESOURCE) as process:
        yield BetterAuth(process.stdout.readline().strip())


@pytest.fixture(scope="module")
def agents(new_database, front_end):
    """An app that trusts the server's tokens for agents, with the keys that its metadata names."""
    settings = {"PUBLIC_URL": PUBLIC_URL, "MCP_OAUTH_ISSUER": f"{front_end.url}/api/auth"}
    with another_app(new_database(), **settings) as app:
        yield app


@pytest.fixture(scope="module")
def client(agents, front_end):
    """A client that knows nothing but the address of the endpoint."""
    challenge = Caller(agents).post("/mcp", json={}).headers["WWW-Authenticate"]
    metadata = re.search(r'resource_metadata="([^"]+)"', challenge)[1]
    assert metadata.startswith(PUBLIC_URL)
    said = Caller(agents).get(urlsplit(metadata).path).json
    assert said["resource"] == RESOURCE
    assert " ".join(said["scopes_supported"]) == re.search(r'scope="([^"]+)"', challenge)[1] == BOTH
    return OAuthClient(said["authorization_servers"][0], front_end.cookies)


def test_an_agent_gets_a_token_and_adds_a_task(agents, client, front_end):
    """It is the user's, who signed in at the front end."""
    token = client.tokens(BOTH, RESOURCE)["access_token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["sub"], claims["aud"], claims["scope"]) == (front_end.user_id, RESOURCE, BOTH)
    listed = call_mcp(agents, token)
    assert "add_tasks" in {tool["name"] for tool in listed.json["result"]["tools"]}
    added = add_task(agents, token, "Buy tea").json["result"]["structuredContent"]["tasks"]
    found = call_mcp(agents, token, "tools/call", name="find_tasks", arguments={}).json["result"]["structuredContent"]

    assert added[0]["title"] == "Buy tea"
    assert added[0]["id"] in {task["id"] for task in found["tasks"]}
    assert_refused(Caller(agents, front_end.user_id, token).get("/v1/tasks"), "token_audience")


def test_the_front_ends_own_token_shows_the_agents_tasks(agents, client, front_end):
    """With AUTH_JWKS_URL, whose keys both kinds of tokens have: one user, whichever token is sent."""
    token, own = client.tokens(BOTH, RESOURCE)["access_token"], front_end.token()
    issuer = services_of(agents).settings.mcp_oauth_issuer
    settings = {"PUBLIC_URL": PUBLIC_URL, "MCP_OAUTH_ISSUER": issuer, "AUTH_JWKS_URL": front_end.jwks_url}
    with another_app(agents, **settings) as app:
        [task] = add_task(app, token, "Water the plants").json["result"]["structuredContent"]["tasks"]
        caller = Caller(app, front_end.user_id, own)

        assert caller.get(f"/v1/tasks/{task['id']}").json["title"] == "Water the plants"
        assert call_mcp(app, own).status_code == 200
        assert_refused(Caller(app, front_end.user_id, token).get("/v1/tasks"), "token_audience")


def test_a_token_that_may_only_read_asks_for_more(agents, client):
    """The scope that the challenge names is enough."""
    token = client.tokens("tasks:read", RESOURCE)["access_token"]
    assert call_mcp(agents, token).status_code == 200
    answer = add_task(agents, token)

    assert answer.status_code == 403
    scope = re.search(r'scope="([^"]+)"', answer.headers["WWW-Authenticate"])[1]
    assert add_task(agents, client.tokens(scope, RESOURCE)["access_token"]).status_code == 200


def test_a_renewed_token_is_accepted(agents, client):
    """The server rotates the refresh token; the new access token is for the same resource."""
    first = client.tokens(f"{BOTH} offline_access", RESOURCE)
    form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"], "client_id": client.id}
    renewed = client.exchange(**form, resource=RESOURCE)

    assert renewed["access_token"] != first["access_token"]
    assert call_mcp(agents, renewed["access_token"]).status_code == 200


def test_its_tokens_for_others_are_rejected(agents, client):
    """An ID token, and an access token that was not asked for this resource, which is opaque."""
    tokens = client.tokens(f"openid {BOTH}", RESOURCE)
    assert call_mcp(agents, tokens["access_token"]).status_code == 200
    assert_refused(call_mcp(agents, tokens["id_token"]), "token_audience")
    assert_refused(call_mcp(agents, client.tokens(BOTH, None)["access_token"]), "token_malformed")


def test_a_client_without_a_user_is_rejected(agents, client, front_end):
    """Its token names the client as its subject."""
    robot = client.register(
        redirect_uris=["https://robot.example/callback"],
        token_endpoint_auth_method="client_secret_post",
        grant_types=["client_credentials"],
    )
    front_end.ask("/robots")
    form = {"client_id": robot["client_id"], "client_secret": robot["client_secret"], "scope": "tasks:read"}
    token = client.exchange(grant_type="client_credentials", resource=RESOURCE, **form)["access_token"]

    assert jwt.decode(token, options={"verify_signature": False})["sub"] == robot["client_id"]
    assert_refused(call_mcp(agents, token), "token_claim")


def test_a_disabled_users_agent_is_rejected(agents, client, front_end):
    """Until the user is enabled again."""
    token, cli = client.tokens(BOTH, RESOURCE)["access_token"], agents.test_cli_runner()
    assert add_task(agents, token).status_code == 200
    assert cli.invoke(args=["users", "disable", front_end.user_id]).exit_code == 0
    assert_refused(call_mcp(agents, token), "token_revoked")
    assert cli.invoke(args=["users", "enable", front_end.user_id]).exit_code == 0

    assert call_mcp(agents, token).status_code == 200
