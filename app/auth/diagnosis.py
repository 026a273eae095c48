"""Say in plain words why a token is rejected: the verifier judges it, and its own claims explain the result.

This module decides nothing, and clients must not see its output: it is for operators, who know the settings.
"""

from dataclasses import dataclass

from app.auth import queries
from app.auth.claims import USER_ID_CHARACTERS
from app.auth.explanations import Explanation, UnverifiedToken, explain, explain_personal, moment
from app.auth.identity import LOCAL_USER_PREFIX, Identity
from app.auth.personal_tokens import find_token
from app.auth.problems import KeysUnavailable, TokenRefused, TokenRevoked
from app.auth.revocation import Revocations
from app.auth.tokens import PERSONAL_PREFIX, PersonalToken
from app.auth.verifier import Verifier
from app.database.statements import Row
from app.settings import Settings

ISSUERS = {
    "AUTH_SECRET": "this service itself (AUTH_SECRET)",
    "BETTER_AUTH_SECRET": "the front end that shares BETTER_AUTH_SECRET",
    "AUTH_JWKS_URL": "the front end whose keys are at AUTH_JWKS_URL",
    "MCP_OAUTH_ISSUER": "the OAuth server that MCP_OAUTH_ISSUER names",
}
PERSONAL = "this service itself, which made it as a personal token"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The verdict on a token. `user_id` is proven if the token is accepted; otherwise it is only claimed."""

    accepted: bool
    code: str | None
    user_id: str | None
    issuer: str | None
    reason: str
    fix: str | None


def diagnose(token: str, settings: Settings, verifier: Verifier, revocations: Revocations) -> Diagnosis:
    """Judge a token like one of a request, and explain the verdict."""
    if token.startswith(PERSONAL_PREFIX):
        return _diagnose_personal(token, verifier, revocations)
    seen = UnverifiedToken.read(token, settings, verifier)
    issuer = seen.issuer
    who = ISSUERS[issuer.setting] if issuer else None
    claimed = seen.claims.get(issuer.user_id_claim if issuer else "sub")
    # A lone surrogate cannot be printed.
    claimed = claimed[:USER_ID_CHARACTERS].encode(errors="replace").decode() if isinstance(claimed, str) else None
    try:
        identity = verifier.verify(token, at_mcp=True)
        revocations.refuse_revoked(identity)
    except TokenRevoked as problem:
        return Diagnosis(False, problem.code, identity.user_id, who, *_why_revoked(identity))
    except (TokenRefused, KeysUnavailable) as problem:
        return Diagnosis(False, problem.code, claimed, who, *explain(problem, seen))
    until = f"It is valid until {moment(seen.claims['exp'])}"
    if identity.only_at_mcp:
        until += f", at POST /mcp alone, and has the scope {' and '.join(sorted(identity.scopes or ()))}"
    return Diagnosis(True, None, identity.user_id, who, f"{until}.", None)


def _diagnose_personal(token: str, verifier: Verifier, revocations: Revocations) -> Diagnosis:
    row = None
    try:
        row = find_token(PersonalToken.parse(token))
        revocations.refuse_revoked(verifier.verify(token))
    except TokenRefused as problem:
        user = queries.find_user(row.user_id) if row else None
        why = _disabled(user) if user and user.disabled_at else explain_personal(problem)
        return Diagnosis(False, problem.code, row and row.user_id, PERSONAL, *why)
    assert row is not None
    until = f"It is valid until {row.expires_at}" if row.expires_at else "It never expires"
    scopes = " and ".join(row.scopes.split())
    return Diagnosis(True, None, row.user_id, PERSONAL, f"{until}, and has the scope {scopes}.", None)


def _why_revoked(identity: Identity) -> Explanation:
    user = queries.find_user(identity.user_id)
    if user is not None and user.disabled_at:
        return _disabled(user)
    if user is None and identity.user_id.startswith(LOCAL_USER_PREFIX):
        return "It has been revoked: its account was deleted.", "Register again."
    return (
        "It has been revoked: its session has ended, or its user has signed out everywhere.",
        "Get a new token. If that is rejected too, sign in again.",
    )


def _disabled(user: Row) -> Explanation:
    return f"Its user has been disabled since {user.disabled_at}.", "See `flask users enable`."
