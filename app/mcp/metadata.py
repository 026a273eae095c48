"""The metadata of POST /mcp as a protected resource (RFC 9728): which OAuth server gives out tokens for it."""

from typing import Any

from flask import Blueprint
from flask_cors import cross_origin

from app.auth.identity import RESOURCE_METADATA
from app.auth.tokens import SCOPES
from app.services import services

blueprint = Blueprint("mcp_metadata", __name__)


# Clients in a browser read it before they know anything of this service. It has nothing of a user.
@blueprint.get(RESOURCE_METADATA)
@blueprint.get(RESOURCE_METADATA.removesuffix("/mcp"))
@cross_origin(origins="*", send_wildcard=True, methods=["GET", "HEAD"], vary_header=False)
def show_metadata() -> dict[str, Any]:
    """Show the metadata. All of it comes from settings, never from the request."""
    settings = services().settings
    return {
        "resource": settings.mcp_url,
        "authorization_servers": [settings.mcp_oauth_issuer],
        "scopes_supported": list(SCOPES),
        "bearer_methods_supported": ["header"],
    }
