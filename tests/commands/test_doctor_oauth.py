"""`flask doctor` with MCP_OAUTH_ISSUER: the server that clients are sent to, and the tokens that they bring back."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from tests.auth.agents import CLIENT, RESOURCE, OAuthServer, agents_app
from tests.auth.issuer import answer_with
from tests.auth.tokens import LEFT_OUT, new_key
from tests.commands.calling import run, succeed
from tests.commands.test_doctor import RANDOM_SECRETS
from tests.conftest import new_user_id

pytestmark = pytest.mark.one_engine

SCOPES = ["openid", "tasks:read", "tasks:write"]


@pytest.fixture
def server() -> Iterator[OAuthServer]:
    with OAuthServer(scopes_supported=SCOPES) as server:
        yield server


def lines(app: Flask, server: OAuthServer, **settings: str) -> list[str]:
    """Return what the command says of the server, without the order of columns."""
    with agents_app(app, server, **RANDOM_SECRETS, **settings) as agents:
        return [line for line in run(agents, "doctor").stdout.splitlines() if line.split()[1] in ("oauth", "keys")]


def test_a_server_in_order_is_reported(app: Flask, server: OAuthServer) -> None:
    """With the aud that its tokens need, and the keys that its metadata names."""
    _, oauth, keys = lines(app, server)

    assert oauth.startswith("ok")
    assert RESOURCE in oauth
    assert keys.startswith("ok")
    assert server.signing.kid in keys


def test_its_keys_are_checked_once(app: Flask, server: OAuthServer) -> None:
    """Those of AUTH_JWKS_URL are used, where it is set."""
    assert [line.split()[:2] for line in lines(app, server, AUTH_JWKS_URL=server.url)] == [
        ["ok", "keys"],
        ["ok", "oauth"],
    ]


@pytest.mark.parametrize(
    ("metadata", "status", "words"),
    [
        ({"issuer": "https://elsewhere.example"}, "failed", "not that of the issuer"),
        ({"jwks_uri": "http://keys.example/jwks"}, "failed", "no jwks_uri with https"),
        ({"scopes_supported": ["openid", "tasks:read"]}, "warning", "does not list the scopes"),
        ({"scopes_supported": 7}, "ok", "Clients are sent to"),
    ],
)
def test_metadata_that_clients_cannot_use_is_reported(
    app: Flask, server: OAuthServer, metadata: dict[str, Any], status: str, words: str
) -> None:
    """With what to set."""
    server.metadata |= metadata
    found = [line for line in lines(app, server) if words in line]

    assert [line.split()[:2] for line in found] == [[status, "oauth"]]
    assert (" Fix: " in found[0]) is (status != "ok")


def test_a_server_without_metadata_is_a_failure(app: Flask, server: OAuthServer) -> None:
    """With its response."""
    server.answering = answer_with(404)

    assert "status 404" in lines(app, server)[1]


def test_other_keys_than_those_of_the_setting_are_a_warning(app: Flask, server: OAuthServer) -> None:
    """Its tokens may be signed with them."""
    server.metadata["jwks_uri"] = f"{server.origin}/other"

    assert lines(app, server, AUTH_JWKS_URL=server.url)[-1].startswith("warning")


@pytest.fixture(scope="module")
def of_module() -> Iterator[OAuthServer]:
    with OAuthServer() as server:
        yield server


@pytest.fixture(scope="module", params=["alone", "with AUTH_JWKS_URL"])
def agents(request: pytest.FixtureRequest, app: Flask, of_module: OAuthServer) -> Iterator[Flask]:
    keys = of_module.url if request.param == "with AUTH_JWKS_URL" else None
    with agents_app(app, of_module, AUTH_JWKS_URL=keys) as agents:
        yield agents


def test_a_valid_token_is_explained(agents: Flask, of_module: OAuthServer) -> None:
    """Where it is accepted, and what it allows."""
    user = new_user_id()
    said = succeed(agents, "doctor", "--token", "-", stdin=of_module.access_token(sub=user, scope="tasks:read"))

    for words in (user, "MCP_OAUTH_ISSUER", "accepted", "at POST /mcp alone", "the scope tasks:read."):
        assert words in said


@pytest.mark.parametrize(
    ("changes", "code", "reason", "fix"),
    [
        ({"aud": "https://elsewhere.example"}, "token_audience", "Its aud is", "ask for the resource"),
        ({"aud": LEFT_OUT}, "token_audience", "It has no aud", "ask for the resource"),
        ({"sub": CLIENT}, "token_claim", "the client's own", None),
        ({"cnf": {"jkt": "x"}}, "token_claim", "bound to a key", None),
    ],
)
def test_a_faulty_token_is_explained(
    agents: Flask, of_module: OAuthServer, changes: dict[str, Any], code: str, reason: str, fix: str | None
) -> None:
    """With the server as its judge, and what to do."""
    told = diagnosis(agents, of_module.access_token(**changes))

    assert (told["accepted"], told["code"]) == (False, code)
    assert "MCP_OAUTH_ISSUER" in told["issuer"]
    assert reason in told["reason"]
    assert fix is None or fix in told["fix"]


def test_another_issuer_is_explained(app: Flask, of_module: OAuthServer) -> None:
    """Where no other issuer publishes keys."""
    with agents_app(app, of_module) as agents:
        told = diagnosis(agents, of_module.access_token(iss="https://elsewhere.example"))

    assert told["code"] == "token_issuer"
    assert "set MCP_OAUTH_ISSUER" in told["fix"]


def test_an_unknown_key_is_explained(app: Flask, of_module: OAuthServer) -> None:
    """By the setting that names the keys."""
    with agents_app(app, of_module) as agents:
        told = diagnosis(agents, of_module.access_token(new_key()))

    assert told["code"] == "token_signature"
    assert "MCP_OAUTH_ISSUER publishes no key" in told["reason"]


def diagnosis(app: Flask, token: str) -> dict[str, Any]:
    result = run(app, "doctor", "--token", "-", "--json", stdin=token)
    assert result.exit_code == 1
    told: dict[str, Any] = json.loads(result.stdout)
    return told
