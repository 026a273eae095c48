"""The check of `flask doctor` for MCP_OAUTH_ISSUER: what clients and this service read of that server."""

import http.client
from collections.abc import Iterator
from typing import Any

from app.auth.issuer_metadata import fetch_metadata, keys_address
from app.auth.tokens import SCOPES
from app.ops.checks import Finding, check_published_keys
from app.settings import Settings


def check_oauth(settings: Settings) -> Iterator[Finding]:
    """Check the server's metadata, the keys that it names, and its scopes. Without a server, yield nothing."""
    if not settings.mcp_oauth_issuer:
        return
    try:
        metadata = fetch_metadata(settings.mcp_oauth_issuer)
        address = keys_address(metadata)
    except (OSError, http.client.HTTPException, ValueError) as error:
        yield Finding(
            "oauth",
            "failed",
            f"The metadata of MCP_OAUTH_ISSUER cannot be used: {str(error) or type(error).__name__}.",
            "Set it to the iss of the server's tokens, and have the server serve its metadata (RFC 8414).",
        )
        return
    said = f"Clients are sent to {settings.mcp_oauth_issuer} for tokens with the aud {settings.mcp_url}."
    yield Finding("oauth", "ok", said)
    if settings.auth_jwks_url is None:
        yield from check_published_keys("MCP_OAUTH_ISSUER", address)
    elif address != settings.auth_jwks_url:
        yield Finding(
            "oauth",
            "warning",
            f"The server's keys are at {address}, but those of AUTH_JWKS_URL are used.",
            "If they are not the same keys, set AUTH_JWKS_URL to that address.",
        )
    yield from _check_scopes(metadata)


def _check_scopes(metadata: dict[str, Any]) -> Iterator[Finding]:
    # RFC 8414, section 2: a server need not list them.
    known = metadata.get("scopes_supported")
    if isinstance(known, list) and not {*SCOPES} <= {name for name in known if isinstance(name, str)}:
        yield Finding(
            "oauth",
            "warning",
            f"The server does not list the scopes {' and '.join(SCOPES)}, so it may refuse clients that ask for them.",
            "Add both to the server's scopes (Better Auth: the option scopes of its mcp plugin).",
        )
