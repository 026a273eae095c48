"""Say in plain words why a token is rejected: the verifier judges it, and its own claims explain the result.

This module decides nothing, and clients must not see its output: it is for operators, who know the settings.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jwt.utils import base64url_decode

from app.auth import queries
from app.auth.claims import USER_ID_CHARACTERS
from app.auth.explanations import EXPLANATIONS, Explanation, UnverifiedToken, moment
from app.auth.identity import LOCAL_USER_PREFIX, Identity
from app.auth.problems import KeysUnavailable, TokenMalformed, TokenRefused, TokenRevoked
from app.auth.revocation import Revocations
from app.auth.verifier import Issuer, Verifier
from app.settings import Settings

ISSUERS = {
    "AUTH_SECRET": "this service itself (AUTH_SECRET)",
    "BETTER_AUTH_SECRET": "the front end that shares BETTER_AUTH_SECRET",
    "AUTH_JWKS_URL": "the front end whose keys are at AUTH_JWKS_URL",
}


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
    header, claims = (_part(token, index) for index in (0, 1))
    issuer = _issuer(verifier, header)
    who = ISSUERS[issuer.setting] if issuer else None
    claimed = claims.get(issuer.user_id_claim if issuer else "sub")
    # A lone surrogate cannot be printed.
    claimed = claimed[:USER_ID_CHARACTERS].encode(errors="replace").decode() if isinstance(claimed, str) else None
    try:
        identity = verifier.verify(token)
        revocations.refuse_revoked(identity)
    except TokenRevoked as problem:
        return Diagnosis(False, problem.code, identity.user_id, who, *_why_revoked(identity))
    except (TokenRefused, KeysUnavailable) as problem:
        reason, fix = EXPLANATIONS[problem.code](UnverifiedToken(token, header, claims, issuer, settings))
        # Where the verifier says more than always, nobody knows better.
        is_specific = problem.detail != type(problem).detail and not isinstance(problem, TokenMalformed)
        said = problem.detail if is_specific else reason
        return Diagnosis(False, problem.code, claimed, who, said, fix)
    return Diagnosis(True, None, identity.user_id, who, f"It is valid until {moment(claims['exp'])}.", None)


def _issuer(verifier: Verifier, header: Mapping[str, Any]) -> Issuer | None:
    try:
        return verifier.issuer_of(header)
    except TokenRefused:
        return None


def _why_revoked(identity: Identity) -> Explanation:
    user = queries.find_user(identity.user_id)
    if user is not None and user.disabled_at:
        return f"Its user has been disabled since {user.disabled_at}.", "See `flask users enable`."
    if user is None and identity.user_id.startswith(LOCAL_USER_PREFIX):
        return "It has been revoked: its account was deleted.", "Register again."
    return "It has been revoked: its session has ended, or its user has signed out everywhere.", "Sign in again."


def _part(token: str, index: int) -> dict[str, Any]:
    """Decode a part of the token without verifying it."""
    try:
        part = json.loads(base64url_decode(token.split(".")[index].encode()))
    except (ValueError, IndexError, RecursionError):
        return {}
    return part if isinstance(part, dict) else {}
