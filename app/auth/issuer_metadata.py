"""The metadata of an authorization server (RFC 8414, OpenID Connect Discovery 1.0), which says where its keys are."""

import http.client
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from app.auth.jwks import download
from app.http import strict_json
from app.settings_parsers import http_url, is_safe


def fetch_keys(issuer: str) -> bytes:
    """Fetch the JWK Set that an issuer's metadata names. Raise OSError, HTTPException or ValueError on failure."""
    return download(keys_address(fetch_metadata(issuer)))


def fetch_metadata(issuer: str) -> dict[str, Any]:
    """Fetch an issuer's metadata from the first of its well-known addresses that serves some."""
    first_failure: Exception | None = None
    for address in well_known(issuer):
        try:
            metadata = strict_json.loads(download(address))
        except (http.client.HTTPException, ValueError) as failure:
            first_failure = first_failure or failure
            continue
        if not isinstance(metadata, dict) or metadata.get("issuer") != issuer:
            # RFC 8414, section 3.3: otherwise one issuer could give itself out as another.
            raise ValueError(f"the metadata at {address} is not that of the issuer {issuer}")
        return metadata
    raise ValueError(f"the issuer {issuer} serves no metadata: {first_failure}") from first_failure


def keys_address(metadata: dict[str, Any]) -> str:
    """Return the address of the keys. Nobody on the way to it may replace them."""
    address = metadata.get("jwks_uri")
    if not isinstance(address, str) or not is_safe(address):
        raise ValueError("the issuer's metadata has no jwks_uri with https")
    return http_url(address)


def well_known(issuer: str) -> Iterator[str]:
    """Yield where an issuer's metadata may be: RFC 8414's address first, then both of OpenID's."""
    parts = urlsplit(issuer)
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    # RFC 8414, section 3.1: the well-known part goes between host and path.
    yield f"{origin}/.well-known/oauth-authorization-server{path}"
    yield f"{origin}/.well-known/openid-configuration{path}"
    if path:
        yield f"{origin}{path}/.well-known/openid-configuration"
