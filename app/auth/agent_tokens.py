"""What only the access tokens of MCP_OAUTH_ISSUER need: clients get them from users, for POST /mcp alone."""

from collections.abc import Mapping
from typing import Any

from app.auth.problems import TokenClaim
from app.auth.tokens import SCOPES, granted


def is_for(claims: Mapping[str, Any], audience: str | None) -> bool:
    """Return whether `aud`, a text or a list, names the audience."""
    named = claims.get("aud")
    return audience in (named if isinstance(named, list) else [named])


def refuse_robots_and_bound_tokens(claims: Mapping[str, Any]) -> None:
    """Raise TokenClaim for a token that no user gave, and for one that needs a proof besides.

    A client's own token (client credentials) names the client as its subject (RFC 9068, section 2.2): it would become
    a user. A token with `cnf` is bound to a key (RFC 9449, RFC 8705), so it is not valid as a bearer token.
    """
    if claims["sub"] in (claims.get("client_id"), claims.get("azp")):
        raise TokenClaim("The token is the client's own: its sub is the client's id, not a user's. Sign a user in.")
    if "cnf" in claims:
        raise TokenClaim("The token is bound to a key (cnf). Ask the issuer for a bearer token.")


def read_scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    """Return what a token allows, from `scope` (RFC 9068) or `scp`. One that names no scope of ours allows all."""
    named = claims.get("scope", claims.get("scp", ""))
    if isinstance(named, str):
        named = named.split()
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise TokenClaim("The token's scope is not a text of names separated by spaces.")
    return granted(" ".join(name for name in SCOPES if name in named)) or frozenset(SCOPES)
