"""What a client without a fitting token is told at POST /mcp (RFC 6750, RFC 9728, section 5.1), and the metadata."""

import pytest

from tests.auth.agents import PUBLIC_URL, RESOURCE, OAuthServer, add_task, agents_app, call_mcp
from tests.conftest import Caller

pytestmark = pytest.mark.one_engine

METADATA = f"{PUBLIC_URL}/.well-known/oauth-protected-resource/mcp"
NAMED = f'resource_metadata="{METADATA}"'
PATHS = ("/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource")


@pytest.fixture(scope="module")
def server():
    with OAuthServer() as server:
        yield server


@pytest.fixture(scope="module")
def agents(new_database, server):
    with agents_app(new_database(), server, CORS_ORIGINS="https://app.example.com") as app:
        yield app


def challenge_of(answer):
    assert len(answer.headers.getlist("WWW-Authenticate")) == 1
    return answer.headers["WWW-Authenticate"]


def test_a_missing_token_names_the_metadata_and_the_scopes(agents):
    """So that a client finds the server, and asks it for what it needs."""
    answer = Caller(agents).post("/mcp", json={})

    assert answer.status_code == 401
    assert challenge_of(answer) == f'Bearer realm="tasks", scope="tasks:read tasks:write", {NAMED}'


@pytest.mark.parametrize("token", ["nonsense", "a.b.c"])
def test_a_bad_token_names_them_too(agents, token):
    """With the error, so that a client signs its user in again."""
    challenge = challenge_of(call_mcp(agents, token))

    assert challenge.startswith('Bearer realm="tasks", error="invalid_token", ')
    assert challenge.endswith(f', scope="tasks:read tasks:write", {NAMED}')


def test_a_scope_that_is_missing_is_named(agents, server):
    """So that a client can ask its user for more."""
    answer = add_task(agents, server.access_token(scope="tasks:read"))

    assert answer.status_code == 403
    assert challenge_of(answer) == f'Bearer realm="tasks", error="insufficient_scope", scope="tasks:write", {NAMED}'


def test_other_routes_do_not_name_the_metadata(agents, server):
    """No token of that server would open them."""
    for token in (None, "nonsense", server.access_token()):
        answer = Caller(agents, "somebody" if token else None, token).get("/v1/tasks")
        assert answer.status_code == 401
        assert "resource_metadata" not in challenge_of(answer)


@pytest.mark.parametrize("setting", [{"MCP_OAUTH_ISSUER": None}, {"MCP_OAUTH_ISSUER": None, "PUBLIC_URL": None}])
def test_without_an_issuer_there_is_no_metadata(new_database, server, setting):
    """Neither in the challenge nor at its addresses."""
    with agents_app(new_database(), server, **setting) as app:
        assert challenge_of(Caller(app).post("/mcp", json={})) == 'Bearer realm="tasks"'
        assert {Caller(app).get(path).status_code for path in PATHS} == {404}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("host", ["tasks.example.com", "evil.example.com", "127.0.0.1:8000"])
def test_the_metadata_names_the_issuer_and_this_service(agents, server, path, host):
    """Whatever Host header a request has."""
    answer = Caller(agents).get(path, headers={"Host": host, "X-Forwarded-Host": "evil.example.com"})

    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert answer.json == {
        "resource": RESOURCE,
        "authorization_servers": [server.name],
        "scopes_supported": ["tasks:read", "tasks:write"],
        "bearer_methods_supported": ["header"],
    }


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("origin", ["https://inspector.example", "https://app.example.com"])
def test_a_browser_may_read_the_metadata(agents, path, origin):
    """From any origin, and with the headers that clients of the protocol send."""
    asked = {"Origin": origin, "Access-Control-Request-Method": "GET"}
    asked["Access-Control-Request-Headers"] = "mcp-protocol-version"
    preflight = Caller(agents).call("OPTIONS", path, headers=asked)
    answer = Caller(agents).get(path, headers={"Origin": origin})

    assert (preflight.status_code, answer.status_code) == (200, 200)
    for response in (preflight, answer):
        assert response.headers.getlist("Access-Control-Allow-Origin") == ["*"]
    assert preflight.headers["Access-Control-Allow-Headers"] in ("*", "mcp-protocol-version")
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_the_metadata_is_gone_with_the_endpoint(new_database, server):
    """MCP=off."""
    with agents_app(new_database(), server, MCP="off") as app:
        assert {Caller(app).get(path).status_code for path in PATHS} == {404}
