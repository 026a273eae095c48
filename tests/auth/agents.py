"""An OAuth server for agents: its metadata, its access tokens for POST /mcp, and calls with them."""

import json
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from tests.auth.issuer import PATH, Issuer, send
from tests.auth.people import another_app
from tests.auth.tokens import Key, claims_of
from tests.conftest import Caller

PUBLIC_URL = "https://tasks.example.com"
RESOURCE = f"{PUBLIC_URL}/mcp"
METADATA = "/.well-known/oauth-authorization-server/api/auth"
CLIENT = "RoBmLyaXaGqWlTHDJgHbcdEfXyZwVuTs"


class OAuthServer(Issuer):
    """An issuer with a path, as Better Auth's is, that serves metadata too. `metadata` changes members of it."""

    def __init__(self, *keys: Key, path: str = "/api/auth", metadata_at: str = METADATA, **metadata: Any) -> None:
        super().__init__(*keys)
        self.name = self.origin + path
        self.metadata_at = metadata_at
        self.metadata = {"issuer": self.name, "jwks_uri": self.url, **metadata}
        self.answering = answer_as_oauth_server

    @property
    def settings(self) -> dict[str, str]:
        """The settings of a service that trusts it."""
        return {"PUBLIC_URL": PUBLIC_URL, "MCP_OAUTH_ISSUER": self.name}

    def access_claims(self, **changes: Any) -> dict[str, Any]:
        """Return the claims that Better Auth signs for a client that asked for this service, with changes."""
        claims = {"iss": self.name, "aud": RESOURCE, "client_id": CLIENT, "azp": CLIENT}
        claims |= {"scope": "openid tasks:read tasks:write", "sid": "s" * 32, "jti": "j" * 32}
        return claims_of("published", self.origin, **{**claims, **changes})

    def access_token(self, key: Key | None = None, header: dict[str, Any] | None = None, **changes: Any) -> str:
        return (key or self.signing).sign(self.access_claims(**changes), **{"typ": "at+jwt", **(header or {})})


def answer_as_oauth_server(issuer: Issuer, handler: BaseHTTPRequestHandler) -> None:
    assert isinstance(issuer, OAuthServer)
    documents = {issuer.metadata_at: json.dumps(issuer.metadata).encode(), PATH: issuer.document}
    found = documents.get(handler.path)
    send(handler, 404, b"<h1>Not found</h1>") if found is None else send(handler, 200, found)


def call_mcp(app: Flask, token: str | None, method: str = "tools/list", **params: Any) -> TestResponse:
    """Call the endpoint as a client of the revision 2025-11-25."""
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    headers = {"MCP-Protocol-Version": "2025-11-25", "Accept": "application/json, text/event-stream"}
    return Caller(app, "somebody", token).post("/mcp", json=body, headers=headers)


def add_task(app: Flask, token: str, title: str = "Buy tea") -> TestResponse:
    return call_mcp(app, token, "tools/call", name="add_tasks", arguments={"tasks": [{"title": title}]})


def agents_app(database: Flask | str, server: OAuthServer, **changes: str | None) -> AbstractContextManager[Flask]:
    """Open an app that trusts the server's tokens."""
    return another_app(database, **{**server.settings, **changes})
